"""What a finished run says of itself in more than one file: the copies must agree, or its numbers mean nothing.

Knows records by their content; `RunFolder` reads them.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from ictconvention.configuration.identity import ADDED, CONTENT, PLACE, leave_out, leave_out_added, roles_of
from ictconvention.configuration.key_by_key import flatten
from ictconvention.configuration.registry import find_network, is_known, task_source
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import stages_of
from ictconvention.core.errors import UsageError, shorten
from ictconvention.evaluation.predictions import Predictions
from ictconvention.feeding.sampler import class_shares
from ictconvention.reading.json_file import ABSENT, JsonRecord, Shape
from ictconvention.survey.labels.split_file import SplitShape
from ictconvention.survey.split import Split, own_entries
from ictconvention.tasks.task import Task

logger = logging.getLogger(__name__)

FIX = "restore the file from a copy, or train the run again"
NEEDED = {"survey", "split", "config"}  # of a result, to compare it with others
SUM = 1e-9  # by which shares may miss a sum of 1


class SurveyShape(Shape):
    """The types of what a result says of its survey."""

    name: str = ABSENT
    simulated: bool = ABSENT
    hash: str = ABSENT
    origin: str = ABSENT
    bands: list[str] = ABSENT
    pixel_scale: PositiveFloat = ABSENT
    flux_unit: str = ABSENT


class PriorShape(Shape):
    """The types of the shares of the classes."""

    survey: list[float]
    training: list[float]


class TaskShape(Shape):
    """The types of what a run has learned."""

    kind: str
    names: list[str]
    training: dict[str, float | list[float]] = ABSENT


class ResultShape(Shape):
    """The types of what `result.json` says, whatever the run has learned."""

    temperature: PositiveFloat = ABSENT
    logit_shift: list[float] = ABSENT
    prior: PriorShape = ABSENT
    test: dict[str, Any] = ABSENT
    test_uniform: dict[str, Any] = ABSENT
    extra_test: dict[str, Any] = ABSENT
    extra_test_uniform: dict[str, Any] = ABSENT
    details: dict[str, dict[str, Any]] = ABSENT
    survey: SurveyShape = ABSENT
    task: TaskShape = ABSENT
    photometry: dict[str, Any] | None = ABSENT
    split: str = ABSENT
    init_from: str | None = ABSENT
    precision: str = ABSENT
    parameters: NonNegativeInt | None = ABSENT
    config: dict[str, Any] = ABSENT
    version: str = ABSENT
    sources: dict[str, str] = ABSENT
    weights: str = ABSENT
    shift: dict[str, Any] = ABSENT
    teacher: dict[str, Any] = ABSENT
    sets: dict[str, Any] = ABSENT


class ScoresShape(Shape):
    """The types of the scores of classes, of which each version has these at least."""

    objects: NonNegativeInt
    accuracy: float
    balanced_accuracy: float
    f1_macro: float
    worst_class_recall: float
    confusion: list[list[NonNegativeInt]]
    classes: dict[str, dict[str, Any]]


class ClassResultShape(Shape):
    """The types of the scores in a result of classes."""

    test: ScoresShape = ABSENT
    test_uniform: ScoresShape = ABSENT
    extra_test: ScoresShape = ABSENT
    extra_test_uniform: ScoresShape = ABSENT


class EnvironmentShape(Shape):
    """The types of what `environment.json` says."""

    packages: dict[str, str] = ABSENT
    devices: PositiveInt = ABSENT
    nodes: PositiveInt = ABSENT
    gpus: list[str] = ABSENT


RESULT = JsonRecord(ResultShape, UsageError, "E-RUN-DAMAGED", FIX, "a result of a run")
CLASS_RESULT = JsonRecord(ClassResultShape, UsageError, "E-RUN-DAMAGED", FIX, "a result of a run of classes")
ENVIRONMENT = JsonRecord(EnvironmentShape, UsageError, "E-RUN-DAMAGED", FIX, "an environment of a run")
SPLIT_OF_RUN = JsonRecord(SplitShape, UsageError, "E-RUN-DAMAGED", FIX, "a split of a run")


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without what may differ between machines: what a result has a copy of."""
    kept = leave_out_added(leave_out(config, RunOptions, PLACE), RunOptions)
    model = kept.get("model")
    if isinstance(model, Mapping) and is_known(str(model.get("kind"))):  # a network's options may be places too
        kept["model"] = leave_out(model, find_network(str(model["kind"])).options, PLACE)
    return kept


def check_config(config: Mapping[str, Any], result: Mapping[str, Any], where: Path, of_result: Path) -> None:
    """Compare the configuration of a finished run with the copy in its result, key by key.

    A key that is lost would take its default, and another network, split or choice of frames would be read.

    Parameters
    ----------
    config : mapping
        The configuration, before defaults are put in.
    result : mapping
        The result.
    where, of_result : Path
        Their files.

    Raises
    ------
    UsageError
        Naming the keys.
    """
    recorded = result.get("config")
    if not isinstance(recorded, Mapping):
        raise UsageError("this result records no configuration", of_result, FIX, "E-RUN-DAMAGED")
    here, there = flatten(portable(config)), flatten(portable(recorded))
    roles_of_all = roles_of(RunOptions)
    by_content = [key for key, roles in roles_of_all.items() if CONTENT | PLACE in roles and ADDED not in roles]
    hashed = by_content if "init_from" in result else []  # the first versions had neither
    if lost := [key for key in (*there, *hashed) if key not in here and key not in config]:
        raise UsageError(
            f"this configuration has lost {shorten(lost)}, which the run was made with", where, FIX, "E-RUN-DAMAGED"
        )
    if hashed:  # whether there is one
        here["init_from"], there["init_from"] = (str(one["init_from"] is not None) for one in (config, result))
    learner = config.get("learner")
    taught = isinstance(learner, Mapping) and learner.get("teacher") is not None
    here["learner.teacher"], there["learner.teacher"] = str(taught), str("teacher" in result)
    model = config.get("model")
    of_file = isinstance(model, Mapping) and model.get("weights") is not None
    here["model.weights"], there["model.weights"] = str(of_file), str("weights" in result)
    differ = [
        f"{key} is {value} here, {there.get(key)} there" for key, value in here.items() if value != there.get(key)
    ]
    if differ:
        raise UsageError(
            f"this configuration is not that of {of_result.name}: {shorten(differ, 3)}", where, FIX, "E-RUN-EDITED"
        )


def check_split(split: Mapping[str, Any], result: Mapping[str, Any], where: Path, of_result: Path) -> None:
    """Refuse a split whose content has not the hash that the run's result records; files as of `check_config`.

    Raises
    ------
    UsageError
        It is another one, was edited, or holds no split.
    """
    try:
        same = Split(**own_entries(split)).hash == result["split"]
    except (KeyError, TypeError) as error:
        found = f"this split or its result is damaged, or another version's ({type(error).__name__}: {error})"
        raise UsageError(found, where, FIX, "E-RUN-DAMAGED") from error
    if not same:
        raise UsageError(f"this split is not that of {of_result.name}: it was edited", where, FIX, "E-RUN-EDITED")


def warn_of_changed_code(options: RunOptions, result: Mapping[str, Any], where: Path) -> None:
    """Warn where the code of a user's own network or task is another than that which was trained."""
    recorded, model, task = result.get("sources", {}), options.model, options.task
    today = {
        "model.kind": (f"network {model.kind!r}", find_network(model.kind, model.module).source),
        "task.kind": (f"task {task.kind!r}", task_source(task.kind)),
    }
    for key, (named, source) in today.items():
        if source is not None and key in recorded and source != recorded[key]:  # first it was not recorded
            logger.warning(f"{where}: the module of the {named} has changed since it was trained")


def names_of(result: Mapping[str, Any]) -> list[str]:
    """Return the names of a network's outputs; a result of before there were tasks names its classes.

    Raises
    ------
    KeyError, TypeError
        The result is damaged.
    """
    return list(result["task"]["names"] if "task" in result else result["test"]["classes"])


def recorded_priors(result: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of the classes that a result records: the survey's, and those of training.

    Raises
    ------
    KeyError, TypeError, ValueError
        They are no shares.
    """
    some_empty = "task" in result and result["task"]["kind"] != "classes"  # of classes each has an object
    survey, training = (np.array(result["prior"][name], dtype=np.float64) for name in ("survey", "training"))
    for shares in (survey, training):
        sound = shares.shape == (len(names_of(result)),) and (shares >= 0).all() and (some_empty or (shares > 0).all())
        if not sound or not abs(shares.sum() - 1) < SUM:
            raise ValueError(f"{shares} are no shares")
    return survey, training


def priors_of_split(
    split: Mapping[str, Any], result: Mapping[str, Any], options: RunOptions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same shares for a run whose result does not record them: those of its last training part."""
    classes: Sequence[str] = list(result["test"]["classes"])
    ids = split["parts"][f"{stages_of(options)[-1]}_train"]
    label = np.array([classes.index(split["classes"][id_]) for id_ in ids], dtype=np.int64)
    return class_shares(label, len(classes), options.imbalance)


def predictions_of(
    columns: Mapping[str, NDArray[Any]],
    task: Task,
    result: Mapping[str, Any],
    survey_prior: NDArray[np.float64],
    part: str = "test",
) -> tuple[Predictions, bool]:
    """Return the predictions of a part from its table, and whether they are those that the result scores.

    Raises
    ------
    KeyError, TypeError, ValueError
        The table or the result is damaged.
    """
    label, rows = task.format.read(columns, survey_prior)
    found = Predictions(np.asarray(columns["id"]).astype(str), label, rows)
    same = all(np.isfinite(values).all() for values in rows.values()) and result.keys() >= NEEDED
    scored = {f"test{end}": result[f"{part}{end}"] for end in ("", "_uniform") if f"{part}{end}" in result}
    others = {name: value for name, value in result.items() if name not in ("test", "test_uniform")}
    return found, same and task.is_of_result(found, {**others, **scored})
