"""An archive on this machine: frames made with the layout of SDSS's, and a server that gives them, or fails to."""

import bz2
import gzip
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

from tests.ingestion.commands import write_table

ROWS, COLUMNS = 120, 96  # of a frame; SDSS's have 1489 and 2048
SCALE = 0.396 / 3600  # [deg] of a pixel
TAI = 4_638_000_000.0  # [s] at which the first row of the first field was read: MJD 53680.56
BANDS = "ugriz"
LATER = {"r": 0, "i": 1, "u": 2, "z": 3, "g": 4}  # passes of 71.7 s
GAIN, DARK, COUNT, SKY = 4.0, 1.5, 0.005, 150.0  # electrons of a count, counts^2, nanomaggies of a count, counts
PSF = (1.5, 1.4, 1.3, 1.2, 1.1)  # [arcsec]
STAR = 2.0  # [pixels], the sigma of a star


@dataclass(frozen=True)
class MadeField:
    """A field: right ascension grows along its rows, declination along its columns, as in Stripe 82.

    Parameters
    ----------
    ra, dec : float
        Position of the first pixel [deg].
    """

    run: int
    camcol: int
    field: int
    ra: float
    dec: float = -0.5
    tai: float = TAI
    calib_status: int = 1
    transparency: float = 1.0

    @property
    def name(self) -> str:
        return f"{self.run:06d}-{self.camcol}-{self.field:04d}"

    def header(self, band: str) -> fits.Header:
        header = fits.Header()
        header["TAI"] = self.tai + 71.7 * LATER[band]
        header["DATE-OBS"], header["TIMESYS"] = "2005-11-06", "TAI"
        header["EXPTIME"], header["C_OBS"], header["CCDMODE"] = "53.907456", 26322, "DRIFT"
        header["BUNIT"], header["FILTER"] = "nanomaggy", band
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        header["CRPIX1"], header["CRPIX2"] = 1.0, 1.0
        header["CRVAL1"], header["CRVAL2"] = self.ra, self.dec
        header["CD1_1"], header["CD1_2"], header["CD2_1"], header["CD2_2"] = 0.0, SCALE, SCALE, 0.0
        return header

    def frame(self, band: str, stars: list[tuple[float, float, float]]) -> bytes:
        """Return a frame, packed; of the stars a position [deg] and flux [nanomaggies] in every band."""
        header = self.header(band)
        undated = header.copy()
        del undated["DATE-OBS"]  # which astropy would complete, and say so
        wcs, rng = WCS(undated), np.random.default_rng(self.field)
        pixels = rng.normal(0, 0.001, (ROWS, COLUMNS))
        y, x = np.indices(pixels.shape)
        for ra, dec, flux in stars:
            column, row = wcs.wcs_world2pix([[ra, dec]], 0)[0]
            light = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * STAR**2)) / (2 * np.pi * STAR**2)
            pixels += flux * self.transparency * light
        grid = np.full((ROWS // 8, COLUMNS // 8), SKY) + np.arange(COLUMNS // 8)  # a slope along the columns
        sky: NDArray[Any] = np.zeros(
            1, [("ALLSKY", ">f4", grid.shape), ("XINTERP", ">f4", (COLUMNS,)), ("YINTERP", ">f4", (ROWS,))]
        )
        sky["ALLSKY"], sky["XINTERP"], sky["YINTERP"] = (
            grid,
            (np.arange(COLUMNS) + 0.5) / 8 - 0.5,
            (np.arange(ROWS) + 0.5) / 8 - 0.5,
        )
        calibration = np.full(COLUMNS, COUNT, dtype=">f4")
        return bz2.compress(
            packed(
                fits.PrimaryHDU(pixels.astype(">f4"), header),
                fits.ImageHDU(calibration),
                fits.BinTableHDU(sky),
                fits.BinTableHDU(np.zeros(1, [("RUN", ">i4")])),
            )
        )

    def psf_field(self) -> bytes:
        names = ("psf_width", "psf_sigma1_2G", "psf_sigma2_2G", "psf_b_2G", "gain", "dark_variance")
        row = np.zeros(1, [(name, ">f4", (5,)) for name in names])
        row["psf_width"], row["gain"], row["dark_variance"] = np.array(PSF) * 2.35 * 0.4 / 0.396 / 2.3548, GAIN, DARK
        row["psf_sigma1_2G"] = row["psf_sigma2_2G"] = np.array(PSF) / 0.396 / 2.3548  # one Gaussian
        tables = [fits.BinTableHDU(np.zeros(1, [("rows", ">i4")])) for _ in range(5)]
        return packed(fits.PrimaryHDU(), *tables, fits.BinTableHDU(row))

    def mask(self, saturated: list[tuple[int, int, int]]) -> bytes:
        """Return an fpM file; of runs of saturated pixels the row, and the first and the last column."""
        spans = np.array(saturated, dtype=">i2").tobytes()
        names = ["INTERP", "SATUR", "NOTCHECKED", "OBJECT", "BRIGHTOBJECT", "BINOBJECT", "CATOBJECT", "SUBTRACTED"]
        names += ["GHOST", "CR"]
        tables = []
        for name in names:
            runs = [np.frombuffer(spans, dtype="u1")] if name == "SATUR" else []
            column = fits.Column("s", "PB()", array=np.array([*runs, None], dtype=object)[:-1])
            tables.append(fits.BinTableHDU.from_columns([column]))
        listed = [fits.Column("attributeName", "31A", array=[f"S_MASK_{name}" for name in names])]
        listed.append(fits.Column("Value", "1J", array=np.arange(len(names))))
        return gzip.compress(packed(fits.PrimaryHDU(), *tables, fits.BinTableHDU.from_columns(listed)))

    def row(self) -> dict[str, Any]:
        """Return the row of the table of fields."""
        bounds = {"raMin": self.ra, "raMax": (self.ra + ROWS * SCALE) % 360}
        bounds |= {"decMin": self.dec, "decMax": self.dec + COLUMNS * SCALE}
        status = {f"calibStatus_{band}": self.calib_status for band in BANDS}
        return {"run": self.run, "rerun": 301, "camcol": self.camcol, "field": self.field, **bounds, **status}

    def frame_path(self, band: str) -> str:
        return f"/photoObj/frames/301/{self.run}/{self.camcol}/frame-{band}-{self.name}.fits.bz2"

    @property
    def psf_path(self) -> str:
        return f"/photo/redux/301/{self.run}/objcs/{self.camcol}/psField-{self.name}.fit"

    def mask_path(self, band: str) -> str:
        name = f"fpM-{self.run:06d}-{band}{self.camcol}-{self.field:04d}.fit.gz"
        return f"/photo/redux/301/{self.run}/objcs/{self.camcol}/{name}"


def packed(*hdus: Any) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


@dataclass
class ArchiveServer:
    """Files by path, and what goes wrong with the next requests of one: cut, damaged, slow, a page or a status.

    Parameters
    ----------
    asked : list of str
        Paths, as they were asked for.
    agents : set of str
        Who asked.
    most : int
        Largest number of requests at once.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    most: int = 0
    address: str = ""
    slowness: float = 0.0
    now: int = 0

    def add(self, one: MadeField, stars: list[tuple[float, float, float]], bands: str = BANDS) -> None:
        for band in bands:
            self.files[one.frame_path(band)] = one.frame(band, stars)
        self.files[one.psf_path] = one.psf_field()

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.asked)


@contextmanager
def serving() -> Iterator[ArchiveServer]:
    """Serve on a free port of this machine alone."""
    archive, lock = ArchiveServer(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                archive.now += 1
                archive.most = max(archive.most, archive.now)
                archive.asked.append(self.path)
                archive.agents.add(self.headers["User-Agent"])
                waiting = archive.failures.get(self.path, [])
                failure = waiting.pop(0) if waiting else ""
            try:
                self.answer(failure)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                with lock:
                    archive.now -= 1

        def answer(self, failure: str) -> None:
            if archive.slowness:
                time.sleep(archive.slowness)
            content = archive.files.get(self.path)
            if failure.isdigit() or content is None:
                self.send_error(int(failure or 404))
                return
            if failure == "slow":
                time.sleep(0.5)
            if failure == "damaged":
                content = content[: len(content) // 2]
            self.send_response(200)
            if failure == "page":
                content = b"<html>Log in, please</html>"
                self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:1000] if failure == "cut" else content)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    archive.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()


def fields_table(path: Path, fields: list[MadeField]) -> Path:
    return write_table(path, [one.row() for one in fields])
