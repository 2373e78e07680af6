"""The finished runs of a sweep, read, and found comparable or refused."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import NonNegativeFloat

from ictconvention.configuration.identity import CELL, leave_out
from ictconvention.configuration.key_by_key import flatten
from ictconvention.configuration.model_names import MadeModel, name_models
from ictconvention.configuration.schema import RunOptions, stage_of, stages_of
from ictconvention.core.errors import IctConventionError, UsageError, short_hash, shorten
from ictconvention.core.output_place import SWEEP_MARK
from ictconvention.evaluation.predictions import Key, ModelPredictions, Predictions
from ictconvention.reading.json_file import ABSENT, JsonRecord, Shape
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.status import SHIFT, survey_of
from ictconvention.runs.which_run import no_run
from ictconvention.tasks.task import Task


class JobShape(Shape):
    """The types of what the record of a sweep says of a job."""

    folder: str
    state: str
    model: str | None = ABSENT
    title: str = ABSENT
    seconds: NonNegativeFloat = ABSENT
    log: str | None = ABSENT
    overrides: list[str] = ABSENT


class SweepShape(Shape):
    """The types of what `sweep.json` says."""

    seconds: NonNegativeFloat = ABSENT
    jobs: list[JobShape]


SWEEP = JsonRecord(
    SweepShape, UsageError, "E-RUN-DAMAGED", "remove it, and start the sweep again", "a record of a sweep"
)


@dataclass(frozen=True)
class FinishedRun:
    """A run that has a result.

    Parameters
    ----------
    folder : Path
    options : RunOptions
    result, environment, status, split : mapping
        What stands in the JSON files of its folder.
    predictions : Predictions
        Predictions of its test part.
    model : str
        What tables call its model.
    task : Task
        What it has learned.
    typed : tuple of str
        The overrides that it was started with; none where it does not say.
    """

    folder: Path
    options: RunOptions
    result: Mapping[str, Any]
    environment: Mapping[str, Any]
    status: Mapping[str, Any]
    split: Mapping[str, Any]
    predictions: Predictions
    model: str
    task: Task
    typed: tuple[str, ...] = ()

    def of_part(self, part: str) -> Predictions:
        """Return the predictions of a part: the test part's are here, others are read; errors as of `RunFolder`."""
        return self.predictions if part == "test" else RunFolder(self.folder).read_predictions(part)

    @property
    def survey(self) -> Path | None:
        """The folder of its survey, where it still is."""
        return survey_of(self.status)

    @property
    def seconds(self) -> float | None:
        """Of its training, where all of it was done in this folder."""
        return self._spent("seconds")

    @property
    def core_seconds(self) -> float | None:
        """CPU time of its training and of its answer to a shift, where one process here did all of it without a GPU."""
        spent = self._spent("core_seconds")
        return None if spent is None else spent + self.status["core_seconds"].get(SHIFT, 0.0)

    @property
    def passes(self) -> tuple[int, ...]:
        """The training epochs of each stage that trains: those that patience left it, where that is known."""
        trained = self.status.get("epochs", {})
        asked = [(stage, stage_of(self.options, stage)) for stage in stages_of(self.options)]
        return tuple(trained.get(name, one.max_epochs) if one.patience else one.max_epochs for name, one in asked)

    def _spent(self, kind: str) -> float | None:
        spent, stages = self.status.get(kind, {}), stages_of(self.options)
        return sum(spent[stage] for stage in stages) if all(stage in spent for stage in stages) else None


@dataclass(frozen=True)
class Collection:
    """Runs of which all models have the same folds, and each model the same seeds in all of them.

    Parameters
    ----------
    runs : mapping of str to mapping of (fold, seed) to FinishedRun
        By the name of the model.
    left_out : sequence of str
        What was left out, and why.
    """

    runs: Mapping[str, Mapping[Key, FinishedRun]]
    left_out: tuple[str, ...]

    @property
    def first(self) -> FinishedRun:
        """Any of the runs."""
        return next(iter(next(iter(self.runs.values())).values()))

    def entries(self, part: str = "test") -> tuple[ModelPredictions, ...]:
        """Return each model's predictions of a part; errors as of `FinishedRun.of_part`."""
        return tuple(
            ModelPredictions(
                name,
                {key: run.of_part(part) for key, run in runs.items()},
                next(iter(runs.values())).result.get("parameters"),
                {key: run.seconds for key, run in runs.items() if run.seconds is not None},
                {key: run.core_seconds for key, run in runs.items() if run.core_seconds is not None},
                describe_passes([run.passes for run in runs.values()]),
            )
            for name, runs in self.runs.items()
        )


def describe_passes(passes: Sequence[tuple[int, ...]]) -> str:
    """Return the training epochs of the stages of some runs of a model: 2+2, or 4-9+2 where patience ended some."""
    ends = [(min(of_stage), max(of_stage)) for of_stage in zip(*passes, strict=True)]
    return "+".join(f"{least}" if least == most else f"{least}-{most}" for least, most in ends)


def find_runs(sweep: str | Path) -> tuple[list[FinishedRun], list[str]]:
    """Return the finished runs of a sweep's folder, and what was left out, with the reason.

    Parameters
    ----------
    sweep : str or Path
        Folder of a sweep, whose record names its runs; or any folder with runs in it.

    Raises
    ------
    UsageError
        There is no such folder, or no finished run in it; or what its runs have learned is of a module that was not
        imported.
    """
    sweep = Path(sweep)
    if not sweep.is_dir():
        raise no_run(sweep)
    runs, left_out = [], []
    unknown: IctConventionError | None = None
    for folder, said, model in _listed(sweep) if (sweep / SWEEP_MARK).exists() else _scanned(sweep):
        if not RunFolder(folder).is_finished:
            left_out.append(f"{RunFolder(folder).title}: {said}")
            continue
        try:
            runs.append(read_finished(folder, model))
        except IctConventionError as error:
            left_out.append(f"{RunFolder(folder).title}: {error.found}")
            unknown = error if error.code == "E-MODULE-UNKNOWN" else unknown
    if not runs and unknown is not None:
        raise unknown
    if not runs:
        why = f": {shorten(left_out, 3)}" if left_out else ""
        raise UsageError(
            f"no finished run{why}", sweep, "give the folder of a sweep, and finish its runs", "E-RUN-UNFINISHED"
        )
    return runs, left_out


def _listed(sweep: Path) -> list[tuple[Path, str, str | None]]:
    listed = SWEEP.read(sweep / SWEEP_MARK)["jobs"]
    jobs = [((sweep / job["folder"]).resolve(), str(job["state"]), job.get("model")) for job in listed]
    return [
        (folder, f"{state}, without a result" if folder.is_dir() else "missing", model) for folder, state, model in jobs
    ]


def _scanned(sweep: Path) -> list[tuple[Path, str, str | None]]:
    below = sorted({sweep, *sweep.glob("*"), *sweep.glob("*/*")})
    folders = [folder for folder in below if RunFolder(folder).is_run]
    return [(folder, f"not finished ({_state(folder)})", None) for folder in folders]


def _state(folder: Path) -> str:
    run = RunFolder(folder)
    try:
        return str(run.read_status().get("state")) if run.status.exists() else "not begun"
    except UsageError:
        return f"its {run.status.name} is damaged"


def read_finished(folder: Path, model: str | None = None) -> FinishedRun:
    """Read a finished run; its model is called as the run, unless another name is given.

    Raises
    ------
    UsageError
        A file is missing or damaged, the predictions are not those of the result, or its task is of a module that was
        not imported.
    """
    run = RunFolder(folder)
    options = run.read_options()
    return FinishedRun(
        folder,
        options,
        run.read_result(),
        run.read_environment(),
        run.read_status(),
        run.read_split(),
        run.read_predictions(),
        model or options.name,
        run.read_task(),
        tuple(run.read_overrides()),
    )


def group_runs(runs: Iterable[FinishedRun], left_out: Sequence[str] = ()) -> Collection:
    """Sort runs by model, fold and seed, and keep the folds and seeds that every model has.

    Two runs are of one model where they differ in nothing but fold and seed. Models of one name are told apart by
    what was typed of them, see `name_models`.

    Raises
    ------
    UsageError
        The runs are not comparable: they have learned several tasks, are of several surveys, or drew other splits for a
        fold; or no fold was tested by all models.
    """
    runs, said = list(runs), list(left_out)
    _check_comparable(runs)
    splits = list(dict.fromkeys(run.result["split"] for run in runs))
    models: dict[str, dict[str, str]] = {}
    by_model: dict[str, dict[Key, FinishedRun]] = defaultdict(dict)
    for run in runs:
        made = _flat(run)
        name = next((name for name, other in models.items() if other == made), f"{len(models)}")
        models[name] = made
        fold = run.options.fold.index if run.options.split is None else splits.index(run.result["split"])
        if (key := (fold, run.options.seed)) in by_model[name]:
            said.append(f"{RunFolder(run.folder).title}: the same run as {RunFolder(by_model[name][key].folder).title}")
        else:
            by_model[name][key] = run
    folds = set.intersection(*({fold for fold, _ in keys} for keys in by_model.values()))
    first_runs = (next(iter(keys.values())) for keys in by_model.values())
    made_models = [
        MadeModel(run.model, models[number], run.typed) for number, run in zip(models, first_runs, strict=True)
    ]
    named = dict(zip(models, name_models(made_models), strict=True))
    if not folds:
        found = f"no fold was tested by all of {shorten(named.values())}"
        raise UsageError(
            found, runs[0].folder.parent.parent, "run the same folds of each model", "E-COMPARE-INCOMPLETE"
        )
    kept: dict[str, dict[Key, FinishedRun]] = {}
    for number, found_runs_ in by_model.items():
        seeds = set.intersection(*({s for f, s in found_runs_ if f == fold} for fold in folds))
        if not seeds:
            found = f"no seed of {named[number]} was trained in all of the folds {shorten(map(str, sorted(folds)))}"
            raise UsageError(
                found, runs[0].folder.parent.parent, "run the same seeds in each fold", "E-COMPARE-INCOMPLETE"
            )
        kept[named[number]] = {
            key: found_runs_[key] for key in sorted(found_runs_) if {key[0]} <= folds and key[1] in seeds
        }
        for fold, seed in sorted(found_runs_.keys() - kept[named[number]].keys()):
            why = f"not every model has fold {fold}" if fold not in folds else f"seed {seed} lacks other folds"
            said.append(f"{RunFolder(found_runs_[fold, seed].folder).title}: {why}")
    return Collection(kept, tuple(said))


def _check_comparable(runs: Sequence[FinishedRun]) -> None:
    first = runs[0]
    for run in runs[1:]:
        where = f"{first.folder} and {run.folder}"
        if (kinds := [one.options.task.kind for one in (first, run)])[0] != kinds[1]:
            found = f"these runs have learned several tasks, {kinds[0]} and {kinds[1]}, and are not comparable"
            raise UsageError(found, where, "compare runs of one task", "E-COMPARE-MISMATCH")
        if run.task.names != first.task.names and origin(run) == origin(first):
            learned = f"{shorten(first.task.names)} and {shorten(run.task.names)}"
            found = f"these runs have learned other classes, {learned}, and are not comparable"
            raise UsageError(found, where, "compare runs of one survey.classes", "E-COMPARE-MISMATCH")
        if origin(run) != origin(first) or run.task.names != first.task.names:
            named = " and ".join(map(_name_survey, (first, run)))
            found = f"these runs are of several surveys, {named}, and are not comparable"
            raise UsageError(found, where, "compare runs of one survey", "E-COMPARE-MISMATCH")
    own = [run for run in runs if run.options.split is not None]
    if own and len(own) < len(runs):
        found = "some of these runs have a split of their own, others a fold, and are not comparable"
        others = next(run for run in runs if run.options.split is None)
        raise UsageError(
            found, f"{own[0].folder} and {others.folder}", "compare runs of the same splits", "E-COMPARE-MISMATCH"
        )
    splits: dict[int, FinishedRun] = {}
    for run in runs:
        if run.options.split is None:
            other = splits.setdefault(run.options.fold.index, run)
            if other.result["split"] != run.result["split"]:
                hashes = " and ".join(short_hash(one.result["split"]) for one in (other, run))
                found = f"these runs have other splits of fold {run.options.fold.index} (hashes {hashes}), "
                found += "and are not comparable"
                raise UsageError(
                    found,
                    f"{other.folder} and {run.folder}",
                    "compare runs of one protocol and fold seed",
                    "E-COMPARE-MISMATCH",
                )


def origin(run: FinishedRun) -> str:
    """Return the hash of the survey whose objects a run has seen, whichever of its bands."""
    survey = run.result["survey"]
    return str(survey.get("origin", survey["hash"]))


def _name_survey(run: FinishedRun) -> str:
    """Return the name, hash and place of the survey of a run."""
    survey = run.result["survey"]
    place = f", at {run.status['survey']}" if run.status.get("survey") else ""
    return f"{survey['name']!r} (hash {short_hash(origin(run))}{place})"


def _flat(run: FinishedRun) -> dict[str, str]:
    """Return all that makes a model, by key: what may differ between the rows of a table."""
    flat = flatten(leave_out(run.result["config"], RunOptions, CELL)) | {"name": run.model}
    flat |= flatten({name: run.result.get(name) for name in ("init_from", "version")})
    flat["trainer.precision"] = str(run.result.get("precision"))
    flat |= {"model.weights": run.result["weights"]} if "weights" in run.result else {}
    flat.setdefault("survey.bands", "null")  # results of before bands could be chosen
    return flat
