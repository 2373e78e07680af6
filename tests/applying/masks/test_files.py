"""Masks on disk: the values, which way is up, the place on the ground, and folders that appear whole or not at all."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ictconvention.applying.masks.files import CLASSES_FILE, Georeference, MaskFolder, read_georeferences, save_mask
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from tests.conftest import HEADER
from tests.refusals import refused

CLASSES = ("artificial", "water", "moss")
MASK = np.array([[0, 1, 2, 255], [1, 1, 0, 0], [2, 2, 2, 255]], dtype=np.uint8)
PLACE = Georeference("EPSG:32631", (10.0, 0.0, 500_000.0, 0.0, -10.0, 4_900_000.0))


def test_a_mask_without_a_place_is_the_values_with_the_first_row_of_the_survey_at_the_bottom(tmp_path: Path) -> None:
    save_mask(tmp_path / "a.tif", MASK, CLASSES)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image), MASK[::-1])


def test_a_geotiff_keeps_place_coordinate_system_values_and_what_is_no_data(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: extra scenes")
    save_mask(tmp_path / "a.tif", MASK, CLASSES, PLACE)
    with rasterio.open(tmp_path / "a.tif") as file:
        assert (file.crs.to_epsg(), file.nodata, file.dtypes) == (32631, 255, ("uint8",))
        assert tuple(file.transform)[:6] == PLACE.transform
        assert file.tags()["classes"] == "0 artificial,1 water,2 moss"
        np.testing.assert_array_equal(file.read(1), MASK[::-1])
        x, y = file.xy(0, 0)  # the upper left pixel: the survey's last row
        assert (x, y) == (500_005.0, 4_899_995.0)
        colours = file.colormap(1)
        assert colours[1][2] > colours[1][0]  # water is blue
        assert len({colours[number] for number in range(3)}) == 3


def test_a_coordinate_system_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("rasterio", reason="rasterio is not installed: extra scenes")
    with refused(UsageError, "E-VALUE-RANGE", where="a.tif"):
        save_mask(tmp_path / "a.tif", MASK, CLASSES, Georeference("EPSG:nowhere", PLACE.transform))


def test_without_rasterio_a_place_on_the_ground_is_refused_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with refused(UsageError, "E-PACKAGE-MISSING", "scenes", where="scenes"):
        save_mask(tmp_path / "a.tif", MASK, CLASSES, PLACE)
    save_mask(tmp_path / "b.tif", MASK, CLASSES)  # and one without a place needs none


def chips(path: Path, transform: str | None, crs: str = "EPSG:32631") -> Survey:
    """Return a survey of two chips, of which the first lies somewhere."""
    header = replace(HEADER, bands=("R",), classes=CLASSES, stamp_size=4)
    with SurveyWriter(path, header, masks=True) as writer:
        for id_, own in (("a/1", transform), ("2", None)):
            frames = np.zeros((1, 4, 4), dtype=np.float32)
            place: dict[str, Any] = {"crs": crs, "transform": own}
            mask = np.zeros((4, 4), dtype=np.uint8)
            writer.add(id=id_, frames=frames, band=np.zeros(1, int), mjd=np.array([53000.0]), mask=mask, **place)
    return Survey.open(path)


def test_the_place_of_a_chip_is_read_from_its_columns(tmp_path: Path) -> None:
    pytest.importorskip("rasterio", reason="rasterio is not installed: extra scenes")
    survey = chips(tmp_path / "known", "10.0,0.0,500000.0,0.0,-10.0,4900000.0")
    assert read_georeferences(survey) == {"a/1": PLACE}
    assert read_georeferences(chips(tmp_path / "nowhere", None)) == {}
    for number, damaged in enumerate(("1,2,3", "a,b,c,d,e,f", "1,2,3,4,5,nan")):
        with refused(UsageError, "E-TABLE-DAMAGED", "a/1", where=f"damaged{number}"):
            read_georeferences(chips(tmp_path / f"damaged{number}", damaged))
    with refused(UsageError, "E-VALUE-RANGE", where="odd"):
        read_georeferences(chips(tmp_path / "odd", "10,0,500000,0,-10,4900000", "EPSG:nowhere"))


def test_a_folder_of_masks_names_them_by_id_and_says_what_values_mean(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()  # an empty folder is taken
    with MaskFolder(tmp_path / "masks", CLASSES, ["a/1", "2"], {}) as folder:
        folder.write("a/1", MASK)
        folder.write("2", MASK[:, ::-1])
        assert not (tmp_path / "masks").exists()
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == ["2.tif", "a_1.tif", CLASSES_FILE]
    said = (tmp_path / "masks" / CLASSES_FILE).read_text().splitlines()
    assert said == ["value,class", "0,artificial", "1,water", "2,moss", "255,no pixel"]


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "mine.txt").write_text("mine")
    with refused(FileSystemError, "E-FILES-EXISTS", where="masks"):
        MaskFolder(tmp_path / "masks", CLASSES, ["1"], {})
    assert (tmp_path / "masks" / "mine.txt").read_text() == "mine"


def test_after_an_error_no_folder_is_left(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), MaskFolder(tmp_path / "masks", CLASSES, ["1"], {}) as folder:
        folder.write("1", MASK)
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_ids_that_differ_in_a_slash_alone_are_refused(tmp_path: Path) -> None:
    with refused(UsageError, "E-ID-DUPLICATE", "a_1.tif"):
        MaskFolder(tmp_path / "masks", CLASSES, ["a/1", "a_1"], {})
