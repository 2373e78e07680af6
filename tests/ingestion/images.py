"""Synthetic CCD images: point sources at known places of the sky, under any WCS that real images have."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

RA, DEC = 150.0, 2.0  # [deg] of the middle of the images
SCALE = 0.4  # [arcsec] of a pixel
STAMP = 32  # [pixels]
FWHM = 3.5  # [pixels]
TURNS = {  # from a step in pixels to one east and north
    "north up, east left": ((-1, 0), (0, 1)),
    "turned by 90 degrees": ((0, 1), (1, 0)),
    "turned by 180 degrees": ((1, 0), (0, -1)),
    "turned by 270 degrees": ((0, -1), (-1, 0)),
    "mirrored": ((1, 0), (0, 1)),
    "mirrored, turned by 90 degrees": ((0, -1), (1, 0)),
    "mirrored, turned by 180 degrees": ((-1, 0), (0, -1)),
    "mirrored, turned by 270 degrees": ((0, 1), (-1, 0)),
}
TPV = {  # of the size of DECam's
    "PV1_0": -3e-4, "PV1_1": 1.0057, "PV1_2": -2e-4, "PV1_4": 1e-4, "PV1_5": 1e-3, "PV1_6": 2e-4, "PV1_7": -0.04,
    "PV2_0": 4e-4, "PV2_1": 1.0046, "PV2_2": 1e-4, "PV2_4": -5e-3, "PV2_5": -1e-3, "PV2_6": 1e-4, "PV2_7": -0.01,
}  # fmt: skip


@dataclass
class Sky:
    """An image to be: its WCS, its sources and its sky.

    Parameters
    ----------
    turn : pair of pairs
        See `TURNS`.
    shape : pair of int
        Rows and columns.
    scale : float
        [arcsec] of a pixel.
    projection : str
        "TAN" or "TPV", the latter distorted.
    slope : float
        Of the sky along a row [counts a pixel].
    sources : list of tuples
        Position [deg] and flux [counts] of each.
    """

    turn: Sequence[Sequence[float]] = TURNS["north up, east left"]
    shape: tuple[int, int] = (160, 200)
    scale: float = SCALE
    projection: str = "TAN"
    slope: float = 0.0
    sources: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def wcs(self) -> WCS:
        return WCS(self.header())

    def header(self, **more: Any) -> fits.Header:
        height, width = self.shape
        cards: dict[str, Any] = {"NAXIS": 2, "NAXIS1": width, "NAXIS2": height}
        cards |= {"CTYPE1": f"RA---{self.projection}", "CTYPE2": f"DEC--{self.projection}"}
        cards |= {"CRVAL1": RA, "CRVAL2": DEC, "CRPIX1": (width + 1) / 2, "CRPIX2": (height + 1) / 2}
        for i, row in enumerate(self.turn):
            cards |= {f"CD{i + 1}_{j + 1}": value * self.scale / 3600 for j, value in enumerate(row)}
        return fits.Header(cards | (TPV if self.projection == "TPV" else {}) | more)

    def place(self, ra: float, dec: float) -> tuple[float, float]:
        """Return where a position lies [pixels, from 0 at the centre of the first]."""
        x, y = self.wcs.world_to_pixel(SkyCoord(ra, dec, unit="deg"))
        return float(x), float(y)

    def pixels(self, level: float = 1000.0, noise: float = 1.0, seed: int = 0) -> NDArray[np.float32]:
        """Return the image: Gaussian sources on the sky, with noise."""
        y, x = np.mgrid[: self.shape[0], : self.shape[1]].astype(float)
        image: NDArray[np.float64] = level + self.slope * x + np.random.default_rng(seed).normal(0, noise, self.shape)
        sigma = FWHM / 2.3548
        for ra, dec, flux in self.sources:
            at_x, at_y = self.place(ra, dec)
            profile = np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / (2 * sigma**2))
            image += flux * profile / (2 * np.pi * sigma**2)
        return image.astype(np.float32)

    def hdu(self, level: float = 1000.0, noise: float = 1.0, **more: Any) -> fits.PrimaryHDU:
        """Return the image with its header: band g, MJD 58000 at the start of 0 s, zero point 22.5."""
        known = {"FILTER": "g DECam", "MJD-OBS": 58000.0, "MAGZERO": 22.5} | more
        header = self.header(**{key: value for key, value in known.items() if value is not None})
        return fits.PrimaryHDU(self.pixels(level, noise), header)


def beside(east: float, north: float) -> tuple[float, float]:
    """Return a position so many arcsec from the middle of the images [deg]."""
    return RA + east / 3600 / np.cos(np.radians(DEC)), DEC + north / 3600
