"""The results of the study: a table of predictions and a JSON for each row, fold and seed, and what they say together.

Knows no survey and trains nothing: a folder of results is enough.
"""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import NonNegativeFloat, NonNegativeInt
from sklearn.metrics import precision_recall_curve

from experiments.table2.rows import ALL_FRAMES, FOREST, HOST
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors, shorten
from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.predictions import Key, ModelPredictions, Pooled, Predictions, mean_of_logarithms, pool
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.evaluation.scores import calibration_error, scores
from ictconvention.evaluation.significance import describe_seeds, differences, mean_scores
from ictconvention.reading.json_file import JsonRecord, Shape
from ictconvention.reading.parquet_file import as_arrays, read_parquet
from ictconvention.runs.status import write_json
from ictconvention.survey.format import sha256
from ictconvention.tasks.class_measures import HEADINGS, ClassMeasures

NETWORK = "frame transformer"
FILES = {  # of the rows that have results, the beginnings of their names
    NETWORK: "network",
    HOST: "forest-host",
    FOREST: "forest-photometry",
    HOST + ALL_FRAMES: "forest-host-all-frames",
    FOREST + ALL_FRAMES: "forest-photometry-all-frames",
}
FORESTS = tuple(row for row in FILES if row != NETWORK)
MEANS = {f"mean of {NETWORK} and {row}": row for row in (HOST, HOST + ALL_FRAMES)}  # of log-probabilities
PARTS = {"test": Prior.SURVEY, "extra_test": Prior.UNIFORM}  # and the class shares that their objects have
PURE, COMPLETENESS = "SN Ia", 0.8
DAMAGED = "remove this file and the one beside it, and give the command of the study again"


class EqualShares(ClassMeasures):
    """The scores of classes at equal class shares."""

    compared: ClassVar[tuple[Measure, ...]] = ClassMeasures(()).by_training[HEADINGS[Prior.UNIFORM]][1::-1]


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
    ends = {"": Prior.SURVEY, "_uniform": Prior.UNIFORM}
    return {
        f"{part}{end}": scores(found.at(prior), found.label, names)
        for part, found in parts.items()
        for end, prior in ends.items()
    }


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
        counted = {name: of["confusion"] for name, of in _scores_of(parts, names).items()}
    except (KeyError, ValueError) as error:  # of other classes, or no probabilities at these shares
        raise UsageError(f"it does not fit its predictions: {error}", path, DAMAGED, "E-RUN-DAMAGED") from error
    if counted != {name: of.get("confusion") for name, of in record["scores"].items()}:
        raise UsageError("its scores are not those of its predictions", path, DAMAGED, "E-RUN-EDITED")
    return Result(record, parts, {part: columns["group"][here] for part, here in there.items()})


def read_results(folder: Path, setting: str, survey: str | None = None) -> list[Result]:
    """Read all results of a folder.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    setting : str
        Hash of the setting that the study has.
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
        same = {"setting": setting, "survey": survey, "split": splits.setdefault(record["fold"], record["split"])}
        if other := [name for name, value in same.items() if record[name] != value]:
            raise UsageError(f"this result is of another {shorten(other)}", where, fix, "E-COMPARE-MISMATCH")
    return found


def entries_of(results: Iterable[Result], part: str) -> dict[str, ModelPredictions]:
    """Return the rows that have a result of a part, with the folds that all of them have, and then their means."""
    by_row: dict[str, dict[Key, Result]] = {row: {} for row in FILES}
    for one in results:
        if part in one.parts:
            by_row[one.record["row"]][one.key] = one
    by_row = {row: of for row, of in by_row.items() if of}
    first = {row: min(seed for _, seed in of) for row, of in by_row.items()}
    of_first = [{fold for fold, seed in of if seed == first[row]} for row, of in by_row.items()]
    folds = sorted(set[int].intersection(*of_first)) if of_first else []
    entries = {}
    for row, of in by_row.items():
        seeds = [seed for seed in sorted({seed for _, seed in of}) if all((fold, seed) in of for fold in folds)]
        kept = {(fold, seed): of[fold, seed] for fold in folds for seed in seeds}
        spent = {key: one.record["core_seconds"] for key, one in kept.items()}
        if kept:
            predictions = {key: one.parts[part] for key, one in kept.items()}
            known = {key: seconds for key, seconds in spent.items() if seconds is not None}
            entries[row] = ModelPredictions(row, predictions, core_seconds=known)
    if NETWORK in entries:
        pairs = {name: row for name, row in MEANS.items() if row in entries}
        entries |= {name: mean_of_logarithms(name, [entries[NETWORK], entries[row]]) for name, row in pairs.items()}
    return entries


def pooled_of(entry: ModelPredictions, part: str) -> Pooled:
    """Bring the folds together; of the extra test part, which each tests, folds count as further seeds."""
    if part == "extra_test":
        trainings = enumerate(entry.predictions.values())
        entry = ModelPredictions(entry.name, {(0, number): found for number, found in trainings})
    return pool(entry)


def purity(probability: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the purity of the smallest sample, by the probability of a class (n,), of this completeness."""
    precision, recall, _ = precision_recall_curve(truth, probability)
    return float(precision[recall >= COMPLETENESS][-1])


def describe_results(results: Sequence[Result], folds: Sequence[int], seeds: Sequence[int]) -> str:
    """Return the table, the differences of network and forests, and what is missing of the folds and seeds."""
    there = {(one.record["row"], *one.key) for one in results}
    wanted = [(row, fold, seed) for row in FILES for fold in folds for seed in (seeds if row == NETWORK else (0,))]
    lines = _listed("Missing", [key for key in wanted if key not in there]) or ["Nothing is missing."]
    entries = {part: of for part in PARTS if (of := entries_of(results, part))}
    if not entries:
        return "\n".join(["No fold has a result of every row.", *lines])
    shown = {(row, *key) for row, entry in entries["test"].items() for key in entry.predictions}
    lines += _listed("Not in the tables, for another row lacks the fold, or another fold the seed", there - shown)
    measures = EqualShares(results[0].record["classes"])
    wholes = {part: {row: pooled_of(entry, part) for row, entry in of.items()} for part, of in entries.items()}
    group = {id_: g for one in results for part in entries for id_, g in one.grouped(part)}
    table = [*_scores(entries, wholes, measures), "", *_differences(wholes, group, measures)]
    made = [one.record["environment"] | {"precision": one.record["precision"]} for one in results]
    facts = [sorted({str(of.get(name)) for of in made}) for name in ("processor", "precision", "threads")]
    lines.append(f"Processor: {', '.join(facts[0])}; precision {', '.join(facts[1])}; threads {', '.join(facts[2])}.")
    return "\n".join([*table, "", *lines])


def _listed(said: str, keys: Collection[tuple[str, int, int]]) -> list[str]:
    rows = {row: ", ".join(f"{fold}/{seed}" for of, fold, seed in sorted(keys) if of == row) for row in FILES}
    listed = [f"{row} {of}" for row, of in rows.items() if of]
    return [f"{said} (fold/seed): {'; '.join(listed)}."] if listed else []


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _scores(
    entries: Mapping[str, Mapping[str, ModelPredictions]],
    wholes: Mapping[str, Mapping[str, Pooled]],
    measures: EqualShares,
) -> list[str]:
    """Return the table of scores: means over the trainings of a row."""
    of_part = [*(one.title for one in measures.compared), "calibration error", f"{PURE} purity"]
    heads = [f"{part.replace('_', ' ')}: {head}" for part in wholes for head in of_part]
    lines = [_line("", *heads, "core-seconds"), "|" + "---|" * (2 + len(heads))]
    for row, entry in entries["test"].items():
        cells: list[str] = []
        for part, of in wholes.items():
            label, likely = of[row].label, of[row].at(PARTS[part])
            error = np.mean([calibration_error(one.max(1), one.argmax(1) == label) for one in likely])
            cells += [f"{value:.3f}" for value in (*mean_scores(of[row], measures).values(), error)]
            column = measures.names.index(PURE) if PURE in measures.names else None
            pure = [purity(one[:, column], label == column) for one in likely] if column is not None else []
            cells.append(f"{np.mean(pure):.3f}" if pure else "-")
        spent = list(entry.core_seconds.values())
        lines.append(_line(row, *cells, f"{np.mean(spent):.0f}" if spent else "-"))
    return lines


def _differences(
    wholes: Mapping[str, Mapping[str, Pooled]], group: Mapping[str, int], measures: EqualShares
) -> list[str]:
    """Return how many points the network is ahead of each forest, and what the intervals hold."""
    heads = [f"{part.replace('_', ' ')}: {one.title}" for part in wholes for one in measures.compared]
    lines = [_line(f"{NETWORK} minus", *heads), "|" + "---|" * (1 + len(heads))]
    held: dict[str, None] = {}
    for row in FORESTS:
        cells = []
        for part, of in wholes.items():
            if NETWORK in of and row in of:
                groups = np.array([group[id_] for id_ in of[row].ids])
                for one in differences(of[NETWORK], of[row], groups, measures):
                    value, low, high = (one.measure.write(x, signed=True) for x in (one.value, one.low, one.high))
                    cells.append(f"{value} ({low} to {high})")
                trainings = min(of[NETWORK].seeds, of[row].seeds)
                held[f"{part.replace('_', ' ')}: {describe_seeds(trainings, of[row].cells, measures)}"] = None
        if cells:
            lines.append(_line(row, *cells))
    return [*lines, "", *held] if held else ["No fold has both network and forest."]
