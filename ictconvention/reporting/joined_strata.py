"""Runs of all strata of a shift as one entry of a comparison, and as one table of predictions with their scores."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from ictconvention import __version__
from ictconvention.applying.prediction_table import check_output, save_table
from ictconvention.configuration.identity import leave_out_added
from ictconvention.configuration.options import STRATA
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import labelled_stages
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, shorten
from ictconvention.core.output_place import check_place
from ictconvention.evaluation.predictions import Key, ModelPredictions, Predictions
from ictconvention.reporting.locate_survey import locate_survey
from ictconvention.runs.collection import Collection, describe_passes, group_runs
from ictconvention.runs.finished_run import FinishedRun, find_runs
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift.strata import COLUMN, join_strata
from ictconvention.survey.format import full_name
from ictconvention.tasks.task import Task

Strata = Mapping[Key, list[FinishedRun]]
ANSWER = "strata"
FIX = f"finish the runs with shift=strata and shift.stratum=0 to {STRATA - 1}, which differ in nothing else"


def find_strata(collection: Collection) -> dict[str, Strata]:
    """Return the runs of strata that are one answer together, complete or not, by the name of it, fold and seed."""
    found: dict[str, dict[str, dict[Key, list[FinishedRun]]]] = {}
    for of in collection.runs.values():
        for key, run in of.items():
            if run.options.shift.kind == ANSWER:
                made = _made_of(run)
                found.setdefault(run.options.name, {}).setdefault(made, {}).setdefault(key, []).append(run)
    named: dict[str, Strata] = {}
    for name, answers in found.items():
        for number, answer in enumerate(answers.values(), 1):
            named[f"{name}, strata joined" + (f" {number}" if len(answers) > 1 else "")] = answer
    return named


def join_entries(collection: Collection, part: str = "test") -> tuple[list[ModelPredictions], list[str]]:
    """Return an entry of each answer of which all strata are there, and what is to be said of the others."""
    entries, said = [], []
    for name, of in find_strata(collection).items():
        runs = [run for runs in of.values() for run in runs]
        if absent := [str(k) for k in range(STRATA) if any(k not in _strata_of(one) for one in of.values())]:
            said.append(f"{name}: not there, for want of runs of strata {shorten(absent)}.")
            continue
        sums = {
            kind: {
                key: sum(seconds)
                for key, one in of.items()
                if len(seconds := [x for run in one if (x := getattr(run, kind)) is not None]) == len(one)
            }
            for kind in ("seconds", "core_seconds")
        }
        predictions = {key: join_strata([RunFolder(run.folder) for run in one])[part] for key, one in of.items()}
        parameters = sum(run.result.get("parameters") or 0 for run in next(iter(of.values())))
        entries.append(
            ModelPredictions(
                name, predictions, parameters or None, **sums, passes=describe_passes([r.passes for r in runs])
            )
        )
    return entries, said


def write_joined(sweep: Path, output: Path, survey: Path | None = None) -> list[str]:
    """Write what the runs of all strata predict together: a table, and beside it their scores as JSON.

    The table has id, part, fold, seed, stratum and the columns of the task.

    Parameters
    ----------
    sweep : Path
        Folder of a sweep, or with the runs in it; what else is there does not matter.
    output : Path
        The table: .parquet, .ecsv or .fits. Its scores have the same name, ending in .json.
    survey : Path, optional
        Folder of the survey, where it has moved. Where it is not on this machine, no bias is given beyond the
        training's redshifts, since each run knows those of its own stratum alone.

    Returns
    -------
    list of str
        The chief scores, a line for each fold, seed and part.

    Raises
    ------
    UsageError
        There are no runs of strata, several answers, or not all strata of one; or the files cannot be written there.
    """
    runs, _ = find_runs(sweep)
    own = [run for run in runs if run.options.shift.kind == ANSWER]
    if not own:
        raise UsageError("no finished run here has shift=strata", sweep, FIX, "E-COMPARE-INCOMPLETE")
    answers = find_strata(group_runs(own))
    if len(answers) > 1:
        found = f"there are {len(answers)} answers of strata: {shorten(answers)}"
        raise UsageError(found, sweep, "give a folder with the runs of one", "E-SWEEP-MODEL")
    (of,) = answers.values()
    cells = {key: join_strata([RunFolder(run.folder) for run in runs]) for key, runs in sorted(of.items())}
    first = own[0]
    scores_file = output.with_suffix(".json")
    for parts in cells.values():
        check_output(output, [id_ for of_part in parts.values() for id_ in of_part.ids.tolist()], first.task)
    check_place(scores_file, "saving the scores")
    scores, said, tables = {}, [], []
    name = full_name(first.result["survey"]["name"], first.result["survey"]["simulated"])
    for (fold, seed), parts in cells.items():
        task = _task_of(of[fold, seed], survey)
        result: dict[str, Any] = {}
        for part, of_part in parts.items():
            result |= task.score(part, of_part)
            tables.append(_columns(RunFolder(of[fold, seed][0].folder), part, of_part, task, (fold, seed)))
        scores[f"fold{fold}-seed{seed}"] = result
        said += [f"fold {fold}, seed {seed}: {line}" for line in task.describe(result, name)]
    whole = {column: np.concatenate([one[column] for one in tables]) for column in tables[0]}
    table = Table(whole)
    hashes = [run.status["hashes"]["run"][:8] for runs in of.values() for run in runs]
    table.meta = {"SURVEY": first.result["survey"]["name"], "SIMULATD": first.result["survey"]["simulated"]}
    table.meta |= {"RUNS": ", ".join(hashes), "SHIFT": "strata, joined", "VERSION": __version__}
    table.meta |= dict(first.task.format.metadata)
    save_table(table, output)
    with whole_file(scores_file, "saving the scores") as partial:
        partial.write_text(json.dumps({"runs": hashes, "scores": scores}, indent=1) + "\n", encoding="utf-8")
    return said


def _made_of(run: FinishedRun) -> str:
    """Return what decides a run but for its stratum, fold and seed."""
    config = run.result["config"]
    shift = {name: value for name, value in config["shift"].items() if name != "stratum"}
    content = leave_out_added(
        {**config, "shift": shift, "seed": None, "fold": {**config["fold"], "index": None}}, RunOptions
    )
    return json.dumps([content, run.result.get("init_from"), run.result.get("weights")], sort_keys=True)


def _strata_of(runs: Iterable[FinishedRun]) -> set[int | None]:
    return {run.options.shift.stratum for run in runs}


def _task_of(runs: list[FinishedRun], given: Path | None) -> Task:
    """Return the task of runs, which knows the training of all strata together where the survey is at hand."""
    first = runs[0]
    task = type(first.task).restore(first.task.names, first.options.task)
    survey, _ = locate_survey(runs, given)
    if survey is not None:
        train = first.split["parts"][f"{labelled_stages(first.options)[-1]}_train"]
        task.training = task.describe_training(task.read_truth(survey)[survey.positions(train)])
    return task


def _columns(run: RunFolder, part: str, found: Predictions, task: Task, key: Key) -> dict[str, Any]:
    """Return the columns of the predictions of a part."""
    number, (fold, seed) = len(found.ids), key
    kept = {
        "id": found.ids,
        "part": np.full(number, part),
        "fold": np.full(number, fold),
        "seed": np.full(number, seed),
    }
    return {**kept, COLUMN: run.read_columns(part)[COLUMN], **task.format.columns(found)}
