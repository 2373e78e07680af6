"""A damaged survey is refused, by name; a sound one is measured right."""

import json
import re
import shutil
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.audit import MOST_FLAWS, audit_survey
from ictconvention.survey.format import read_header, sha256, write_header
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import join_shards
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused


def change_header(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    entries = json.loads((folder / "survey.json").read_text())
    change(entries)
    (folder / "survey.json").write_text(json.dumps(entries))


def change_objects(folder: Path, column: str, change: Callable[[list[Any]], object]) -> None:
    table = pq.read_table(folder / "objects.parquet")
    values = table.column(column).to_pylist()
    change(values)
    i = table.column_names.index(column)
    pq.write_table(
        table.set_column(i, column, pa.array(values, table.schema.field(column).type)), folder / "objects.parquet"
    )


def change_array(folder: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    np.save(folder / name, change(np.load(folder / name)))


def setting(index: Any, value: Any) -> Callable[[Any], Any]:
    def change(values: Any) -> Any:
        values[index] = value
        return values

    return change


def list_shards(folder: Path, shards: list[Any]) -> None:
    header, _ = read_header(folder)
    write_header(folder / "survey.json", header, {"objects": 0, "frames": 0, "shards": shards})


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def append_to(name: str, folder: Path) -> None:
    append(folder / name, bytes(4096))


def truncate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


# What is done to a survey's folder, and what the refusal says; found on opening it.
ON_OPENING: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated frames": (lambda f: truncate(f / "frames.npy", 100_000), "frames.npy is truncated"),
    "frames cut in the header": (lambda f: truncate(f / "frames.npy", 20), "frames.npy is truncated or no .npy"),
    "empty frames": (lambda f: truncate(f / "frames.npy", 0), "frames.npy is truncated or no .npy"),
    "wrong dtype": (lambda f: change_array(f, "frames.npy", lambda a: a.astype("f8")), "float64 where float32"),
    "big-endian": (lambda f: change_array(f, "mjd.npy", lambda a: a.astype(">f8")), ">f8 where float64"),
    "wrong shape": (lambda f: change_array(f, "frames.npy", lambda a: a[:, :16]), r"\(any, 32, 32\) is expected"),
    "Fortran order": (lambda f: change_array(f, "frames.npy", np.asfortranarray), "Fortran order"),
    "too few times": (lambda f: change_array(f, "mjd.npy", lambda a: a[:-1]), "167 values for 168 frames"),
    "pickled array": (lambda f: np.save(f / "band.npy", np.array([{}] * 168), allow_pickle=True), "no .npy file"),
    "overrunning": (lambda f: change_objects(f, "length", setting(5, 9)), "object sn0005(.|\n)*RESTORE"),
    "overlapping": (lambda f: change_objects(f, "first", setting(4, 58)), "objects sn0003 and sn0004(.|\n)*RESTORE"),
    "negative offset": (lambda f: change_objects(f, "first", setting(0, -1)), "object sn0000"),
    "empty object": (lambda f: change_objects(f, "length", setting(2, 0)), "0 frames(.|\n)*object sn0002"),
    "frames of nobody": (lambda f: change_objects(f, "length", setting(5, 7)), "own 167 frames, frames.npy holds 168"),
    "duplicate ids": (lambda f: change_objects(f, "id", setting(3, "sn0001")), "ids stand twice: sn0001"),
    "null id": (lambda f: change_objects(f, "id", setting(3, None)), "'id' has nulls"),
    "unknown class": (lambda f: change_objects(f, "class", setting(1, "AGM")), "did you mean AGN(.|\n)*object sn0001"),
    "unknown source": (lambda f: change_objects(f, "label_source", setting(1, "x")), "'x' is none of(.|\n)*sn0001"),
    "column lost": (
        lambda f: pq.write_table(pq.read_table(f / "objects.parquet").drop_columns("ra"), f / "objects.parquet"),
        "column 'ra' is missing",
    ),
    "column of another type": (
        lambda f: pq.write_table(
            pq.read_table(f / "objects.parquet").set_column(0, "id", pa.array(range(6))), f / "objects.parquet"
        ),
        "column 'id' is of type int64, not string",
    ),
    "damaged table": (lambda f: truncate(f / "objects.parquet", 900), "objects.parquet is damaged"),
    "a file missing": (lambda f: (f / "sky_sigma.npy").unlink(), "sky_sigma.npy is missing"),
    "frames missing": (lambda f: (f / "frames.npy").unlink(), "frames.npy is missing"),
    "header missing": (lambda f: (f / "survey.json").unlink(), "not a survey: it has no survey.json"),
    "header cut": (lambda f: truncate(f / "survey.json", 50), "survey.json is not JSON"),
    "header of something else": (lambda f: (f / "survey.json").write_text("[]"), "not that of an ictconvention survey"),
    "from the future": (lambda f: change_header(f, setting("version", 3)), "version 3(.|\n)*upgrade"),
    "no version": (lambda f: change_header(f, setting("version", None)), "format version is None"),
    "no bands": (lambda f: change_header(f, lambda h: h.pop("bands")), "the header lacks bands"),
    "pixel scale of zero": (lambda f: change_header(f, setting("pixel_scale", 0)), "pixel_scale of the header is 0"),
    "no checksums": (lambda f: change_header(f, lambda h: h.pop("checksums")), "no checksums"),
    "shard elsewhere": (lambda f: list_shards(f, [{"folder": "../other", "sha256": ""}]), "lies outside its survey"),
    "list of shards damaged": (lambda f: list_shards(f, [1]), "list of shards is damaged"),
    "list of shards empty": (lambda f: list_shards(f, []), "list of shards is empty"),
    "other counts": (lambda f: change_header(f, setting("objects", 5)), "speaks of 5 objects and 168 frames"),
    "offset beyond 64 bits": (lambda f: change_objects(f, "first", setting(5, 2**63 - 1)), "object sn0005"),
    "edited": (lambda f: change_header(f, setting("name", "another")), "survey.json has changed(.|\n)*by hand"),
    "no checksum of its own": (lambda f: change_header(f, lambda h: h.pop("sha256")), "survey.json has changed"),
    **{
        f"junk after {name}": (partial(append_to, name), f"4096 bytes follow(.|\n)*{name}")
        for name in ("frames.npy", "band.npy", "mjd.npy", "psf_fwhm.npy", "sky_sigma.npy")
    },
    "one byte after the frames": (lambda f: append(f / "frames.npy", b"x"), "1 bytes follow"),
    "damaged array header": (lambda f: overwrite(f / "frames.npy", 12, b"("), "frames.npy is truncated or no .npy"),
}


@pytest.mark.parametrize("case", ON_OPENING)
def test_a_damaged_survey_does_not_open(survey: Survey, case: str) -> None:
    spoil, message = ON_OPENING[case]
    spoil(survey.path)
    with pytest.raises(SurveyError, match=message.replace("RESTORE", "restore")) as caught:
        Survey.open(survey.path)
    assert str(survey.path) in str(caught.value)
    assert caught.value.fix


# The same for what only reading everything finds; the checksums are made to fit, so that the flaw itself is found.
ON_READING: dict[str, tuple[Callable[[Path], object], str]] = {
    "unsorted times": (lambda f: change_array(f, "mjd.npy", setting(5, 53000.0)), "not sorted(.|\n)*object sn0001"),
    "time not finite": (lambda f: change_array(f, "mjd.npy", setting(5, np.nan)), "finite MJD(.|\n)*object sn0001"),
    "band out of range": (lambda f: change_array(f, "band.npy", setting(0, 5)), "band 5(.|\n)*object sn0000"),
    "seeing negative": (lambda f: change_array(f, "psf_fwhm.npy", setting(0, -1)), "seeing(.|\n)*object sn0000"),
    "position": (lambda f: change_objects(f, "dec", setting(2, 100.0)), "dec is 100.0(.|\n)*object sn0002"),
    "too many not finite": (
        lambda f: change_array(f, "frames.npy", setting(slice(0, 2), np.nan)),
        "frame 0 has no finite pixel(.|\n)*object sn0000",
    ),
    "mostly not finite": (
        lambda f: change_array(f, "frames.npy", setting((slice(0, 3), slice(0, 30)), np.nan)),
        "94% of the pixels(.|\n)*object sn0000",
    ),
}


def fit_checksums(folder: Path) -> None:
    frames = np.load(folder / "frames.npy")
    table = pq.read_table(folder / "objects.parquet")
    spans = zip(table.column("first").to_pylist(), table.column("length").to_pylist(), strict=True)
    change_objects(folder, "crc32", setting(slice(None), [zlib.crc32(frames[a : a + n].data) for a, n in spans]))
    header, entries = read_header(folder)
    entries["checksums"] = {name: sha256(folder / name) for name in entries["checksums"]}
    write_header(folder / "survey.json", header, entries)


@pytest.mark.parametrize("case", ON_READING)
def test_a_check_finds_what_opening_cannot(survey: Survey, case: str) -> None:
    spoil, message = ON_READING[case]
    shutil.copytree(survey.path, survey.path.parent / "sound")
    spoil(survey.path)
    fit_checksums(survey.path)
    Survey.open(survey.path)
    report = audit_survey(survey.path)
    assert len(report.flaws) == 1
    assert re.search(message, str(report.flaws[0]))
    assert str(survey.path) in str(report.flaws[0].where)
    assert report.flaws[0].fix
    fit_checksums(survey.path.parent / "sound")
    assert audit_survey(survey.path.parent / "sound").flaws == []


def test_one_changed_bit_is_found_and_its_object_named(survey: Survey) -> None:
    with (survey.path / "frames.npy").open("r+b") as file:
        file.seek(128 + 4096 * (3 + 40 + 1 + 2) + 17)  # the third frame of the fourth object
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    flaws = audit_survey(survey.path).flaws
    assert len(flaws) == 1
    assert "object sn0003" in str(flaws[0])


@pytest.mark.parametrize("name", ["band.npy", "mjd.npy", "psf_fwhm.npy", "sky_sigma.npy", "objects.parquet"])
def test_a_change_in_a_small_file_is_found(survey: Survey, name: str) -> None:
    if name == "objects.parquet":
        change_objects(survey.path, "redshift", setting(2, 0.5))
    else:
        change_array(survey.path, name, lambda a: np.roll(a, 1) if name != "mjd.npy" else a + 1e-6)
    assert [flaw.found for flaw in audit_survey(survey.path).flaws] == [f"{name} has changed since it was written"]


def test_a_header_changed_by_hand_is_found(survey: Survey) -> None:
    change_header(survey.path, setting("bands", ["g", "u", "r", "i", "z"]))
    assert [flaw.found for flaw in audit_survey(survey.path).flaws] == ["survey.json has changed since it was written"]


def test_what_looks_odd_is_pointed_out(tmp_path: Path) -> None:
    double = image_series(0, 4) | {
        "mjd": np.array([53601.0, 53601.0, 53601.0, 53602.0]),
        "band": np.array([0, 1, 0, 0]),
    }
    write_survey(tmp_path / "s" / "shard-00000", [double, image_series(1, 3)])
    join_shards(tmp_path / "s")
    write_survey(tmp_path / "s" / "shard-00001", [image_series(2, 3)])
    report = audit_survey(tmp_path / "s")
    assert report.same_times == ["sn0000"]
    assert report.unjoined == ["shard-00001"]


def test_many_flaws_are_counted_not_poured_out(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "s", [image_series(n, 2) for n in range(30)])
    change_array(survey.path, "frames.npy", lambda a: a + 1)
    report = audit_survey(survey.path)
    assert (len(report.flaws), report.more_flaws) == (MOST_FLAWS, 30 - MOST_FLAWS)


def test_what_is_no_survey_is_said_to_be_none(tmp_path: Path) -> None:
    with refused(SurveyError, "E-SURVEY-MISSING", where=tmp_path / "nowhere"):
        Survey.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with refused(SurveyError, "E-SURVEY-FORMAT", where=tmp_path / "file"):
        Survey.open(tmp_path / "file")
    with refused(SurveyError, "E-SURVEY-FORMAT", where=tmp_path):
        Survey.open(tmp_path)


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    survey = write_survey(tmp_path / "fold=1" / "s", objects)
    assert "fold" not in survey.object_table().colnames


def test_the_report_measures_what_is_there(tmp_path: Path) -> None:
    given = [image_series(n, 30 + n) for n in range(4)]
    given[1]["frames"][3, :8] = np.nan
    given[2]["class_name"] = None
    given[3] |= {"ra": given[0]["ra"], "dec": given[0]["dec"] + 12.9 / 3600}
    twin = image_series(4, 30) | {name: given[0][name] for name in ("frames", "band", "mjd")}
    far = image_series(5, 2) | {"ra": None, "dec": None}
    given += [twin, far]
    report = audit_survey(write_survey(tmp_path / "s", given).path)
    frames = np.concatenate([g["frames"] for g in given])
    band = np.concatenate([g["band"] for g in given])
    for b, name in enumerate(HEADER.bands):
        pixels = frames[band == b].astype(np.float64)
        statistics = report.bands[name]
        assert statistics.frames == np.count_nonzero(band == b)
        assert statistics.mean == pytest.approx(np.nanmean(pixels), rel=1e-9)
        assert statistics.std == pytest.approx(np.nanstd(pixels), rel=1e-9)
        assert statistics.lowest == np.nanmin(pixels)
        assert statistics.highest == np.nanmax(pixels)
        seeing = np.concatenate([g["psf_fwhm"][g["band"] == b] for g in given]).astype(np.float32)
        assert statistics.psf_fwhm == pytest.approx(float(np.median(seeing)), rel=1e-6)
    assert report.nonfinite == pytest.approx(8 * 32 / frames.size)
    assert report.frames == len(frames)
    assert report.classes[None, "photometric" if given[2]["label_source"] == "photometric" else None] == 1
    assert report.same_frames == [["sn0000", "sn0004"]]
    assert report.neighbours == {2: 1}
    np.testing.assert_array_equal(report.span, [g["mjd"][-1] - g["mjd"][0] for g in given])
    assert report.without_position == 1
    assert report.flaws == []


def test_equal_checksums_alone_make_no_duplicates(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zlib.crc32", lambda data: 7)
    change_objects(survey.path, "crc32", setting(slice(None), [7] * 6))
    assert audit_survey(survey.path).same_frames == []


@pytest.mark.slow
def test_no_flipped_bit_gives_more_than_a_survey_error(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    """Flip bits in headers and tables: a survey opens, or is refused with a readable error; nothing else."""
    rng = np.random.default_rng(0)
    write_survey(tmp_path / "s", objects[:3])
    for name, within in (("frames.npy", 128), ("mjd.npy", 128), ("objects.parquet", None), ("survey.json", None)):
        whole = (tmp_path / "s" / name).read_bytes()
        for _ in range(60):
            broken = bytearray(whole)
            broken[rng.integers(within or len(whole))] ^= 1 << rng.integers(8)
            (tmp_path / "s" / name).write_bytes(broken)
            try:
                found = audit_survey(tmp_path / "s").flaws
            except SurveyError as error:
                found = [error]
            assert found or bytes(broken) == whole or name != "objects.parquet"
        (tmp_path / "s" / name).write_bytes(whole)
    assert not audit_survey(tmp_path / "s").flaws


def test_missing_nights_are_counted_per_band(tmp_path: Path) -> None:
    given = image_series(0, 9) | {
        "mjd": 53600 + np.array([0.1, 0.1008, 0.1017, 1.1, 1.1008, 9.1, 9.1008, 9.1017, 9.1025]),
        "band": np.array([2, 3, 0, 2, 3, 2, 3, 4, 4]),
    }
    bands = audit_survey(write_survey(tmp_path / "s", [given]).path).bands
    assert {name: band.nights_missed for name, band in bands.items()} == {"u": 2, "g": 3, "r": 0, "i": 0, "z": 2}
    assert {name: band.nights for name, band in bands.items()} == {"u": 1, "g": 0, "r": 3, "i": 3, "z": 1}
