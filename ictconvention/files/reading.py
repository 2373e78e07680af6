"""Read images safely: truncated files are errors, nothing unpacks beyond a bound, nothing is unpickled."""

import io
import math
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ictconvention.core.errors import lacks_memory
from ictconvention.core.magnitudes import POGSON
from ictconvention.core.plain_file import NotPlainError, open_plain
from ictconvention.files.fits_headers import UnreadableError as UnreadableError
from ictconvention.files.fits_headers import check_headers, unpack_fits

FITS_ENDINGS = tuple(f".{kind}{packing}" for kind in ("fits", "fit", "fts") for packing in ("", ".gz", ".bz2", ".fz"))
MOST_NPZ = 2**31  # bytes that an array of an npz may unpack to
MOST_IMAGE = 2**32  # bytes that an image of a FITS file may unpack to


class NoImageError(UnreadableError):
    """A sound file of tables alone."""


class ForeignError(UnreadableError):
    """A sound file of a kind that the command does not take."""


@contextmanager
def open_fits(source: Path | bytes) -> Iterator[fits.HDUList]:
    """Open a FITS file, or the bytes of one; plain, compressed as a whole, or with compressed images.

    Raises
    ------
    UnreadableError
        It is not a FITS file, or truncated; also where the body of the block finds that out.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that bend the standard
        warnings.filterwarnings("error", message=".*truncated.*")
        try:
            with (
                io.BytesIO(source) if isinstance(source, bytes) else open_plain(source) as packed,  # errors close it
                unpack_fits(packed) as content,
            ):
                check_headers(content)
                with fits.open(content, memmap=False) as hdus:
                    yield hdus
        except UnreadableError:
            raise
        except Exception as error:  # rubbish may break the reader anywhere, or claim more than the memory holds
            raise unreadable("no whole FITS file", error) from error


def read_image(hdus: fits.HDUList, hdu: str | int | None) -> tuple[NDArray[np.floating], fits.Header, str]:
    """Return the pixels of an HDU on a linear scale and in native byte order, its header and its name.

    Parameters
    ----------
    hdus : HDUList
        HDUs of an opened file.
    hdu : str, int or None
        Its name, or its number from 0; None for the first that holds an image.

    Raises
    ------
    UnreadableError
        There is no such HDU, it holds no image, or lacks one of the two keywords of an asinh scale.
    """
    if hdu is None:
        number = next((n for n, one in enumerate(hdus) if is_image(one)), None)
        if number is None:
            raise UnreadableError(f"no HDU holds an image: {_listed(hdus)}")
    elif str(hdu).isdigit():
        number = int(hdu)
        if number >= len(hdus):
            raise UnreadableError(f"there is no HDU {number}: {_listed(hdus)}")
    else:
        names = [one.name.upper() for one in hdus]
        if str(hdu).upper() not in names:
            raise UnreadableError(f"there is no HDU {hdu!r}: {_listed(hdus)}")
        number = names.index(str(hdu).upper())
    if not is_image(hdus[number]):
        raise UnreadableError(f"HDU {number} holds no image: {_listed(hdus)}")
    if (size := math.prod(hdus[number].shape) * abs(hdus[number].header["BITPIX"]) // 8) > MOST_IMAGE:
        raise UnreadableError(f"HDU {number} claims {size} bytes, more than {MOST_IMAGE}")
    name = hdus[number].name or str(number)
    header = hdus[number].header
    return _linear(native(hdus[number].data), header), header, name


def _linear(pixels: NDArray[np.floating], header: fits.Header) -> NDArray[np.floating]:
    """Return pixels that Pan-STARRS1 stored on an asinh scale as counts: BOFFSET + 2 BSOFTEN sinh(pixel / 1.0857)."""
    known = {key: header[key] for key in ("BSOFTEN", "BOFFSET") if header.get(key) not in (None, "")}
    if not known:
        return pixels
    try:
        softening, offset = float(known["BSOFTEN"]), float(known["BOFFSET"])
    except (KeyError, ValueError):
        softening = offset = np.nan
    if not (0 < softening < np.inf and np.isfinite(offset)):
        held = ", ".join(f"{key} {value}" for key, value in known.items())
        raise UnreadableError(f"the pixels are on an asinh scale, but of BSOFTEN and BOFFSET there is only {held}")
    with np.errstate(over="ignore"):  # an overflow is not a finite pixel
        return np.asarray(offset + 2 * softening * np.sinh(pixels.astype(np.float64) / POGSON))


def _listed(hdus: fits.HDUList) -> str:
    return ", ".join(f"{number} {one.name}".strip() for number, one in enumerate(hdus))


def is_image(hdu: Any) -> bool:
    """Return whether an HDU holds pixels."""
    return bool(getattr(hdu, "is_image", False)) and hdu.header.get("NAXIS", 0) >= 2


def native(pixels: Any) -> NDArray[np.floating]:
    """Return numbers as floats of the machine's byte order, float32 where that holds them; masked ones are NaN.

    Raises
    ------
    UnreadableError
        They are no numbers.
    """
    if pixels is None:
        raise UnreadableError("the HDU is empty")
    array = np.ma.filled(np.ma.asarray(pixels, dtype=np.float64), np.nan) if np.ma.isMaskedArray(pixels) else pixels
    array = np.asarray(array)
    if array.dtype.kind not in "fiu":
        raise UnreadableError(f"pixels of type {array.dtype}")
    exact = array.dtype.itemsize <= 4 if array.dtype.kind == "f" else array.dtype.itemsize <= 2
    return np.ascontiguousarray(array, dtype=np.float32 if exact else np.float64)


def gunzip(content: bytes, most: int) -> bytes:
    """Unpack gzip to at most so many bytes, whatever it claims to hold.

    Raises
    ------
    UnreadableError
        It is damaged, truncated, or holds more.
    """
    unpacking = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacking.decompress(content, most + 1)
    except zlib.error as error:
        raise UnreadableError(f"damaged gzip: {error}") from error
    if len(unpacked) > most:
        raise UnreadableError(f"it unpacks to more than {most} bytes")
    if not unpacking.eof:
        raise UnreadableError("the gzip is truncated")
    return unpacked


def npz_array(path: Path, name: str | None) -> NDArray[np.floating]:
    """Return an array of an .npz or .npy file: `frames`, or the only one, where no name is given.

    Raises
    ------
    UnreadableError
        There is no such array, or it is damaged, pickled, too large, or holds no numbers.
    """

    def chosen(names: Sequence[str]) -> list[str]:
        wanted = name or (names[0] if len(names) == 1 else "frames")
        if wanted not in names:
            raise UnreadableError(f"there is no array {wanted!r}: {', '.join(names)}")
        return [wanted]

    (array,) = npz_arrays(path, chosen).values()
    return native(array)


def npz_arrays(
    path: Path, chosen: Callable[[Sequence[str]], Sequence[str]] = lambda names: names
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file that are chosen among its names, by default all; the one of an .npy file.

    Raises
    ------
    UnreadableError
        It is damaged, pickled, or unpacks to more than `MOST_NPZ` bytes.
    """
    try:
        with open_plain(path) as file:
            return _arrays(file, path.suffix.lower() == ".npy", chosen)
    except UnreadableError:
        raise
    except Exception as error:  # rubbish may break the reader anywhere, or claim more than the memory holds
        raise unreadable(f"no sound {path.suffix[1:]} file", error) from error


def _arrays(file: BinaryIO, single: bool, chosen: Callable[[Sequence[str]], Sequence[str]]) -> dict[str, NDArray[Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a header that numpy evaluates as text
        if single:
            return {"": np.load(file, allow_pickle=False)}
        with zipfile.ZipFile(file) as packed:
            sizes = {one.filename.removesuffix(".npy"): one.file_size for one in packed.infolist()}
        names = chosen(list(sizes))
        if sum(sizes[name] for name in names) > MOST_NPZ:
            raise UnreadableError(f"{', '.join(names)} unpacks to more than {MOST_NPZ} bytes")
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}


def reason_of(error: Exception) -> str:
    """Return why a file cannot be read: what the system says where that failed, else the error's own words."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def unreadable(what: str, error: Exception) -> UnreadableError:
    """Return the error of a file, in the words of the system where it cannot be opened at all."""
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotPlainError):
        return UnreadableError(error.strerror)
    if lacks_memory(error):
        return UnreadableError(f"there is too little memory for it: {str(error) or type(error).__name__}")
    return UnreadableError(f"{what}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
