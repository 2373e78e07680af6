"""Chips and masks become a survey: values, the way up, classes of pixels, place on the ground, scenes."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ictconvention as ict
from ictconvention.core.errors import UsageError
from tests.ingestion.chips.chip_files import SIZE, UTM, image, mask, place, preligens, refusal_of, save
from tests.ingestion.commands import spoken, write_table
from tests.refusals import check_refusal

CLASSES = ("artificial", "cultivated", "broadleaf", "coniferous", "herbaceous", "natural", "snow", "water")


def as_stored(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what a mask of the challenge is in a survey: its first row is the upper one, and row 0 the lower."""
    table = np.array([255, 255, *range(8)], dtype=np.uint8)
    return table[values][::-1]


def upright(series: ict.ImageSeries) -> NDArray[np.float64]:
    """Return the frames in the order of the bands, their first row the upper one, as in the files."""
    return series.frames[np.argsort(series.band), ::-1].astype(np.float64)


def classes(series: ict.ImageSeries) -> NDArray[np.uint8]:
    """Return the mask of a chip that has one."""
    if series.mask is None:
        raise AssertionError(f"{series.id} has no mask")
    return series.mask


def test_the_challenge_is_taken_as_it_is(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path)
    result = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1)
    survey, header = result.survey, result.survey.header
    assert str(result) == "4 objects, 16 frames, 0 rejected"
    assert survey.ids == ("10000", "10001", "10002", "10003")
    assert (header.bands, header.classes) == (("B", "G", "R", "NIR"), CLASSES)
    assert (header.stamp_size, header.flux_unit, header.has_scale) == (SIZE, "none", False)
    for number, series in enumerate(survey):
        assert np.array_equal(classes(series), as_stored(mask(number)))
        assert sorted(series.band) == [0, 1, 2, 3]
        assert np.allclose(upright(series), image(number), rtol=1e-3)
        assert series.metadata["class"] is None
    assert not {"crs", "transform", "scene"} & set(survey.object_table().colnames)
    assert "B, G, R, NIR" in header.provenance["bands"]
    assert any("B, G, R, NIR" in line for line in result.remarks)


def test_shares_are_those_of_the_masks(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path)
    survey = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1).survey
    shares = survey.count_pixels() / survey.count_pixels().sum(1, keepdims=True)
    for number in range(len(survey)):
        known = np.array([(mask(number) == value).sum() for value in range(2, 10)])
        assert np.abs(shares[number] - known / known.sum()).max() < 1e-9


def test_the_command_and_python_make_the_same_survey(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path)
    lines = spoken("chips", images, masks, tmp_path / "a", "--jobs", 2)
    ict.ingest("chips", images, tmp_path / "b", masks=masks, jobs=1)
    for name in ("frames.npy", "masks.npy"):
        one, other = (tmp_path / out / "shard-00000" / name for out in "ab")
        assert one.read_bytes() == other.read_bytes()
    assert lines[-1] == "4 objects, 16 frames, 0 rejected"


def test_masks_stay_with_their_chips_over_shards_and_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ictconvention.ingestion.gathering.kept.SHARD_FRAMES", 8)
    monkeypatch.setattr("ictconvention.ingestion.chips.reading.CHIPS_AT_ONCE", 3)
    images, masks = preligens(tmp_path, 7)
    survey = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=2).survey
    assert len(list((tmp_path / "s").glob("shard-*"))) > 2
    for number, series in enumerate(survey):
        assert np.array_equal(classes(series), as_stored(mask(number)))


def test_where_chips_lie_on_the_ground_is_kept(tmp_path: Path) -> None:
    for number in range(2):
        how = {"crs": UTM, "transform": place(SIZE * number, 3)}
        save(tmp_path / "images" / f"{number}.tif", image(number), **how)
        save(tmp_path / "masks" / f"{number}.tif", mask(number), **how)
    table = ict.ingest(
        "chips", tmp_path / "images", tmp_path / "s", masks=tmp_path / "masks", jobs=1
    ).survey.object_table()
    assert list(table["crs"]) == [UTM] * 2
    assert [tuple(map(float, text.split(","))) for text in table["transform"]] == [place(0, 3)[:6], place(SIZE, 3)[:6]]


def test_a_code_and_its_words_are_one_coordinate_system(tmp_path: Path) -> None:
    from rasterio.crs import CRS

    words = CRS.from_epsg(32631).to_wkt().replace('NAME["WGS 84 / UTM zone 31N"', 'NAME["own name"')
    save(tmp_path / "images" / "a.tif", image(), crs=UTM, transform=place())
    save(tmp_path / "masks" / "a.tif", mask(), crs=CRS.from_wkt(words), transform=place())
    assert len(ict.ingest("chips", tmp_path / "images", tmp_path / "s", masks=tmp_path / "masks", jobs=1).survey) == 1


@pytest.mark.parametrize("options", [{}, {"scene": "(.+)/"}, {"scene": ".*/([a-z]).*"}])
def test_scenes_are_folders_or_what_a_pattern_finds(options: dict[str, str], tmp_path: Path) -> None:
    for name in ("T31/a0", "T31/a1", "T32/b0"):
        save(tmp_path / "images" / f"{name}.tif", image())
        save(tmp_path / "masks" / f"{name}.tif", mask())
    survey = ict.ingest(
        "chips", tmp_path / "images", tmp_path / "s", masks=tmp_path / "masks", jobs=1, **options
    ).survey
    scenes = ["a", "a", "b"] if options.get("scene", "").startswith(".*") else ["T31", "T31", "T32"]
    assert list(survey.object_table()["scene"]) == scenes


def test_a_table_brings_scenes_and_columns(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 2)
    rows = [{"id": 10_000, "tile": "T31TFJ", "month": 5}, {"id": 10_001, "tile": "T32TLQ", "month": 9}]
    table = write_table(tmp_path / "chips.csv", rows)
    more = {"objects": table, "column": {"scene": "tile"}}
    found = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1, **more).survey.object_table()
    assert list(found["scene"]) == ["T31TFJ", "T32TLQ"]
    assert list(found["month"]) == [5, 9]


@pytest.mark.parametrize(
    ("pattern", "code"), [("(", "E-COMMAND-VALUE"), ("a+", "E-COMMAND-VALUE"), ("(x)_", "E-INGEST-MISMATCH")]
)
def test_a_pattern_that_finds_no_scene_is_refused(pattern: str, code: str, tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 1)
    check_refusal(refusal_of(images, masks, tmp_path / "s", "--scene", pattern), code, where="ingest chips")


def test_classes_of_a_table_are_refused_since_masks_have_them(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 1)
    table = write_table(tmp_path / "chips.csv", [{"id": 10_000, "class": "water"}])
    error = refusal_of(images, masks, tmp_path / "s", "--objects", table)
    check_refusal(error, "E-COMMAND-CONFLICT", "10000", where=table)


def test_chips_without_a_mask_are_rejected_or_kept_without_labels(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path)
    (masks / "10001.tif").unlink()
    save(masks / "77.tif", mask())
    result = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1)
    assert {(one.object, one.flaw) for one in result.rejects} == {("10001", True), ("77", False)}
    assert result.survey.ids == ("10000", "10002", "10003")
    kept = ict.ingest("chips", images, tmp_path / "k", masks=masks, jobs=1, unlabelled=True)
    assert [one.object for one in kept.rejects] == ["77"]
    assert (classes(kept.survey["10001"]) == 255).all()
    assert (kept.survey.count_pixels().sum(1) > 0).tolist() == [True, False, True, True]


def test_chips_to_predict_need_no_masks(tmp_path: Path) -> None:
    images, _ = preligens(tmp_path)
    survey = ict.ingest("chips", images, tmp_path / "s", masks="none", jobs=1).survey
    assert survey.has_masks
    assert not survey.count_pixels().any()


def test_no_data_become_nan_and_are_ignored_in_the_mask(tmp_path: Path) -> None:
    pixels, values = image(), np.full((SIZE, SIZE), 9, dtype=np.uint8)
    pixels[0, 0, :3] = 0  # of one band
    pixels[:, 1, :2] = 0  # of all
    values[2, :5] = 200
    save(tmp_path / "images" / "a.tif", pixels, nodata=0)
    save(tmp_path / "masks" / "a.tif", values, nodata=200)
    series = ict.ingest("chips", tmp_path / "images", tmp_path / "s", masks=tmp_path / "masks", jobs=1).survey["a"]
    assert np.array_equal(np.isnan(upright(series)), pixels == 0)
    expected = np.full((SIZE, SIZE), 7, dtype=np.uint8)
    expected[1, :2] = expected[2, :5] = 255
    assert np.array_equal(classes(series)[::-1], expected)


def test_scales_and_offsets_of_a_file_are_applied(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.tif", image(), scales=((0.0001,) * 4, (-0.1,) * 4))
    save(tmp_path / "masks" / "a.tif", mask())
    more = {"masks": tmp_path / "masks", "jobs": 1, "dtype": "float32"}
    series = ict.ingest("chips", tmp_path / "images", tmp_path / "s", **more).survey["a"]
    assert np.allclose(upright(series), image() * 0.0001 - 0.1, atol=1e-6)


@pytest.mark.parametrize("layout", ["bands last", "bands first"])
def test_npy_chips_are_those_of_geotiffs(layout: str, tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    np.save(tmp_path / "images" / "a.npy", image() if layout == "bands first" else np.moveaxis(image(), 0, 2))
    np.save(tmp_path / "masks" / "a.npy", mask())
    save(tmp_path / "images" / "b.tif", image())
    save(tmp_path / "masks" / "b.tif", mask())
    survey = ict.ingest("chips", tmp_path / "images", tmp_path / "s", masks=tmp_path / "masks", jobs=1).survey
    table = survey.object_table()
    assert table["crc32"][0] == table["crc32"][1]
    assert np.array_equal(*survey.read_masks([0, 1]))


@pytest.mark.parametrize("kind", ["table", "npy"])
def test_arrays_of_all_chips_are_taken_with_their_ids(kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.stack([np.moveaxis(image(number), 0, 2) for number in range(3)]))
    np.save(tmp_path / "y.npy", np.stack([mask(number) for number in range(3)]))
    if kind == "npy":
        np.save(ids := tmp_path / "ids.npy", np.array(["c", "a", "b"]))
    else:
        ids = write_table(tmp_path / "ids.csv", [{"id": "c"}, {"id": "a"}, {"id": "b"}])
    more = {"masks": tmp_path / "y.npy", "ids": ids, "jobs": 1}
    survey = ict.ingest("chips", tmp_path / "x.npy", tmp_path / "s", **more).survey
    assert survey.ids == ("c", "a", "b")
    assert np.array_equal(classes(survey["b"]), as_stored(mask(2)))
    assert np.allclose(upright(survey["b"]), image(2), rtol=1e-3)


def test_arrays_without_ids_or_of_other_lengths_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.stack([image(number) for number in range(3)]))
    np.save(tmp_path / "y.npy", np.stack([mask(number) for number in range(2)]))
    np.save(tmp_path / "ids.npy", np.array(["c", "a"]))
    error = refusal_of(tmp_path / "x.npy", "none", tmp_path / "s")
    check_refusal(error, "E-VALUE-MISSING", "--ids", where="x.npy")
    error = refusal_of(tmp_path / "x.npy", tmp_path / "y.npy", tmp_path / "s", "--ids", tmp_path / "ids.npy")
    check_refusal(error, "E-VALUE-SHAPE", "3", "2", where="y.npy")
    error = refusal_of(tmp_path / "x.npy", "none", tmp_path / "s", "--ids", tmp_path / "ids.npy")
    check_refusal(error, "E-VALUE-SHAPE", "3", "2", where="ids.npy")


def test_a_dry_run_reads_everything_and_writes_nothing(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path)
    save(masks / "10002.tif", mask() + 100)
    before = sorted(tmp_path.rglob("*"))
    made_dry = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1, dry_run=True)
    assert str(made_dry) == "3 objects, 12 frames, 1 rejected"
    assert sorted(tmp_path.rglob("*")) == before


def test_other_data_has_other_bands_and_classes(tmp_path: Path) -> None:
    values = np.random.default_rng(0).choice([10, 20, 80, 255], (SIZE, SIZE)).astype(np.uint8)
    save(tmp_path / "images" / "a.tif", image()[:3].astype(np.float32))
    save(tmp_path / "masks" / "a.tif", values)
    more = {"masks": tmp_path / "masks", "jobs": 1, "bands": "R,G,B", "ignore": "255"}
    classes = "10=trees,20=shrubs,80=water"
    survey = ict.ingest("chips", tmp_path / "images", tmp_path / "s", classes=classes, **more).survey
    assert survey.header.classes == ("trees", "shrubs", "water")
    assert survey.header.bands == ("R", "G", "B")
    assert survey.count_pixels().tolist() == [[(values == value).sum() for value in (10, 20, 80)]]


@pytest.mark.parametrize("fourth", ["nir", "nir 8a"])
def test_files_that_name_their_bands_in_another_order_are_refused(fourth: str, tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.tif", image(), names=("r", "g", "b", fourth))
    save(tmp_path / "masks" / "a.tif", mask())
    error = refusal_of(tmp_path / "images", tmp_path / "masks", tmp_path / "s")
    check_refusal(error, "E-COMMAND-CONFLICT", f"r,g,b,{fourth}", where="images")
    lines = spoken("chips", tmp_path / "images", tmp_path / "masks", tmp_path / "s", "--bands", "r,g,b,nir")
    assert any("r, g, b, nir" in line for line in lines)


def test_geotiffs_without_rasterio_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, masks = preligens(tmp_path, 1)
    monkeypatch.setattr("ictconvention.ingestion.chips.rasters.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        ict.ingest("chips", images, tmp_path / "s", masks=masks)
    check_refusal(caught.value, "E-PACKAGE-MISSING", "rasterio", where=images)


@pytest.mark.real_data
def test_the_public_sample_of_the_challenge_has_the_shares_of_its_labels(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    labels = shared("land_cover/train_labels.csv")
    folder = labels.parent / "train"
    with labels.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    survey = ict.ingest("chips", folder / "images", tmp_path / "s", masks=folder / "masks").survey
    id_column = next(name for name in ("sample_id", "id", *rows[0]) if name in rows[0])
    by_id = {row[id_column]: np.array([float(row[name]) for name in CLASSES]) for row in rows}
    counts = survey.count_pixels()
    assert len(survey) == 414
    for id_, own in zip(survey.ids, counts, strict=True):
        assert np.abs(own / own.sum() - by_id[id_] / by_id[id_].sum()).max() < 1e-9
