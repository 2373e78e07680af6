"""The tables of the study, made of its results alone, and the paragraph that answers its question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.markdown import difference_lines, head, line, score_cell, seconds_cell
from experiments.redshift.jobs import APPROACHES, BASELINES, FOREST, FRACTIONS, REFERENCE, SELECTED, Job
from experiments.redshift.results import PARTS, Result
from ictconvention.core.atomic import whole_file
from ictconvention.evaluation.predictions import ModelPredictions, Pooled, pool
from ictconvention.evaluation.significance import Difference, describe_seeds, differences, intervals
from ictconvention.tasks.redshift.bins import edges_of
from ictconvention.tasks.redshift.measures import RedshiftMeasures

REPLICATES = 1000
FILE = "tables.md"
COLUMNS = ("sigma_mad", "bias", "outliers_05", "outliers_15", "crps", "coverage_68", "coverage_95", "bias_beyond_95")
SHIFTED = PARTS[-1]  # objects that are unlike those with labels
CONTENDERS = ("pre-trained", "foundation", "semi-supervised")
QUESTION = "Does pre-training without labels, or a foundation model, beat direct supervision under this shift?"
FAR_FROM_REAL = (
    "None of this is a real image. Painted are smooth bulges and discs of one night in registered bands, with a known "
    "PSF, noise, dust and neighbours; the simulated galaxies have the colours of a few templates. The survey kcorrect "
    "has the real colours and redshifts of SDSS's galaxies, in shapes that are simulated and know nothing of the "
    "redshift. What an encoder that has seen photographs gains from real shapes is not measured here."
)


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of one survey, part and share of labels.

    Parameters
    ----------
    part : str
        Of the split.
    title : str
        Says what is simulated.
    entries : mapping of str to ModelPredictions
        By row.
    group : array (n,)
        Groups of the objects, as `pool` sorts them.
    measures : RedshiftMeasures
    trained : array (bins,)
        Shares of the bins in the training part.
    """

    part: str
    title: str
    entries: Mapping[str, ModelPredictions]
    group: NDArray[np.int64]
    measures: RedshiftMeasures
    trained: NDArray[np.float64]

    @classmethod
    def of(cls, results: Mapping[Job, Result], survey: str, part: str, labels: int = 1) -> "Rows | None":
        """Gather them; None where there is none."""
        some = [one for job, one in results.items() if (job.survey, job.labels) == (survey, labels)]
        some = [one for one in some if part in one.parts]
        if not some:
            return None
        entries = {}
        for row in sorted({one.job.row for one in some}, key=_place):
            of_row = {one.job.seed: one for one in some if one.job.row == row}
            found = {(0, seed): one.parts[part] for seed, one in sorted(of_row.items())}
            spent = {(0, seed): one.record["core_seconds"] for seed, one in of_row.items()}
            known = {key: seconds for key, seconds in spent.items() if seconds is not None}
            parameters = next(iter(of_row.values())).record["parameters"]
            entries[row] = ModelPredictions(row, found, parameters, core_seconds=known)
        record, first = some[0].record, some[0]
        edges = edges_of(record["names"])
        group = first.groups[part][np.argsort(first.parts[part].ids)]
        measures = RedshiftMeasures(edges, {"z_95": record["beyond"]})
        return cls(part, record["title"], entries, group, measures, np.array(record["trained"]))

    @property
    def said(self) -> str:
        """Names them in a heading."""
        objects = len(self.group)
        return f"{self.title[0].upper()}{self.title[1:]}: {self.part.replace('_', ' ')} part, {objects} objects"

    def pooled(self, row: str) -> Pooled:
        """Return the predictions of a row."""
        return pool(self.entries[row])

    def ahead(self, row: str, other: str = REFERENCE) -> dict[str, Difference]:
        """Return how far a row is from another, by the name of the score."""
        found = differences(self.pooled(row), self.pooled(other), self.group, self.measures, REPLICATES)
        return {one.measure.name: one for one in found}


def _place(row: str) -> tuple[int, str]:
    """Return the place of a row in tables: approaches, answers to the shift, rows without a network."""
    order = [*APPROACHES]
    if row in order:
        return order.index(row), row
    return (len(order) + 1 + BASELINES.index(row), row) if row in BASELINES else (len(order), row)


def write_tables(
    folder: Path, results: Mapping[Job, Result], missing: Sequence[Job], left_out: Mapping[str, str]
) -> str:
    """Write `tables.md` into the folder of the results, and return it."""
    lines = list(lines_of(results))
    if missing:
        lines += [f"{len(missing)} jobs have no result: {', '.join(job.name for job in missing)}.", ""]
    lines += [f"Left out: {'; '.join(f'{name} ({why})' for name, why in left_out.items())}.", ""] if left_out else []
    text = "".join(f"{line}\n" for line in lines)
    with whole_file(folder / FILE, "saving the tables") as partial:
        partial.write_text(text, encoding="utf-8")
    return text


def lines_of(results: Mapping[Job, Result]) -> Iterator[str]:
    """Yield the lines of all tables, and the answer."""
    if not results:
        yield "No job has a result."
        return
    for survey in SELECTED:
        parts = [rows for part in PARTS if (rows := Rows.of(results, survey, part)) is not None]
        for rows in parts:
            yield from _table(rows)
        for rows in parts:
            yield from _differences(rows)
        yield from _fractions(results, survey)
    yield from answer(results)


def _table(rows: Rows) -> Iterator[str]:
    by_name = {one.name: one for one in rows.measures.columns}
    asked = [by_name[name] for name in COLUMNS]
    yield f"**{rows.said}**"
    yield ""
    yield from head("", "seeds", *(one.titled for one in asked), "core-seconds")
    for row, entry in rows.entries.items():
        found = intervals(rows.pooled(row), rows.group, rows.measures, REPLICATES, scores=asked)
        spent = [*entry.core_seconds.values()]
        cells = [score_cell(one, found[one.name]) for one in asked]
        yield line(row, str(len(entry.seeds)), *cells, seconds_cell(spent))
    yield ""
    yield (
        "With 95 % intervals of the luck of the objects and, where there are several, of the seeds. "
        f"{rows.measures.said} Core-seconds are those of training and validation."
    )
    yield ""


def _differences(rows: Rows) -> Iterator[str]:
    if REFERENCE not in rows.entries or len(rows.entries) < 2:
        return
    yield f"**{rows.said}: how far each row is from {REFERENCE}, paired**"
    yield ""
    others = {row: rows.ahead(row) for row in rows.entries if row != REFERENCE}
    yield from difference_lines(REFERENCE, rows.measures.compared, others)
    yield f"Below zero the row is better. {describe_seeds(len(rows.entries[REFERENCE].seeds), 1, rows.measures)}"
    yield ""


def _fractions(results: Mapping[Job, Result], survey: str) -> Iterator[str]:
    """Yield how rows do with fewer labels, of the first seed."""
    first = {job: one for job, one in results.items() if job.seed == 0}
    found = {labels: Rows.of(first, survey, SHIFTED, labels) for labels in FRACTIONS}
    there = {labels: rows for labels, rows in found.items() if rows is not None}
    if len(there) < 2:
        return
    some = next(iter(there.values()))
    asked = [one for one in some.measures.columns if one.name in ("sigma_mad", "crps")]
    of_labels = {job.labels: one.record["labelled"] for job, one in first.items() if job.survey == survey}
    yield f"**{some.said}, by the number of labels that train; seed 0**"
    yield ""
    yield from head("", *(f"{one.titled}, {of_labels[labels]} labels" for one in asked for labels in there))
    for row in dict.fromkeys(row for labels, rows in there.items() if labels > 1 for row in rows.entries):
        cells = []
        for one in asked:
            for rows in there.values():
                if row not in rows.entries:
                    cells.append("-")
                    continue
                span = intervals(rows.pooled(row), rows.group, rows.measures, REPLICATES, scores=[one])[one.name]
                cells.append(score_cell(one, span))
        yield line(row, *cells)
    yield ""


def answer(results: Mapping[Job, Result]) -> Iterator[str]:
    """Yield the paragraph that answers the question of the study, made of the results."""
    yield f"**{QUESTION}**"
    yield ""
    for survey in SELECTED:
        rows = Rows.of(results, survey, SHIFTED)
        if rows is None or REFERENCE not in rows.entries:
            continue
        said = [
            f"{rows.said[: rows.said.rindex(':')]}: on {len(rows.group)} objects that are unlike those with labels,"
        ]
        contenders = [row for row in CONTENDERS if row in rows.entries]
        said += (
            [_verdict(rows, contenders), "; ".join(_against(rows, row) for row in contenders) + "."]
            if contenders
            else []
        )
        said += [] if contenders else [f"{REFERENCE} is the only approach that was trained."]
        others = [row for row in rows.entries if row not in BASELINES and row != REFERENCE and row not in CONTENDERS]
        if others:
            said.append(f"The others: {'; '.join(_against(rows, row) for row in others)}.")
        said.append(_extremes(rows))
        said.append(describe_seeds(len(rows.entries[REFERENCE].seeds), 1, rows.measures))
        yield " ".join(said)
        yield ""
    yield FAR_FROM_REAL
    yield ""


def _verdict(rows: Rows, contenders: Sequence[str]) -> str:
    """Say which rows are ahead of the reference in CRPS, level with it, or behind, as far as their intervals tell."""
    where: dict[str, list[str]] = {}
    for row in contenders:
        where.setdefault(_where(rows.ahead(row)["crps"]), []).append(row)
    ahead = where.pop("ahead", [])
    found = f"ahead of {REFERENCE} in CRPS: {', '.join(ahead) or 'none'}"
    return "; ".join([found, *(f"{place}: {', '.join(of)}" for place, of in where.items())]) + ". In detail:"


def _where(one: Difference) -> str:
    return "ahead" if one.high < 0 else "behind" if one.low > 0 else "level"


def _against(rows: Rows, row: str) -> str:
    """Say where a row stands against the reference: by CRPS, scatter and the bias beyond training."""
    found = rows.ahead(row)
    said = []
    for name in ("crps", "sigma_mad", "abs_bias_beyond_95"):
        if (one := found.get(name)) is None:
            continue
        write = one.measure.write
        said.append(
            f"{_where(one)} in {one.measure.title} ({write(one.low, signed=True)} to {write(one.high, signed=True)})"
        )
    return f"{row} is {', '.join(said)}"


def _extremes(rows: Rows) -> str:
    """Say which rows are best, and how biased they are where training has hardly an example."""
    asked = {one.name: one for one in rows.measures.columns if one.name in ("crps", "bias_beyond_95")}
    found = {
        row: intervals(rows.pooled(row), rows.group, rows.measures, REPLICATES, scores=[*asked.values()])
        for row in rows.entries
    }
    best = min(found, key=lambda row: found[row]["crps"][0])
    of = [f"The least CRPS has {best} ({score_cell(asked['crps'], found[best]['crps'])})"]
    others = [row for row in (REFERENCE, FOREST) if row in found and row != best]
    of += [f"{row} has {score_cell(asked['crps'], found[row]['crps'])}" for row in others]
    far = {row: one["bias_beyond_95"] for row, one in found.items() if np.isfinite(one["bias_beyond_95"][0])}
    said = "; ".join(of) + "."
    if far:
        least, most = (pick(far, key=lambda row: abs(far[row][0])) for pick in (min, max))
        ends = [
            f"{row} {score_cell(asked['bias_beyond_95'], far[row])}" for row in dict.fromkeys((least, REFERENCE, most))
        ]
        said += f" Bias beyond the training's redshifts, the least, of {REFERENCE} and the largest: {', '.join(ends)}."
    return said
