"""The scores of predicted classes, by which models are compared: each at the class shares at which it is decided."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.confusion import confusion_counts, confusion_scores
from ictconvention.evaluation.measures import Measure, Measures, Rows
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.scores import scores

TITLES = {  # of the scores, by their names in `scores`
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "worst_class_recall": "worst recall",
    "recall_spread": "spread of recalls",
    "auroc_macro": "macro AUROC",
    "auroc_pairs": "pairwise AUROC",
}
ENDS = {Prior.SURVEY: "survey_shares", Prior.UNIFORM: "equal_shares"}  # of the names of scores at these class shares
HEADINGS = {Prior.UNIFORM: "At equal class shares", Prior.SURVEY: "At the survey's class shares"}
BY_FOLD = ("accuracy", "f1_macro")  # those that the paper gives, as means over folds
SCATTER = {  # [points] between seeds of short training
    "f1_macro": 1.3,
    "balanced_accuracy": 1.3,  # of differences between ICT, ConvEntion and controls in a trial of short training
    "worst_class_recall": 5.2,  # the recall of one of four classes moves up to four times as far as their mean
}


def _measure(score: str, at: Prior) -> Measure:
    return Measure(
        f"{score}_{ENDS[at]}",
        TITLES[score],
        rising=score != "recall_spread",
        scatter=SCATTER.get(score),
        by_fold=score in BY_FOLD,
        ranked=score in ("auroc_macro", "auroc_pairs"),
    )


class ClassMeasures(Measures):
    """The scores of the classes of these names, in their order."""

    compared: ClassVar[tuple[Measure, ...]] = (
        _measure("f1_macro", Prior.SURVEY),
        _measure("balanced_accuracy", Prior.UNIFORM),
        _measure("worst_class_recall", Prior.UNIFORM),
    )
    columns: ClassVar[tuple[Measure, ...]] = (
        _measure("accuracy", Prior.SURVEY),
        *compared,
        _measure("recall_spread", Prior.UNIFORM),
        _measure("auroc_macro", Prior.SURVEY),
        _measure("auroc_pairs", Prior.UNIFORM),
    )
    said: ClassVar[str] = (
        "Accuracy, macro F1 and AUROC at the class shares of the survey, the others at equal ones; every model is "
        "calibrated on its validation part."
    )
    numbers: ClassVar[str] = "Numbers in per cent."
    scatter_said: ClassVar[str] = (
        f"about {SCATTER['balanced_accuracy']} points, of a worst recall up to {SCATTER['worst_class_recall']}"
    )

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    @property
    def early(self) -> Mapping[str, Measure]:
        """Macro F1 and the worst recall."""
        f1, _, worst = self.compared
        return {"f1_macro": f1, "worst_recall": replace(worst, title="worst recall of a class")}

    @property
    def of_predictions(self) -> tuple[Measure, ...]:
        """Accuracy and the compared scores, all at the class shares that are predicted at."""
        return self.columns[: 1 + len(self.compared)]

    @property
    def by_training(self) -> Mapping[str, tuple[Measure, ...]]:
        """The compared scores at both class shares."""
        return {said: tuple(_measure(score, at) for score in SCATTER) for at, said in HEADINGS.items()}

    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Return the compared scores (replicates,); parameters as of `Measures.weigh`."""
        found: dict[str, NDArray[np.float64]] = {}
        for at, end in ENDS.items():
            counts = confusion_counts(np.asarray(label, dtype=np.int64), rows[at].argmax(1), len(self.names), weight)
            found |= {f"{score}_{end}": values for score, values in confusion_scores(counts).items()}
        return {one.name: found[one.name] for one in self.compared}

    def score(self, rows: Rows, label: NDArray[np.generic]) -> Mapping[str, float | None]:
        """Return every score of the table at both class shares."""
        at = {end: scores(rows[prior], np.asarray(label, dtype=np.int64), self.names) for prior, end in ENDS.items()}
        return {f"{score}_{end}": found[score] for score in TITLES for end, found in at.items()}

    def strata(self, label: NDArray[np.generic]) -> NDArray[np.integer]:
        """Return the classes."""
        return np.asarray(label, dtype=np.int64)

    def right(self, rows: Rows, label: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Return which objects are predicted as of their class, at the survey's class shares."""
        return np.asarray(rows[Prior.SURVEY].argmax(1) == label)

    def notes(self, label: NDArray[np.generic]) -> list[str]:
        """Say of which classes there is no object."""
        absent = [name for number, name in enumerate(self.names) if not (label == number).any()]
        return [f"No test object is of class {', '.join(absent)}, which counts nowhere."] if absent else []

    def count_in_words(self, label: NDArray[np.generic]) -> str:
        """Return the number of each class."""
        count = np.bincount(np.asarray(label, dtype=np.int64), minlength=len(self.names))
        return ", ".join(f"{number} {name}" for number, name in zip(count, self.names, strict=True))
