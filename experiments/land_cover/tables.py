"""The tables of the study, made of its results alone, beside the published numbers and their caution."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.land_cover.jobs import ENSEMBLE, FEW_ICT, FEW_SUPERVISED, MEMBERS, REFERENCE, ROWS, Job
from experiments.land_cover.results import CONFUSION, Result
from experiments.markdown import difference_cell, difference_lines, head, line, score_cell, seconds_cell
from ictconvention.core.atomic import whole_file
from ictconvention.evaluation.masks.published import CAUTION, PUBLISHED_KL
from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.predictions import ModelPredictions, Pooled, ensemble, pool
from ictconvention.evaluation.significance import Difference, describe_seeds, differences, intervals
from ictconvention.tasks.mask.measures import MaskMeasures

REPLICATES = 1000
FILE = "tables.md"
CHIEF = ("kl_argmax", "kl_mean", "kl_calibrated", "miou", "accuracy")
WIDTHS = (
    "Of the widths that the text gives, 64 filters and 8 layers are its 31.1 million parameters (31 056 458 with the "
    "statistics of the norms). Its '6 filters, 4.4 million' can only be 24 filters (4 370 722), and its '4 layers, 1.7 "
    "million' is reached by no variant that was tried: 64 filters and 4 layers have 1 866 570."
)


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows that have a result.

    Parameters
    ----------
    title : str
        Says what is simulated.
    part : str
        Of the split, whose chips they are.
    entries : mapping of str to ModelPredictions
        By row, in order.
    architecture : mapping of str to (filters, layers)
        By row; None where it has none.
    courses : mapping of str to mapping of int to mapping
        KL of the validation part after each training epoch, by row, seed and kind, as `Result` has it.
    group : array (n,)
        Groups of the chips, as `pool` sorts them.
    measures : MaskMeasures
    """

    title: str
    part: str
    entries: Mapping[str, ModelPredictions]
    architecture: Mapping[str, tuple[int | None, int | None]]
    courses: Mapping[str, Mapping[int, Mapping[str, Sequence[float]]]]
    group: NDArray[np.int64]
    measures: MaskMeasures

    @classmethod
    def of(cls, results: Mapping[Job, Result]) -> "Rows | None":
        """Gather them; None where there is none."""
        if not results:
            return None
        entries, architecture, courses = {}, {}, {}
        for row in ROWS:
            of_row = {job.seed: one for job, one in sorted(results.items(), key=_seed_of) if job.row == row}
            if of_row:
                first = next(iter(of_row.values())).record
                found = {(0, seed): one.predictions for seed, one in of_row.items()}
                spent = {(0, seed): one.record["core_seconds"] for seed, one in of_row.items()}
                known = {key: seconds for key, seconds in spent.items() if seconds is not None}
                entries[row] = ModelPredictions(row, found, first["parameters"], core_seconds=known)
                architecture[row] = first["filters"], first["layers"]
                courses[row] = {seed: one.record["course"] for seed, one in of_row.items() if one.record["course"]}
            elif row == ENSEMBLE and len(entries.get(REFERENCE, ModelPredictions("", {})).seeds) == MEMBERS:
                entries[row] = average(entries[REFERENCE])
                architecture[row] = architecture[REFERENCE]
        some = next(iter(results.values()))
        record = some.record
        group = some.group[np.argsort(some.predictions.ids)]
        measures = MaskMeasures(record["names"])
        return cls(record["title"], record["part"], entries, architecture, courses, group, measures)

    @property
    def said(self) -> str:
        """Names them in a heading."""
        title = f"{self.title[0].upper()}{self.title[1:]}"
        return f"{title}: {self.part.replace('_', ' ')} part, {len(self.group)} chips"

    def pooled(self, row: str) -> Pooled:
        """Return the predictions of a row."""
        return pool(self.entries[row])

    def ahead(self, row: str, other: str = REFERENCE) -> dict[str, Difference]:
        """Return how far a row is from another, by the name of the score."""
        found = differences(self.pooled(row), self.pooled(other), self.group, self.measures, REPLICATES)
        return {one.measure.name: one for one in found}


def _seed_of(one: tuple[Job, Result]) -> int:
    return one[0].seed


def average(entry: ModelPredictions) -> ModelPredictions:
    """Return the averages of the shares of all seeds, as one seed; a mask is not averaged, nor its confusion."""
    return replace(ensemble(entry, len(entry.seeds), MaskMeasures.alone), name=ENSEMBLE)


def write_tables(folder: Path, results: Mapping[Job, Result], missing: Sequence[Job]) -> str:
    """Write `tables.md` into the folder of the results, and return it."""
    lines = list(lines_of(results))
    if missing:
        lines += [f"{len(missing)} jobs have no result: {', '.join(job.name for job in missing)}.", ""]
    text = "".join(f"{one}\n" for one in lines)
    with whole_file(folder / FILE, "saving the tables") as partial:
        partial.write_text(text, encoding="utf-8")
    return text


def lines_of(results: Mapping[Job, Result]) -> Iterator[str]:
    """Yield the lines of all tables."""
    rows = Rows.of(results)
    if rows is None:
        yield "No job has a result."
        return
    by_name = {one.name: one for one in rows.measures.columns}
    yield from _scores(rows, [by_name[name] for name in CHIEF])
    yield from _overlaps(rows, [by_name[f"iou_{name}"] for name in rows.measures.names])
    yield from _differences(rows)
    yield from published()


def _scores(rows: Rows, asked: Sequence[Measure]) -> Iterator[str]:
    yield f"**{rows.said}**"
    yield ""
    yield from head("", "filters", "layers", "parameters", "seeds", *(one.titled for one in asked), "core-seconds")
    for row, entry in rows.entries.items():
        cells = _cells(rows, row, asked)
        if all(cell == "-" for cell in cells):  # the constants: of no pixel, and calibrated by nothing
            cells[1] = _cells(rows, row, [rows.measures.compared[0]])[0]
        filters, layers = (_number(x) for x in rows.architecture[row])
        spent = [*entry.core_seconds.values()]
        yield line(row, filters, layers, _number(entry.parameters), str(len(entry.seeds)), *cells, seconds_cell(spent))
    yield ""
    yield (
        "With 95 % intervals of the luck of the chips (drawn by scene) and, where there are several, of the seeds. "
        f"{rows.measures.said} {' '.join(rows.measures.notes(rows.pooled(next(iter(rows.entries))).label))} "
        "Core-seconds are those of training and validation, of the ensemble of all its members."
    )
    yield ""


def _overlaps(rows: Rows, asked: Sequence[Measure]) -> Iterator[str]:
    """Yield the table of the IoU of each class, of the rows that give masks."""
    with_masks = [row for row in rows.entries if CONFUSION in rows.pooled(row).rows]
    if not with_masks:
        return
    yield f"**{rows.said}: IoU of each class [%]**"
    yield ""
    yield from head("", *rows.measures.names)
    for row in with_masks:
        yield line(row, *_cells(rows, row, asked))
    yield ""


def _cells(rows: Rows, row: str, asked: Sequence[Measure]) -> list[str]:
    found = intervals(rows.pooled(row), rows.group, rows.measures, REPLICATES, scores=asked)
    return [score_cell(one, found[one.name]) for one in asked]


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _differences(rows: Rows) -> Iterator[str]:
    if REFERENCE not in rows.entries or len(rows.entries) < 2:
        return
    yield f"**{rows.said}: how far each row is from {REFERENCE}, paired; KL of the shares that are predicted**"
    yield ""
    others = {row: rows.ahead(row) for row in rows.entries if row != REFERENCE}
    yield from difference_lines(REFERENCE, rows.measures.compared, others)
    seeds = describe_seeds(len(rows.entries[REFERENCE].seeds), 1, rows.measures)
    yield f"In KL a row is better below zero, in the others above. {seeds}"
    yield ""
    if {FEW_SUPERVISED, FEW_ICT} <= rows.entries.keys():
        found = rows.ahead(FEW_ICT, FEW_SUPERVISED)
        said = "; ".join(f"{one.titled} {difference_cell(found.get(one.name))}" for one in rows.measures.compared)
        yield f"{FEW_ICT}, minus {FEW_SUPERVISED}: {said}."
        yield ""


def published() -> Iterator[str]:
    """Yield the published numbers, beside which these may be laid, and why not too close."""
    yield "**Published KL, of real chips of 256 pixels: not comparable with simulated ones, only in their order**"
    yield ""
    yield from head("", "KL")
    for name, value in PUBLISHED_KL.items():
        yield line(name, f"{value:g}")
    yield ""
    yield f"{CAUTION} {WIDTHS}"
    yield ""
