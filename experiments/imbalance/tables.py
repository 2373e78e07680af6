"""The tables of the study: every score with its interval, and how far each row is from doing nothing."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from experiments.imbalance.published import REPORTS, SOURCE, caution
from experiments.imbalance.rows import NO_WEIGHTS, reference_of
from experiments.imbalance.scores import TwoClassMeasures
from ictconvention.evaluation.predictions import ModelPredictions, pool
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import describe_seeds, differences, intervals, mcnemar, sentence

HEADINGS = {
    Prior.SURVEY: "Decided at the survey's class shares",
    Prior.UNIFORM: "Decided at equal class shares, as networks that were trained with balance decide by themselves",
}
ORDER = ("precision", "recall", "f1")


def text_of(
    title: str, rows: Mapping[str, ModelPredictions | None], names: tuple[str, str], missing: str
) -> Iterator[str]:
    """Yield the lines of both tables, of the differences and of the published reports.

    Parameters
    ----------
    title : str
        Names the survey, and says that it is simulated.
    rows : mapping of str to ModelPredictions
        By name; None where there were no weights.
    names : two names
        Of the classes, the frequent one first.
    missing : str
        How the weights that are missing are given.
    """
    entries = {name: entry for name, entry in rows.items() if entry is not None}
    group = np.arange(len(next(iter(next(iter(entries.values())).predictions.values())).ids))
    for at, heading in HEADINGS.items():
        yield from _table(f"{title}. {heading}.", rows, TwoClassMeasures(names, at), group)
        yield ""
    if len(entries) < len(rows):
        yield f"{NO_WEIGHTS}: {missing}"
        yield ""
    yield f"{title}. Differences to the same network where nothing is done, at the survey's class shares."
    measures = TwoClassMeasures(names, Prior.SURVEY)
    for name in entries:
        if (reference := reference_of(name)) is not None and reference in entries:
            first, second = (pool(entries[one]) for one in (name, reference))
            yield sentence(name, reference, differences(first, second, group, measures))
            right = [one.of_seed(0)[Prior.SURVEY].argmax(1) == one.label for one in (first, second)]
            only, other, chance = mcnemar(*right)
            pair = f"{only} objects are right in this row alone, {other} in the other (McNemar, p = {chance:.2g})"
            yield f"  Of the first seed, {pair}."
    seeds = max(len(entry.seeds) for entry in entries.values())
    yield describe_seeds(seeds, 1, measures)
    yield ""
    yield from published(names)


def _table(
    title: str, rows: Mapping[str, ModelPredictions | None], measures: TwoClassMeasures, group: np.ndarray
) -> Iterator[str]:
    head = ["row", "seeds", *(one.title for one in measures.compared)]
    lines = [head]
    for name, entry in rows.items():
        if entry is None:
            lines.append([name, NO_WEIGHTS])
            continue
        found = intervals(pool(entry), group, measures)
        cells = [
            f"{one.write(value)} ({one.write(low)} to {one.write(high)})"
            for one, (value, low, high) in ((one, found[one.name]) for one in measures.compared)
        ]
        lines.append([name, str(len(entry.seeds)), *cells])
    yield title
    yield "Per cent, with 95 % intervals of the luck of the objects and, where there are several, of the seeds."
    yield from aligned(lines)


def aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines of cells in columns; a line may be short."""
    widths = [max(len(line[c]) for line in lines if c < len(line)) for c in range(max(map(len, lines)))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=False)).rstrip()


def published(names: tuple[str, str]) -> Iterator[str]:
    """Yield the published reports, beside which these numbers may be laid, and why not too close."""
    yield f"Published, of other pictures, each one training without intervals: {SOURCE}"
    head = ["row", *(f"{key} {c}" for c in (1, 0) for key in ORDER), "accuracy"]
    lines = [head]
    for name, report in REPORTS.items():
        found = report.derived()
        cells = [f"{100 * found[f'{key} of class {c}']:.1f}" for c in (1, 0) for key in ORDER]
        lines.append([name, *cells, f"{100 * found['accuracy']:.1f}"])
    yield from aligned(lines)
    yield f"Class 1 is the rare one, 270 of 960 as {names[1]} here. {caution()}"
