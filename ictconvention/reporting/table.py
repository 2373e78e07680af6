"""The table of a comparison: a row for each model, as text, CSV, Markdown and LaTeX."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.measures import Measure, Measures
from ictconvention.evaluation.predictions import ModelPredictions, pool

Spans = Mapping[str, tuple[float, float, float]]  # a score and the ends of its 95 % interval, by name
NONE = "-"  # a cost that is not known, or no such thing
CORE_SECONDS = (
    "Passes: training epochs of each stage. Core-seconds: CPU time of a training with its validation; of a forest that "
    "of its features and trees (photometry and median stamps, made once for a survey, aside); of a mean that of its "
    "rows. The median over folds and seeds."
)


@dataclass(frozen=True)
class Measured:
    """One score of one model.

    Parameters
    ----------
    mean : float
        Over folds, of the mean over seeds; NaN where no fold has a value.
    deviation : float or None
        Standard deviation over folds; None with one fold.
    pooled : float
        Value of the pooled predictions of all folds, the mean over seeds.
    seed_deviation : float or None
        Standard deviation of that over seeds; None with one seed.
    """

    mean: float
    deviation: float | None
    pooled: float
    seed_deviation: float | None


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and the number to sort by, where there is one."""

    text: str
    number: float | None = None


@dataclass(frozen=True)
class Table:
    """A table: columns by title, rows of as many cells, and the lines below.

    Parameters
    ----------
    title : str
    columns : sequence of str
    rows : sequence of sequence of Cell
    notes : sequence of str
    numbers : sequence of mapping
        For each row, by name, all that is known of it, unrounded: what the CSV holds.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...]
    numbers: tuple[Mapping[str, str | float | None], ...] = field(default=())


def measure_model(entry: ModelPredictions, measures: Measures) -> dict[str, Measured]:
    """Return every score of a model, by name."""
    whole = pool(entry)
    by_fold = [
        [measures.score(entry.predictions[f, s].rows, entry.predictions[f, s].label) for s in entry.seeds]
        for f in entry.folds
    ]
    together = [measures.score(whole.of_seed(s), whole.label) for s in range(whole.seeds)]
    found: dict[str, Measured] = {}
    for name in together[0]:
        folds = np.array([_mean([one[name] for one in of_fold]) for of_fold in by_fold])
        seeds = np.array([np.nan if one[name] is None else one[name] for one in together], dtype=float)
        found[name] = Measured(_mean(folds.tolist()), _deviation(folds), _mean(seeds.tolist()), _deviation(seeds))
    return found


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _deviation(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else None


def relative_seconds(entry: ModelPredictions, reference: ModelPredictions | None) -> float | None:
    """Return the training time of a model relative to another's: the median over the trainings that both have."""
    if reference is None:
        return None
    both = sorted(entry.seconds.keys() & reference.seconds.keys())
    return float(np.median([entry.seconds[key] / reference.seconds[key] for key in both])) if both else None


def make_table(
    entries: Sequence[ModelPredictions],
    measures: Measures,
    title: str,
    reference: str | None = None,
    published: Mapping[str, tuple[float, float]] | None = None,
    notes: Sequence[str] = (),
    spans: Mapping[str, Spans] | None = None,
) -> Table:
    """Make the table of a comparison.

    Parameters
    ----------
    entries : sequence of ModelPredictions
        The rows.
    measures : Measures
        The scores of their task.
    title : str
        Names the survey, and says whether it is simulated.
    reference : str, optional
        Name of the model to which training times are relative.
    published : mapping of str to (float, float), optional
        Accuracy and macro F1 [%] that the paper gives for a row.
    notes : sequence of str
        Further lines below.
    spans : mapping of str to mapping, optional
        Of each row by name: scores with the ends of their intervals, for the CSV.
    """
    several = len(entries[0].folds) > 1
    base = next((entry for entry in entries if entry.name == reference), None)
    times = {entry.name: relative_seconds(entry, base) for entry in entries}
    columns = ["model"]
    for one in measures.columns:
        columns += [f"{one.title}, folds", f"{one.title}, pooled"] if one.by_fold else [one.title]
    columns += ["parameters"]
    columns += ["passes", "core-seconds"] if (trained := any(entry.passes for entry in entries)) else []
    columns += [f"time / {reference}"] if any(value is not None for value in times.values()) else []
    columns += ["paper: accuracy", "paper: F1"] if published else []
    rows, numbers = [], []
    for entry in entries:
        found = measure_model(entry, measures)
        cells = [Cell(entry.name)]
        record: dict[str, str | float | None] = {
            "model": entry.name,
            "folds": len(entry.folds),
            "seeds": len(entry.seeds),
        }
        for one in measures.columns:
            of = found[one.name]
            cells += [_with_deviation(one, of.mean, of.deviation)] if one.by_fold else []
            cells += [_with_deviation(one, of.mean if one.ranked else of.pooled, None)]
        for name, of in found.items():
            record |= {
                f"{name}_fold_mean": of.mean,
                f"{name}_fold_deviation": of.deviation,
                f"{name}_pooled": of.pooled,
                f"{name}_seed_deviation": of.seed_deviation,
            }
        for name, (_, low, high) in (spans or {}).get(entry.name, {}).items():
            record |= {f"{name}_low": low, f"{name}_high": high}
        cells.append(
            Cell("" if entry.parameters is None else f"{entry.parameters:,}".replace(",", " "), entry.parameters)
        )
        record["parameters"] = entry.parameters
        if trained:
            cost = float(np.median([*entry.core_seconds.values()])) if entry.core_seconds else None
            cells += [Cell(entry.passes or NONE), Cell(NONE if cost is None else f"{cost:.0f}", cost)]
            record |= {"passes": entry.passes or None, "core_seconds": cost}
        if f"time / {reference}" in columns:
            time = times[entry.name]
            cells.append(Cell("" if time is None else f"{time:.2f}", time))
            record["relative_time"] = time
        if published:
            paper = published.get(entry.name)
            cells += [Cell(f"{value:.2f}", value) for value in paper] if paper else [Cell(""), Cell("")]
            record |= {"paper_accuracy": paper[0] if paper else None, "paper_f1": paper[1] if paper else None}
        rows.append(tuple(cells))
        numbers.append(record)
    said = [measures.said] if measures.said else []
    said += [CORE_SECONDS] if trained else []
    below = [*said, _said_of_folds(entries[0], several, measures), _said_of_seeds(entries), *notes]
    return Table(title, tuple(columns), tuple(rows), tuple(below), tuple(numbers))


def _said_of_folds(entry: ModelPredictions, several: bool, measures: Measures) -> str:
    numbers = f"{measures.numbers} " if measures.numbers else ""
    if not several:
        return f"{numbers}One fold ({entry.folds[0]}): no deviation over folds is known."
    how = "predictions averaged per object, since all folds test the same"
    if pool(entry).cells > 1:
        how = "their test objects together"
    ranked = [one.title for one in measures.columns if one.ranked]
    apart = f"{', '.join(ranked)}: mean over folds; all others pooled" if ranked else "All pooled"
    return (
        f"{numbers}Folds: mean +- standard deviation over {len(entry.folds)} folds; {apart}: {how}."
        if any(one.by_fold for one in measures.columns)
        else f"{numbers}{len(entry.folds)} folds; {apart}: {how}."
    )


def _said_of_seeds(entries: Sequence[ModelPredictions]) -> str:
    most = max(len(entry.seeds) for entry in entries)
    if most == 1:
        return "One seed each: how far another seed would move these numbers is not in them."
    fewer = [f"{entry.name} {len(entry.seeds)}" for entry in entries if len(entry.seeds) < most]
    return f"Means over {most} seeds" + (f" (but: {', '.join(fewer)})." if fewer else ".")


def _with_deviation(measure: Measure, value: float, deviation: float | None) -> Cell:
    if not np.isfinite(value):
        return Cell("")
    spread = "" if deviation is None else f" +- {measure.write(deviation)}"
    return Cell(measure.write(value) + spread, measure.scale * value)


def as_text(table: Table) -> str:
    """Return the table for a terminal."""
    heads = [_folded(column) for column in table.columns]
    depth = max(len(head) for head in heads)
    titles = [[(([""] * (depth - len(head))) + head)[row] for head in heads] for row in range(depth)]
    body = [[cell.text for cell in row] for row in table.rows]
    width = [max(len(line[column]) for line in [*titles, *body]) for column in range(len(heads))]

    def put(cells: Sequence[str]) -> str:
        return "  ".join([cells[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(cells[1:], width[1:], strict=True))])

    rule = "-" * (sum(width) + 2 * (len(width) - 1))
    return "\n".join([table.title, rule, *map(put, titles), rule, *map(put, body), rule, *table.notes]) + "\n"


def _folded(column: str) -> list[str]:
    """Break a title into short lines."""
    lines: list[str] = [""]
    for word in column.split():
        if lines[-1] and len(lines[-1]) + len(word) > 10:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def as_csv(table: Table) -> str:
    """Return all numbers, unrounded, a row for each model."""
    file = io.StringIO()
    names = list(dict.fromkeys(name for row in table.numbers for name in row))
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    for row in table.numbers:
        known = {k: v for k, v in row.items() if not (isinstance(v, float) and np.isnan(v))}
        writer.writerow(known)
    return file.getvalue()


def as_markdown(table: Table) -> str:
    """Return the table for a README."""

    def put(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = "|---|" + "---:|" * (len(table.columns) - 1)
    rows = [put([cell.text.replace("+-", "±") for cell in row]) for row in table.rows]
    notes = [f"- {note.replace('+-', '±')}" for note in table.notes]
    return "\n".join([f"**{table.title}**", "", put(table.columns), rule, *rows, "", *notes]) + "\n"


def as_latex(table: Table) -> str:
    """Return the table for a paper, for the package booktabs."""
    special = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{"}
    special |= {"}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}

    def escaped(text: str) -> str:
        return "".join(special.get(letter, letter) for letter in text).replace("+-", r"$\pm$")

    def put(cells: Sequence[str]) -> str:
        return " & ".join(map(escaped, cells)) + r" \\"

    caption = escaped(" ".join([f"{table.title}.", *table.notes]))
    lines = [r"\begin{table}", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}"]
    lines += [r"\toprule", put(table.columns), r"\midrule"]
    lines += [put([cell.text for cell in row]) for row in table.rows]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"
