"""The folder of a run: the one place that names its files, writes them, reads them, and sees that they fit together."""

import io
import json
import os
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from omegaconf import OmegaConf

from ictconvention.configuration.checking.validation import read_recorded
from ictconvention.configuration.options import Stage
from ictconvention.configuration.overrides import command
from ictconvention.configuration.registry import find_task
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import parts_of, stages_of
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors, shorten
from ictconvention.core.output_place import RUN_MARK, RUN_STATES
from ictconvention.core.plain_file import read_plain
from ictconvention.evaluation.forests.kept import KeptForest
from ictconvention.evaluation.novelty import NoveltyReference
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.shift.known_sample import KnownSample
from ictconvention.reading.json_file import JsonRecord
from ictconvention.reading.parquet_file import as_arrays, read_parquet
from ictconvention.runs import run_record
from ictconvention.runs.published.manifest import MANIFEST, WEIGHTS, check_manifest, digest
from ictconvention.runs.status import STATUS, MetricsTable, Status, write_json
from ictconvention.runs.which_run import no_run
from ictconvention.survey.labels.groups import positions_of
from ictconvention.survey.labels.split_file import MANY, read_entries
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task import Task

TESTED = {"test": "predictions.parquet", "extra_test": "predictions_extra_test.parquet"}  # part of the split, and file
BY_FOREST = {part: f"forest_{file}" for part, file in TESTED.items()}  # the same by a forest on photometry
SEEN = pa.schema([("id", pa.string()), ("ra", pa.float64()), ("dec", pa.float64()), ("part", pa.string())])
LOST = "remove this folder, and run it again"
LOST_WEIGHTS = "restore them from a copy, or remove the folder of the run and train it again"
Kept = Literal["final", "last", "best"]
Priors = tuple[NDArray[np.float64], NDArray[np.float64]]


class RunFolder:
    """The folder of a run. Its attributes are the paths of what is in it, or may come to be.

    Parameters
    ----------
    path : str or Path
        The folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / RUN_MARK
        self.status, self.result = (self.path / name for name in RUN_STATES)
        self.overrides = self.path / "overrides.txt"
        self.environment = self.path / "environment.json"
        self.split = self.path / "split.json"
        self.large_split = self.path / "split.parquet"  # in its place, where it is of very many objects
        self.metrics = self.path / "metrics.csv"
        self.checkpoints = self.path / "checkpoints"
        self.reference = self.path / "reference.npz"  # what the network knows
        self.validation = self.path / "predictions_validation.parquet"  # by which sets of classes are drawn
        self.sample = self.path / "sample.npz"  # what objects of validation and test look like to it
        self.neighbours = self.path / "neighbours.npz"  # what predicts in its place, where it is so
        self.seen = self.path / "seen_objects.parquet"
        self.trees, self.forest = self.path / "forest.npz", self.path / "forest.json"  # where one was trained
        self.figures = self.path / "figures"
        self.published = self.path / WEIGHTS  # in the place of checkpoints, where it was published
        self._options: tuple[tuple[bytes, str], RunOptions] | None = None  # with what they were parsed from

    def __str__(self) -> str:
        return str(self.path)

    @property
    def title(self) -> str:
        """Names the run by its folder and the one above it, which has the name of its options."""
        path = self.path.absolute()
        return f"{path.parent.name}/{path.name}"

    @property
    def is_run(self) -> bool:
        """Whether there is a run, finished or not."""
        return self.config.exists()

    @property
    def is_finished(self) -> bool:
        """Whether the run has its result, which is the last that it writes."""
        return self.result.exists()

    @property
    def is_published(self) -> bool:
        """Whether it is what `ictconvention publish` makes of a run."""
        return self.published.exists() and (self.path / MANIFEST).exists()

    @property
    def split_file(self) -> Path:
        """The file of its split: JSON, or Parquet where that is of very many objects."""
        return self.large_split if self.large_split.exists() else self.split

    def weights(self, stage: Stage, kept: Kept = "final") -> Path:
        """Return the file of a stage's weights: those that it ends with, or while it trains its last or its best."""
        return self.checkpoints / (f"{stage}.ckpt" if kept == "final" else f"{stage}-{kept}.ckpt")

    def predictions(self, part: str = "test", by_forest: bool = False) -> Path:
        """Return the table of the predictions of a part, or that of a forest of redshifts beside the run."""
        return self.path / (BY_FOREST if by_forest else TESTED)[part]

    def figure(self, name: str) -> Path:
        """Return the file of a figure."""
        return self.figures / f"{name}.png"

    # What a run writes.

    def begin(
        self, options: RunOptions, overrides: Sequence[str], split: Split, environment: Mapping[str, Any]
    ) -> None:
        """Write all that makes the run: its options, how they were asked for, its split and its environment."""
        split.save(self.large_split if len(split.classes) > MANY else self.split, record=True)
        with whole_file(self.config, "saving the configuration", record=True) as partial:
            OmegaConf.save(OmegaConf.create(asdict(options)), partial)
        with whole_file(self.overrides, "saving the overrides", record=True) as partial:
            partial.write_text("".join(f"{line}\n" for line in overrides), encoding="utf-8")
        write_json(self.environment, environment)

    def open_status(self) -> Status:
        """Return the record of how far the run is; errors as of `STATUS.read`."""
        return Status(self.status)

    def open_metrics(self) -> MetricsTable:
        """Return the table of the metrics; errors as of `MetricsTable`."""
        return MetricsTable(self.metrics)

    def write_predictions(self, part: str, columns: Mapping[str, Any], by_forest: bool = False) -> None:
        """Write the table of a part's predictions: id, fold, and the columns of the task; (n, m) is a list a row."""
        table = pa.table({name: _column(values) for name, values in columns.items()})
        self._write_table(self.predictions(part, by_forest), table, "saving the predictions")

    def write_validation(self, columns: Mapping[str, Any]) -> None:
        """Write the table of the predictions of the validation part, as of `write_predictions`."""
        table = pa.table({name: _column(values) for name, values in columns.items()})
        self._write_table(self.validation, table, "saving the predictions of the validation part")

    def write_seen(
        self,
        survey: Survey,
        split: Split,
        parts: Iterable[str],
        before: "RunFolder | None",
        teachers: "Sequence[RunFolder]" = (),
    ) -> None:
        """Write which objects of these parts were seen, as of `read_seen`.

        First, those that the run before saw, and those of its teachers, each object once for each part.
        """
        own = _part_of(split.parts, parts)
        at = survey.positions([*own])
        ra, dec = (np.asarray(column, dtype=np.float64)[at] for column in positions_of(survey.object_table()))
        columns = {"id": [*own], "ra": ra, "dec": dec, "part": [*own.values()]}
        seen = pa.table(columns, SEEN).sort_by("id")
        if before is not None and (known := before.read_seen()) is not None:
            seen = pa.concat_tables([known, seen])
        if taught := [known for teacher in teachers if (known := teacher.read_seen()) is not None]:
            every = pa.concat_tables([*taught, seen]).combine_chunks()
            seen = every.group_by(SEEN.names, use_threads=False).aggregate([]).select(SEEN.names)
        self._write_table(self.seen, seen, "saving which objects were seen")

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write the result, by which the run is finished."""
        write_json(self.result, result)

    def write_forest(self, kept: KeptForest) -> None:
        """Write the forest beside the finished run: its trees, and then what it is, without which it is none."""
        kept.forest.trees.save(self.trees)
        write_json(self.forest, kept.describe(self.identity(), self.trees))

    def _write_table(self, path: Path, table: pa.Table, doing: str) -> None:
        with whole_file(path, doing, record=True) as partial:
            pq.write_table(table, partial, write_page_checksum=True)

    # What others read of it.

    def read_options(self) -> RunOptions:
        """Return the options of the run.

        Raises
        ------
        UsageError
            It is not a run folder, or another version's; or it is finished, and its result records other options.
        """
        if not self.is_run:
            raise no_run(self.path)
        with readable_os_errors("reading the configuration of a run", self.config):
            text = read_plain(self.config)
        result = self.read_result() if self.is_finished else None
        content = (text, json.dumps(result))  # parsed once for all that ask, and again where a file has changed
        if self._options is None or self._options[0] != content:
            self._options = content, self._parse_options(text, result)
        return self._options[1]

    def _parse_options(self, text: bytes, result: Mapping[str, Any] | None) -> RunOptions:
        try:
            content = pickle.loads(_read_yaml(text))
        except Exception as error:  # rubbish may break the reader anywhere
            fix = "take another run, or train it again"
            raise UsageError("this is no configuration of a run", self.config, fix, "E-RUN-DAMAGED") from error
        config = {str(name): value for name, value in content.items()} if isinstance(content, dict) else {}
        if result is not None:
            run_record.check_config(config, result, self.config, self.result)
        return read_recorded(config)

    def read_overrides(self) -> list[str]:
        """Return the overrides that the run was started with; none where it does not say."""
        try:
            return read_plain(self.overrides).decode("utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return []

    def read_result(self, *needed: str) -> dict[str, Any]:
        """Return the result.

        Parameters
        ----------
        *needed : str
            What must be in it.

        Raises
        ------
        UsageError
            The run is not finished, or its result is damaged or lacks something.
        """
        if not self.is_finished:
            if not self.is_run:
                raise no_run(self.path)
            raise UsageError(
                "this run is not finished", self.path, f"finish it: {self._its_command()}", "E-RUN-UNFINISHED"
            )
        result = run_record.RESULT.read(self.result)
        if result.get("task", {}).get("kind", "classes") == "classes":
            run_record.CLASS_RESULT.check(result, self.result)
        if absent := [name for name in needed if name not in result]:
            raise UsageError(
                f"this result lacks {shorten(absent)}", self.result, "train the run again", "E-RUN-DAMAGED"
            )
        return result

    def _its_command(self) -> str:
        words = self.read_overrides()
        return f"python train.py {command(words)}" if words else "give the command again that began it"

    def read_status(self) -> dict[str, Any]:
        """Return what the run says of how far it is; errors as of `read_environment`."""
        return self._read(self.status, STATUS)

    def read_environment(self) -> dict[str, Any]:
        """Return where the run was made; a `UsageError` says that the file is lost or damaged."""
        return self._read(self.environment, run_record.ENVIRONMENT)

    def read_split(self) -> dict[str, Any]:
        """Return the split of the finished run, `parts` and `classes`.

        Raises
        ------
        UsageError
            It is lost or damaged, or not the one that the result records.
        """
        self._check_there(self.split_file)
        split = read_entries(self.split_file, run_record.SPLIT_OF_RUN)
        run_record.check_split(split, self.read_result(), self.split_file, self.result)
        return split

    def _read(self, path: Path, record: JsonRecord) -> dict[str, Any]:
        self._check_there(path)
        return record.read(path)

    def _check_there(self, path: Path) -> None:
        if not os.path.lexists(path):
            raise UsageError(f"it has lost its {path.name}", self.path, LOST, "E-RUN-DAMAGED")

    def read_priors(self) -> Priors:
        """Return the shares of the classes (classes,) in the last stage's training part, and in the loss.

        With them every decision of the run can be made again. Both sum to 1.

        Raises
        ------
        UsageError
            The result is damaged, or it is of a version before and the split is damaged.
        """
        result = self.read_result()
        try:
            if "prior" in result:
                return run_record.recorded_priors(result)
            return run_record.priors_of_split(self.read_split(), result, self.read_options())  # of a version before
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UsageError(
                "its result is damaged: it says no shares of the classes", self.result, LOST, "E-RUN-DAMAGED"
            ) from error

    def read_task(self) -> Task:
        """Return what the finished run has learned.

        Raises
        ------
        UsageError
            Its result is damaged, or its task is of a module that was not imported.
        """
        options, result = self.read_options().task, self.read_result()
        kind: type[Task] = find_task(options.kind)
        try:
            return kind.restore(run_record.names_of(result), options, result.get("task", {}).get("training", {}))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError("its result is damaged", self.result, LOST, "E-RUN-DAMAGED") from error

    def read_predictions(self, part: str = "test") -> Predictions:
        """Return the predictions of a part that was tested.

        Raises
        ------
        UsageError
            They are damaged, or not those of the result.
        """
        needed = [] if part == "test" else [part]
        result, task, (survey_prior, _) = self.read_result(*needed), self.read_task(), self.read_priors()
        try:
            predictions, same = run_record.predictions_of(self.read_columns(part), task, result, survey_prior, part)
        except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
            raise UsageError("its result or its predictions are damaged", self.path, LOST, "E-RUN-DAMAGED") from error
        if not same:
            raise UsageError("its predictions are not those of its result", self.path, LOST, "E-RUN-EDITED")
        return predictions

    def read_validation(self) -> Predictions:
        """Return the predictions of the validation part, which draw sets of classes.

        Raises
        ------
        UsageError
            The run kept none, or they are lost, damaged or not those of the result.
        """
        path, result = self.validation, self.read_result()
        if "sets" not in result:
            found = "this run kept no predictions of its validation part, by which sets are drawn: it is older"
            fix = f"remove its {self.result.name}, and give the command again that trained it: it is tested anew"
            raise UsageError(found, self.path, fix, "E-RUN-VERSION")
        self._check_there(path)
        try:
            with readable_os_errors("reading the predictions", path):
                content = read_plain(path)
            if digest(content) != result["sets"].get("file"):
                raise UsageError(f"this is not the {path.name} of its result", path, LOST, "E-RUN-EDITED")
            columns = as_arrays(read_parquet(content))
            label, rows = self.read_task().format.read(columns, self.read_priors()[0])
            return Predictions(np.asarray(columns["id"]).astype(str), label, rows)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError("these predictions are damaged", path, LOST, "E-RUN-DAMAGED") from error

    def read_columns(self, part: str, by_forest: bool = False) -> dict[str, NDArray[Any]]:
        """Return the columns of the predictions of a part: arrays (n,) or (n, m).

        Raises
        ------
        FileSystemError
            The file is no plain one, or cannot be read.
        UsageError
            It is damaged.
        """
        path = self.predictions(part, by_forest)
        try:
            with readable_os_errors("reading the predictions", path):
                return as_arrays(read_parquet(path))
        except ValueError as error:
            raise UsageError(f"these predictions are damaged: {error}", path, LOST, "E-RUN-DAMAGED") from error

    def read_seen(self) -> pa.Table | None:
        """Return which objects trained or validated the run, or a run before it: id, ra, dec [deg], part.

        `part` is that of the split, such as "finetune_validation"; empty where it is not known. None of a run of a
        version that kept no such list; a `UsageError` says that it is damaged.
        """
        if not self.seen.exists():
            if self.is_run and self.read_options().learner.teachers:  # no version before had teachers
                raise UsageError(f"it has lost its {self.seen.name}", self.path, LOST, "E-RUN-DAMAGED")
            return None
        try:
            with readable_os_errors("reading which objects were seen", self.seen):
                seen = read_parquet(self.seen)
            if "part" not in seen.column_names:  # of a version before: of the run before it none is known
                own = _part_of(self.read_split()["parts"], parts_of(self.read_options()))
                ids = seen.column("id").to_pylist()[len(seen) - len(own) :]
                part = [""] * (len(seen) - len(own)) + [own[id_] for id_ in ids]
                seen = seen.append_column("part", pa.array(part))
            return seen.select(SEEN.names).cast(SEEN)
        except (KeyError, ValueError) as error:
            fix = "restore it from a copy, or train the run again"
            raise UsageError(f"this list of objects is damaged: {error}", self.seen, fix, "E-RUN-DAMAGED") from error

    def read_reference(self) -> NoveltyReference | None:
        """Return what the network knows; None of a run of a version that kept it not."""
        return NoveltyReference.load(self.reference) if self.reference.exists() else None

    def read_sample(self) -> KnownSample | None:
        """Return what objects of validation and test look like to it; None of a run of a version that kept it not."""
        return KnownSample.load(self.sample) if self.sample.exists() else None

    def read_forest(self) -> KeptForest:
        """Return the forest beside the finished run.

        Raises
        ------
        UsageError
            There is none, it is damaged, or it is not of this run.
        """
        if absent := [path for path in (self.trees, self.forest) if not os.path.lexists(path)]:
            words = command(["ictconvention", "forest", str(self.path)])
            found = "there is no forest beside this run" if len(absent) > 1 else f"its forest has lost {absent[0].name}"
            raise UsageError(found, self.path, f"train one: {words}", "E-FOREST-MISSING")
        return KeptForest.load(self.trees, self.forest, self.identity(), self.read_priors()[0])

    def identity(self) -> dict[str, Any]:
        """Return what a forest beside the run is of."""
        result, status = self.read_result("survey", "split"), self.read_status()
        made = {"run": status.get("hashes", {}).get("run"), "survey": result["survey"].get("hash")}
        return {**made, "split": result["split"], "classes": run_record.names_of(result)}

    def last_weights(self) -> Path:
        """Return the file of the finished run's final weights.

        Raises
        ------
        UsageError
            The run is not finished, or has lost its weights; or it was published, and a file is another than then.
        """
        self.read_result()
        if self.is_published:
            check_manifest(self.path)
            return self.published
        path = self.weights(stages_of(self.read_options())[-1])
        if not path.exists():
            raise UsageError("this run has lost its weights", path, LOST_WEIGHTS, "E-RUN-DAMAGED")
        return path


@lru_cache(maxsize=1024)
def _read_yaml(text: bytes) -> bytes:
    """Return the content of a configuration, pickled: a sweep's are read again by each who asks, and yaml is slow."""
    return pickle.dumps(OmegaConf.to_container(OmegaConf.load(io.StringIO(text.decode("utf-8")))))


def _part_of(parts: Mapping[str, Iterable[str]], names: Iterable[str]) -> dict[str, str]:
    """Return the part of each object, by its id, that is in one of these parts."""
    return {id_: part for part in names for id_ in parts.get(part, ())}


def _column(values: Any) -> Any:
    """Return a column for Arrow, which takes no array of two dimensions."""
    if isinstance(values, np.ndarray) and values.ndim > 1:
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), int(np.prod(values.shape[1:])))
    return values
