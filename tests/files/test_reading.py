"""Images are read safely: what a file claims is not believed before it is there."""

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from ictconvention.files import reading
from ictconvention.files.reading import UnreadableError, gunzip, npz_array, open_fits, read_image

HUGE = 10**9  # pixels of a side, an exabyte in all


def forged_array() -> bytes:
    """Return an array of numpy that claims to be huge."""
    file = io.BytesIO()
    entries: Any = {"descr": "<f8", "fortran_order": False, "shape": (HUGE, HUGE)}
    np.lib.format.write_array_header_1_0(file, entries)
    return file.getvalue() + bytes(1000)


def forged_image(compressed: bool) -> bytes:
    """Return a FITS file whose header claims a huge image."""
    pixels, file = np.zeros((320, 320), dtype=np.int16), io.BytesIO()
    image = fits.CompImageHDU(pixels) if compressed else fits.ImageHDU(pixels)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(file)
    content = file.getvalue()
    for axis in (1, 2):
        name = f"{'Z' if compressed else ''}NAXIS{axis}".ljust(8).encode()
        claimed, real = (name + b"= " + str(value).rjust(20).encode() for value in (HUGE, 320))
        assert real in content
        content = content.replace(real, claimed)
    return content


@pytest.mark.parametrize("kind", ["image", "compressed image", "npy", "npz"])
def test_an_image_that_claims_more_than_any_memory_is_unreadable(tmp_path: Path, kind: str) -> None:
    with pytest.raises(UnreadableError):
        match kind:
            case "npy":
                (tmp_path / "a.npy").write_bytes(forged_array())
                npz_array(tmp_path / "a.npy", None)
            case "npz":
                with zipfile.ZipFile(tmp_path / "a.npz", "w") as packed:
                    packed.writestr("frames.npy", forged_array())
                npz_array(tmp_path / "a.npz", None)
            case _:
                (tmp_path / "a.fits").write_bytes(forged_image(kind == "compressed image"))
                with open_fits(tmp_path / "a.fits") as hdus:
                    read_image(hdus, None)


def test_an_archive_that_unpacks_beyond_its_bound_is_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", frames=np.zeros((100, 32, 32)))
    assert npz_array(tmp_path / "a.npz", None).shape == (100, 32, 32)
    monkeypatch.setattr("ictconvention.files.reading.MOST_NPZ", 100 * 32 * 32 * 8)  # without its header
    with pytest.raises(UnreadableError, match="unpacks to more than"):
        npz_array(tmp_path / "a.npz", None)


def test_an_archive_of_several_arrays_needs_a_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", one=np.zeros((1, 4, 4)), two=np.ones((1, 4, 4)))
    with pytest.raises(UnreadableError, match="there is no array 'frames': one, two"):
        npz_array(tmp_path / "a.npz", None)
    assert npz_array(tmp_path / "a.npz", "two").mean() == 1


@pytest.mark.parametrize("pixels", [np.zeros((4, 4), dtype=complex), np.full((4, 4), "text")])
def test_pixels_that_are_no_numbers_are_unreadable(tmp_path: Path, pixels: Any) -> None:
    np.save(tmp_path / "a.npy", pixels)
    with pytest.raises(UnreadableError, match="pixels of type"):
        npz_array(tmp_path / "a.npy", None)


def test_gzip_within_its_bound_is_unpacked_and_whole() -> None:
    content = bytes(range(256)) * 10
    assert gunzip(gzip.compress(content), len(content)) == content
    with pytest.raises(UnreadableError, match="more than 2559 bytes"):
        gunzip(gzip.compress(content), len(content) - 1)
    with pytest.raises(UnreadableError, match="truncated"):
        gunzip(gzip.compress(content)[:-4], len(content))
    broken = gzip.compress(content)
    with pytest.raises(UnreadableError, match="damaged"):
        gunzip(broken[:-8] + bytes(8), len(content))


@pytest.mark.parametrize("compressed", [False, True])
def test_pixels_on_an_asinh_scale_become_counts(tmp_path: Path, compressed: bool) -> None:
    """As Pan-STARRS1 stores them: linear = BOFFSET + 2 BSOFTEN sinh(value ln 10 / 2.5), after BZERO and BSCALE."""
    softening, offset, bscale, bzero, blank = 10.0, 1.5, 2.5e-4, 4.0, -32768
    counts = np.random.default_rng(0).normal(1.5, 30, (64, 64))
    counts[20:30, 20:30] += 20_000
    scaled = 2.5 * np.log10(np.e) * np.arcsinh((counts - offset) / (2 * softening))
    stored = np.round((scaled - bzero) / bscale).astype(np.int16)
    stored[:3] = blank
    image = fits.CompImageHDU(stored) if compressed else fits.ImageHDU(stored)
    image.header.update({"BLANK": blank, "BSCALE": bscale, "BZERO": bzero})
    image.header.update({"BSOFTEN": softening, "BOFFSET": offset})
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / "a.fits", output_verify="ignore")
    with open_fits(tmp_path / "a.fits") as hdus:
        pixels, _, _ = read_image(hdus, None)
    assert np.isnan(pixels[:3]).all()
    np.testing.assert_allclose(pixels[3:], counts[3:], rtol=2e-4, atol=0.005)
    assert pixels[20:30, 20:30].sum() == pytest.approx(2e6, rel=1e-3)


@pytest.mark.parametrize("cards", [{"BSOFTEN": 10.0}, {"BOFFSET": 1.0}, {"BSOFTEN": 0.0, "BOFFSET": 1.0}])
def test_half_a_scale_is_unreadable(tmp_path: Path, cards: dict[str, float]) -> None:
    fits.PrimaryHDU(np.zeros((8, 8)), fits.Header(cards)).writeto(tmp_path / "a.fits")
    with pytest.raises(UnreadableError, match="asinh scale"), open_fits(tmp_path / "a.fits") as hdus:
        read_image(hdus, None)


def test_numbers_keep_their_precision(tmp_path: Path) -> None:
    for dtype, kept in ((">i2", "f4"), (">i4", "f8"), ("<f4", "f4"), (">f8", "f8"), ("u1", "f4")):
        np.save(tmp_path / "a.npy", np.arange(16).reshape(4, 4).astype(dtype))
        pixels = npz_array(tmp_path / "a.npy", None)
        assert pixels.dtype == np.dtype(kept)
        np.testing.assert_array_equal(pixels, np.arange(16).reshape(4, 4))


@pytest.mark.parametrize("kind", ["a.fits", "a.fits.gz", "a.fits.fz"])
def test_an_image_may_fill_its_bound_and_no_byte_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    pixels = np.zeros((100, 100), dtype=np.float32)
    image = fits.CompImageHDU(pixels) if kind.endswith("fz") else fits.ImageHDU(pixels)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(tmp_path / kind)
    for most, is_read in ((40_000, True), (39_999, False)):
        monkeypatch.setattr(reading, "MOST_IMAGE", most)
        with open_fits(tmp_path / kind) as hdus:
            if is_read:
                assert read_image(hdus, None)[0].shape == (100, 100)
            else:
                with pytest.raises(UnreadableError, match="40000 bytes"):
                    read_image(hdus, None)
