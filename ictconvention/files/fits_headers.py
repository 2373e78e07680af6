"""The headers of a FITS file, looked through before astropy walks from one to the next by the sizes that they claim.

A negative size would lead it back, and round for ever; a billion axes or columns would be counted one by one.
"""

import bz2
import gzip
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO, cast

BLOCK, CARD = 2880, 80  # bytes
MOST_HEADER = 2**22  # bytes of a header: 52,000 cards
MOST_UNPACKED = 2**35  # bytes that a file may unpack to
IN_MEMORY = 2**27  # bytes of an unpacked file; a larger one lies on the disk meanwhile
MOST_AXES = 999  # of an image, and columns of a table, by the standard
COUNTS = ("NAXIS", "TFIELDS", "ZNAXIS")  # how many axes or columns
SIZES = ("NAXIS", "PCOUNT", "GCOUNT", "TFIELDS", "THEAP", "ZNAXIS", "ZTILE", "ZPCOUNT", "ZGCOUNT")  # never negative
WANTED = tuple(name.encode() for name in (*SIZES, "BITPIX", "GROUPS", "HIERARCH"))
BEGINNING = re.compile(rb"SIMPLE\s*=")  # of a FITS file, as astropy takes it
ENTRY = re.compile(rb"(?:HIERARCH\s+)?([A-Z]+?)(\d*)\s*=\s*([+-]?\d+|T)\s*(?:/|$)")


class UnreadableError(ValueError):
    """A file, an HDU or an array is not what it should be; the text says what was found."""


@contextmanager
def unpack_fits(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield a file as it is, or what it unpacks to, where it is gzip or bzip2 as a whole.

    Raises
    ------
    UnreadableError
        It unpacks to more than `MOST_UNPACKED` bytes.
    OSError, EOFError
        It is damaged or truncated.
    """
    start = file.read(3)
    file.seek(0)
    packed: IO[bytes] | None = None
    if start[:2] == b"\x1f\x8b":
        packed = cast(BinaryIO, gzip.GzipFile(fileobj=file))
    elif start == b"BZh":
        packed = bz2.BZ2File(file)
    if packed is None:
        yield file
        return
    with packed, SpooledTemporaryFile(IN_MEMORY) as plain:
        while piece := packed.read(shutil.COPY_BUFSIZE):  # type: ignore[attr-defined]
            plain.write(piece)
            if plain.tell() > MOST_UNPACKED:
                raise UnreadableError(f"it unpacks to more than {MOST_UNPACKED} bytes")
        plain.seek(0)
        yield cast(BinaryIO, plain)


def check_headers(file: IO[bytes]) -> None:
    """Go from header to header, and refuse a number that no file can have; the file is left at its beginning.

    What is no FITS file otherwise, such as a page that says that there is none, its reader says.

    Raises
    ------
    UnreadableError
        A size is negative, or there are more axes or columns than the standard allows; naming the HDU and the keyword.
        A header is longer than `MOST_HEADER` bytes.
    """
    end = file.seek(0, os.SEEK_END)
    place = number = 0
    file.seek(0)
    if not BEGINNING.match(file.read(CARD)):
        place = end
    while place < end:
        file.seek(place)
        header = _read_header(file, number)
        if header is None:
            break
        place += len(header) + _data_size(header, number)
        number += 1
    file.seek(0)


def _read_header(file: IO[bytes], number: int) -> bytes | None:
    """Return the bytes of a header, whole blocks; None where it has no end, as what some files have after their HDUs.

    Raises
    ------
    UnreadableError
        It is longer than `MOST_HEADER` bytes.
    """
    header = bytearray()
    while block := file.read(BLOCK):
        ends = b"END" in block and any(block[i : i + CARD].rstrip() == b"END" for i in range(0, len(block), CARD))
        if len(header) <= MOST_HEADER:
            header += block
            if ends:
                return bytes(header)
        elif ends or header.startswith((b"SIMPLE", b"XTENSION")):
            raise UnreadableError(f"the header of HDU {number} has no end within {MOST_HEADER} bytes")
    return None


def _data_size(header: bytes, number: int) -> int:
    """Return how many bytes follow the header, whole blocks, by its keywords; each of them is checked."""
    known: dict[str, int] = {}
    groups = False
    for i in range(0, len(header), CARD):
        card = header[i : i + CARD]
        if not card.startswith(WANTED) or (entry := ENTRY.match(card)) is None:
            continue
        name, axis, text = entry[1].decode(), entry[2].decode(), entry[3]
        if text == b"T":
            groups |= name == "GROUPS"
            continue
        value = int(text)
        if value < 0 and name in SIZES:
            raise UnreadableError(f"{name}{axis} of HDU {number} is {value}")
        if value > MOST_AXES and name in COUNTS and not axis:
            raise UnreadableError(f"{name} of HDU {number} is {value}, more than {MOST_AXES}")
        known.setdefault(name + axis, value)
    axes = [known.get(f"NAXIS{axis}", 0) for axis in range(1, known.get("NAXIS", 0) + 1)]
    if groups and axes[:1] == [0]:
        axes = axes[1:]
    values = known.get("GCOUNT", 1) * (known.get("PCOUNT", 0) + prod(axes)) if axes else 0
    size = abs(known.get("BITPIX", 8)) * values // 8
    return -(-size // BLOCK) * BLOCK
