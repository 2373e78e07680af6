"""Columns and bands under names of a user's own: each kind reads them by `--column` and `--rename-band`."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import ictconvention as ict
from tests.ingestion.alert_packets import alert, detection, write_avro
from tests.ingestion.commands import made, refusal, write_table
from tests.ingestion.images import DEC, RA, Sky
from tests.ingestion.readers.test_tao import write_object
from tests.refusals import check_refusal

SCALE = ("--pixel-scale", 0.4)
RENAMED = {"objid": "id", "path": "file", "FILTER": "band", "when": "mjd", "kind": "class"}  # ours, by theirs
COLUMNS = tuple(word for theirs, ours in RENAMED.items() for word in ("--column", f"{ours}={theirs}"))


def stamps(folder: Path, bands: str = "gr") -> list[dict[str, object]]:
    """Write three stamps, and return their rows under our names."""
    np.save(folder / "a.npy", np.random.default_rng(0).normal(size=(3, 32, 32)))
    return [
        {"id": "a", "file": "a.npy", "plane": n, "band": bands[n % 2], "mjd": 58000.0 + n, "class": "AGN"}
        for n in range(3)
    ]


def test_a_table_of_stamps_under_other_names_gives_the_same_survey(tmp_path: Path) -> None:
    listed = stamps(tmp_path)
    theirs = {ours: name for name, ours in RENAMED.items()}
    others = [{theirs.get(name, name): value for name, value in row.items()} for row in listed]
    plain = made("stamps", write_table(tmp_path / "t.csv", listed), tmp_path / "s", *SCALE).survey
    survey = made("stamps", write_table(tmp_path / "o.csv", others), tmp_path / "o", *SCALE, *COLUMNS).survey
    assert survey.object_table().colnames == plain.object_table().colnames
    np.testing.assert_array_equal(survey[0].frames, plain[0].frames)
    np.testing.assert_array_equal(survey[0].mjd, plain[0].mjd)
    assert (survey[0].id, survey.header.bands, survey[0].metadata["class"]) == ("a", ("g", "r"), "AGN")
    given = {ours: name for name, ours in RENAMED.items()}
    again = ict.ingest("stamps", tmp_path / "o.csv", tmp_path / "p", pixel_scale=0.4, jobs=1, column=given).survey
    np.testing.assert_array_equal(again[0].frames, plain[0].frames)


def test_a_column_that_stands_for_another_takes_its_place_with_its_unit(tmp_path: Path) -> None:
    """A table with an `id` that numbers the rows, and the ids of the objects in `objid`; seeing in arcmin."""
    listed = [row | {"id": n, "objid": "a", "seeing": 0.02} for n, row in enumerate(stamps(tmp_path))]
    table = Table(rows=listed)
    table["seeing"].unit = "arcmin"
    table.write(tmp_path / "t.ecsv")
    options = ("--column", "id=objid", "--column", "psf_fwhm=seeing")
    survey = made("stamps", tmp_path / "t.ecsv", tmp_path / "s", *SCALE, *options).survey
    assert survey.object_table()["id"].tolist() == ["a"]
    np.testing.assert_allclose(survey[0].psf_fwhm, 1.2, rtol=1e-6)


def test_the_tables_of_images_and_of_positions_are_renamed_each_by_its_own(tmp_path: Path) -> None:
    Sky().hdu(noise=0.1, FILTER="sdss g").writeto(tmp_path / "a.fits")
    images = write_table(tmp_path / "images.csv", [{"image": "a.fits", "passband": "G1"}])
    listed = write_table(tmp_path / "objects.csv", [{"source": "a", "RAJ2000": RA, "DEJ2000": DEC, "file": "x"}])
    names = ("id=source", "ra=RAJ2000", "dec=DEJ2000", "file=image", "band=passband")
    options = [word for name in names for word in ("--column", name)]
    survey = made("ccd", images, tmp_path / "s", "--positions", listed, *options, "--rename-band", "g=G1").survey
    assert (survey[0].id, survey.header.bands) == ("a", ("g",))
    error = refusal("ccd", tmp_path, tmp_path / "t", "--positions", listed, *options)
    check_refusal(error, "E-COMMAND-CONFLICT", "image", where=tmp_path)


def test_tables_of_objects_are_renamed(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    write_avro(tmp_path / "alerts" / "a.avro", [alert(day=1, fid=1, previous=[detection(-2)]), alert(day=2, fid=2)])
    write_object(tmp_path / "files" / "a.fits", "CRTS1", None)
    for kind, source, id_ in (("ztf", tmp_path / "alerts", "ZTF18aaaaaaa"), ("tao", tmp_path / "files", "CRTS1")):
        table = write_table(tmp_path / f"{kind}.csv", [{"name": id_, "type": "SN"}])
        options = ("--objects", table, "--column", "id=name", "--column", "class=type")
        assert made(kind, source, tmp_path / kind, *options).survey[0].metadata["class"] == "SN"
        error = refusal(kind, source, tmp_path / "t", *options[2:])
        check_refusal(error, "E-COMMAND-CONFLICT", "name", where="--column")


def test_bands_are_renamed_in_frames_and_in_photometry(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    alerts = [alert(day=1, fid=1, previous=[detection(-2)]), alert(day=2, fid=2)]
    write_avro(tmp_path / "alerts" / "a.avro", alerts)
    options = ("--rename-band", "ztf_g=g", "--bands", "ztf_g,r")
    result = made("ztf", tmp_path / "alerts", tmp_path / "s", *options)
    assert result.survey.header.bands == ("ztf_g", "r")
    assert result.survey[0].band.tolist() == [0, 1]
    assert result.sources["band"] == ["ztf_g", "r"]
    assert result.photometry["band"] == ["ztf_g", "ztf_g", "r"]  # a detection before, and those of both alerts


def test_two_bands_may_become_one_and_two_may_change_places(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", stamps(tmp_path, "VW"))
    both = made("stamps", table, tmp_path / "s", *SCALE, "--rename-band", "g=V", "--rename-band", "g=W").survey
    assert (both.header.bands, both[0].band.tolist()) == (("g",), [0, 0, 0])
    turned = made("stamps", table, tmp_path / "t", *SCALE, "--rename-band", "W=V", "--rename-band", "V=W").survey
    assert [turned.header.bands[number] for number in turned[0].band] == ["W", "V", "W"]


@pytest.mark.parametrize(
    ("option", "code", "facts", "where"),
    [
        ("--column id=objidd", "E-TABLE-COLUMN", ["objidd", "objid"], "t.csv"),
        ("--column objid=id", "E-TABLE-COLUMN", ["id"], "t.csv"),
        ("--column class=plane", "E-TABLE-COLUMN", ["id", "id=NAME"], "t.csv"),
        ("--column id", "E-COMMAND-VALUE", ["id=objid"], "--column"),
        ("--column id=objid --column id=file", "E-COMMAND-CONFLICT", ["id"], "--column"),
        ("--column id=objid --column ra=objid", "E-COMMAND-CONFLICT", ["objid"], "--column"),
        ("--column id=objid --rename-band g=sdss_g", "E-INGEST-MISMATCH", ["sdss_g", "g", "r"], ""),
        ("--column id=objid --rename-band =g", "E-COMMAND-VALUE", ["g=sdss_g"], "--rename-band"),
        ("--column id=objid --rename-band V=g --rename-band W=g", "E-COMMAND-CONFLICT", ["g"], "--rename-band"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(
    tmp_path: Path, option: str, code: str, facts: list[str], where: str
) -> None:
    listed = [row | {"objid": row["id"]} for row in stamps(tmp_path)]
    for row in listed:
        del row["id"]
    error = refusal("stamps", write_table(tmp_path / "t.csv", listed), tmp_path / "s", *SCALE, *option.split())
    check_refusal(error, code, *facts, where=where)


def test_of_bands_to_rename_that_are_not_all_there_a_line_is_said(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", stamps(tmp_path))
    result = made("stamps", table, tmp_path / "s", *SCALE, "--rename-band", "V=g", "--rename-band", "z=sdss_z")
    assert result.survey.header.bands == ("r", "V")
    assert any("sdss_z" in line and "--rename-band" in line for line in result.lines)


def test_bands_that_cannot_be_there_are_refused_before_an_image_is_read(tmp_path: Path) -> None:
    """The files are rubbish, which reading them would say."""
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "a.avro").write_bytes(b"rubbish")
    for name in ("a.npy", "a.fits"):
        (tmp_path / name).write_bytes(b"rubbish")
    stamp = write_table(tmp_path / "t.csv", [{"id": "a", "file": "a.npy", "band": "g", "mjd": 58000.0}])
    image = write_table(tmp_path / "i.csv", [{"file": "a.fits", "band": "g"}])
    listed = write_table(tmp_path / "o.csv", [{"id": "a", "ra": RA, "dec": DEC}])
    rename = ("--rename-band", "V=sdss_g")
    for error in (
        refusal("stamps", stamp, tmp_path / "s", *SCALE, *rename),
        refusal("ccd", image, tmp_path / "s", "--positions", listed, *SCALE, *rename),
        refusal("ztf", tmp_path / "alerts", tmp_path / "s", *rename),
    ):
        check_refusal(error, "E-INGEST-MISMATCH", "sdss_g", "g")


def test_what_only_the_images_tell_costs_no_survey(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Sky().hdu(noise=0.1, FILTER="g").writeto(tmp_path / "images" / "a.fits")
    listed = write_table(tmp_path / "o.csv", [{"id": "a", "ra": RA, "dec": DEC}])
    result = made("ccd", tmp_path / "images", tmp_path / "s", "--positions", listed, "--rename-band", "V=sdss_g")
    assert result.survey.header.bands == ("g",)
    (line,) = (line for line in result.lines if "--rename-band" in line)
    assert "sdss_g" in line
    assert line.endswith("the images have g")
