"""What holds for every source: a survey appears whole or not at all, and all that was left out is told."""

import os
import signal
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from ictconvention.core.errors import FileSystemError, SurveyError, UsageError
from ictconvention.ingestion.found import Found, FoundFrame, Reject
from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey
from tests.ingestion.commands import flat, made, refusal, rejects_of, spoken, write_table
from tests.refusals import check_refusal, refused

SCALE = ("--pixel-scale", 0.4)
SIZE = 32


def frames(count: int = 4, **own: Any) -> list[dict[str, Any]]:
    """Return rows of a table of stamps, a file each."""
    return [{"id": "a", "file": f"{n}.fits", "band": "g", "mjd": 58000.0 + n} | own for n in range(count)]


def stamps(folder: Path, rows: list[dict[str, Any]], spoil: dict[int, Any] | None = None) -> Path:
    """Write a folder of stamps and its table; `spoil` gives other pixels or bytes for some rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        pixels = (spoil or {}).get(number, flat(SIZE, 1.0 + number))
        path = folder / row["file"]
        if isinstance(pixels, bytes):
            path.write_bytes(pixels)
        elif pixels is not None:
            fits.PrimaryHDU(pixels).writeto(path, overwrite=True)
    return write_table(folder / "table.csv", rows)


def listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_the_survey_is_sound_and_knows_how_it_was_made(tmp_path: Path) -> None:
    table = stamps(tmp_path / "in", frames())
    result = made(
        "stamps", table, tmp_path / "new" / "s", *SCALE, "--name", "mine", "--simulated", "--classes", "AGN,SN Ia"
    )
    assert not audit_survey(result.survey.path).flaws
    header = result.survey.header
    assert (header.name, header.simulated, header.classes) == ("mine", True, ("AGN", "SN Ia"))
    assert header.provenance["made by"].startswith("ictconvention ")
    assert header.provenance["tables"].keys() == {"frame_sources.parquet"}
    unused = "no object of the class AGN, SN Ia, which --classes names"
    assert result.lines == [unused, f"survey: {result.survey.path}", "1 object, 4 frames, 0 rejected"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["s"]


@pytest.mark.parametrize(
    ("changes", "pixels", "reason"),
    [
        ({}, np.full((SIZE, SIZE), np.nan), "no pixel is finite"),
        ({}, np.zeros((SIZE, SIZE)), "all pixels are 0: the image shows no sky"),
        ({}, np.where(np.arange(SIZE) < 20, np.nan, flat(SIZE)), "62% of the pixels are not finite"),
        ({}, flat(SIZE, 1e300), "no pixel is finite"),
        ({}, b"no FITS", "no whole FITS file"),
        ({}, b"", "no whole FITS file"),
        ({"file": "gone.fits"}, None, "No such file or directory"),
        ({"file": "1.txt"}, b"text", "'.txt' is not a format of stamps"),
        ({"hdu": "SCI"}, flat(SIZE), "there is no HDU 'SCI': 0 PRIMARY"),
        ({"hdu": 3}, flat(SIZE), "there is no HDU 3: 0 PRIMARY"),
        ({"mjd": None}, flat(SIZE), "no date"),
        ({"mjd": -1.0}, flat(SIZE), "MJD -1.0 is before 1858"),
        ({"mjd": 2458000.5}, flat(SIZE), "looks like a Julian date: subtract 2400000.5"),
        ({"band": "cleer"}, flat(SIZE), "unknown band 'cleer' (did you mean clear?): bands are g, clear"),
        ({"band": None}, flat(SIZE), "no band"),
        ({"mjd": 58000.0}, flat(SIZE, 7), "duplicate exposure in band g at MJD 58000.00000"),
        ({"mjd": 58000.0 + 5e-7}, flat(SIZE, 7), "duplicate exposure in band g"),
        ({"mjd": 8000.5}, flat(SIZE), "counts from another day, such as JD - 2450000"),
        ({"mjd": 1677290640.0}, flat(SIZE), "looks like seconds since 1970"),
        ({"mjd": 450_000.0}, flat(SIZE), "is after the year 2954"),
    ],
)
def test_a_frame_that_cannot_be_used_is_one_reject_and_harms_no_other(
    tmp_path: Path, changes: dict[str, Any], pixels: Any, reason: str
) -> None:
    rows = frames()
    rows[1] |= changes
    table = stamps(tmp_path / "in", rows, {1: pixels})
    result = made("stamps", table, tmp_path / "s", *SCALE, "--bands", "g,clear")
    assert result.said == "1 object, 3 frames, 1 rejected"
    np.testing.assert_array_equal(result.survey["a"].frames[:, 0, 0], [1, 3, 4])
    (row,) = result.rejects
    assert reason in row["reason"]
    assert row["object"] == "a"
    assert row["file"].startswith(rows[1]["file"])
    assert reason in result.lines[0]


def test_a_truncated_file_is_a_reject(tmp_path: Path) -> None:
    rows = frames()
    table = stamps(tmp_path / "in", rows)
    for name, share in (("1.fits", 0.9), ("2.fits", 0.3)):
        content = (tmp_path / "in" / name).read_bytes()
        (tmp_path / "in" / name).write_bytes(content[: int(len(content) * share)])
    result = made("stamps", table, tmp_path / "s", *SCALE)
    assert result.said == "1 object, 2 frames, 2 rejected"
    assert all("no whole FITS file" in row["reason"] for row in result.rejects)


def test_frames_of_two_bands_at_one_time_are_two_exposures(tmp_path: Path) -> None:
    rows = frames(2, mjd=58000.0)
    rows[1]["band"] = "r"
    assert (
        made("stamps", stamps(tmp_path / "in", rows), tmp_path / "s", *SCALE).said == "1 object, 2 frames, 0 rejected"
    )


def test_bands_come_in_order_of_wavelength_or_as_asked(tmp_path: Path) -> None:
    rows = frames(5)
    for row, band in zip(rows, ("z", "clear", "u", "r", "g"), strict=True):
        row["band"] = band
    table = stamps(tmp_path / "in", rows)
    assert made("stamps", table, tmp_path / "s", *SCALE).survey.header.bands == ("u", "g", "r", "z", "clear")
    asked = made("stamps", table, tmp_path / "t", *SCALE, "--bands", "r,u,z,y")
    assert asked.survey.header.bands == ("r", "u", "z", "y")
    np.testing.assert_array_equal(asked.survey["a"].band, [2, 1, 0])


def test_too_many_rejects_leave_no_survey_but_a_table_that_a_good_run_removes(tmp_path: Path) -> None:
    table = stamps(tmp_path / "in", frames(), {0: b"", 1: b"", 3: b"rubbish"})
    out = tmp_path / "out" / "s"
    error = refusal("stamps", table, out, *SCALE)
    check_refusal(error, "E-INGEST-REJECTS", "3 rejected", "1 frames", "--max-rejects 0.76", where=out)
    assert str(out.with_name("s-rejects.csv")) in error.fix
    assert [path.name for path in out.parent.iterdir()] == ["s-rejects.csv"]
    assert [row["file"] for row in rejects_of(out)] == ["0.fits", "1.fits", "3.fits"]
    assert made("stamps", table, out, *SCALE, "--max-rejects", 0.76).said == "1 object, 1 frame, 3 rejected"
    for path in (out, *out.parent.glob("s-*")):
        assert path.exists()
    out.rename(tmp_path / "away")
    assert made("stamps", stamps(tmp_path / "in", frames()), out, *SCALE).said == "1 object, 4 frames, 0 rejected"
    assert [path.name for path in out.parent.iterdir()] == ["s"]


def test_a_source_of_which_nothing_is_left_is_refused_whatever_is_allowed(tmp_path: Path) -> None:
    table = stamps(tmp_path / "in", frames(1), {0: b""})
    error = refusal("stamps", table, tmp_path / "s", *SCALE, "--max-rejects", 1)
    check_refusal(error, "E-INGEST-REJECTS", where=tmp_path / "s")


def test_a_dry_run_writes_nothing_and_says_the_same(tmp_path: Path) -> None:
    table = stamps(tmp_path / "in", frames(), {2: b""})
    before = listing(tmp_path)
    lines = spoken("stamps", table, tmp_path / "new" / "s", *SCALE, "--dry-run", "--jobs", 2)
    refusal("stamps", table, tmp_path / "new" / "s", *SCALE, "--dry-run", "--max-rejects", 0.1)
    assert listing(tmp_path) == before
    assert lines[-2:] == ["nothing was written", "1 object, 3 frames, 1 rejected"]
    assert made("stamps", table, tmp_path / "new" / "s", *SCALE).said == lines[-1]


def test_a_survey_that_exists_is_never_touched(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "s", [image_series(0, 3)])
    before = listing(tmp_path / "s")
    error = refusal("stamps", stamps(tmp_path / "in", frames()), tmp_path / "s", *SCALE)
    assert isinstance(error, FileSystemError)
    check_refusal(error, "E-FILES-EXISTS", where=tmp_path / "s")
    assert listing(tmp_path / "s") == before
    assert Survey.open(tmp_path / "s").hash == survey.hash


@pytest.mark.parametrize("where", ["below a file", "read-only"])
def test_a_target_that_cannot_be_written_is_told_in_words(tmp_path: Path, where: str) -> None:
    table = stamps(tmp_path / "in", frames())
    target = tmp_path / "target"
    if where == "below a file":
        target.write_text("a file")
    else:
        target.mkdir(mode=0o500)
        if os.access(target, os.W_OK):
            pytest.skip("this user may write anywhere")
    error = refusal("stamps", table, target / "s", *SCALE)
    assert isinstance(error, FileSystemError)
    check_refusal(error, "E-FILES-EXISTS" if where == "below a file" else "E-FILES-DENIED", where=target / "s")


@pytest.mark.parametrize(
    "options",
    [("--jobs", 0), ("--size", 0), ("--max-rejects", 1.5), ("--bands", "g,g"), ("--bands", ""), ("--classes", "a/b")],
)
def test_options_out_of_range_are_refused(tmp_path: Path, options: tuple[object, ...]) -> None:
    refusal("stamps", stamps(tmp_path / "in", frames()), tmp_path / "s", *SCALE, *options)
    assert not list(tmp_path.glob("*s*rejects*"))


def test_a_pickled_array_is_refused_and_not_run(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    (tmp_path / "in").mkdir()
    rows = frames(4)
    for row, name in zip(rows, ("0.npz", "1.npy", "2.npz", "3.fits"), strict=True):
        row["file"] = name
    np.savez(tmp_path / "in" / "0.npz", frames=np.array([Payload()], dtype=object))
    np.save(tmp_path / "in" / "1.npy", np.array([Payload()], dtype=object))
    (tmp_path / "in" / "2.npz").write_bytes(b"PK no archive")
    fits.PrimaryHDU(flat(SIZE)).writeto(tmp_path / "in" / "3.fits")
    table = write_table(tmp_path / "in" / "table.csv", rows)
    result = made("stamps", table, tmp_path / "s", *SCALE, "--max-rejects", 0.9)
    assert result.said == "1 object, 1 frame, 3 rejected"
    assert not (tmp_path / "executed").exists()
    assert "allow_pickle" in result.rejects[0]["reason"]


def found(number: int) -> list[Found]:
    """Read a unit, that is, make it up; the tenth never ends."""
    while number == 10:
        time.sleep(0.1)
    stamp = np.full((8, 8), number, dtype=np.float32)
    return [FoundFrame(f"o{number % 3}", stamp, "g", 58000.0 + number, f"{number}.fits"), Reject("", "x", "why")]


def options(out: Path, jobs: int = 2) -> IngestOptions:
    return IngestOptions(out, "a test", 1.0, size=8, jobs=jobs)


def _ingest_until_killed(out: Path) -> None:

    def kill(done: int, total: int) -> None:
        if done == 10:
            os.kill(os.getpid(), signal.SIGKILL)

    ingest(options(out), found, range(11), {}, kill)


def test_a_process_killed_in_the_middle_leaves_nothing_that_opens(tmp_path: Path) -> None:
    process = get_context("fork").Process(target=_ingest_until_killed, args=(tmp_path / "s",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with refused(SurveyError, "E-SURVEY-UNFINISHED", where=tmp_path / "s"):
        Survey.open(tmp_path / "s")
    for folder in tmp_path.rglob("*"):
        with refused(SurveyError, "E-SURVEY-FORMAT"):
            Survey.open(folder)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # until the workers have seen that their parent is gone
        try:
            assert ingest(options(tmp_path / "s"), found, range(9), {}).frames == 9
            break
        except FileSystemError:
            time.sleep(0.2)
    assert len(Survey.open(tmp_path / "s")) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s", "s-rejects.csv"]


def test_a_reader_that_raises_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        ingest(options(tmp_path / "s"), found_or_broken, range(5), {})
    assert list(tmp_path.iterdir()) == []


def found_or_broken(number: int) -> list[Found]:
    if number == 2:
        raise ZeroDivisionError
    return found(number)


def test_options_need_a_job_a_pixel_and_a_share() -> None:
    with refused(UsageError, "E-COMMAND-VALUE", "jobs is 0", where="options of ingest"):
        options(Path("s"), jobs=0)


def test_bands_that_were_not_asked_for_count_for_no_share(tmp_path: Path) -> None:
    """Of three bands one is wanted: two thirds of the frames are left out, by choice."""
    np.savez(tmp_path / "a.npz", frames=np.random.default_rng(0).normal(size=(9, 32, 32)))
    write_table(
        tmp_path / "t.csv",
        [{"id": "a", "file": "a.npz", "band": "gri"[n % 3], "mjd": 58000 + n} for n in range(9)],
    )
    result = made("stamps", tmp_path / "t.csv", tmp_path / "s", "--pixel-scale", 1, "--bands", "r")
    assert result.said == "1 object, 3 frames, 6 rejected"


def test_a_dry_run_sees_that_the_place_is_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", frames=np.zeros((1, 32, 32)) + np.arange(32))
    write_table(tmp_path / "t.csv", [{"id": "a", "file": "a.npz", "band": "g", "mjd": 58000}])
    (tmp_path / "s").mkdir()
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "s", "--pixel-scale", 1, "--dry-run")
    check_refusal(error, "E-FILES-EXISTS", where=tmp_path / "s")
