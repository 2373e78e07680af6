"""StratLearn (Autenrieth et al. 2024): a network for each stratum of objects about as likely to be predicted.

Within a stratum those that train and those to be predicted are alike, as far as photometry tells. A run is one stratum:
it fine-tunes and validates on that alone, and its predictions say which stratum each object is of. The runs of all
strata together are the answer; `join_strata` takes each object from the run of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.identity import leave_out_added
from ictconvention.configuration.key_by_key import flatten
from ictconvention.configuration.options import STRATA
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError, pluralize, short_hash, shorten
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.shift.propensity import Propensity
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.survey.split import Split

ENOUGH = {"train": 50, "validation": 20}  # objects of a part; a stratum that has fewer borrows of the next to it
COLUMN = "stratum"  # of the predictions


def strata_edges(propensity: Propensity) -> NDArray[np.float64]:
    """Return the propensities (STRATA - 1,) between strata of equal numbers of objects, of both kinds together."""
    both = np.concatenate([propensity.source, propensity.target])
    return np.asarray(np.quantile(both, np.arange(1, STRATA) / STRATA))


def keep_stratum(split: Split, stage: str, stratum_of: dict[str, int], stratum: int) -> tuple[Split, int]:
    """Return a split whose stage has the objects of a stratum alone, and how many of those that train are borrowed.

    Parameters
    ----------
    split : Split
        The whole.
    stage : str
        The last stage.
    stratum_of : dict
        The stratum of each object of that stage, by id.
    stratum : int
        Which is kept. Where few have it, whole strata beside it join, those nearest first and of two the one that is
        less likely to be predicted: it has more objects.
    """
    parts, borrowed = dict(split.parts), 0
    for part, enough in ENOUGH.items():
        name = f"{stage}_{part}"
        kept: list[str] = []
        for other in sorted(range(STRATA), key=lambda k: (abs(k - stratum), k)):
            if len(kept) >= enough:
                break
            own = [id_ for id_ in split.parts[name] if stratum_of[id_] == other]
            kept += own
            borrowed += len(own) if other != stratum and part == "train" else 0
        parts[name] = tuple(sorted(kept))
    return replace(split, parts=parts), borrowed


def join_strata(folders: Sequence[RunFolder]) -> dict[str, Predictions]:
    """Return the predictions of each part that was tested, each object from the run of its stratum.

    Parameters
    ----------
    folders : sequence of RunFolder
        Finished runs with shift=strata, one of each stratum, that differ in nothing else.

    Raises
    ------
    UsageError
        They are not the runs of all strata, or were not tested on the same objects in the same strata.
    """
    found = [run.read_options().shift.stratum for run in folders]
    fix = f"give the runs with shift=strata and shift.stratum=0 to {STRATA - 1}, which differ in nothing else"
    where = folders[0].path if folders else "shift"
    if sorted(-1 if stratum is None else stratum for stratum in found) != list(range(STRATA)):
        numbers = shorten(map(str, found)) or "none"
        raise UsageError(f"{pluralize(len(found), 'run')}, of strata {numbers}", where, fix, "E-COMPARE-INCOMPLETE")
    first, joined = folders[0], {}
    for part in [part for part in TESTED if first.predictions(part).exists()]:
        stratum_of, whole = first.read_columns(part)[COLUMN], first.read_predictions(part)
        rows = {name: np.empty_like(values) for name, values in whole.rows.items()}
        for run, stratum in zip(folders, found, strict=True):
            own, columns = run.read_predictions(part), run.read_columns(part)
            if differ := _differ(run, first):
                raise UsageError(f"this run differs from {first.title}: {differ}", run.path, fix, "E-COMPARE-MISMATCH")
            if not np.array_equal(own.ids, whole.ids) or not np.array_equal(columns[COLUMN], stratum_of):
                said = f"this run was tested on other objects than {first.title}, or on the same in other strata"
                raise UsageError(said, run.path, fix, "E-COMPARE-MISMATCH")
            for name, values in rows.items():
                values[stratum_of == stratum] = own.at(name)[stratum_of == stratum]
        joined[part] = Predictions(whole.ids, whole.label, rows)
    return joined


def _differ(run: RunFolder, other: RunFolder) -> str:
    """Say by what runs differ that decides them, but for their strata, of each first; empty where by nothing."""
    here, there = (_made_of(one) for one in (run, other))
    keys = [key for key in dict.fromkeys([*here, *there]) if here.get(key) != there.get(key)]
    return shorten((f"{key} is {here.get(key)} here, {there.get(key)} there" for key in keys), 3)


def _made_of(run: RunFolder) -> dict[str, str]:
    """Return what decides a run but for its stratum, by key."""
    result = run.read_result("survey", "split", "config", "task")
    config = {**result["config"], "shift": {**result["config"]["shift"], "stratum": None}}
    config = leave_out_added(config, RunOptions)  # a run of before there was an option is as one at its default
    bins = result["task"]["names"]
    said = f"{len(bins)}, {bins[0]} ... {bins[-1]}, hash {short_hash(sha256('; '.join(bins).encode()).hexdigest())}"
    made = {"hash of the survey": short_hash(result["survey"].get("hash")), "hash of the split": result["split"]}
    return made | {"bins": said} | flatten(config)
