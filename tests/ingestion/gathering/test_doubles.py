"""Frames of an exposure of which there is another one: told in the order in which they were found."""

import math

import pyarrow as pa

from ictconvention.ingestion.found import FRAME_LINES
from ictconvention.ingestion.gathering.doubles import Doubles
from ictconvention.ingestion.rejects import Rejects

BLANK = {one.name: "" if pa.types.is_string(one.type) else math.nan for one in FRAME_LINES} | {"normalised": False}


def lines(*places: tuple[str, int, int]) -> pa.Table:
    """Return lines about frames of objects, each with its unit and row; their files are named by these."""
    rows = [
        {**BLANK, "id": id_, "file": f"{unit}.{row}", "mjd": 58000.0, "band": "g", "crc32": 0, "unit": unit, "row": row}
        for id_, unit, row in places
    ]
    return pa.Table.from_pylist(rows, FRAME_LINES)


def test_they_are_in_the_order_of_units_after_those_that_the_survey_had_by_their_ids() -> None:
    doubles = Doubles()
    assert doubles.rejects() == Rejects.of(())
    doubles.add(lines(("b", 1, 7), ("b", 0, 9), ("b", -1, 3), ("b", -3, 0)))
    doubles.add(lines())
    doubles.add(lines(("a", 1, 2), ("a", -2, 5)))
    rejects = doubles.rejects()
    assert [one.file for one in rejects] == ["-2.5", "-1.3", "-3.0", "0.9", "1.2", "1.7"]
    assert [one.object for one in rejects] == ["a", "b", "b", "b", "a", "b"]
    assert rejects.flaws == 6
