"""What a stream has shown is kept over many starts, in one table of many, and refused where a part of it is lost."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.applying.watching import series
from ictconvention.applying.watching.series import CANDIDATE, LINES, KnownSeries, NewFrames
from ictconvention.core.errors import UsageError
from ictconvention.survey.growth.side_tables import each_once
from ictconvention.survey.photometry.table import MEASUREMENTS
from tests.refusals import refused

OBJECTS = [f"ZTF{number}" for number in range(3)]


def add(known: KnownSeries, day: int) -> None:
    """Add a batch: a frame of each object, and the photometry of the days before, as packets repeat it."""
    count, past = len(OBJECTS), range(max(0, day - 5), day)
    known.work.mkdir(exist_ok=True)
    np.save(known.work / "0.npy", np.full((count, 4, 4), day, dtype=np.float32))
    columns: dict[str, Any] = {
        one.name: [None] * count if one.type == pa.string() else np.zeros(count) for one in LINES
    }
    columns |= {"id": OBJECTS, "band": ["g"] * count, "mjd": [float(day)] * count, "row": range(count)}
    columns |= {"unit": [known.next] * count, CANDIDATE: [10 * day + number for number in range(count)]}
    lines = pa.table({one.name: pa.array(columns[one.name]).cast(one.type) for one in LINES}, LINES)
    rows = [
        {"id": id_, "band": "r", "kind": "forced", "flag": "bad" if day - one > 3 else "", "mjd": float(one)}
        | {"flux": 100.0 * one, "error": 1.0, "limit": 5.0}
        for id_ in OBJECTS
        for one in past
    ]
    known.prepare(known.work / "0.npy", NewFrames(lines, pa.Table.from_pylist(rows, MEASUREMENTS)))
    known.complete()


def content(known: KnownSeries) -> list[object]:
    """Return all that is asked of a state: lines, and each measurement once."""
    lines = [table.to_pylist() for table in known.lines_of(OBJECTS)]
    points = [each_once(known.points_of(id_, 1e9)).sort_by("mjd").to_pylist() for id_ in OBJECTS]
    return [lines, points, known.next]


def test_a_state_of_many_batches_is_one_table_after_the_next_start_and_the_same(tmp_path: Path) -> None:
    known = KnownSeries(tmp_path, True)
    for day in range(series.CHUNKS + 2):
        add(known, day)
    before = content(known)
    assert content(KnownSeries(tmp_path, True)) == before
    last = series.CHUNKS + 2
    tables = sorted(path.name for path in tmp_path.glob("*.parquet"))
    assert tables == [f"to-{last}.lines.parquet", f"to-{last}.points.parquet"]
    assert len(list(tmp_path.glob("*.npy"))) == last
    again = KnownSeries(tmp_path, True)
    assert again.is_done(1)
    assert not again.is_done(last + 1)
    assert again.points_of(OBJECTS[0], 1e9).num_rows == last - 1  # of five times as many
    add(again, last)
    assert content(KnownSeries(tmp_path, True)) == content(again)
    for day in range(last + 1, last + series.CHUNKS):
        add(again, day)
    whole = content(KnownSeries(tmp_path, True))
    assert whole == content(again)
    assert [path.name for path in tmp_path.glob("*.lines.parquet")] == [f"to-{last + series.CHUNKS}.lines.parquet"]


@pytest.mark.parametrize("name", ["lines", "points"])
def test_who_dies_while_the_tables_become_one_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    known = KnownSeries(tmp_path, True)
    for day in range(series.CHUNKS):
        add(known, day)
    before = content(known)

    def die(*arguments: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as held:
        if name == "points":  # those are there, and the lines not yet
            original, calls = pq.write_table, list[None]()
            held.setattr(pq, "write_table", lambda *a: die() if calls else calls.append(original(*a)))
        else:  # both are there, and the batches too
            held.setattr(KnownSeries, "_settle", lambda known: None if known._merged == 0 else die())
        with pytest.raises(ZeroDivisionError):
            KnownSeries(tmp_path, True)
    assert content(KnownSeries(tmp_path, True)) == before
    assert len(list(tmp_path.glob("*.lines.parquet"))) == 1


@pytest.mark.parametrize("lost", ["3.npy", "3.points.parquet", "to-64.points.parquet"])
def test_what_is_lost_of_a_state_is_named(tmp_path: Path, lost: str) -> None:
    known = KnownSeries(tmp_path, True)
    for day in range(series.CHUNKS if lost.startswith("to") else 4):
        add(known, day)
    KnownSeries(tmp_path, True)
    (tmp_path / lost).unlink()
    with refused(UsageError, "E-STREAM-STATE", where=lost):
        KnownSeries(tmp_path, True)
