"""How often sets of classes hold the class: of each class, with the numbers that the scatter follows from."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.sets.conformal import draw_sets, least_objects, p_values

LEVEL = 0.9  # coverage that a run is tested at


def coverage_of(sets: NDArray[np.bool_], label: NDArray[np.integer], names: Sequence[str]) -> dict[str, Any]:
    """Return how often sets (n, classes) hold the classes (n,), in plain numbers.

    Returns
    -------
    dict
        `coverage` of all objects, `mean_size`, `empty` and `single`, shares of sets of none and of one class; and in
        `classes` each class's `objects`, and of these the share `coverage` (None where there are none).
    """
    held = sets[np.arange(len(label)), label]
    size = sets.sum(1)
    classes = {}
    for c, name in enumerate(names):
        own = held[label == c]
        classes[name] = {"objects": len(own), "coverage": float(own.mean()) if len(own) else None}
    return {
        "coverage": float(held.mean()),
        "mean_size": float(size.mean()),
        "empty": float((size == 0).mean()),
        "single": float((size == 1).mean()),
        "classes": classes,
    }


def record_sets(validation: Predictions, parts: Mapping[str, Predictions], names: Sequence[str]) -> dict[str, Any]:
    """Return what a result says of sets: the objects that draw them, and their coverage of each tested part.

    Sets are drawn at the class shares of the survey, with the coverage `level`. `least` is how many validation objects
    a class needs; one with fewer, see `validation`, is in every set.
    """
    known = validation.at(Prior.SURVEY)
    tested = {
        part: coverage_of(
            draw_sets(p_values(known, validation.label, found.at(Prior.SURVEY)), LEVEL), found.label, names
        )
        for part, found in parts.items()
    }
    counts = np.bincount(validation.label, minlength=len(names)).tolist()
    return {
        "level": LEVEL,
        "least": least_objects(LEVEL),
        "validation": dict(zip(names, counts, strict=True)),
        **tested,
    }


def pool_sets(records: Sequence[Mapping[str, Any]], part: str) -> dict[str, Any]:
    """Return a record of the sets of several runs together: shares over all their objects of a part, fewest validation.

    Parameters
    ----------
    records : sequence of mapping
        As of `record_sets`, of the same classes; those that say nothing of the part do not count.
    part : str
        Of the split.
    """
    known = [record for record in records if part in record]
    if not known:
        return {}
    first, of_parts = known[0], [record[part] for record in known]
    classes: dict[str, Any] = {}
    for name in first["validation"]:
        counts = [of["classes"][name]["objects"] for of in of_parts]
        held = [n * (of["classes"][name]["coverage"] or 0.0) for n, of in zip(counts, of_parts, strict=True)]
        classes[name] = {"objects": sum(counts), "coverage": sum(held) / sum(counts) if sum(counts) else None}
    objects = [sum(of["objects"] for of in one["classes"].values()) for one in of_parts]
    sizes = {
        size: float(np.average([of[size] for of in of_parts], weights=objects))
        for size in ("coverage", "mean_size", "empty", "single")
    }
    fewest = {name: min(record["validation"][name] for record in known) for name in first["validation"]}
    return {"level": first["level"], "least": first["least"], "validation": fewest, part: sizes | {"classes": classes}}


def describe_choice(chose_epoch: bool) -> str:
    """Return what the validation objects that draw sets have to do with the network: they may have chosen its epoch."""
    chosen = "the training epoch and the temperature" if chose_epoch else "the temperature"
    return f"validation objects, to which no weight was fitted, but which chose {chosen}"


def describe_sets(record: Mapping[str, Any], part: str, chose_epoch: bool) -> str:
    """Return what a result says of the sets of a part, in one line; nothing where it says nothing.

    Parameters
    ----------
    record : mapping
        As of `record_sets`.
    part : str
        Of the split.
    chose_epoch : bool
        Whether validation has chosen the training epoch.
    """
    if part not in record:
        return ""
    of_part, counts, least = record[part], record["validation"], record["least"]
    said = ", ".join(
        f"{name} {of['coverage']:.3f} of {of['objects']}" + ("" if counts[name] >= least else " (in every set)")
        for name, of in of_part["classes"].items()
        if of["objects"]
    )
    drawn = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (
        f"sets that should hold {record['level']:.0%} of each class hold {said}; {of_part['mean_size']:.2f} classes in "
        f"the mean, {of_part['empty']:.1%} empty; drawn by {describe_choice(chose_epoch)}: {drawn}"
    )
