"""A number in a header that no file can have is refused before anybody walks by it."""

import bz2
import gzip
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from ictconvention.files import fits_headers
from ictconvention.files.fits_headers import MOST_HEADER, check_headers
from ictconvention.files.reading import UnreadableError, open_fits, read_image
from tests.core.test_plain_file import ODD, make_odd, within

PACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}
PIXELS = np.arange(32 * 24, dtype=np.float32).reshape(32, 24)


def image() -> bytes:
    file = io.BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("MJD", "D", array=[53_600.0])])
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS), table]).writeto(file)
    return file.getvalue()


def changed(content: bytes, hdu: int, key: str, value: str) -> bytes:
    """Give a keyword of an HDU another value."""
    start = [0, *(n for n in range(0, len(content), 2880) if content[n:].startswith(b"XTENSION"))][hdu]
    place = content.index(key.ljust(8).encode() + b"=", start)
    return content[:place] + f"{key:8}= {value:>20}".ljust(80).encode() + content[place + 80 :]


@pytest.mark.parametrize(
    ("hdu", "key", "value"),
    [
        (1, "NAXIS2", "-720"),
        (1, "NAXIS1", "-1"),
        (0, "NAXIS", "-1"),
        (0, "NAXIS", "1000000000"),
        (1, "NAXIS", "99999999999999999999"),
        (1, "PCOUNT", "-2880"),
        (1, "GCOUNT", "-1"),
        (2, "NAXIS2", "-720"),
        (2, "TFIELDS", "1000000000"),
        (2, "TFIELDS", "-1"),
    ],
)
@pytest.mark.parametrize("packing", ["", ".gz", ".bz2"])
def test_an_impossible_size_is_unreadable_and_hangs_nobody(
    tmp_path: Path, hdu: int, key: str, value: str, packing: str
) -> None:
    (tmp_path / f"a.fits{packing}").write_bytes(PACK[packing](changed(image(), hdu, key, value)))
    said = rf"{key} of HDU {hdu} is {value}"
    with within(5), pytest.raises(UnreadableError, match=said), open_fits(tmp_path / f"a.fits{packing}") as hdus:
        len(hdus)


@pytest.mark.parametrize("in_memory", [2**27, 100])
@pytest.mark.parametrize("packing", ["", ".gz", ".bz2"])
def test_a_sound_file_is_read_packed_or_not(
    tmp_path: Path, packing: str, in_memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fits_headers, "IN_MEMORY", in_memory)
    (tmp_path / f"a.fits{packing}").write_bytes(PACK[packing](image()))
    with open_fits(tmp_path / f"a.fits{packing}") as hdus:
        np.testing.assert_array_equal(read_image(hdus, None)[0], PIXELS)
        assert len(hdus) == 3
        assert hdus[2].data["MJD"].tolist() == [53_600.0]


def test_a_packed_file_unpacks_to_no_more_than_its_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits_headers, "MOST_UNPACKED", 2**20)
    (tmp_path / "a.fits.gz").write_bytes(gzip.compress(image() + bytes(2**22)))
    with pytest.raises(UnreadableError, match="more than 1048576 bytes"), open_fits(tmp_path / "a.fits.gz"):
        pass


class Counted(io.BytesIO):
    """Bytes that count how many of them were read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.taken += len(piece)
        return piece


def test_of_what_does_not_begin_as_fits_no_more_than_a_card_is_read() -> None:
    file = Counted(b"<p>404 Not Found</p>" * 2**17)
    check_headers(file)
    assert (file.taken, file.tell()) == (80, 0)
    with pytest.raises(UnreadableError, match="no whole FITS file"), open_fits(file.getvalue()):
        pass


@pytest.mark.parametrize("hdu", [0, 1])
def test_a_header_without_end_is_read_up_to_its_bound(hdu: int) -> None:
    sound = image()
    start = (0, sound.index(b"XTENSION"))[hdu]
    file = Counted(sound[: start + 80] + b"x" * (8 * MOST_HEADER))
    with within(5), pytest.raises(UnreadableError, match=f"header of HDU {hdu} has no end within {MOST_HEADER}"):
        check_headers(file)
    assert file.taken < start + MOST_HEADER + 10_000


def test_a_header_of_forty_thousand_comments_is_read() -> None:
    hdu = fits.PrimaryHDU(PIXELS)
    cards = (hdu.header.tostring(endcard=False, padding=False) + f"{'COMMENT x':80}" * 40_000 + f"{'END':80}").encode()
    content = cards.ljust(-(-len(cards) // 2880) * 2880) + PIXELS.astype(">f4").tobytes().ljust(5760, b"\0")
    with open_fits(content) as hdus:
        np.testing.assert_array_equal(hdus[0].data, PIXELS)


@pytest.mark.parametrize("filler", [b"\0", b" ", b"x"])
def test_what_stands_after_the_last_hdu_is_left_alone(filler: bytes) -> None:
    with within(5), open_fits(image() + filler * (2 * MOST_HEADER)) as hdus:
        np.testing.assert_array_equal(read_image(hdus, None)[0], PIXELS)


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_plain_file_is_unreadable(tmp_path: Path, kind: str) -> None:
    with within(5), pytest.raises(UnreadableError), open_fits(make_odd(tmp_path, kind)):
        pass
