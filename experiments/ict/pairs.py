"""Paired differences of arms from one view: their mean, its standard error, and when an arm is given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.ict.arms import ONE_VIEW
from experiments.ict.jobs import Job
from experiments.ict.results import Result
from ictconvention.evaluation.scores import scores

ENOUGH = 5  # pairs, after which an arm may be given up
BEHIND = 2.0  # standard errors
SCORES = {  # by their names in `scores`: heading, and whether more is better
    "balanced_accuracy": "balanced accuracy",
    "f1_macro": "macro F1",
    "worst_class_recall": "worst recall",
    "recall_spread": "spread of recalls",
    "auroc_pairs": "pairwise AUROC",
}
Pair = tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """An arm beside one view.

    Parameters
    ----------
    pairs : sequence of (fold, seed)
        That both have.
    difference : mapping of str to float
        Mean of each score's difference over the pairs [points].
    error : mapping of str to float
        Its standard error [points]: of the scatter of pairs, and of balanced accuracy that of the objects besides; NaN
        of one pair.
    """

    pairs: Sequence[Pair]
    difference: Mapping[str, float]
    error: Mapping[str, float]

    @property
    def is_given_up(self) -> bool:
        """Whether it is behind by more than two standard errors, after enough pairs."""
        value, error = self.difference["balanced_accuracy"], self.error["balanced_accuracy"]
        return len(self.pairs) >= ENOUGH and value < -BEHIND * error


def scores_of(result: Result) -> dict[str, float]:
    """Return the scores of a result [per cent], at equal class shares."""
    found = scores(result.likely, result.label, result.record["names"])
    recalls = {f"recall {name}": of["recall"] for name, of in found["classes"].items()}
    return {name: 100 * value for name, value in ({name: found[name] for name in SCORES} | recalls).items()}


def of_arms(results: Mapping[Job, Result], regime: str, survey: int) -> dict[str, dict[Pair, Result]]:
    """Return the results of a regime by arm and pair."""
    found: dict[str, dict[Pair, Result]] = {}
    for job, one in results.items():
        if (job.regime, job.survey) == (regime, survey):
            found.setdefault(job.arm, {})[job.fold, job.seed] = one
    return found


def compare(arm: Mapping[Pair, Result], reference: Mapping[Pair, Result]) -> Comparison | None:
    """Compare an arm with the reference on the pairs that both have; None where they have none."""
    pairs = sorted(arm.keys() & reference.keys())
    if not pairs:
        return None
    own, other = ([scores_of(of[pair]) for pair in pairs] for of in (arm, reference))
    each = {name: np.array([a[name] - b[name] for a, b in zip(own, other, strict=True)]) for name in own[0]}
    scatter = {name: values.var(ddof=1) / len(values) if len(values) > 1 else np.nan for name, values in each.items()}
    of_objects = object_variance([arm[pair] for pair in pairs], [reference[pair] for pair in pairs])
    scatter["balanced_accuracy"] = np.nan_to_num(scatter["balanced_accuracy"]) + of_objects
    errors = {name: float(np.sqrt(value)) for name, value in scatter.items()}
    return Comparison(pairs, {name: float(values.mean()) for name, values in each.items()}, errors)


def object_variance(arm: Sequence[Result], reference: Sequence[Result]) -> float:
    """Return the variance that the choice of objects gives a mean difference of balanced accuracies [points^2].

    All pairs test the same objects: of each class the variance of d_i / n_c, with d_i how much more often the arm gets
    object i right, as a mean over pairs. What scatters between pairs is in it too, so that it is rather too large.
    """
    label = arm[0].label
    more = np.mean([_right(a).astype(float) - _right(b) for a, b in zip(arm, reference, strict=True)], axis=0)
    classes = np.unique(label)
    variances = [more[label == c].var(ddof=1) / (label == c).sum() for c in classes]
    return float(1e4 * np.sum(variances) / len(classes) ** 2)


def _right(result: Result) -> NDArray[np.bool_]:
    return np.asarray(result.likely.argmax(1) == result.label)


def given_up(results: Mapping[Job, Result], regime: str, survey: int) -> dict[str, Comparison]:
    """Return the arms of a regime that are given up, with why."""
    arms = of_arms(results, regime, survey)
    reference = arms.pop(ONE_VIEW, {})
    compared = {arm: compare(of, reference) for arm, of in arms.items()}
    return {arm: one for arm, one in compared.items() if one is not None and one.is_given_up}
