"""The results of the study: a table of predictions and a JSON for each row, fold and seed."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt

from experiments.table2.rows import ALL_FRAMES, FOREST, HOST
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors, short_hash, shorten
from ictconvention.evaluation.confusion import confusion_counts
from ictconvention.evaluation.predictions import Key, Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.evaluation.scores import scores
from ictconvention.reading.json_file import JsonRecord, Shape
from ictconvention.reading.parquet_file import as_arrays, read_parquet
from ictconvention.runs.status import write_json
from ictconvention.survey.format import sha256

NETWORK = "frame transformer"
LONGER = f"{NETWORK}, twice the passes"
NETWORKS = (NETWORK, LONGER)
FILES = {  # of the rows that have results, the beginnings of their names
    NETWORK: "network",
    LONGER: "network-twice",
    HOST: "forest-host",
    FOREST: "forest-photometry",
    HOST + ALL_FRAMES: "forest-host-all-frames",
    FOREST + ALL_FRAMES: "forest-photometry-all-frames",
}
FORESTS = tuple(row for row in FILES if row not in NETWORKS)
PARTS = {"test": Prior.SURVEY, "extra_test": Prior.UNIFORM}  # and the class shares that their objects have
ENDS = {"": Prior.SURVEY, "_uniform": Prior.UNIFORM}  # of the names of scores at these class shares
DAMAGED = "remove this file and the one beside it, and give the command of the study again"


class RecordShape(Shape):
    """The types of what the JSON of a result says."""

    row: str
    fold: NonNegativeInt
    seed: NonNegativeInt
    setting: str
    survey: str
    split: str
    run: str | None
    precision: str
    environment: dict[str, Any]
    core_seconds: NonNegativeFloat | None
    classes: list[str]
    shares: list[float]
    scores: dict[str, dict[str, Any]]
    predictions: str


RECORD = JsonRecord(RecordShape, UsageError, "E-RUN-DAMAGED", DAMAGED, "a result of the study")


@dataclass(frozen=True)
class Result:
    """What one training predicts of the parts, the sky groups (n,) of their objects, and what its JSON says."""

    record: Mapping[str, Any]
    parts: Mapping[str, Predictions]
    groups: Mapping[str, NDArray[np.int64]]

    @property
    def key(self) -> Key:
        """Its fold and seed."""
        return self.record["fold"], self.record["seed"]

    def grouped(self, part: str) -> Iterator[tuple[str, int]]:
        """Yield the objects of a part, and the sky group of each."""
        if part in self.parts:
            yield from zip(self.parts[part].ids.tolist(), self.groups[part].tolist(), strict=True)


def path_of(folder: Path, row: str, fold: int, seed: int) -> Path:
    """Return the JSON of a result, by which it is finished."""
    return folder / f"{FILES[row]}-fold{fold}-seed{seed}.json"


def save_result(folder: Path, result: Result) -> None:
    """Write the predictions, then the JSON with their checksum and scores: what was killed before that is no result."""
    record, columns, kept = result.record, [], dict[str, Predictions]()
    names = record["classes"]
    for part, found in result.parts.items():
        order = np.argsort(found.ids)
        likely = found.at(Prior.SURVEY)[order].astype(np.float32)
        label, ids = found.label[order], found.ids[order]
        column = {"part": [part] * len(order), "id": ids, "label": [names[i] for i in label]}
        column["group"] = result.groups[part][order].astype(np.int32)
        columns.append(pa.table(column | {name: likely[:, c] for c, name in enumerate(names)}))
        kept[part] = _predictions(ids, label, likely, record)
    path = path_of(folder, record["row"], *result.key)
    table = path.with_suffix(".parquet")
    with whole_file(table, "saving the predictions") as partial:
        pq.write_table(pa.concat_tables(columns), partial, compression="zstd", write_page_checksum=True)
    write_json(path, {**record, "scores": _scores_of(kept, names), "predictions": sha256(table)})


def _predictions(
    ids: NDArray[np.str_], label: NDArray[np.int64], likely: NDArray[np.floating], record: Mapping[str, Any]
) -> Predictions:
    """Return predictions whose probabilities are at the survey's shares, and were rounded."""
    exact = likely.astype(np.float64)
    exact /= exact.sum(1, keepdims=True)
    equal = at_equal_shares(exact, np.array(record["shares"]))
    return Predictions(ids, label, {Prior.SURVEY: exact, Prior.UNIFORM: equal})


def _scores_of(parts: Mapping[str, Predictions], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the scores of parts as they stand in the result of a run: at the survey's shares, and at equal ones."""
    every = product(parts.items(), ENDS.items())
    return {f"{part}{end}": scores(found.at(prior), found.label, names) for (part, found), (end, prior) in every}


def read_result(path: Path) -> Result:
    """Read a result.

    Raises
    ------
    UsageError
        A file of it is lost, damaged, or not what the other one says.
    """
    record, table = RECORD.read(path), path.with_suffix(".parquet")
    if record["row"] not in FILES or path_of(path.parent, *(record[k] for k in ("row", "fold", "seed"))) != path:
        raise UsageError(f"it is named otherwise than its result, {record['row']}", path, DAMAGED, "E-RUN-EDITED")
    if not os.path.lexists(table):
        raise UsageError("the predictions of a result are lost", table, DAMAGED, "E-RUN-DAMAGED")
    with readable_os_errors("reading the predictions", table):
        if sha256(table) != record["predictions"]:
            raise UsageError(f"these are not the predictions of {path.name}", table, DAMAGED, "E-RUN-EDITED")
        columns = as_arrays(read_parquet(table))
    names = record["classes"]
    try:
        label = np.array([names.index(name) for name in columns["label"]], dtype=np.int64)
        likely, ids = np.column_stack([columns[name] for name in names]), columns["id"].astype(str)
        there = {part: here for part in PARTS if (here := columns["part"] == part).any()}
        parts = {part: _predictions(ids[here], label[here], likely[here], record) for part, here in there.items()}
    except (KeyError, ValueError) as error:  # of other classes, or no probabilities at these shares
        raise UsageError(f"it does not fit its predictions: {error}", path, DAMAGED, "E-RUN-DAMAGED") from error
    counted = {
        f"{part}{end}": confusion_counts(found.label, found.at(prior).argmax(1), len(names)).tolist()
        for (part, found), (end, prior) in product(parts.items(), ENDS.items())
    }
    if counted != {name: of.get("confusion") for name, of in record["scores"].items()}:
        raise UsageError("its scores are not those of its predictions", path, DAMAGED, "E-RUN-EDITED")
    return Result(record, parts, {part: columns["group"][here] for part, here in there.items()})


def read_results(folder: Path, settings: Mapping[str, str], survey: str | None = None) -> list[Result]:
    """Read all results of a folder.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    settings : mapping of str to str
        Hash of the setting that the study has for each row.
    survey : str, optional
        Hash of its survey; that of the first result where it is not known.

    Raises
    ------
    UsageError
        A result is damaged, or of another setting, survey or split than the study or the other results.
    """
    found = [read_result(path) for path in sorted(folder.glob("[!.]*.json"))]
    splits: dict[int, str] = {}
    fix = "take another folder of --results, or remove those results"
    for one in found:
        record, where = one.record, path_of(folder, one.record["row"], *one.key)
        survey = survey or record["survey"]
        setting = settings[record["row"]]
        same = {"setting": setting, "survey": survey, "split": splits.setdefault(record["fold"], record["split"])}
        if other := [
            f"{name} ({short_hash(record[name])} and not {short_hash(value)})"
            for name, value in same.items()
            if record[name] != value
        ]:
            raise UsageError(f"this result is of another {shorten(other)}", where, fix, "E-COMPARE-MISMATCH")
    return found
