"""An ingest in shares of whole objects: the same survey for any number of them, in memory that does not grow."""

import hashlib
import os
import resource
import tracemalloc
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.core.errors import FileSystemError
from ictconvention.ingestion import growing_table, side_tables
from ictconvention.ingestion.found import Found, FoundFrame, Measurement, Reject
from ictconvention.ingestion.gathering import kept, new_survey, source
from ictconvention.ingestion.gathering import shares as shares_module
from ictconvention.ingestion.gathering.shares import ObjectOrder, Shares
from ictconvention.ingestion.gathering.table_file import TableFile, WaitingTables
from ictconvention.ingestion.growing import night as nights
from ictconvention.ingestion.options import Ingested, IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.ingestion.rejects import Rejects
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.photometry.table import MEASUREMENTS
from tests.ingestion.growing.nights import content
from tests.refusals import refused

UNITS, OBJECTS = 30, 40
TABLE: dict[str, dict[str, Any]] = {f"o{n:02d}": {"class_name": ("AGN", "SN Ia")[n % 2]} for n in (31, 4, 17)}


def found(unit: int) -> Iterator[Found]:
    """Read a unit: frames of a third of the objects, some of them read before, photometry, and what is left out."""
    rng = np.random.default_rng(unit)
    for number in rng.permutation(OBJECTS)[: OBJECTS // 3].tolist():
        pixels = rng.normal(size=(8, 8)).astype(np.float32)
        frame = FoundFrame(f"o{number:02d}", pixels, "gr"[unit % 2], 58000.0 + unit, f"{unit}.avro", ra=10.0 + number)
        yield frame
        yield from [frame] * (number % 5 == 0)  # again, as a broker that sends it twice
        if number % 7 == 0:
            yield FoundFrame(frame.id, pixels + 1, frame.band, frame.mjd + 5e-7, f"{unit}-other.avro")
        for back in range(1, 4):
            yield Measurement(
                frame.id, frame.mjd - back, "g", float(back), 0.1, np.nan, ("detection", "forced")[back % 2]
            )
    yield Reject("", f"{unit}.avro", f"broken at byte {unit}")


def made(out: Path, units: Any = range(UNITS), **own: Any) -> Ingested:
    options = IngestOptions(out, "a test", 1.0, name="shares", size=8, into=out.exists(), **own)
    return ingest(options, found, units, TABLE)


def share_into(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let an ingest of all units have so many shares of frames, and of measurements."""
    frames = [one for unit in range(UNITS) for one in found(unit) if isinstance(one, FoundFrame)]
    monkeypatch.setattr(source, "FRAMES_AT_ONCE", -(-len(frames) // number))
    monkeypatch.setattr(source, "LINES_OF_BATCH", 50)
    monkeypatch.setattr(growing_table, "ROWS_AT_ONCE", 4096 if number == 1 else 6)  # so that lines of a unit wait too
    monkeypatch.setattr(side_tables, "MEASUREMENTS_AT_ONCE", -(-3 * UNITS * (OBJECTS // 3) // number))
    monkeypatch.setattr(kept, "SHARD_FRAMES", 100)


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("shares", [2, 7])
def test_a_survey_has_the_same_bytes_however_many_shares_it_is_made_of(
    shares: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_into(monkeypatch, 1)
    one = made(tmp_path / "one" / "s")
    share_into(monkeypatch, shares)
    dealt = list[int]()
    monkeypatch.setattr(Shares, "__init__", _counted(Shares.__init__, dealt))
    other = made(tmp_path / "other" / "s", jobs=2)
    assert dealt == [shares, shares]  # of frames, and of measurements
    assert digests(tmp_path / "one") == digests(tmp_path / "other")  # the rejects beside the survey too
    assert str(one) == str(other)
    assert one.remarks == other.remarks
    assert list(one.rejects) == list(other.rejects)
    assert not audit_survey(other.survey.path).flaws


def _counted(begin: Any, dealt: list[int]) -> Any:
    def counted(self: Shares, *arguments: Any) -> None:
        begin(self, *arguments)
        dealt.append(len(self))

    return counted


def test_a_survey_is_what_a_sort_of_all_frames_in_memory_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference keeps the first of the frames of one exposure, and sorts all by object, time and band."""
    share_into(monkeypatch, 7)
    survey = made(tmp_path / "s").survey
    first: dict[tuple[str, str, float], FoundFrame] = {}
    rejects = [
        (one.id, one.file)
        for unit in range(UNITS)
        for one in found(unit)
        if isinstance(one, FoundFrame) and first.setdefault((one.id, one.band, round(one.mjd, 5)), one).file != one.file
    ]
    names = [*TABLE, *sorted({id_ for id_, _, _ in first} - TABLE.keys())]
    frames = sorted(first.values(), key=lambda one: (names.index(one.id), one.mjd, one.band))
    assert list(survey.ids) == names
    np.testing.assert_array_equal(np.concatenate([one.frames for one in survey]), [one.pixels for one in frames])
    assert pq.read_table(survey.path / "frame_sources.parquet").column("file").to_pylist() == [
        one.file for one in frames
    ]
    assert len(survey.shards) > 2
    rows = (tmp_path / "s-rejects.csv").read_text().splitlines()
    assert [tuple(row.split(",")[:2]) for row in rows if "duplicate exposure" in row] == rejects
    points = pq.read_table(survey.path / "photometry.parquet")
    keys = list(zip(*(points.column(name).to_pylist() for name in ("id", "mjd", "band", "kind")), strict=True))
    wanted = {
        (one.id, one.mjd, one.band, one.kind)
        for unit in range(UNITS)
        for one in found(unit)
        if isinstance(one, Measurement)
    }
    assert keys == sorted(wanted)


@pytest.mark.parametrize("shares", [1, 7])
def test_nights_in_shares_are_one_ingest(shares: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = made(tmp_path / "one").survey
    share_into(monkeypatch, 2 * shares)
    for begin in (0, 15):
        grown = made(tmp_path / "s", range(begin, begin + 15)).survey
    assert content(grown) == content(one)


def test_a_dry_run_in_shares_says_the_same_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share_into(monkeypatch, 7)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dry = made(tmp_path / "s", dry_run=True)
    assert not list(tmp_path.iterdir())
    wet = made(tmp_path / "s")
    assert (str(dry), list(dry.rejects)) == (str(wet), list(wet.rejects))


def _ingest_with_few_files(out: Path) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    ingest(IngestOptions(out, "a test", 1.0, name="shares", size=8, jobs=2), found, range(100), {})


def test_few_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames of a shard lie in the files of a hundred units, where 64 may be open."""
    share_into(monkeypatch, 7)
    monkeypatch.setattr(source, "FRAMES_AT_ONCE", 100)
    process = get_context("fork").Process(target=_ingest_with_few_files, args=(tmp_path / "s",))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert not audit_survey(tmp_path / "s").flaws


def test_a_full_disk_leaves_no_survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = TableFile.__init__

    def full(self: TableFile, schema: pa.Schema, path: Path | None) -> None:
        begin(self, schema, Path("/dev/full"))

    monkeypatch.setattr(TableFile, "__init__", full)
    with refused(FileSystemError, "E-FILES-FULL", where=Path("/dev/full")):
        made(tmp_path / "s")
    assert not list(tmp_path.iterdir())


def rows_of(count: int) -> Iterator[pa.Table]:
    """Yield the rows of many objects, a thousand at a time."""
    for begin in range(0, count, 1000):
        numbers = np.arange(begin, min(begin + 1000, count)) * 7919 % count
        yield pa.table({"id": [f"o{number // 5:09d}" for number in numbers.tolist()], "row": numbers})


def test_shares_follow_one_another_and_hold_whole_objects(tmp_path: Path) -> None:
    count, at_once, order = 30_000, 1000, ObjectOrder(["o000000007", "o000000002"])
    shares = Shares(lambda: rows_of(count), count, order, at_once)
    with WaitingTables(tmp_path) as waiting:
        file = waiting.new("rows", next(rows_of(1)).schema)
        dealt = list(shares.deal(lambda: rows_of(count), file))
    assert len(dealt) == 30
    assert max(one.num_rows for one in dealt) < 2 * at_once
    assert sorted(number for one in dealt for number in one.column("row").to_pylist()) == list(range(count))
    keys = [[order.key(id_) for id_ in one.column("id").to_pylist()] for one in dealt]
    assert all(max(before) < min(after) for before, after in pairwise(keys))
    assert {id_ for _, id_ in keys[0]} >= {"o000000007", "o000000002"}


def test_memory_of_shares_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of numpy's arrays and Python's objects; Arrow's own memory is measured in experiments/scale.

    But for the sample that tells where shares begin, which grows with their number until there are 256.
    """
    monkeypatch.setattr(shares_module, "SAMPLE", 4)
    most = []
    for count in (5000, 20_000):
        with WaitingTables(tmp_path) as waiting:
            file = waiting.new(f"rows{count}", next(rows_of(1)).schema)
            tracemalloc.start()
            for table in Shares(partial(rows_of, count), count, ObjectOrder(), 500).deal(partial(rows_of, count), file):
                del table
            most.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert most[1] < 2 * most[0]


def test_units_beyond_a_million_keep_their_order(tmp_path: Path) -> None:
    """Of two measurements of one moment that of the unit before stays: number 999 999 comes before 1 000 000."""
    schema = MEASUREMENTS
    for unit, flux in ((1_000_000, 2.0), (999_999, 1.0)):
        row = {"id": "a", "band": "g", "kind": "forced", "flag": "", "mjd": 58000.0, "flux": flux}
        row |= {"error": 0.1, "limit": np.nan}
        side_tables.keep_measurements(tmp_path, unit, pa.Table.from_pylist([row], schema))
    with WaitingTables(tmp_path) as waiting:
        side_tables.save_photometry(tmp_path, tmp_path, waiting)
    assert pq.read_table(tmp_path / "photometry.parquet").column("flux").to_pylist() == [1.0]


@pytest.mark.parametrize("night", [False, True])
def test_no_file_is_open_in_the_scratch_when_it_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, night: bool
) -> None:
    """A file that is open stays in a folder of a shared file system under another name, and the folder stays, too."""
    removed, opened = list[Path](), list[str]()

    def look(path: Path, *arguments: Any, **options: Any) -> None:
        where = [os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()]
        opened.extend(one for one in where if one.startswith(f"{path}{os.sep}"))
        removed.append(path)

    if night:
        made(tmp_path / "s", range(UNITS - 3))
    monkeypatch.setattr((nights if night else new_survey).shutil, "rmtree", look)
    made(tmp_path / "s", range(UNITS - 3, UNITS), jobs=1)
    assert removed
    assert opened == []


@pytest.mark.parametrize("night", [False, True])
def test_lines_leave_the_disk_when_they_were_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, night: bool
) -> None:
    """When the shards are written, no frame has a line in the files of units or of shares any more."""
    share_into(monkeypatch, 7)
    if night:
        made(tmp_path / "s", range(UNITS // 2))
    module, left = nights if night else new_survey, list[str]()
    write = module.write_shards

    def look(folder: Path, *arguments: Any) -> int:
        left.extend(path.name for path in (folder / "scratch").iterdir() if path.suffix in (".arrow", ".parquet"))
        count: int = write(folder, *arguments)
        return count

    monkeypatch.setattr(module, "write_shards", look)
    made(tmp_path / "s", range(UNITS // 2, UNITS))
    kinds = {name.removesuffix(".arrow").split("-")[-1] for name in left}
    assert kinds == ({"kept", "added", "described"} if night else {"kept"})


def test_a_dry_run_keeps_no_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: dict[bool, int] = {False: 0, True: 0}
    append = growing_table.GrowingTable.append

    def count(self: growing_table.GrowingTable, row: Any) -> None:
        rows[dry] += self._schema == MEASUREMENTS
        append(self, row)

    monkeypatch.setattr(growing_table.GrowingTable, "append", count)
    for dry in (True, False):
        made(tmp_path / "s", dry_run=dry)
    assert rows == {True: 0, False: 3 * UNITS * (OBJECTS // 3)}


def test_a_name_that_is_no_utf_8_is_a_reject_with_escapes() -> None:
    (one,) = Rejects.of([Reject("", os.fsdecode(b"a\xe9.fits"), "damaged")])
    assert one.file == "a\\xe9.fits"
    assert Rejects.of([one]) == [one]
    assert Rejects.of([one]) != []
