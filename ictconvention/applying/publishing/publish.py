"""Publish a finished run: a new folder that predicts bit for bit as the run does, and says what it is."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path, PurePath
from typing import Any

from omegaconf import OmegaConf

from ictconvention.applying.export import describe_model, describe_run, export_run, exportable_run
from ictconvention.applying.model_file import find_absent
from ictconvention.applying.publishing.card import Card, write_card
from ictconvention.configuration.identity import PLACE, roles_of
from ictconvention.configuration.overrides import command
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.atomic import WholeFolder
from ictconvention.core.errors import IctConventionError, UsageError, readable_os_errors
from ictconvention.core.output_place import SWEEP_MARK
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.published.manifest import CARD, ONNX, write_manifest
from ictconvention.runs.published.places import locate_run, repository
from ictconvention.runs.published.weights import write_published_weights
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.runs.shift.kept import check_predicts_all
from ictconvention.runs.status import write_json
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.format import full_name

STATUS = ("epochs", "seconds", "core_seconds", "hashes")  # of the status, what is no place
ENVIRONMENT = ("system", "processor")  # of the environment, what is of one machine
NAMED = (
    "survey.path",
    "init_from",
    "split",
    "model.weights",
    "learner.teacher",
)  # of the places, those that are said by their last name
UNLICENSED = "unknown"


@dataclass(frozen=True)
class Published:
    """What was published.

    Parameters
    ----------
    folder : Path
    size : int
        Of its files [bytes].
    without_onnx : str
        Why it has no ONNX file; empty where it has one.
    """

    folder: Path
    size: int
    without_onnx: str


def publish(
    folder: str | Path, output: Path, licence: str = UNLICENSED, title: str | None = None, onnx: bool = True
) -> Published:
    """Write a finished run to a new folder, whole or not at all.

    It holds the weights as safetensors, `config.json` with what the model is and the digests of all files, a model
    card (README.md), an ONNX file where the network exports, and of the run all that predicting, testing again,
    comparing and beginning with it need. It says no path and no name of a machine; ids and labels of its split it has.

    Parameters
    ----------
    folder : str or Path
        Folder of the run.
    output : Path
        Folder to make.
    licence : str
        Under which the weights may be used, as hubs name it, such as mit.
    title : str, optional
        Title of the card; by default of model, task and survey, see `name_model`.
    onnx : bool
        Whether an ONNX file is wanted.

    Raises
    ------
    UsageError
        The run is not finished or damaged, is a sweep or has learned one stratum of its survey; or a package that ONNX
        needs is not installed.
    FileSystemError
        The folder exists, or cannot be written.
    """
    path = locate_run(folder)
    _check_one(path)
    whole = WholeFolder(output)
    whole.check_free()
    run = read_trained(path)
    check_predicts_all(run)
    if onnx and (absent := find_absent(ONNX)):
        fix = "install the extra: pip install -c constraints.txt '.[export]'; or publish without: --no-onnx"
        raise UsageError(f"the package {absent} is not installed", ONNX, fix, "E-PACKAGE-MISSING")
    whole.take()
    try:
        with readable_os_errors("publishing the run", output):
            without = _fill(run, whole.partial, licence, title or name_model(run), onnx)
            whole.complete()
    finally:
        whole.discard()
    size = sum(file.stat().st_size for file in output.iterdir())
    return Published(output, size, without)


def name_model(run: TrainedRun) -> str:
    """Return a title that says no folder: the network, what it has learned, and on which survey."""
    survey = full_name(str(run.survey["name"]), bool(run.survey["simulated"]))
    return f"{run.options.model.kind}: {run.options.task.kind} of {survey}"


def _check_one(path: Path) -> None:
    """Refuse a sweep: its runs have a card, a calibration and a validation part each."""
    if RunFolder(path).is_run or not path.is_dir():
        return
    runs = [run.folder for run in find_runs(path)[0]]
    words = command(["ictconvention", "publish", str(runs[0]), "FOLDER"])
    kind = "a sweep" if (path / SWEEP_MARK).exists() else "a folder of runs"
    found = f"this is {kind} of {len(runs)}, and each run has its own test part, calibration and card"
    fix = f"publish them one by one into one folder, such as {words}; `predict` of that folder takes their mean"
    raise UsageError(found, path, fix, "E-RUN-MISSING")


def _fill(run: TrainedRun, folder: Path, licence: str, title: str, onnx: bool) -> str:
    """Write all files into a folder, and return why there is no ONNX file among them; or nothing."""
    source, made = RunFolder(run.folder), RunFolder(folder)
    without = (
        _write_onnx(run, folder / ONNX) if onnx else "left out; `ictconvention export FOLDER -o model.onnx` writes one"
    )
    weights = source.last_weights()
    if source.is_published:
        shutil.copyfile(weights, made.published)
    else:
        write_published_weights(made.published, load_checkpoint(weights))
    for path in (
        *(source.result, source.split_file, source.metrics, source.reference, source.seen),
        *(source.neighbours, source.trees, source.forest, source.validation, source.sample),
        *(source.predictions(part) for part in TESTED),
    ):
        if path.exists():
            shutil.copyfile(path, folder / path.name)
    status, environment = source.read_status(), source.read_environment()
    write_json(made.status, {"state": "finished", **{name: status[name] for name in STATUS if name in status}})
    write_json(made.environment, {name: x for name, x in environment.items() if name not in ENVIRONMENT})
    config = without_places(run.options)
    OmegaConf.save(OmegaConf.create(config), made.config)
    words = words_without_places(source.read_overrides(), run.options)
    made.overrides.write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    known = describe_run(run) if without else describe_model(run, exportable_run(run))
    write_manifest(folder, {**known, "licence": licence, "title": title}, folder.iterdir())
    write_card(folder / CARD, Card(title, licence, run, source.read_result(), words, without, known))
    return without


def _write_onnx(run: TrainedRun, path: Path) -> str:
    """Write the ONNX file, and return why there is none; or nothing."""
    try:
        export_run(run, path)
    except IctConventionError as error:
        if error.code not in ("E-EXPORT-NETWORK", "E-RUN-TASK", "E-EXPORT-DIFFERS"):
            raise
        return error.found
    return ""


def without_places(options: RunOptions) -> dict[str, Any]:
    """Return the configuration of a run in which no key is of one machine.

    Such keys have their defaults; those of `NAMED` say the last name of their path, since it counts that there was one,
    and of a hub all.
    """
    config = asdict(options)
    defaults = _defaults(options)
    for key, roles in roles_of(options).items():
        *groups, name = key.split(".")
        inner: Any = config
        for group in groups:
            inner = inner[group]
        if PLACE not in roles or isinstance(inner[name], Mapping):
            continue
        if key in NAMED:
            inner[name] = _last_name(inner[name])
        elif key != "model.module":  # without which a network of one's own is not found
            inner[name] = defaults[key]
    return config


def _last_name(given: str | Sequence[str] | None) -> str | list[str] | None:
    """Return the last name of a path, or of each of several; of a hub all."""
    if given is None or isinstance(given, str):
        return given if given is None or repository(given) else PurePath(given).name
    return [PurePath(one).name for one in given]


def words_without_places(words: list[str], options: RunOptions) -> list[str]:
    """Return the overrides that a run was started with but for those that name a place."""
    places = {key for key, roles in roles_of(options).items() if PLACE in roles and key != "model.module"}
    return [word for word in words if word.lstrip("+").partition("=")[0] not in places and not word.startswith("--")]


def _defaults(options: Any, prefix: str = "") -> dict[str, Any]:
    """Return the default of every key of an instance, by its place."""
    found: dict[str, Any] = {}
    for one in fields(options):
        value = getattr(options, one.name)
        if is_dataclass(value) and not isinstance(value, type):
            found |= _defaults(value, f"{prefix}{one.name}.")
        else:
            factory: Callable[[], Any] | Any = one.default_factory
            found[f"{prefix}{one.name}"] = factory() if factory is not MISSING else one.default
    return found
