"""Pictures that would not be read rightly: each is one reject with its reason, and the others are read."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from tests.ingestion.commands import made, refusal
from tests.ingestion.readers.test_images import classes, colours, save, save_fits
from tests.refusals import check_refusal

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def claim_png(path: Path, width: int, height: int, bits: int, colour: int, rows: bytes) -> None:
    """Write a PNG of such a header, whatever its rows hold."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(PNG + b"".join(chunk(*one) for one in chunks))


def transparent(path: Path) -> None:
    picture = np.dstack([colours(), np.full((12, 12), 255, np.uint8)])
    picture[3, 4, 3] = 254
    save(path, picture)


def transparent_colour(path: Path) -> None:
    save(path, colours(), transparency=tuple(colours()[0, 0].tolist()))


def print_colours(path: Path) -> None:
    save(path.with_suffix(".jpg"), Image.fromarray(colours()).convert("CMYK"))


def deep_colours(path: Path) -> None:
    claim_png(path, 12, 12, 16, 2, (b"\0" + b"\1\2" * 36) * 12)


def animation(path: Path) -> None:
    frames = [Image.fromarray(colours(seed)) for seed in range(3)]
    save(path, frames[0], save_all=True, append_images=frames[1:])


def truncated(path: Path) -> None:
    save(path, colours())
    path.write_bytes(path.read_bytes()[:200])


def truncated_jpeg(path: Path) -> None:
    file = save(path.with_suffix(".jpg"), colours())
    file.write_bytes(file.read_bytes()[:-60])


def bomb(path: Path) -> None:
    claim_png(path, 40_000, 40_000, 8, 2, b"")


def smaller_bomb(path: Path) -> None:
    claim_png(path, 9_000, 9_000, 8, 2, b"")


def bomb_of_numbers(path: Path) -> None:
    with path.with_suffix(".npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (40_000, 40_000, 3)}
        np.lib.format.write_array_header_1_0(file, header)


def sparse_bomb_of_numbers(path: Path) -> None:
    bomb_of_numbers(path)
    with path.with_suffix(".npy").open("r+b") as file:
        file.truncate(40_000 * 40_000 * 3 * 8 + 128)


def bomb_of_fits(path: Path) -> None:
    header = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 40_000), ("NAXIS2", 40_000)])
    path.with_suffix(".fits").write_bytes(header.tostring().encode())


def sparse_bomb_of_fits(path: Path) -> None:
    bomb_of_fits(path)
    with path.with_suffix(".fits").open("r+b") as file:
        file.truncate(2880 + -(-40_000 * 40_000 // 2880) * 2880)


def text(path: Path) -> None:
    path.write_bytes(b"<html>not found</html>")


def gif(path: Path) -> None:
    save(path.with_suffix(".gif"), colours()[..., 0])


def gif_by_another_name(path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(colours()[..., 0]).save(buffer, "GIF")
    path.write_bytes(buffer.getvalue())


def grey_among_colours(path: Path) -> None:
    save(path, colours()[..., 0])


def other_size(path: Path) -> None:
    save(path, colours(0, 10, 14))


def whole_numbers(path: Path) -> None:
    np.save(path.with_suffix(".npy"), colours().astype(np.int32))


def unclear_axes(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.zeros((12, 12, 12)))


def pickled(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.array([{}]), allow_pickle=True)


def too_large(path: Path) -> None:
    save_fits(path.with_suffix(".fits"), np.full((3, 12, 12), 1e6, np.float32))


def without_contrast(path: Path) -> None:
    save_fits(path.with_suffix(".fits"), np.random.default_rng(0).normal(1e4, 3, (3, 12, 12)).astype(np.float32))


def two_images(path: Path) -> None:
    images = [fits.PrimaryHDU(np.zeros((3, 12, 12))), fits.ImageHDU(np.ones((3, 12, 12)))]
    fits.HDUList(images).writeto(path.with_suffix(".fits"))


BAD: dict[Callable[[Path], None], str] = {
    transparent: "transparent",
    transparent_colour: "transparent",
    print_colours: "CMYK",
    deep_colours: "16 bits",
    animation: "3 pictures in one file",
    truncated: "truncated",
    truncated_jpeg: "truncated",
    bomb: "claimed",
    smaller_bomb: "9000 x 9000 pixels claimed",
    bomb_of_numbers: "npy",
    sparse_bomb_of_numbers: "40000 x 40000 pixels claimed",
    bomb_of_fits: "truncated",
    sparse_bomb_of_fits: "40000 x 40000 pixels claimed",
    text: "neither a PNG nor a JPEG",
    gif: ".gif is not read",
    gif_by_another_name: "neither a PNG nor a JPEG",
    grey_among_colours: "1 band, and the survey has R, G, B",
    other_size: "14 x 10 pixels, and the others have 12 x 12",
    whole_numbers: "int32",
    unclear_axes: "which axis holds the bands",
    pickled: "npy",
    too_large: "float16",
    without_contrast: "float16",
    two_images: "2 HDUs",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_picture_that_is_not_read_rightly_is_one_reject(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    classes(tmp_path / "in", "a", "b")
    spoil(tmp_path / "in" / "a" / "bad.png")
    result = made("images", tmp_path / "in", tmp_path / "s")
    assert result.said == "4 objects, 12 frames, 1 rejected"
    (reject,) = result.rejects
    assert reject["file"].startswith("a/bad.")
    assert BAD[spoil] in reject["reason"]


def test_what_float16_loses_float32_holds(tmp_path: Path) -> None:
    for spoil in (too_large, without_contrast):
        spoil(tmp_path / f"{spoil.__name__}.png")
    survey = made("images", tmp_path, tmp_path / "out" / "s", "--dtype", "float32").survey
    assert len(survey) == 2


def test_two_files_of_one_name_are_one_picture_and_a_reject(tmp_path: Path) -> None:
    classes(tmp_path / "in", "a", "b")
    save(tmp_path / "in" / "a" / "0.jpg", colours(5))
    result = made("images", tmp_path / "in", tmp_path / "s")
    assert len(result.survey) == 4
    assert [reject["object"] for reject in result.rejects] == ["a/0"]


def test_too_many_rejects_are_counted_in_pictures(tmp_path: Path) -> None:
    classes(tmp_path / "in", "a", "b", each=2)
    for number in range(5):
        text(tmp_path / "in" / "a" / f"bad{number}.png")
    check_refusal(refusal("images", tmp_path / "in", tmp_path / "s"), "E-INGEST-REJECTS", "5 rejected", where="s")


def test_sizes_that_differ_throughout_are_refused_with_the_option_that_helps(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / "in" / f"{number}.png", colours(number, 10 + number, 10 + number))
    check_refusal(refusal("images", tmp_path / "in", tmp_path / "s"), "E-INGEST-REJECTS", "--size", where="s")
    save(tmp_path / "wide" / "a.png", colours(0, 10, 20))
    check_refusal(refusal("images", tmp_path / "wide", tmp_path / "s"), "E-VALUE-SHAPE", "20 x 10", where="wide")
