"""Chips at fault are left out, each counted with its reason; where all are, there is no survey."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import Affine

import ictconvention as ict
from tests.ingestion.chips.chip_files import SIZE, UTM, image, mask, place, preligens, refusal_of, save
from tests.ingestion.commands import rejects_of, spoken
from tests.refusals import check_refusal

GEO = {"crs": UTM, "transform": place()}
ROTATED = Affine(9.96, -0.87, 500_000, -0.87, -9.96, 4_500_000)
ROWS = np.arange(SIZE, dtype=np.uint16)[:, None]
FaultWriter = Callable[[Path, Path], object]


def truncate(path: Path, share: float = 0.5) -> int:
    content = path.read_bytes()
    return path.write_bytes(content[: int(len(content) * share)])


def with_value(value: int) -> NDArray[np.uint8]:
    values = mask()
    values[3, 4] = value
    return values


FAULTS: dict[str, tuple[str, FaultWriter]] = {  # what the reason must name, and how the pair is written
    "mask of another size": ("8", lambda i, m: (save(i, image(), **GEO), save(m, mask(size=8), **GEO))),
    "unknown value": ("10", lambda i, m: (save(i, image(), **GEO), save(m, with_value(10), **GEO))),
    "two unknown values": ("255", lambda i, m: (save(i, image(), **GEO), save(m, with_value(255), **GEO))),
    "negative value": ("-1", lambda i, m: (save(i, image(), **GEO), save(m, mask().astype("i2") - 1, **GEO))),
    "image of 8 bits": ("uint8", lambda i, m: (save(i, image().astype("u1"), **GEO), save(m, mask(), **GEO))),
    "image of 32 bits": ("uint32", lambda i, m: (save(i, image().astype("u4"), **GEO), save(m, mask(), **GEO))),
    "image of floats": ("float32", lambda i, m: (save(i, image().astype("f4"), **GEO), save(m, mask(), **GEO))),
    "three bands": ("3", lambda i, m: (save(i, image()[:3], **GEO), save(m, mask(), **GEO))),
    "smaller image": ("8", lambda i, m: (save(i, image(size=8), **GEO), save(m, mask(size=8), **GEO))),
    "image not square": (
        "8",
        lambda i, m: (save(i, image()[:, :8], **GEO), save(m, mask()[:8], **GEO)),
    ),
    "mask of three bands": ("3", lambda i, m: (save(i, image(), **GEO), save(m, np.stack([mask()] * 3), **GEO))),
    "mask of floats": ("float32", lambda i, m: (save(i, image(), **GEO), save(m, mask().astype("f4"), **GEO))),
    "image of a palette": (
        "colours",
        lambda i, m: (save(i, mask(), colours={0: (1, 2, 3, 255)}, **GEO), save(m, mask(), **GEO)),
    ),
    "another system": (
        "EPSG:32632",
        lambda i, m: (save(i, image(), **GEO), save(m, mask(), crs="EPSG:32632", transform=place())),
    ),
    "no system of the mask": ("none", lambda i, m: (save(i, image(), **GEO), save(m, mask(), transform=place()))),
    "no system of the image": ("none", lambda i, m: (save(i, image(), transform=place()), save(m, mask(), **GEO))),
    "no place of the mask": ("none", lambda i, m: (save(i, image(), **GEO), save(m, mask(), crs=UTM))),
    "mask beside its image": (
        "+1.00",
        lambda i, m: (save(i, image(), **GEO), save(m, mask(), crs=UTM, transform=place(1))),
    ),
    "mask of other pixels": (
        "20",
        lambda i, m: (save(i, image(), **GEO), save(m, mask(), crs=UTM, transform=place(pixel=20))),
    ),
    "rotated mask": (
        "rotated",
        lambda i, m: (
            save(i, image(), **GEO),
            save(m, mask(), crs=UTM, transform=ROTATED),
        ),
    ),
    "rotated image": (
        "rotated",
        lambda i, m: [save(p, a, crs=UTM, transform=ROTATED) for p, a in ((i, image()), (m, mask()))],
    ),
    "south up": (
        "north",
        lambda i, m: [
            save(p, a, crs=UTM, transform=Affine(10, 0, 0, 0, 10, 0)) for p, a in ((i, image()), (m, mask()))
        ],
    ),
    "other pixels on the ground": (
        "20",
        lambda i, m: [save(p, a, crs=UTM, transform=place(pixel=20)) for p, a in ((i, image()), (m, mask()))],
    ),
    "truncated image": ("whole", lambda i, m: (truncate(save(i, image(), **GEO)), save(m, mask(), **GEO))),
    "truncated header": ("whole", lambda i, m: (truncate(save(i, image(), **GEO), 0.02), save(m, mask(), **GEO))),
    "truncated mask": ("whole", lambda i, m: (save(i, image(), **GEO), truncate(save(m, mask(), **GEO), 0.6))),
    "rubbish": ("whole", lambda i, m: (i.write_bytes(b"rubbish" * 99), save(m, mask(), **GEO))),
    "empty file": ("whole", lambda i, m: (save(i, image(), **GEO), m.write_bytes(b""))),
    "nodata that is a class": ("water", lambda i, m: (save(i, image(), **GEO), save(m, mask(), nodata=9, **GEO))),
    "few pixels": ("62%", lambda i, m: (save(i, image() * (ROWS > 9), nodata=0, **GEO), save(m, mask(), **GEO))),
    "no pixel": ("pixel", lambda i, m: (save(i, image() * 0, nodata=0, **GEO), save(m, mask(), **GEO))),
    "a band between float16's numbers": ("float16", lambda i, m: (save(i, warm(), **GEO), save(m, mask(), **GEO))),
    "beyond float16": ("float16", lambda i, m: (save(i, image() + np.uint16(61_900), **GEO), save(m, mask(), **GEO))),
}


def warm() -> NDArray[np.uint16]:
    """Return a chip of which one band, such as a brightness temperature [0.01 K], varies little."""
    pixels = image()
    pixels[3] = 29_990 + np.random.default_rng(0).integers(0, 20, (SIZE, SIZE))
    return pixels


@pytest.mark.parametrize("fault", FAULTS)
def test_a_chip_at_fault_is_left_out_with_its_reason(fault: str, tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 3, **GEO)
    said, write = FAULTS[fault]
    write(images / "bad.tif", masks / "bad.tif")
    lines = spoken("chips", images, masks, tmp_path / "s")
    assert lines[-1] == "3 objects, 12 frames, 1 rejected"
    (reject,) = rejects_of(tmp_path / "s")
    assert reject["object"] == "bad"
    assert re.search(rf"(?<!\w){re.escape(said)}(?!\w)", reject["reason"]), reject["reason"]
    assert "bad" not in ict.open(tmp_path / "s").ids


def test_a_band_without_a_pixel_is_left_out_alone(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 1)
    pixels = image()
    pixels[2] = 0
    save(images / "10000.tif", pixels, nodata=0)
    made = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1)
    assert [(one.object, one.flaw) for one in made.rejects] == [("10000", False)]
    assert sorted(made.survey["10000"].band) == [0, 1, 3]


def test_a_file_of_several_pictures_is_left_out(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 2)
    save(images / "bad.tif", image())
    pages = [Image.fromarray(mask(number)) for number in range(2)]
    pages[0].save(masks / "bad.tif", save_all=True, append_images=pages[1:])
    assert [one.object for one in ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1).rejects] == ["bad"]


def test_other_formats_and_second_files_of_a_name_are_left_out(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 4)
    np.save(images / "10000.npy", image())  # of the name of a GeoTIFF
    np.save(masks / "10001.npy", mask())
    save(images / "picture.tif", image())
    Image.fromarray(mask()).save(masks / "picture.png")
    (images / "10002.png").write_bytes(b"a preview beside its GeoTIFF")
    made = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1)
    assert sorted((one.object, one.file) for one in made.rejects) == [
        ("10000", "images/10000.tif"),
        ("10001", "masks/10001.tif"),
        ("picture", "masks/picture.png"),
    ]
    assert made.survey.ids == ("10000", "10002", "10003")


def test_a_palette_of_a_mask_is_no_fault_since_it_only_colours_the_classes(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 1)
    save(masks / "10000.tif", mask(), colours={value: (value, 0, 0, 255) for value in range(10)})
    counted = ict.ingest("chips", images, tmp_path / "s", masks=masks, jobs=1).survey.count_pixels()
    assert counted[0].tolist() == [(mask() == value).sum() for value in range(2, 10)]


def test_chips_that_are_all_at_fault_make_no_survey(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 3)
    for path in masks.iterdir():
        save(path, mask() + np.uint8(50))
    error = refusal_of(images, masks, tmp_path / "s")
    check_refusal(error, "E-INGEST-REJECTS", "3", where="s")
    assert len(rejects_of(tmp_path / "s")) == 3
    for path in images.iterdir():
        truncate(path, 0.1)
    check_refusal(refusal_of(images, masks, tmp_path / "s"), "E-INGEST-REJECTS", where="s")


def test_more_chips_at_fault_than_allowed_make_no_survey(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 4)
    for number in (0, 1, 2):
        truncate(masks / f"1000{number}.tif")
    check_refusal(refusal_of(images, masks, tmp_path / "s"), "E-INGEST-REJECTS", "3", where="s")
    assert spoken("chips", images, masks, tmp_path / "s", "--max-rejects", 0.8)[-1] == "1 object, 4 frames, 3 rejected"


def test_folders_that_hold_no_pair_are_refused(tmp_path: Path) -> None:
    images, masks = preligens(tmp_path, 2)
    (tmp_path / "empty").mkdir()
    for given, code, where in (
        ((tmp_path / "nowhere", masks), "E-FILES-MISSING", "nowhere"),
        ((images, tmp_path / "nowhere"), "E-FILES-MISSING", "nowhere"),
        ((tmp_path / "empty", masks), "E-INGEST-NOTHING", "empty"),
        ((images, tmp_path / "empty"), "E-INGEST-NOTHING", "empty"),
        ((images, images / "10000.tif"), "E-FILES-KIND", "10000.tif"),
        ((images / "10000.tif", masks), "E-FILES-ENDING", "10000.tif"),
    ):
        check_refusal(refusal_of(*given, tmp_path / "s"), code, where=where)
    for path in masks.iterdir():
        path.rename(masks / f"mask_{path.name}")
    check_refusal(refusal_of(images, masks, tmp_path / "s"), "E-INGEST-MISMATCH", "10000", "mask_10000", where="masks")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--classes", "1=a,1=b"], "E-COMMAND-CONFLICT"),
        (["--classes", "1=a,2=a"], "E-COMMAND-CONFLICT"),
        (["--classes", "1=a,b"], "E-COMMAND-VALUE"),
        (["--classes", "a,,b"], "E-COMMAND-VALUE"),
        (["--classes", "x=a"], "E-COMMAND-VALUE"),
        (["--ignore", "clouds"], "E-COMMAND-VALUE"),
        (["--classes", "a", "--ignore", "0"], "E-COMMAND-VALUE"),
    ],
)
def test_values_of_masks_that_make_no_sense_are_refused_before_anything_is_read(
    options: list[str], code: str, tmp_path: Path
) -> None:
    images, masks = preligens(tmp_path, 1)
    check_refusal(refusal_of(images, masks, tmp_path / "s", *options), code, where="ingest chips")


@pytest.mark.parametrize(("pixels", "facts"), [(image()[:3], ("3", "4", "--bands")), (image()[:, :8], ("16 x 8",))])
def test_images_of_which_none_fits_are_refused_with_what_to_type(
    pixels: NDArray[np.uint16], facts: tuple[str, ...], tmp_path: Path
) -> None:
    save(tmp_path / "images" / "a.tif", pixels)
    save(tmp_path / "masks" / "a.tif", mask()[: pixels.shape[1]])
    error = refusal_of(tmp_path / "images", tmp_path / "masks", tmp_path / "s")
    check_refusal(error, "E-VALUE-SHAPE", *facts, where="images")
    assert SIZE == 16
