"""A survey appears whole or not at all: killed writers, rivals, full disks and refused objects leave nothing."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u

from ictconvention.core.errors import FileSystemError, SurveyError
from ictconvention.core.growing_array import GrowingArray
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter, join_shards, shard_folders, shard_name
from tests.conftest import HEADER, ROOT, image_series, write_survey
from tests.refusals import refused

WRITE_FOR_EVER = """
import itertools, sys
from tests.conftest import HEADER, image_series
from ictconvention.survey.writer import SurveyWriter
with SurveyWriter(sys.argv[1], HEADER) as writer:
    for number in itertools.count():
        writer.add(**image_series(number, 50))
        print(number, flush=True)
"""


def writing_process(path: Path) -> subprocess.Popen[str]:
    """Start another process that writes a survey and never ends; return once it has written an object."""
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "0\n"
    return process


def test_a_writer_killed_with_sigkill_leaves_nothing_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "killed"
    process = writing_process(path)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with refused(SurveyError, "E-SURVEY-UNFINISHED", where=tmp_path / "killed"):
        Survey.open(path)
    left = [entry for entry in tmp_path.iterdir() if entry.is_dir()]
    assert left  # the kill came in the middle
    for folder in left:
        with refused(SurveyError, "E-SURVEY-FORMAT", where=tmp_path / ".killed.partial"):
            Survey.open(folder)
    write_survey(path, [image_series(7, 5)])  # the next writer replaces what is left
    assert Survey.open(path).ids == ("sn0007",)
    assert [entry.name for entry in tmp_path.iterdir()] == ["killed"]


def test_two_writers_on_one_path_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "contested"
    process = writing_process(path)
    try:
        with refused(FileSystemError, "E-FILES-LOCKED", where=tmp_path / "contested"), SurveyWriter(path, HEADER):
            pass
    finally:
        process.kill()
        process.communicate()
    with SurveyWriter(path, HEADER) as first:
        with refused(FileSystemError, "E-FILES-LOCKED", where=tmp_path / "contested"), SurveyWriter(path, HEADER):
            pass
        first.add(**image_series(0, 3))  # the rival has not harmed it
    assert len(Survey.open(path)) == 1


def test_an_existing_path_is_never_overwritten(tmp_path: Path, survey: Survey) -> None:
    before = survey.hash
    with refused(FileSystemError, "E-FILES-EXISTS", where=tmp_path / "tiny"), SurveyWriter(survey.path, HEADER):
        pass
    assert Survey.open(survey.path).hash == before
    (tmp_path / "empty").mkdir()
    with refused(FileSystemError, "E-FILES-EXISTS", where=tmp_path / "empty"), SurveyWriter(tmp_path / "empty", HEADER):
        pass
    late = tmp_path / "late"
    with refused(FileSystemError, "E-FILES-EXISTS", where=tmp_path / "late"), SurveyWriter(late, HEADER) as writer:
        writer.add(**image_series(0, 3))
        late.mkdir()  # another program, while we write
    assert list((tmp_path / "late").iterdir()) == []


def test_an_error_in_the_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="of the caller"), SurveyWriter(tmp_path / "failed", HEADER) as writer:
        writer.add(**image_series(0, 3))
        raise RuntimeError("of the caller")
    assert list(tmp_path.iterdir()) == []


def test_a_survey_without_objects_is_refused(tmp_path: Path) -> None:
    with refused(SurveyError, "E-SURVEY-EMPTY", where=tmp_path / "none"), SurveyWriter(tmp_path / "none", HEADER):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("full_at", ["append", "close"])
def test_a_full_disk_leaves_nothing_and_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_at: str
) -> None:
    whole = getattr(GrowingArray, full_at)
    calls = []

    def fails_at_the_third(self: Any, *arguments: Any) -> None:
        calls.append(self)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole(self, *arguments)

    monkeypatch.setattr(GrowingArray, full_at, fails_at_the_third)
    with refused(FileSystemError, "E-FILES-FULL"):
        write_survey(tmp_path / "full", [image_series(n, 3) for n in range(3)])
    assert list(tmp_path.iterdir()) == []


def test_a_survey_is_not_finished_after_an_object_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        refused(SurveyError, "E-SURVEY-EMPTY", where=tmp_path / "cut"),
        SurveyWriter(tmp_path / "cut", HEADER) as writer,
    ):
        writer.add(**image_series(0, 3))
        with monkeypatch.context() as patch:
            patch.setattr(GrowingArray, "append", _no_space)
            with refused(FileSystemError, "E-FILES-FULL", where="/cut, object sn0001"):
                writer.add(**image_series(1, 3))
        with refused(SurveyError, "E-SURVEY-CLOSED", where=tmp_path / "cut"):
            writer.add(**image_series(2, 3))
    assert list(tmp_path.iterdir()) == []


def _no_space(self: Any, values: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_limit_of_the_operating_system_is_a_readable_error(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from ictconvention.core.errors import FileSystemError
from tests.conftest import image_series, write_survey
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    write_survey(Path(sys.argv[1]), [image_series(n, 50) for n in range(5)])
except FileSystemError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "large")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "File too large" in result.stdout
    assert "object sn0001" in result.stdout  # 50 frames are 205 kB
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_folder_is_a_readable_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(self: Path, *arguments: Any, **options: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "mkdir", refuses)
    with refused(FileSystemError, "E-FILES-DENIED", where=tmp_path / "a/b"), SurveyWriter(tmp_path / "a" / "b", HEADER):
        pass


REFUSALS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "frames of text": ({"frames": np.full((4, 32, 32), "x")}, ("E-VALUE-TYPE",)),
    "complex frames": ({"frames": np.zeros((4, 32, 32), complex)}, ("E-VALUE-TYPE",)),
    "one frame too few dimensions": ({"frames": np.zeros((32, 32))}, ("E-VALUE-SHAPE",)),
    "stamps of another size": ({"frames": np.zeros((4, 31, 32))}, ("E-VALUE-SHAPE", "(n, 32, 32)")),
    "stamps of several sizes": ({"frames": [np.zeros((32, 32)), np.zeros((31, 31))]}, ("E-VALUE-SHAPE",)),
    "no frame": ({"frames": np.zeros((0, 32, 32)), "band": [], "mjd": []}, ("E-VALUE-SHAPE",)),
    "a band too many": ({"band": [0, 1, 2, 5]}, ("E-BAND-UNKNOWN", "band 5")),
    "a negative band": ({"band": [0, 1, 2, -1]}, ("E-BAND-UNKNOWN",)),
    "bands as text": ({"band": ["u", "g", "r", "i"]}, ("E-BAND-UNKNOWN",)),
    "a band missing": ({"band": [0, 1, 2]}, ("E-VALUE-SHAPE", "band")),
    "unsorted times": ({"mjd": [53601.0, 53603.0, 53602.0, 53604.0]}, ("E-VALUE-TIME", "frame 1", "53603.00000")),
    "a time that is not a number": ({"mjd": [53601.0, 53602.0, np.nan, 53604.0]}, ("E-VALUE-TIME",)),
    "Julian dates": ({"mjd": 2453600.5 + np.arange(4)}, ("E-VALUE-TIME", "2400000.5")),
    "seeing of zero": ({"psf_fwhm": [1.0, 1.0, 0.0, 1.0]}, ("E-VALUE-RANGE", "psf_fwhm")),
    "infinite sky noise": ({"sky_sigma": [1.0, np.inf, 1.0, 1.0]}, ("E-VALUE-RANGE", "sky_sigma")),
    "an unknown class": ({"class_name": "SN ia"}, ("E-CLASS-UNKNOWN", "did you mean SN Ia?")),
    "an unknown label source": ({"label_source": "guess"}, ("E-VALUE-RANGE", "spectroscopic, photometric")),
    "a redshift as text": ({"redshift": "0.3"}, ("E-VALUE-TYPE", "redshift", "'0.3'")),
    "an impossible redshift": ({"redshift": -9.0}, ("E-VALUE-RANGE", "redshift", "-9.0")),
    "a declination beyond the pole": ({"dec": 91.0}, ("E-VALUE-RANGE", "dec", "-90 to 90")),
    "a number as id": ({"id": 17}, ("E-ID-FORMAT", "17")),
    "an empty id": ({"id": " "}, ("E-ID-FORMAT",)),
    "an id with a line break": ({"id": "a\nb"}, ("E-ID-FORMAT",)),
    "half a letter as id": ({"id": "\ud800"}, ("E-ID-FORMAT",)),
    "a source without a class": ({"class_name": None, "label_source": "photometric"}, ("E-VALUE-MISSING",)),
    "half a position": ({"dec": None}, ("E-VALUE-MISSING", "ra", "dec")),
    "a masked time": ({"mjd": np.ma.masked_greater([1.0, 2.0, 3.0, 4.0], 3.5)}, ("E-VALUE-TIME",)),
    "a masked band": ({"band": np.ma.masked_equal([0, 1, 2, 3], 1)}, ("E-BAND-UNKNOWN",)),
    "frames with a unit": ({"frames": np.ones((4, 32, 32)) * u.nmgy}, ("E-VALUE-UNITS", "nmgy")),
    "an id twice": ({"id": "sn0000"}, ("E-ID-DUPLICATE",)),
    "a column of the format": ({"first": 3}, ("E-TABLE-COLUMN", "'first'")),
    "a column of lists": ({"neighbours": ["a"]}, ("E-VALUE-TYPE", "'neighbours'")),
    "a column of two types": ({"own": "text"}, ("E-VALUE-TYPE", "'own'", "str", "int")),
    "a number that no float holds": ({"own": 2**53 + 1}, ("E-VALUE-PRECISION", "'own'", "9007199254740993")),
    "unprintable text": ({"text": "\ud800"}, ("E-VALUE-TYPE",)),
    "times counted from another day": ({"mjd": 3600.5 + np.arange(4)}, ("E-VALUE-TIME", "15000")),
    "seconds since 1970": ({"mjd": 1.67e9 + np.arange(4)}, ("E-VALUE-TIME", "1970")),
    "times of half a night's precision": (
        {"mjd": np.float32(53600.0) + np.arange(4, dtype="f4")},
        ("E-VALUE-PRECISION", "mjd", "float32"),
    ),
    "a seeing that stands for none": ({"psf_fwhm": [1.0, 1.0, 99.0, 1.0]}, ("E-VALUE-RANGE", "psf_fwhm", "90")),
    "an id that stands for none": ({"id": "nan"}, ("E-VALUE-MISSING",)),
    "an id that lost its digits": ({"id": "1.69e+17"}, ("E-VALUE-PRECISION",)),
    "a time before photography": ({"mjd": [-1e9, 1.0, 2.0, 3.0]}, ("E-VALUE-TIME", "1858")),
    "an id with spaces around": ({"id": " a"}, ("E-ID-FORMAT",)),
    "sky noise beyond float32": ({"sky_sigma": [1.0, 1e60, 1.0, 1.0]}, ("E-VALUE-RANGE", "sky_sigma")),
    "pixels beyond float32": ({"frames": np.full((4, 32, 32), 1e60)}, ("E-VALUE-RANGE", "float32")),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bad_object_is_refused_and_leaves_no_trace(tmp_path: Path, case: str) -> None:
    changes, (code, *facts) = REFUSALS[case]
    good = [image_series(0, 3), image_series(2, 5)]
    with SurveyWriter(tmp_path / "s", HEADER) as writer:
        writer.add(**good[0], own=1)
        with refused(SurveyError, code, *facts) as caught:
            writer.add(**{**image_series(1, 4), **changes})
        writer.add(**good[1], own=2)
    assert str(tmp_path / "s") in str(caught.value.where)
    assert caught.value.fix
    survey = Survey.open(tmp_path / "s")
    assert survey.ids == ("sn0000", "sn0002")
    for series, given in zip(survey, good, strict=True):
        np.testing.assert_array_equal(series.frames, given["frames"])
    assert not audit_survey(tmp_path / "s").flaws


def test_too_many_missing_pixels_are_refused_and_a_few_are_kept(tmp_path: Path) -> None:
    given = image_series(0, 4)
    with SurveyWriter(tmp_path / "s", HEADER) as writer:
        given["frames"][:, :17] = np.nan  # 17 rows of 32
        with refused(SurveyError, "E-VALUE-PIXELS", "53%", where="/s, object sn0000"):
            writer.add(**given)
        given["frames"][:, 16] = 0.0
        writer.add(**given)  # half of them: allowed
        given = image_series(1, 4)
        given["frames"][2] = np.inf
        with refused(SurveyError, "E-VALUE-PIXELS", "frame 2", where="/s, object sn0001"):
            writer.add(**given)
    np.testing.assert_equal(np.isnan(Survey.open(tmp_path / "s")[0].frames).mean(), 0.5)


def test_masked_pixels_are_missing_pixels(tmp_path: Path) -> None:
    given = image_series(0, 4)
    masked = np.ma.masked_array(given["frames"].copy(), mask=given["frames"] > 2)
    write_survey(tmp_path / "s", [given | {"frames": masked}])
    np.testing.assert_array_equal(Survey.open(tmp_path / "s")[0].frames, np.where(masked.mask, np.nan, given["frames"]))


def test_a_value_too_large_for_half_precision_is_refused(tmp_path: Path) -> None:
    given = image_series(0, 4)
    given["frames"][1, 2, 3] = 1e5
    given["frames"][0, 0, 0] = np.inf  # which is no overflow, and hides none
    with refused(SurveyError, "E-VALUE-RANGE", "float16", where="/s, object sn0000"):
        write_survey(tmp_path / "s", [given], replace(HEADER, dtype="float16"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bands", ()),
        ("bands", "ugriz"),
        ("bands", ("g", "g")),
        ("bands", ("g", "../r")),
        ("bands", (1, 2)),
        ("classes", ("AGN", "")),
        ("pixel_scale", 0.0),
        ("pixel_scale", True),
        ("stamp_size", 32.0),
        ("dtype", "float64"),
        ("name", " "),
        ("provenance", {"when": object()}),
    ],
)
def test_a_bad_header_is_refused(field: str, value: Any) -> None:
    with refused(SurveyError, "E-SURVEY-HEADER", field, where="survey header"):
        replace(HEADER, **{field: value})


def _write_shard(path: Path, number: int) -> None:
    write_survey(path / f"shard-{number:05d}", [image_series(10 * number + i, 3 + i) for i in range(4)])


def test_many_writers_make_many_shards_at_once(tmp_path: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        list(pool.map(_write_shard, [tmp_path / "many"] * 8, range(8)))
    with refused(SurveyError, "E-SURVEY-UNFINISHED", where=tmp_path / "many"):
        Survey.open(tmp_path / "many")
    with refused(SurveyError, "E-SURVEY-SHARDS", "shard-00008", "8", where=tmp_path / "many"):
        join_shards(tmp_path / "many", count=9)
    with refused(SurveyError, "E-SURVEY-SHARDS", "shard-00007", where=tmp_path / "many"):
        join_shards(tmp_path / "many", count=7)
    survey = join_shards(tmp_path / "many", count=8)
    assert survey.ids == tuple(f"sn{10 * number + i:04d}" for number in range(8) for i in range(4))
    assert not audit_survey(tmp_path / "many").flaws


def _spoil(name: str, path: Path, objects: list[dict[str, Any]]) -> None:
    match name:
        case "no shards":
            path.mkdir()
        case "an id in two shards":
            write_survey(path / "shard-00000", objects)
            write_survey(path / "shard-00001", objects[2:4])
        case "other bands":
            write_survey(path / "shard-00000", objects)
            write_survey(path / "shard-00001", [image_series(50, 3)], replace(HEADER, bands=("g", "r", "i", "z", "y")))
        case "a column of two types":
            values: list[str | float] = ["text", 1.5]
            for number, value in enumerate(values):
                with SurveyWriter(path / f"shard-{number:05d}", HEADER) as writer:
                    writer.add(**image_series(number, 2), own=value)
        case "a shard missing":
            write_survey(path / "shard-00000", objects[:2])
            write_survey(path / "shard-00002", objects[2:])
        case "a shard unfinished":
            write_survey(path / "shard-00000", objects)
            (path / ".shard-00001.partial").mkdir()


@pytest.mark.parametrize(
    ("name", "code", "place", "facts"),
    [
        ("no shards", "E-SURVEY-SHARDS", "many", ["shard-00000", "0"]),
        ("a shard missing", "E-SURVEY-SHARDS", "many", ["shard-00001"]),
        ("an id in two shards", "E-ID-DUPLICATE", "many", ["sn0002, sn0003", "shard-00000 and shard-00001"]),
        ("other bands", "E-SURVEY-SHARDS", "many/shard-00001/survey.json", ["bands"]),
        ("a column of two types", "E-SURVEY-SHARDS", "many", ["columns"]),
        ("a shard unfinished", "E-SURVEY-UNFINISHED", "many", [".shard-00001.partial"]),
    ],
)
def test_shards_that_make_no_survey_are_not_joined(
    tmp_path: Path, objects: list[dict[str, Any]], name: str, code: str, place: str, facts: list[str]
) -> None:
    _spoil(name, tmp_path / "many", objects)
    with refused(SurveyError, code, *facts, where=tmp_path / place):
        join_shards(tmp_path / "many")
    code = "E-SURVEY-FORMAT" if name == "no shards" else "E-SURVEY-UNFINISHED"
    with refused(SurveyError, code, where=tmp_path / "many"):
        Survey.open(tmp_path / "many")


def test_shards_are_not_joined_over_a_survey_of_one_shard(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    survey = write_survey(tmp_path / "s", objects)
    write_survey(tmp_path / "s" / "shard-00000", [image_series(50, 3)])
    with refused(SurveyError, "E-SURVEY-SHARDS", where=tmp_path / "s"):
        join_shards(tmp_path / "s")
    assert Survey.open(tmp_path / "s").hash == survey.hash


def test_a_list_of_shards_cut_short_is_refused(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    for number in range(3):
        write_survey(tmp_path / "s" / f"shard-{number:05d}", objects[number : number + 1])
    path = join_shards(tmp_path / "s").path / "survey.json"
    entries = json.loads(path.read_text())
    entries["shards"].pop()
    path.write_text(json.dumps(entries))
    with refused(SurveyError, "E-SURVEY-HASH", where=tmp_path / "s/survey.json"):
        Survey.open(tmp_path / "s")
    assert len(join_shards(tmp_path / "s")) == 3


def test_a_shard_changed_after_joining_is_refused(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    write_survey(tmp_path / "many" / "shard-00000", objects)
    join_shards(tmp_path / "many")
    (tmp_path / "many" / "shard-00000").rename(tmp_path / "away")
    with refused(SurveyError, "E-SURVEY-DAMAGED", "shard-00000", where=tmp_path / "many/shard-00000"):
        Survey.open(tmp_path / "many")
    write_survey(tmp_path / "many" / "shard-00000", objects[:3])
    with refused(SurveyError, "E-SURVEY-HASH", "shard-00000", where=tmp_path / "many/shard-00000/survey.json"):
        Survey.open(tmp_path / "many")
    assert len(join_shards(tmp_path / "many")) == 3


def test_shards_beyond_a_hundred_thousand_keep_their_order(tmp_path: Path) -> None:
    for number in (100_000, 99_999, 7):
        (tmp_path / shard_name(number)).mkdir()
    assert [folder.name for folder in shard_folders(tmp_path)] == ["shard-00007", "shard-99999", "shard-100000"]
