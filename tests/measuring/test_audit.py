"""A damaged survey is refused, by name; a sound one is measured right."""

import json
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
from tests.refusals import check_refusal, refused


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


# What is done to a survey's folder, and the code, place and facts of the refusal; found on opening it.
ON_OPENING: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "truncated frames": (lambda f: truncate(f / "frames.npy", 100_000), ("E-SURVEY-DAMAGED", "/frames.npy")),
    "frames cut in the header": (lambda f: truncate(f / "frames.npy", 20), ("E-SURVEY-DAMAGED", "/frames.npy")),
    "empty frames": (lambda f: truncate(f / "frames.npy", 0), ("E-SURVEY-DAMAGED", "/frames.npy")),
    "wrong dtype": (
        lambda f: change_array(f, "frames.npy", lambda a: a.astype("f8")),
        ("E-SURVEY-DAMAGED", "/frames.npy", "float64", "float32"),
    ),
    "big-endian": (
        lambda f: change_array(f, "mjd.npy", lambda a: a.astype(">f8")),
        ("E-SURVEY-DAMAGED", "/mjd.npy", ">f8", "float64"),
    ),
    "wrong shape": (
        lambda f: change_array(f, "frames.npy", lambda a: a[:, :16]),
        ("E-SURVEY-DAMAGED", "/frames.npy", "(any, 32, 32)"),
    ),
    "Fortran order": (
        lambda f: change_array(f, "frames.npy", np.asfortranarray),
        ("E-SURVEY-DAMAGED", "/frames.npy", "Fortran order"),
    ),
    "too few times": (
        lambda f: change_array(f, "mjd.npy", lambda a: a[:-1]),
        ("E-SURVEY-DAMAGED", "/mjd.npy", "167 values", "168 frames"),
    ),
    "pickled array": (
        lambda f: np.save(f / "band.npy", np.array([{}] * 168), allow_pickle=True),
        ("E-SURVEY-DAMAGED", "/band.npy"),
    ),
    "overrunning": (
        lambda f: change_objects(f, "length", setting(5, 9)),
        ("E-SURVEY-DAMAGED", "/objects.parquet, object sn0005"),
    ),
    "overlapping": (
        lambda f: change_objects(f, "first", setting(4, 58)),
        ("E-SURVEY-DAMAGED", "/objects.parquet, objects sn0003 and sn0004"),
    ),
    "negative offset": (
        lambda f: change_objects(f, "first", setting(0, -1)),
        ("E-SURVEY-DAMAGED", "/objects.parquet, object sn0000"),
    ),
    "empty object": (
        lambda f: change_objects(f, "length", setting(2, 0)),
        ("E-SURVEY-DAMAGED", "/objects.parquet, object sn0002", "0 frames"),
    ),
    "frames of nobody": (
        lambda f: change_objects(f, "length", setting(5, 7)),
        ("E-SURVEY-DAMAGED", "/objects.parquet", "167 frames", "168"),
    ),
    "duplicate ids": (
        lambda f: change_objects(f, "id", setting(3, "sn0001")),
        ("E-ID-DUPLICATE", "/objects.parquet", "sn0001"),
    ),
    "null id": (lambda f: change_objects(f, "id", setting(3, None)), ("E-SURVEY-DAMAGED", "/objects.parquet", "'id'")),
    "unknown class": (
        lambda f: change_objects(f, "class", setting(1, "AGM")),
        ("E-CLASS-UNKNOWN", "/objects.parquet, object sn0001", "did you mean AGN?"),
    ),
    "unknown source": (
        lambda f: change_objects(f, "label_source", setting(1, "x")),
        ("E-SURVEY-DAMAGED", "/objects.parquet, object sn0001", "'x'"),
    ),
    "column lost": (
        lambda f: pq.write_table(pq.read_table(f / "objects.parquet").drop_columns("ra"), f / "objects.parquet"),
        ("E-SURVEY-DAMAGED", "/objects.parquet", "'ra'"),
    ),
    "column of another type": (
        lambda f: pq.write_table(
            pq.read_table(f / "objects.parquet").set_column(0, "id", pa.array(range(6))), f / "objects.parquet"
        ),
        ("E-SURVEY-DAMAGED", "/objects.parquet", "'id'", "int64"),
    ),
    "damaged table": (lambda f: truncate(f / "objects.parquet", 900), ("E-SURVEY-DAMAGED", "/objects.parquet")),
    "a file missing": (lambda f: (f / "sky_sigma.npy").unlink(), ("E-SURVEY-DAMAGED", "/sky_sigma.npy")),
    "frames missing": (lambda f: (f / "frames.npy").unlink(), ("E-SURVEY-DAMAGED", "/frames.npy")),
    "header missing": (lambda f: (f / "survey.json").unlink(), ("E-SURVEY-FORMAT", "/tiny")),
    "header cut": (lambda f: truncate(f / "survey.json", 50), ("E-SURVEY-FORMAT", "/survey.json")),
    "header of something else": (lambda f: (f / "survey.json").write_text("[]"), ("E-SURVEY-FORMAT", "/survey.json")),
    "from the future": (lambda f: change_header(f, setting("version", 5)), ("E-SURVEY-VERSION", "/survey.json", "5")),
    "nights without a list": (lambda f: change_header(f, setting("version", 4)), ("E-SURVEY-DAMAGED", "/survey.json")),
    "no version": (lambda f: change_header(f, setting("version", None)), ("E-SURVEY-FORMAT", "/survey.json", "None")),
    "no bands": (lambda f: change_header(f, lambda h: h.pop("bands")), ("E-SURVEY-DAMAGED", "/survey.json", "bands")),
    "pixel scale of zero": (
        lambda f: change_header(f, setting("pixel_scale", 0)),
        ("E-SURVEY-HEADER", "/survey.json", "pixel_scale", "0"),
    ),
    "no checksums": (lambda f: change_header(f, lambda h: h.pop("checksums")), ("E-SURVEY-DAMAGED", "/survey.json")),
    "shard elsewhere": (
        lambda f: list_shards(f, [{"folder": "../other", "sha256": ""}]),
        ("E-SURVEY-DAMAGED", "/survey.json", "'../other'"),
    ),
    "list of shards damaged": (lambda f: list_shards(f, [1]), ("E-SURVEY-DAMAGED", "/survey.json")),
    "list of shards empty": (lambda f: list_shards(f, []), ("E-SURVEY-DAMAGED", "/survey.json")),
    "other counts": (
        lambda f: change_header(f, setting("objects", 5)),
        ("E-SURVEY-DAMAGED", "/survey.json", "5 objects", "168 frames"),
    ),
    "offset beyond 64 bits": (
        lambda f: change_objects(f, "first", setting(5, 2**63 - 1)),
        ("E-SURVEY-DAMAGED", "/objects.parquet, object sn0005"),
    ),
    "edited": (lambda f: change_header(f, setting("name", "another")), ("E-SURVEY-HASH", "/survey.json")),
    "no checksum of its own": (
        lambda f: change_header(f, lambda h: h.pop("sha256")),
        ("E-SURVEY-HASH", "/survey.json"),
    ),
    **{
        f"junk after {name}": (partial(append_to, name), ("E-SURVEY-DAMAGED", f"/{name}", "4096 bytes"))
        for name in ("frames.npy", "band.npy", "mjd.npy", "psf_fwhm.npy", "sky_sigma.npy")
    },
    "one byte after the frames": (
        lambda f: append(f / "frames.npy", b"x"),
        ("E-SURVEY-DAMAGED", "/frames.npy", "1 bytes"),
    ),
    "damaged array header": (lambda f: overwrite(f / "frames.npy", 12, b"("), ("E-SURVEY-DAMAGED", "/frames.npy")),
}


@pytest.mark.parametrize("case", ON_OPENING)
def test_a_damaged_survey_does_not_open(survey: Survey, case: str) -> None:
    spoil, (code, place, *facts) = ON_OPENING[case]
    spoil(survey.path)
    with refused(SurveyError, code, *facts, where=place) as caught:
        Survey.open(survey.path)
    assert str(survey.path) in str(caught.value.where)
    assert caught.value.fix


# The same for what only reading everything finds; the checksums are made to fit, so that the flaw itself is found.
ON_READING: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "unsorted times": (lambda f: change_array(f, "mjd.npy", setting(5, 53000.0)), ("E-VALUE-TIME", "object sn0001")),
    "time not finite": (lambda f: change_array(f, "mjd.npy", setting(5, np.nan)), ("E-VALUE-TIME", "object sn0001")),
    "band out of range": (
        lambda f: change_array(f, "band.npy", setting(0, 5)),
        ("E-BAND-UNKNOWN", "object sn0000", "band 5"),
    ),
    "seeing negative": (
        lambda f: change_array(f, "psf_fwhm.npy", setting(0, -1)),
        ("E-VALUE-RANGE", "object sn0000", "psf_fwhm"),
    ),
    "position": (
        lambda f: change_objects(f, "dec", setting(2, 100.0)),
        ("E-VALUE-RANGE", "object sn0002", "dec", "100.0"),
    ),
    "too many not finite": (
        lambda f: change_array(f, "frames.npy", setting(slice(0, 2), np.nan)),
        ("E-VALUE-PIXELS", "object sn0000", "frame 0"),
    ),
    "mostly not finite": (
        lambda f: change_array(f, "frames.npy", setting((slice(0, 3), slice(0, 30)), np.nan)),
        ("E-VALUE-PIXELS", "object sn0000", "94%"),
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
    spoil, (code, place, *facts) = ON_READING[case]
    shutil.copytree(survey.path, survey.path.parent / "sound")
    spoil(survey.path)
    fit_checksums(survey.path)
    Survey.open(survey.path)
    report = audit_survey(survey.path)
    assert len(report.flaws) == 1
    check_refusal(report.flaws[0], code, *facts, where=place)
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
    check_refusal(flaws[0], "E-SURVEY-HASH", where="/frames.npy, object sn0003")


@pytest.mark.parametrize("name", ["band.npy", "mjd.npy", "psf_fwhm.npy", "sky_sigma.npy", "objects.parquet"])
def test_a_change_in_a_small_file_is_found(survey: Survey, name: str) -> None:
    if name == "objects.parquet":
        change_objects(survey.path, "redshift", setting(2, 0.5))
    else:
        change_array(survey.path, name, lambda a: np.roll(a, 1) if name != "mjd.npy" else a + 1e-6)
    flaws = audit_survey(survey.path).flaws
    assert [(flaw.code, flaw.where) for flaw in flaws] == [("E-SURVEY-HASH", survey.path / name)]


def test_a_header_changed_by_hand_is_found(survey: Survey) -> None:
    change_header(survey.path, setting("bands", ["g", "u", "r", "i", "z"]))
    flaws = audit_survey(survey.path).flaws
    assert [(flaw.code, flaw.where) for flaw in flaws] == [("E-SURVEY-HASH", survey.path / "survey.json")]


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
