"""The scores of two classes of unequal size: counted from a confusion matrix, and of the ranking by the rare one."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.confusion import confusion_counts, confusion_scores
from ictconvention.evaluation.measures import Measure, Measures, Rows
from ictconvention.evaluation.prior import Prior

RARE = 1  # position of the class
CHUNK = 256  # replicates at once
COUNTED = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


def _of_classes(names: tuple[str, str]) -> list[Measure]:
    return [
        Measure(f"{key}/{name}", f"{title} {name}", digits=1)
        for name in reversed(names)
        for key, title in COUNTED.items()
    ]


class TwoClassMeasures(Measures):
    """Scores of two classes, the frequent one first, decided at some class shares.

    Parameters
    ----------
    names : two names
        Of the classes.
    at : Prior
        The class shares of the probabilities that decide; the ranking is the same at all.
    ranked : bool
        Whether the ranking is scored, which takes most of the time of a bootstrap.
    """

    compared: ClassVar[tuple[Measure, ...]] = ()

    def __init__(self, names: tuple[str, str], at: Prior, ranked: bool = True) -> None:
        self.names, self.at = names, at
        whole = [Measure("accuracy", "accuracy"), Measure("balanced_accuracy", "balanced accuracy")]
        self.ranked = [Measure("auroc", "AUROC"), Measure("average_precision", "AP")] if ranked else []
        self.compared = (*_of_classes(names), *whole, *self.ranked)  # type: ignore[misc]

    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Return the scores by name, (replicates,)."""
        likely, truth = rows[self.at], np.asarray(label, dtype=np.int64)
        counts = confusion_counts(truth, likely.argmax(1), 2, weight)
        found = confusion_scores(counts)
        scores = {name: found[name] for name in ("accuracy", "balanced_accuracy")}
        for c, name in enumerate(self.names):
            scores |= {f"{key}/{name}": found[key][..., c] for key in COUNTED}
        if not self.ranked:
            return scores
        parts = np.array_split(np.asarray(weight), -(-len(weight) // CHUNK))
        ranks = [ranking_scores(likely[:, RARE], truth == RARE, part) for part in parts]
        scores |= {name: np.concatenate([one[name] for one in ranks]) for name in ("auroc", "average_precision")}
        return scores

    def strata(self, label: NDArray[np.generic]) -> NDArray[np.integer]:
        """Return the class of each object: a bootstrap keeps the shares."""
        return np.asarray(label, dtype=np.int64)


def ranking_scores(
    score: NDArray[np.float64], positive: NDArray[np.bool_], weight: NDArray[np.floating]
) -> Mapping[str, NDArray[np.float64]]:
    """Return the area under the ROC curve and the average precision of objects that count so often.

    Parameters
    ----------
    score : array (n,)
        Larger for what is more likely positive; ties are taken as scikit-learn does.
    positive : array (n,)
        Whether each object is.
    weight : array (replicates, n)
        How often each counts.

    Returns
    -------
    mapping of str to array (replicates,)
        auroc, average_precision.
    """
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # the last of each set of equals
    drawn = np.asarray(weight, dtype=np.float64)[:, order]
    true = np.cumsum(drawn * positive[order], axis=1)[:, ends]
    false = np.cumsum(drawn * ~positive[order], axis=1)[:, ends]
    more, other = np.diff(true, axis=1, prepend=0), np.diff(false, axis=1, prepend=0)
    total = true[:, -1], false[:, -1]
    auroc = ((true - more / 2) * other).sum(1) / (total[0] * total[1])
    precision = true / np.maximum(true + false, 1e-12)
    return {"auroc": auroc, "average_precision": (precision * more).sum(1) / total[0]}
