"""The finished runs of a sweep, sorted by model, fold and seed, and found comparable or refused."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ictconvention.configuration.identity import CELL, leave_out
from ictconvention.configuration.key_by_key import flatten
from ictconvention.configuration.model_names import MadeModel, name_models
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError, short_hash, shorten
from ictconvention.evaluation.predictions import Key, ModelPredictions
from ictconvention.runs.finished_run import FinishedRun
from ictconvention.runs.run_folder import RunFolder


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
    flat |= {"learner.teacher": run.result["teacher"]["model"]} if "teacher" in run.result else {}
    flat.setdefault("survey.bands", "null")  # results of before bands could be chosen
    return flat
