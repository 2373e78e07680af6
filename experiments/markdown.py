"""The lines of the tables that studies write in Markdown: scores with their intervals, and paired differences."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.significance import Difference


def line(*cells: str) -> str:
    """Return a line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def head(*cells: str) -> Iterator[str]:
    """Yield the first two lines of a table."""
    yield line(*cells)
    yield "|" + "---|" * len(cells)


def score_cell(measure: Measure, found: Sequence[float]) -> str:
    """Return a score with the ends of its interval as it is read; a dash where it is not known."""
    value, low, high = found
    return f"{measure.write(value)} ({measure.write(low)} to {measure.write(high)})" if np.isfinite(value) else "-"


def difference_cell(one: Difference | None) -> str:
    """Return a difference with the ends of its interval as it is read; a dash where there is none."""
    if one is None:
        return "-"
    value, low, high = (one.measure.write(x, signed=True) for x in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"


def difference_lines(
    reference: str, measures: Sequence[Measure], rows: Mapping[str, Mapping[str, Difference]]
) -> Iterator[str]:
    """Yield the table of how far each row is from the reference, paired, by the names of the scores."""
    yield from head(f"row minus {reference}", *(one.titled for one in measures))
    for row, found in rows.items():
        yield line(row, *(difference_cell(found.get(one.name)) for one in measures))
    yield ""


def seconds_cell(spent: Sequence[float]) -> str:
    """Return the mean CPU time of some trainings [s] as it is read."""
    mean = float(np.mean(spent)) if spent else None
    return "-" if mean is None else f"{mean:.0f}" if mean >= 10 else f"{mean:.1f}"
