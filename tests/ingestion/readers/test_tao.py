"""TAO's files, one object each: who it is stands in the header of the table, what in its folder, when in its rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from tests.ingestion.commands import blob, made, refusal, write_table
from tests.refusals import check_refusal

SIDE = 64
FLUX = 10_000.0  # [counts] in the first image
POSITION = {"RA_(J2000)": 150.11888, "DEC_(J2000)": 7.18778}


def write_object(
    path: Path,
    id_: str | int | None = "CRTS1",
    class_name: str | None = "SN",
    epochs: int = 4,
    level: float = 300.0,
    **columns: Any,
) -> Path:
    """Write a file as TAO's: epochs in HDU 1, then images of 16 bits, of growing flux, in no order of time."""
    mjd = 54000.0 + np.array([3, 1, 0, 2, 5, 4, 7, 6])[:epochs]
    given: dict[str, Any] = {
        "HDU_Ext": np.arange(epochs) + 2,
        "Set_Number": ["01"] * epochs,
        "Date": ["05APR06"] * epochs,
        "MJD": mjd,
        "Field_ID": ["N07053"] * epochs,
        "Obs_In_Seq": ["0001"] * epochs,
        "Cutout": ["0118"] * epochs,
    }
    formats = {"HDU_Ext": "K", "MJD": "D"}
    listed = {name: values for name, values in (given | columns).items() if values is not None}
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, formats.get(name, "8A"), array=values) for name, values in listed.items()]
    )
    if id_ is not None:
        table.header["CRTS_ID"] = id_
    if class_name is not None:
        table.header["CLASS"] = class_name
    for key, value in POSITION.items():
        table.header[f"HIERARCH {key}"] = value
    noise = np.random.default_rng(0).normal(0, 1, (epochs, SIDE, SIDE))
    counts = [np.rint(level + blob(SIDE, flux=FLUX * (n + 1)) + noise[n]).astype(np.uint16) for n in range(epochs)]
    images = [fits.ImageHDU(one) for one in counts]
    path.parent.mkdir(exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), table, *images]).writeto(path)
    return path


def test_labels_of_which_none_is_of_a_file_are_refused_and_some_are_a_line(tmp_path: Path) -> None:
    write_object(tmp_path / "in" / "a.fits", "CRTS1", None)
    table = write_table(tmp_path / "labels.csv", [{"id": "crts1", "class": "SN"}])
    error = refusal("tao", tmp_path / "in", tmp_path / "s", "--objects", table)
    check_refusal(error, "E-INGEST-MISMATCH", "crts1", "CRTS1", where=table)
    write_table(table, [{"id": "CRTS1", "class": "SN"}, {"id": "CRTS9", "class": "SN"}])
    lines = made("tao", tmp_path / "in", tmp_path / "s", "--objects", table).lines
    assert any(line.startswith("1 of 2 ids in labels.csv") and "CRTS9" in line for line in lines)


def test_a_table_of_epochs_in_single_precision_is_left_out_by_name(tmp_path: Path) -> None:
    write_object(tmp_path / "in" / "a.fits")
    write_object(tmp_path / "in" / "b.fits", "CRTS2")
    with fits.open(tmp_path / "in" / "b.fits") as hdus:
        columns = [
            c if c.name != "MJD" else fits.Column("MJD", "E", array=hdus[1].data["MJD"]) for c in hdus[1].columns
        ]
        header = hdus[1].header["CRTS_ID"]
        hdus[1] = fits.BinTableHDU.from_columns(columns)
        hdus[1].header["CRTS_ID"] = header
        hdus.writeto(tmp_path / "in" / "c.fits")
    (tmp_path / "in" / "b.fits").unlink()
    result = made("tao", tmp_path / "in", tmp_path / "s")
    assert result.survey.ids == ("CRTS1",)
    assert "mjd is float32" in result.rejects[0]["reason"]


def test_a_file_becomes_an_object_in_time_order(tmp_path: Path) -> None:
    write_object(tmp_path / "b.fits", "CRTS2", "AGN")
    write_object(tmp_path / "a.fits.gz", "CRTS1", "SN", epochs=3)
    result = made("tao", tmp_path, tmp_path / "out" / "s")
    assert result.said == "2 objects, 7 frames, 0 rejected"
    assert [(series.id, series.metadata["class"]) for series in result.survey] == [("CRTS1", "SN"), ("CRTS2", "AGN")]
    series = result.survey["CRTS2"]
    np.testing.assert_array_equal(series.mjd, 54000 + np.arange(4))
    np.testing.assert_allclose(series.frames.sum((1, 2)), FLUX * np.array([3, 2, 4, 1]), rtol=0.01)
    header = result.survey.header
    assert (header.bands, header.classes, header.pixel_scale, header.flux_unit) == (
        ("clear",),
        ("AGN", "SN"),
        2.5,
        "count",
    )
    assert result.sources["hdu"][-4:] == ["4", "3", "5", "2"]


def test_a_zero_point_makes_counts_nanomaggies(tmp_path: Path) -> None:
    write_object(tmp_path / "a.fits")
    result = made("tao", tmp_path, tmp_path / "out" / "s", "--zero-point", 25.0, "--band", "V", "--bin", "--size", 20)
    assert (result.survey.header.flux_unit, result.survey.header.bands) == ("nanomaggy", ("V",))
    assert result.survey.header.pixel_scale == 5.0
    np.testing.assert_allclose(result.survey[0].frames.sum((1, 2)), FLUX / 10 * np.array([3, 2, 4, 1]), rtol=0.01)
    kept = made("tao", tmp_path, tmp_path / "out" / "t", "--no-sky")
    assert np.median(kept.survey[0].frames) == pytest.approx(300, abs=1)


def test_two_files_with_one_id_are_two_objects_of_which_the_second_is_rejected(tmp_path: Path) -> None:
    write_object(tmp_path / "a.fits", "CRTS1")
    write_object(tmp_path / "b.fits", "CRTS1")
    result = made("tao", tmp_path, tmp_path / "out" / "s")
    assert result.said == "1 object, 4 frames, 1 rejected"
    assert result.rejects == [
        {"object": "CRTS1", "file": "b.fits", "reason": "one id for two objects: a.fits has it too"}
    ]


def test_without_an_id_in_the_header_the_name_of_the_file_serves(tmp_path: Path) -> None:
    write_object(tmp_path / "MLS1 né.fits.gz", None, None)
    write_object(tmp_path / "b.fits", 1109, "SN")
    survey = made("tao", tmp_path, tmp_path / "out" / "s").survey
    assert {series.id: series.metadata["class"] for series in survey} == {"MLS1 né": None, "1109": "SN"}


def test_a_table_of_objects_corrects_the_headers(tmp_path: Path) -> None:
    write_object(tmp_path / "a.fits", "CRTS1", "SN?")
    write_object(tmp_path / "b.fits", "CRTS2", "AGN")
    write_table(tmp_path / "o.csv", [{"id": "CRTS1", "class": "SN", "redshift": 0.1}, {"id": "CRTS9", "class": "CV"}])
    result = made("tao", tmp_path, tmp_path / "out" / "s", "--objects", tmp_path / "o.csv")
    assert [series.metadata["class"] for series in result.survey] == ["SN", "AGN"]
    assert result.survey["CRTS1"].metadata["redshift"] == 0.1


def test_a_table_of_objects_without_a_class_leaves_that_of_the_header(tmp_path: Path) -> None:
    write_object(tmp_path / "a.fits", "CRTS1", "SN")
    write_table(tmp_path / "o.csv", [{"id": "CRTS1", "ra": 10.0, "dec": 20.0}])
    row = made("tao", tmp_path, tmp_path / "out" / "s", "--objects", tmp_path / "o.csv").survey[0].metadata
    assert (row["class"], row["ra"], row["dec"]) == ("SN", 10.0, 20.0)


def test_the_folder_of_a_file_is_its_class_and_the_header_has_a_remark_and_the_position(tmp_path: Path) -> None:
    write_object(tmp_path / "AGN" / "a.fits", "CSS071204:100029+071116", "AGN? SDSS 22,1 mag Galaxy")
    write_object(tmp_path / "SN" / "b.fits", "CSS071205:034521-012111", "SN/CV")
    survey = made("tao", tmp_path, tmp_path / "out" / "s").survey
    assert survey.header.classes == ("AGN", "SN")
    row = survey["CSS071204:100029+071116"].metadata
    assert (row["class"], row["header_class"]) == ("AGN", "AGN? SDSS 22,1 mag Galaxy")
    assert (row["ra"], row["dec"]) == tuple(POSITION.values())
    assert survey["CSS071205:034521-012111"].metadata["class"] == "SN"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"HDU_Ext": [2, 3, 4, 9]}, "there is no HDU 9"),
        ({"HDU_Ext": [2, 3, 4, 1]}, "HDU 1 holds no image"),
        ({"HDU_Ext": [2, 3, 4, -5]}, "there is no HDU"),
        ({"MJD": [54000.0, 54001.0, 54002.0, np.nan]}, "no date"),
        ({"MJD": [54000.0, 54001.0, 54002.0, 2454003.5]}, "looks like a Julian date"),
        ({"MJD": [54000.0, 54001.0, 54002.0, 54002.0]}, "duplicate exposure in band clear"),
    ],
)
def test_an_epoch_that_cannot_be_read_is_rejected_alone(tmp_path: Path, columns: Any, reason: str) -> None:
    write_object(tmp_path / "a.fits", **columns)
    result = made("tao", tmp_path, tmp_path / "out" / "s")
    assert result.said == "1 object, 3 frames, 1 rejected"
    assert reason in result.rejects[0]["reason"]
    assert result.rejects[0]["object"] == "CRTS1"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("no column", "the table in HDU 1 lacks HDU_Ext"),
        ("no table", "HDU 1 is not a table of epochs"),
        ("no epoch", "the table in HDU 1 has no row"),
        ("cut", "no whole FITS file"),
        ("text", "no whole FITS file"),
        ("cube", "an image of 3 axes"),
        ("small", "the cutout is 20 x 20 pixels, and the stamp 32 x 32"),
    ],
)
def test_a_file_that_cannot_be_read_is_rejected_beside_a_sound_one(tmp_path: Path, spoil: str, reason: str) -> None:
    write_object(tmp_path / "a.fits", "sound")
    path = tmp_path / "b.fits"
    match spoil:
        case "no column":
            write_object(path, HDU_Ext=None)
        case "no table":
            fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((SIDE, SIDE)))]).writeto(path)
        case "no epoch":
            write_object(path, epochs=0)
        case "cut":
            content = write_object(path).read_bytes()
            path.write_bytes(content[: len(content) // 2])
        case "text":
            path.write_text("SIMPLE it is not")
        case "cube" | "small":
            hdus = fits.open(write_object(path, epochs=1))
            shape = (2, SIDE, SIDE) if spoil == "cube" else (20, 20)
            hdus[2].data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
            hdus.writeto(path, overwrite=True)
            hdus.close()
    result = made("tao", tmp_path, tmp_path / "out" / "s")
    assert result.survey.ids[-1] == "sound"
    assert reason in result.rejects[-1]["reason"]
    assert result.rejects[-1]["file"].startswith("b.fits")
    (tmp_path / "a.fits").unlink()
    error = refusal("tao", tmp_path, tmp_path / "out" / "t")
    check_refusal(error, "E-INGEST-REJECTS", where=tmp_path / "out" / "t")


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    for folder, code in ((tmp_path, "E-INGEST-NOTHING"), (tmp_path / "no", "E-FILES-MISSING")):
        check_refusal(refusal("tao", folder, tmp_path / "s"), code, where=folder)


def test_a_link_that_leads_nowhere_is_a_reject(tmp_path: Path) -> None:
    write_object(tmp_path / "in" / "a.fits")
    (tmp_path / "in" / "b.fits").symlink_to(tmp_path / "gone.fits")
    result = made("tao", tmp_path / "in", tmp_path / "s")
    assert [row["file"] for row in result.rejects] == ["b.fits"]
    assert "symbolic link" in result.rejects[0]["reason"]


def test_stamps_stand_as_they_are_given(tmp_path: Path) -> None:
    write_object(tmp_path / "in" / "a.fits", epochs=1)
    with fits.open(tmp_path / "in" / "a.fits", mode="update") as hdus:
        hdus[2].data = hdus[2].data + np.rint(blob(SIDE, x=6, y=9, flux=FLUX)).astype(np.uint16)
    result = made("tao", tmp_path / "in", tmp_path / "s", "--no-sky", "--size", SIDE)
    frame = result.survey[0].frames[0] - 300
    frame[np.hypot(*np.indices(frame.shape) - (SIDE - 1) / 2) < 5] = 0
    y, x = np.unravel_index(frame.argmax(), frame.shape)
    assert (x - (SIDE - 1) / 2, y - (SIDE - 1) / 2) == pytest.approx((6, 9), abs=1)  # to the right, and above
    assert result.survey.header.orientation == "as given"
