"""PNG and JPEG by Pillow, and its resampling: what Pillow would not give as it was meant is refused by its reason."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.plain_file import open_plain
from ictconvention.files.reading import UnreadableError, unreadable

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 2**26  # of a picture: 8192 x 8192
MOST_BANDS = 255
WHITE = {"uint8": 255, "uint16": 65535, "bool": 1}  # what becomes 1 in pixels that are whole numbers
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ORIENTATION = 0x0112  # of EXIF; 5 to 8 lie on their side
COLOURS = {"1": 1, "L": 1, "LA": 1, "I": 1, "I;16": 1, "I;16B": 1, "RGB": 3, "RGBA": 3, "P": 3, "PA": 3}  # by mode


def count_pixels(image: "Image") -> tuple[int, int, int]:
    """Return height, width and bands of an opened picture as it stands upright."""
    exif = image.getexif() if "exif" in image.info else {}  # of a PNG it would unpack all to look for one
    turned = exif.get(ORIENTATION, 1) in range(5, 9)
    width, height = image.size[::-1] if turned else image.size
    return height, width, COLOURS[image.mode]


@contextmanager
def open_pillow(path: Path) -> Iterator["Image"]:
    """Open a PNG or JPEG, of which nothing is unpacked yet; refuse what Pillow would not give as it was meant."""
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of many pixels, for which we have a limit of our own
        try:
            with open_plain(path) as file, Image.open(file, formats=("PNG", "JPEG")) as image:
                check_size(image.height, image.width)
                if (number := getattr(image, "n_frames", 1)) > 1:
                    raise UnreadableError(
                        f"{number} pictures in one file, as of an animation: save the one that counts"
                    )
                _check_mode(image, file)
                yield image
        except UnreadableError:
            raise
        except UnidentifiedImageError as error:
            raise UnreadableError("neither a PNG nor a JPEG, whatever its name says") from error
        except Image.DecompressionBombError as error:
            raise UnreadableError(f"more than {MOST_PIXELS} pixels claimed: {error}") from error
        except Exception as error:  # rubbish may break the reader anywhere, or claim more than the memory holds
            raise unreadable("no whole picture", error) from error


def _check_mode(image: "Image", file: BinaryIO) -> None:
    if image.mode == "CMYK":
        raise UnreadableError("colours for printing (CMYK): save it as RGB")
    if image.mode not in COLOURS:
        raise UnreadableError(f"pixels of the mode {image.mode}: save it as grey or RGB")
    place = file.tell()
    file.seek(0)
    start = file.read(26)  # signature, length and name of the first chunk, width, height, bits and colour type
    file.seek(place)
    if start.startswith(PNG_SIGNATURE) and len(start) == 26:
        bits, colour = struct.unpack("BB", start[24:])
        if bits == 16 and colour != 0:
            raise UnreadableError("16 bits per colour, of which Pillow reads 8: save it with 8 bits, or as npy or FITS")
        if bits == 16 and "transparency" in image.info:
            raise UnreadableError("transparent pixels in 16 bits: save it without transparency")


def read_pillow(image: "Image", size: int, resizes: bool) -> NDArray[np.float32]:
    """Return an opened picture (bands, H, W) as it stands upright, black 0 and white 1; see `read_picture`."""
    from PIL import ImageOps

    image.load()
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        full = image.convert("RGBA")
        if np.asarray(full.getchannel("A")).min() < 255:
            raise UnreadableError("transparent pixels: what lies behind them is unknown; save it without transparency")
        image = full if COLOURS[image.mode] == 3 else image.convert("L")
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.float32)[None, ::-1] / np.float32(WHITE["uint16"])
        return fit_planes(deep, size, resizes)
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if COLOURS[image.mode] == 1 else "RGB")
    pixels = np.asarray(_resize(image, size, resizes))
    planes = np.moveaxis(np.atleast_3d(pixels), 2, 0)[:, ::-1]
    return np.ascontiguousarray(planes, dtype=np.float32) / np.float32(WHITE["uint8"])


def _resize(image: "Image", size: int, resizes: bool) -> "Image":
    """Return the square in the middle of an image in a size."""
    from PIL.Image import Resampling

    width, height = image.size
    if not resizes and (width, height) != (size, size):
        raise UnreadableError(
            f"{width} x {height} pixels, and the others have {size} x {size}: --size makes them equal"
        )
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    if side == size:
        return image if width == height else image.crop(box)
    return image.resize((size, size), Resampling.BILINEAR, box)


def fit_planes(planes: NDArray[np.float32], size: int, resizes: bool) -> NDArray[np.float32]:
    """Return planes (bands, H, W) in a size; a NaN spreads to the pixels that cover it."""
    from PIL import Image

    if planes.shape[1:] == (size, size):
        return planes
    resized = [np.asarray(_resize(Image.fromarray(np.ascontiguousarray(one)), size, resizes)) for one in planes]
    return np.stack(resized)


def check_size(height: int, width: int, bands: int = 1) -> None:
    """Refuse a picture of too many pixels or bands, or of none, before anything of it is read."""
    if height * width > MOST_PIXELS:
        raise UnreadableError(f"{width} x {height} pixels claimed, more than {MOST_PIXELS}")
    if not 0 < bands <= MOST_BANDS or not height or not width:
        raise UnreadableError(f"{bands} bands of {width} x {height} pixels: there must be 1 to {MOST_BANDS} bands")
