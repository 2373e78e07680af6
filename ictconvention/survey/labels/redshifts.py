"""What a survey says of redshifts: how many are known, which objects are selected, E(B-V), and what cannot be right."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, pluralize, shorten
from ictconvention.survey.labels.selected import Selection, find_selection, known_redshifts, raw_redshifts

REDDENING = "ebv"  # column of a survey that knows E(B-V) of the Milky Way [mag]
FARTHEST = 9.9  # redshift; 9.99, 9.999 and 99 stand for a missing value
THICKEST = 10.0  # E(B-V) [mag]; the dust of the Milky Way has about as much in its midst
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """Numbers that are known of some objects.

    Parameters
    ----------
    known, objects : int
        Of how many objects there is a number, and how many objects there are.
    least, median, most : float
        Of these numbers; NaN where there is none.
    """

    known: int
    objects: int
    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Floats) -> "Span":
        """Return the span of the values (n,) that are finite."""
        there = values[np.isfinite(values)]
        ends = np.quantile(there, [0, 0.5, 1]).tolist() if len(there) else [np.nan] * 3
        return cls(len(there), len(values), *ends)


@dataclass(frozen=True)
class RedshiftFacts:
    """What a survey says of redshifts.

    Parameters
    ----------
    redshifts : Span
        Those of its column.
    selection : Selection, optional
        None without a column `selected`, or where that holds other than true and false.
    reddening : Span, optional
        E(B-V) [mag]; None without a column `ebv` of numbers.
    odd : tuple of str
        What cannot be right, in words with the objects and the fix.
    refusal : SurveyError, optional
        Why no run learns these redshifts, where the column `selected` holds or lacks what it should not.
    """

    redshifts: Span
    selection: Selection | None
    reddening: Span | None
    odd: tuple[str, ...]
    refusal: SurveyError | None

    @property
    def said(self) -> dict[str, str]:
        """The same in words, by what they are of; without what the survey says nothing of."""
        found = {}
        if (z := self.redshifts).known:
            found["redshifts"] = f"{_count(z)}, {z.least:.4g} to {z.most:.4g}, median {z.median:.4g}"
        if self.selection is not None:
            found["selected"] = self.selection.said.removeprefix("selected: ")
        if (ebv := self.reddening) is not None:
            found["E(B-V)"] = f"{ebv.least:.3g} to {ebv.most:.3g} mag" if ebv.known else "of no object"
            if 0 < ebv.known < ebv.objects:
                lacking = pluralize(ebv.objects - ebv.known, "object")
                found["E(B-V)"] += f", unknown of {lacking}: a network that takes it needs it of all"
        return found


def find_facts(objects: Table) -> RedshiftFacts:
    """Return what the table of a survey, as of `Survey.object_table`, says of redshifts."""
    selection, refusal = None, None
    try:
        selection = find_selection(objects)
        known_redshifts(objects)
    except SurveyError as error:
        refusal = error
    odd = [*_outside(objects, raw_redshifts(objects), "redshift", FARTHEST)]
    ebv = np.ma.asarray(objects[REDDENING]) if REDDENING in objects.colnames else None
    numbers = None if ebv is None or ebv.dtype.kind not in "fiu" else np.ma.filled(ebv.astype(np.float64), np.nan)
    if ebv is not None and numbers is None and not np.ma.getmaskarray(ebv).all():
        odd.append(f"the column {REDDENING} is no number, such as {ebv.compressed()[0]}: write E(B-V) [mag] there")
    if numbers is not None:
        odd += _outside(objects, numbers, "E(B-V)", THICKEST)
    reddening = None if numbers is None else Span.of(numbers)
    return RedshiftFacts(Span.of(raw_redshifts(objects)), selection, reddening, tuple(odd), refusal)


def _outside(objects: Table, values: Floats, name: str, most: float) -> Iterator[str]:
    """Yield which values (n,) are below 0, and above the most that is likely."""
    for wrong, words in ((values < 0, "below 0"), (values > most, f"above {most:g}")):
        if (rows := np.flatnonzero(wrong)).size:
            first = shorten(f"{values[row]:g} of object {objects['id'][row]}" for row in rows)
            fix = "correct it, or leave it empty (NaN) where it is not known"
            yield f"{name} {words} of {pluralize(len(rows), 'object')}: {first}; {fix}"


def _count(span: Span) -> str:
    return f"{span.known} of {pluralize(span.objects, 'object')}"
