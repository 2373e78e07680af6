"""What an answer to a shift changes of the last stage: the weights of its objects, or which of them it has at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.options import STRATA
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import labelled_stages
from ictconvention.evaluation.forest import aperture_features
from ictconvention.evaluation.shift.propensity import ImportanceWeights, fit_propensity
from ictconvention.runs.run_folder import TESTED
from ictconvention.runs.shift.strata import COLUMN, keep_stratum, strata_edges
from ictconvention.survey.labels.selected import known_redshifts
from ictconvention.survey.split import UNLABELLED_PART, Split
from ictconvention.survey.survey import Survey

LEAST_EFFECTIVE, LEAST_SHARE = 50, 0.1  # objects of equal weight, and their share of those that train; fewer are few
MOSTLY = 0.5  # share of the objects that train
SMALL_CLIP = 2.0  # ratio below which weights are next to none


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
    columns : mapping
        What the predictions of each part that is tested say of it besides.
    """

    split: Split
    weights: NDArray[np.float64] | None
    record: dict[str, Any]
    columns: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)

    @property
    def warning(self) -> str:
        """Why little of it can be trusted, and what to do; empty where nothing speaks against it. In the record too."""
        return str(self.record.get("warning", ""))

    @property
    def said(self) -> str:
        """The same in words; empty where nothing was measured."""
        known = self.record
        if "stratum" in known:
            alone = ", so that it is no network of its own" if known["borrowed"] == known["objects"] else ""
            return (
                f"shift: stratum {known['stratum']} of {STRATA}, {known['objects']} objects train, of which "
                f"{known['borrowed']} are of strata beside it{alone}; their propensity is {known['from']:.3f} to "
                f"{known['to']:.3f}"
            )
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
        case "strata":
            return _stratify(options, survey, split)
        case "none":
            return Prepared(split, None, {})
        case "adversarial":
            train, target = split.parts[f"{labelled_stages(options)[-1]}_train"], split.parts[UNLABELLED_PART]
            numbers = {"objects": len(train), "unlabelled": len(target), "strength": options.shift.strength}
            return Prepared(split, None, {"kind": "adversarial", **numbers})
        case kind:
            return Prepared(split, None, {"kind": kind})


def _weigh(options: RunOptions, survey: Survey, split: Split) -> Prepared:
    """Weigh the training objects of the last stage by the odds of being one to be predicted."""
    train = split.parts[f"{labelled_stages(options)[-1]}_train"]
    source, target = _measure(survey, train, split.parts[UNLABELLED_PART])
    found = ImportanceWeights.of(fit_propensity(source, target), options.shift.clip)
    weights = np.ones(len(survey))
    weights[[survey.position(id_) for id_ in train]] = found.weight
    numbers = {"objects": len(train), "effective": found.effective, "clipped": found.clipped, "auc": found.auc}
    z = known_redshifts(survey.object_table())[survey.positions(train)]
    there = np.isfinite(z)
    numbers["mean_redshift"] = float(np.average(z[there], weights=found.weight[there]))
    doubt = doubt_weights(len(train), found.effective, options.shift.clip)
    return Prepared(split, weights, {"kind": "weights", **numbers, **doubt})


def _stratify(options: RunOptions, survey: Survey, split: Split) -> Prepared:
    """Leave the last stage one stratum."""
    stage, stratum = labelled_stages(options)[-1], options.shift.stratum
    assert stratum is not None  # the options have one
    train = split.parts[f"{stage}_train"]
    apart = [id_ for part in (f"{stage}_validation", *TESTED) for id_ in split.parts[part]]
    source, target, others = _measure(survey, train, split.parts[UNLABELLED_PART], apart)
    found = fit_propensity(source, target, others)
    edges = strata_edges(found)
    known = zip([*train, *apart], np.concatenate([found.source, found.others]), strict=True)
    stratum_of = {id_: int(np.searchsorted(edges, chance)) for id_, chance in known}
    kept, borrowed = keep_stratum(split, stage, stratum_of, stratum)
    low, high = np.concatenate([[0], edges, [1]])[stratum : stratum + 2].tolist()
    record = {"kind": "strata", "stratum": stratum, "from": low, "to": high, "auc": found.auc}
    record |= {"objects": len(kept.parts[f"{stage}_train"]), "borrowed": borrowed}
    record |= doubt_stratum(stratum, int(record["objects"]), borrowed)
    columns = {part: {COLUMN: np.array([stratum_of[id_] for id_ in split.parts[part]])} for part in TESTED}
    return Prepared(kept, None, record, columns)


def doubt_weights(objects: int, effective: float, clip: float) -> dict[str, str]:
    """Return the `warning` of the record where few of the training objects have next to all the weight, or none.

    Parameters
    ----------
    objects, effective : int, float
        How many train, and as how many of equal weight they count.
    clip : float
        The largest ratio of the densities.
    """
    if effective >= min(max(LEAST_EFFECTIVE, LEAST_SHARE * objects), MOSTLY * objects):
        return {}
    lower = f"take a smaller shift.clip (now {clip:g}), " if clip > SMALL_CLIP else ""
    return {
        "warning": f"shift: {objects} objects that train count as only {effective:.0f} of equal weight, so that few of "
        f"them decide all: {lower}label more objects like those to be predicted, or take shift=none"
    }


def doubt_stratum(stratum: int, objects: int, borrowed: int) -> dict[str, str]:
    """Return the `warning` of the record where most objects that train are of other strata, or none."""
    if borrowed <= MOSTLY * objects:
        return {}
    return {
        "warning": f"shift: of {objects} objects that train for stratum {stratum}, {borrowed} are borrowed of strata "
        "beside it, which are less like those that it predicts: label more objects like these, or take shift=weights "
        "or shift=none"
    }


def _measure(survey: Survey, *parts: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return what is measured of the objects of each part (n, f): aperture photometry, where it can be."""
    measured = aperture_features(survey.select([id_ for part in parts for id_ in part]))
    return np.split(measured, np.cumsum([len(part) for part in parts])[:-1])
