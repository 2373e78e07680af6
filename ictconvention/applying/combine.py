"""What several runs make of the same objects, put together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.predict import SurveyPredictions
from ictconvention.evaluation.prior import at_shares


@dataclass(frozen=True, eq=False)
class Combined:
    """What some runs of one model make of a survey together: the mean of their probabilities, and their spread.

    An object that some of the runs have trained on is predicted by the others alone; where all have, by all of them,
    and `seen_in_training` says so.

    Parameters
    ----------
    classes : sequence of str
    probability : array (n, classes)
        Rows that sum to 1.
    spread : array (n, classes)
        Standard deviation between the runs; NaN where fewer than two count.
    distance, novelty : arrays (n,)
        Means.
    frames : array (n,)
    seen_in_training : boolean array (n,)
    """

    classes: Sequence[str]
    probability: NDArray[np.float64]
    spread: NDArray[np.float64]
    distance: NDArray[np.float64]
    novelty: NDArray[np.float64]
    frames: NDArray[np.int64]
    seen_in_training: NDArray[np.bool_]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each object, (n,)."""
        return np.asarray(self.probability.argmax(1))

    @property
    def entropy(self) -> NDArray[np.float64]:
        """Entropy of the probabilities [nat], (n,): 0 is certain."""
        p = self.probability
        return np.asarray(-np.sum(np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0), axis=1))


def find_counting_runs(parts: Sequence[SurveyPredictions]) -> NDArray[np.bool_]:
    """Return which runs count for which objects (runs, n): those that have not seen it, or all where all have."""
    trained = np.stack([part.seen_in_training for part in parts])
    return np.asarray(~trained | trained.all(0))


def combine(parts: Sequence[SurveyPredictions], shares: NDArray[np.floating] | None) -> Combined:
    """Average what runs make of a survey.

    Parameters
    ----------
    parts : sequence of SurveyPredictions
        Predictions of networks for the same classes in the same order.
    shares : array (classes,), optional
        Shares of the classes that probabilities are wanted at; None: those of each run's own training.
    """
    counts, first = find_counting_runs(parts), parts[0]
    likely = np.stack(
        [at_shares(p.likely, p.run.survey_prior, p.run.survey_prior if shares is None else shares) for p in parts]
    )
    number = counts.sum(0)
    mean = _averaged(likely, counts[:, :, None])
    variance = _averaged((likely - mean) ** 2, counts[:, :, None]) * (number / np.maximum(number - 1, 1))[:, None]
    variance[number < 2] = np.nan
    distance = _averaged(np.stack([part.distance for part in parts]), counts)
    novelty = _averaged(np.stack([part.novelty for part in parts]), counts)
    seen = np.logical_and.reduce([part.seen_in_training for part in parts])
    return Combined(first.run.spec.classes, mean, np.sqrt(variance), distance, novelty, first.frames, np.asarray(seen))


def _averaged(values: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean over the runs that count; what the others say does not matter, were it NaN."""
    return np.asarray(np.where(counts, values, 0).sum(0) / counts.sum(0))
