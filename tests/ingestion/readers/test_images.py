"""Pictures become a survey of one night: values, the way up, sizes, classes by folder or table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image

import ictconvention as ict
from ictconvention.core.errors import UsageError
from tests.ingestion.commands import frame_bytes, made, refusal, spoken, write_table
from tests.refusals import check_refusal, refused


def colours(seed: int = 0, height: int = 12, width: int = 12, bands: int = 3) -> NDArray[np.uint8]:
    """Return a picture of 8 bits (H, W, bands), its first row the upper one."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, bands), dtype=np.uint8)


def save(path: Path, picture: NDArray[Any] | Image.Image, **how: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture.squeeze())
    image.save(path, **how)
    return path


def save_fits(path: Path, pixels: NDArray[Any], **keys: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(pixels, fits.Header(list(keys.items()))).writeto(path)
    return path


def classes(folder: Path, *names: str, each: int = 2, size: int = 12) -> Path:
    """Save pictures in a folder for each class."""
    for number, name in enumerate(names):
        for i in range(each):
            save(folder / name / f"{i}.png", colours(10 * number + i, size, size))
    return folder


def stored(survey: ict.Survey, id_: str) -> dict[str, NDArray[np.floating]]:
    """Return the frame of each band."""
    series = survey[id_]
    bands = [survey.header.bands[band] for band in series.band]
    return {band: frame.astype(np.float64) for band, frame in zip(bands, series.frames, strict=True)}


def test_a_folder_for_each_class_becomes_a_survey_of_one_night(tmp_path: Path) -> None:
    result = made("images", classes(tmp_path / "in", "spiral", "elliptical"), tmp_path / "s")
    survey, header = result.survey, result.survey.header
    assert result.said == "4 objects, 12 frames, 0 rejected"
    assert survey.ids == ("elliptical/0", "elliptical/1", "spiral/0", "spiral/1")
    assert [one.metadata["class"] for one in survey] == ["elliptical"] * 2 + ["spiral"] * 2
    assert (header.bands, header.classes) == (("R", "G", "B"), ("elliptical", "spiral"))
    assert (header.stamp_size, header.dtype, header.flux_unit) == (12, "float16", "none")
    assert header.scale_words == "unknown size"
    assert "arcsec" not in survey._repr_html_()
    assert all((one.mjd == 51544.0).all() for one in survey)
    values = stored(survey, "spiral/1")
    for number, band in enumerate("RGB"):  # the first row of a file is the upper one, and row 0 the lower
        assert np.abs(values[band] - colours(1)[::-1, :, number] / 255).max() < 3e-4


@pytest.mark.parametrize("layout", ["HWC", "CHW"])
def test_a_png_and_its_npy_are_the_same_picture(layout: str, tmp_path: Path) -> None:
    picture = colours()
    save(tmp_path / "in" / "a.png", picture)
    np.save(tmp_path / "in" / "b.npy", picture if layout == "HWC" else np.moveaxis(picture, 2, 0))
    survey = made("images", tmp_path / "in", tmp_path / "s").survey
    table = survey.object_table()
    assert table["crc32"][0] == table["crc32"][1]


def test_fits_planes_keep_their_values_rows_date_and_place(tmp_path: Path) -> None:
    planes = np.random.default_rng(0).normal(1, 0.1, (5, 12, 12)).astype(np.float32)
    planes[2] = np.nan
    wcs = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 6.5, "CRPIX2": 6.5, "CRVAL1": 150.0, "CRVAL2": 2.0}
    wcs |= {"CDELT1": -1e-4, "CDELT2": 1e-4, "DATE-OBS": "2020-01-02T12:00:00"}
    save_fits(tmp_path / "in" / "a.fits", planes, **wcs)
    options = ("--bands", "u,g,r,i,z", "--dtype", "float32", "--flux-unit", "nanomaggy")
    result = made("images", tmp_path / "in", tmp_path / "s", *options)
    series, header = result.survey["a"], result.survey.header
    assert header.bands == ("u", "g", "r", "i", "z")
    assert header.pixel_scale == pytest.approx(0.36)
    assert header.scale_words == "0.36 arcsec"
    assert (stored(result.survey, "a")["z"] == planes[4]).all()
    assert sorted(series.band.tolist()) == [0, 1, 3, 4]
    assert series.mjd == pytest.approx([58850.5] * 4)
    assert (series.metadata["ra"], series.metadata["dec"]) == pytest.approx((150.0, 2.0))


@pytest.mark.parametrize(("ending", "size"), [("fits", 16), ("npy", 16), ("fits", 64)])
def test_fluxes_stay_where_pixels_are_resampled(ending: str, size: int, tmp_path: Path) -> None:
    """A unit is that of a pixel: one that stands for four of the file holds what these hold together."""
    y, x = np.mgrid[:32, :32]
    source = (100 * np.exp(-((x - 15.5) ** 2 + (y - 15.5) ** 2) / 18) / (18 * np.pi)).astype(np.float32)
    (tmp_path / "in").mkdir()
    if ending == "fits":
        save_fits(tmp_path / "in" / "a.fits", source)
    else:
        np.save(tmp_path / "in" / "a.npy", source)
    plain, fluxes = (
        made("images", tmp_path / "in", tmp_path / unit, "--size", size, "--dtype", "float32", "--flux-unit", unit)
        for unit in ("none", "nanomaggy")
    )
    assert fluxes.survey["a"].frames.sum() == pytest.approx(100, rel=0.01)
    assert plain.survey["a"].frames.max() == pytest.approx(source.max(), rel=0.2)  # without a unit, as bright
    assert "sums stay" in str(fluxes.survey.header.provenance["size"])
    assert "sums stay" not in str(plain.survey.header.provenance["size"])


def test_whole_numbers_that_would_be_divided_are_no_fluxes(tmp_path: Path) -> None:
    counts = np.full((12, 12), 1000, dtype=np.int16)
    counts[6, 6] = 2000
    for kind in ("i2", "u2", "f4"):
        save_fits(tmp_path / "in" / f"{kind}.fits", counts.astype(kind))
    save(tmp_path / "in" / "deep.png", counts.astype(np.uint16))
    np.save(tmp_path / "in" / "deep_too.npy", counts.astype(np.uint16))
    options = ("--flux-unit", "nanomaggy", "--dtype", "float32", "--max-rejects", 0.9)
    survey = made("images", tmp_path / "in", tmp_path / "s", *options, "--bands", "g").survey
    assert survey.ids == ("f4", "i2")
    assert all(one.frames.max() == 2000 for one in survey)
    assert (tmp_path / "s-rejects.csv").read_text().count("of which 65535 would become 1") == 3


def test_other_numbers_of_bits_reach_from_0_to_1(tmp_path: Path) -> None:
    deep = np.arange(0, 65536, 65535 / 143).round().astype(np.uint16).reshape(12, 12)
    save(tmp_path / "in" / "deep.png", deep)
    save(tmp_path / "in" / "bit.png", Image.fromarray(deep > 30000))
    np.save(tmp_path / "in" / "deep_too.npy", deep)
    save_fits(tmp_path / "in" / "deep_fits.fits", deep)
    survey = made("images", tmp_path / "in", tmp_path / "s", "--dtype", "float32", "--bands", "grey").survey
    for id_ in ("deep", "deep_too"):
        assert np.abs(survey[id_].frames[0] - deep[::-1] / 65535).max() < 1e-6
    assert np.abs(survey["deep_fits"].frames[0] - deep / 65535).max() < 1e-6
    assert (survey["bit"].frames[0] == (deep > 30000)[::-1]).all()


def test_palettes_and_opaque_alpha_give_the_colours_that_they_show(tmp_path: Path) -> None:
    picture = np.repeat(np.repeat(colours(0, 3, 3), 4, 0), 4, 1)
    plain = Image.fromarray(picture)
    save(tmp_path / "in" / "plain.png", plain)
    save(tmp_path / "in" / "palette.png", plain.convert("P", palette=Image.Palette.ADAPTIVE, colors=16))
    save(tmp_path / "in" / "alpha.png", plain.convert("RGBA"))
    survey = made("images", tmp_path / "in", tmp_path / "s").survey
    assert len(set(survey.object_table()["crc32"].tolist())) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_stands_upright_as_exif_says(orientation: int, tmp_path: Path) -> None:
    grey = np.tile(np.linspace(0, 255, 16).astype(np.uint8), (8, 1))
    grey[:4] //= 2  # the left lower corner is dark, the right lower one bright
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = {1: 0, 3: 2, 6: 3, 8: 1}.get(orientation)
    save(tmp_path / "in" / "a.jpg", grey, exif=exif, quality=100)
    survey = made("images", tmp_path / "in", tmp_path / "s", "--size", 8).survey
    row = survey.object_table()[0]
    assert (row["file_width"], row["file_height"]) == ((16, 8) if orientation < 5 else (8, 16))
    if turn is not None:
        upright = np.rot90(grey, turn)
        top, left = (upright.shape[0] - 8) // 2, (upright.shape[1] - 8) // 2
        expected = upright[top : top + 8, left : left + 8][::-1] / 255
        assert np.abs(survey["a"].frames[0] - expected).max() < 0.03


def test_the_square_in_the_middle_is_resampled_and_keeps_its_mean(tmp_path: Path) -> None:
    wide = np.full((24, 40, 3), 200, dtype=np.uint8)
    wide[:, 8:32] = colours(3, 24, 24)
    save(tmp_path / "in" / "wide.png", wide)
    save(tmp_path / "in" / "small.png", colours(4, 6, 6))
    result = made("images", tmp_path / "in", tmp_path / "s", "--size", 12)
    blocks = colours(3, 24, 24)[::-1] / 255
    mean = {band: blocks[..., number].mean() for number, band in enumerate("RGB")}
    for band, frame in stored(result.survey, "wide").items():
        assert frame.mean() == pytest.approx(mean[band], abs=0.02)
    assert result.survey.object_table()["file_width"].tolist() == [6, 40]
    assert any(line.startswith("1 picture enlarged to 12 pixels") and "small" in line for line in result.lines)


def test_pictures_of_planes_are_resampled_as_those_of_8_bits(tmp_path: Path) -> None:
    picture = colours(0, 24, 24)
    save(tmp_path / "in" / "a.png", picture)
    np.save(tmp_path / "in" / "b.npy", (picture / 255).astype(np.float32))
    survey = made("images", tmp_path / "in", tmp_path / "s", "--size", 12).survey
    assert np.abs(survey["a"].frames - survey["b"].frames).max() < 3 / 255


def test_a_table_of_labels_names_classes_groups_and_places(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "in" / f"{number:03d}.jpg", colours(number), quality=95)
    rows: list[dict[str, Any]] = [
        {"name": "000", "kind": "a", "group": "g1", "redshift": 0.1, "ra": 10.0, "dec": 1.0},
        {"name": "001.jpg", "kind": "b", "group": "g1", "redshift": None, "ra": None, "dec": None},
        {"name": "002", "kind": None, "group": None, "redshift": None, "ra": None, "dec": None},
    ]
    table = write_table(tmp_path / "labels.csv", rows)
    names = ("--labels", table, "--column", "id=name", "--column", "class=kind")
    result = made("images", tmp_path / "in", tmp_path / "s", *names)
    objects = {series.id: series.metadata for series in result.survey}
    assert [row["class"] for row in objects.values()] == ["a", "b", None, None]
    assert [row["group"] for row in objects.values()] == ["g1", "g1", None, None]
    assert (objects["000"]["redshift"], objects["000"]["ra"]) == (0.1, 10.0)
    assert any(line.startswith("1 picture not in labels.csv") and "003" in line for line in result.lines)


def test_a_table_without_classes_leaves_them_to_the_folders(tmp_path: Path) -> None:
    folder = classes(tmp_path / "in", "a", "b", each=1)
    table = write_table(tmp_path / "groups.csv", [{"id": "a/0", "group": 1}, {"id": "b/0", "group": 1}])
    survey = made("images", folder, tmp_path / "s", "--labels", table).survey
    assert [(one.metadata["class"], one.metadata["group"]) for one in survey] == [("a", 1), ("b", 1)]


def test_one_class_or_none_is_said(tmp_path: Path) -> None:
    classes(tmp_path / "one", "a")
    save(tmp_path / "none" / "a.png", colours())
    for name in ("one", "none"):
        lines = spoken("images", tmp_path / name, tmp_path / f"s{name}")
        assert any(("one class" if name == "one" else "no picture has a class") in line for line in lines)
    save(tmp_path / "one" / "loose.png", colours(9))
    lines = spoken("images", tmp_path / "one", tmp_path / "s")
    assert any(line.startswith("1 picture in no folder of a class") for line in lines)


def test_the_bytes_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    folder = classes(tmp_path / "in", "a", "b", each=70)
    one, two = (made("images", folder, tmp_path / f"s{n}", "--jobs", n, "--name", "same").survey for n in (1, 2))
    assert one.ids == two.ids
    assert frame_bytes(one) == frame_bytes(two)


def test_python_has_the_same_options(tmp_path: Path) -> None:
    made_ = ict.ingest(
        "images", classes(tmp_path / "in", "a", "b"), tmp_path / "s", size=6, bands=["i", "r", "g"], jobs=1
    )
    assert made_.survey.header.bands == ("i", "r", "g")
    assert made_.survey.header.stamp_size == 6
    with refused(UsageError, "E-COMMAND-VALUE", "objects"):
        ict.ingest("images", tmp_path / "in", tmp_path / "t", objects="labels.csv")


def test_a_folder_that_does_not_tell_its_classes_or_holds_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("nothing")
    check_refusal(refusal("images", tmp_path / "none", tmp_path / "s"), "E-INGEST-NOTHING", where="none")
    check_refusal(refusal("images", tmp_path / "gone", tmp_path / "s"), "E-FILES-MISSING", where="gone")
    classes(tmp_path / "in" / "train", "a", "b")
    check_refusal(refusal("images", tmp_path / "in", tmp_path / "s"), "E-INGEST-LAYOUT", "train/a", where="in")
    table = write_table(tmp_path / "labels.csv", [{"id": f"train/{c}/{n}", "class": c} for c in "ab" for n in range(2)])
    assert len(made("images", tmp_path / "in", tmp_path / "s", "--labels", table).survey) == 4


def test_labels_of_no_picture_or_of_one_picture_twice_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", colours())
    table = write_table(tmp_path / "labels.csv", [{"id": "b", "class": "x"}])
    error = refusal("images", tmp_path / "in", tmp_path / "s", "--labels", table)
    check_refusal(error, "E-INGEST-MISMATCH", "b", "a", where=table)
    write_table(table, [{"id": "a", "class": "x"}, {"id": "a.png", "class": "y"}])
    error = refusal("images", tmp_path / "in", tmp_path / "s", "--labels", table)
    check_refusal(error, "E-ID-DUPLICATE", "a", where=table)


def test_pixel_scales_that_differ_are_refused(tmp_path: Path) -> None:
    for number, scale in enumerate((1e-4, 2e-4)):
        wcs: dict[str, Any] = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -scale, "CDELT2": scale}
        save_fits(tmp_path / "in" / f"{number}.fits", np.random.default_rng(number).normal(size=(8, 8)), **wcs)
    error = refusal("images", tmp_path / "in", tmp_path / "s")
    check_refusal(error, "E-COMMAND-CONFLICT", "0.36", "0.72", where="in")
    assert made("images", tmp_path / "in", tmp_path / "s", "--pixel-scale", 0.5).survey.header.pixel_scale == 0.5
