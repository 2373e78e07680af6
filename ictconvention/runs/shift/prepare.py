"""What an answer to a shift changes of the last stage: the weights of its objects, or which of them it has at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.schema import RunOptions, stages_of
from ictconvention.evaluation.forest import aperture_features
from ictconvention.evaluation.shift.propensity import ImportanceWeights, fit_propensity
from ictconvention.survey.split import UNLABELLED, Split
from ictconvention.survey.survey import Survey

STRATUM_PARTS = ("validation", "test", "extra_test")


@dataclass(frozen=True, eq=False)
class Prepared:
    """The last stage as an answer leaves it.

    Parameters
    ----------
    split : Split
        What it trains, validates and tests on.
    weights : array (n,), optional
        Of every object of the survey in the loss; None where all count the same.
    record : mapping
        What `result.json` says of it; empty without an answer.
    """

    split: Split
    weights: NDArray[np.float64] | None
    record: dict[str, Any]

    @property
    def said(self) -> str:
        """The same in words; empty where nothing was measured."""
        known = self.record
        if "effective" not in known:
            return ""
        return (
            f"shift: {known['objects']} objects that train count as {known['effective']:.0f} of equal weight, "
            f"{known['clipped']:.1%} of them cut down to the largest; photometry tells them from those to be predicted "
            f"with an AUC of {known['auc']:.3f}"
        )


def prepare_shift(options: RunOptions, survey: Survey, split: Split) -> Prepared:
    """Measure what the answer of a run needs, and return what it changes."""
    match options.shift.kind:
        case "weights":
            return _weigh(options, survey, split)
        case "none":
            return Prepared(split, None, {})
        case kind:
            return Prepared(split, None, {"kind": kind})


def _weigh(options: RunOptions, survey: Survey, split: Split) -> Prepared:
    """Weigh the training objects of the last stage by the odds of being one to be predicted."""
    train = split.parts[f"{stages_of(options)[-1]}_train"]
    source, target = (_measure(survey, ids) for ids in (train, split.parts[UNLABELLED]))
    found = ImportanceWeights.of(fit_propensity(source, target), options.shift.clip)
    weights = np.ones(len(survey))
    weights[[survey.position(id_) for id_ in train]] = found.weight
    numbers = {"objects": len(train), "effective": found.effective, "clipped": found.clipped, "auc": found.auc}
    return Prepared(split, weights, {"kind": "weights", **numbers})


def _measure(survey: Survey, ids: Sequence[str]) -> NDArray[np.float64]:
    """Return what is measured of objects (n, f): aperture photometry, where it can be."""
    return aperture_features(survey.select(list(ids)))
