"""Points of a light curve that have no pixels: the measurements of one object, with those of its frames or without."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

ONE_EXPOSURE = 1e-4  # [days]; nearer in time and in one band are one exposure, whoever measured it
SIGMAS = 5  # of a limit


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Measurements of one object in time order, by default of exposures of which there is no frame.

    Fluxes are of science minus reference: their zero is that of the object's constant light, which frames show too.

    Parameters
    ----------
    band : array (p,)
        Position of each one's band in the survey's bands.
    mjd : array (p,)
        Times [days].
    flux : array (p,)
        Fluxes [nanomaggies]; NaN of a limit, at which nothing was detected.
    error : array (p,)
        Their errors [nanomaggies]; of a limit a fifth of it, NaN where its depth is unknown.
    """

    band: NDArray[np.uint8]
    mjd: NDArray[np.float64]
    flux: NDArray[np.float32]
    error: NDArray[np.float32]

    @classmethod
    def none(cls) -> Self:
        """Return no points."""
        return cls(np.zeros(0, np.uint8), np.zeros(0), np.zeros(0, np.float32), np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.band)

    def __getitem__(self, rows: NDArray[np.integer] | NDArray[np.bool_] | slice) -> "Points":
        """Return some of them."""
        return Points(*(getattr(self, one.name)[rows] for one in fields(self)))

    @property
    def is_limit(self) -> NDArray[np.bool_]:
        """Which of them are limits, (p,)."""
        return np.isnan(self.flux)

    @property
    def photometry(self) -> NDArray[np.float32]:
        """Fluxes and errors (p, 2)."""
        return np.stack([self.flux, self.error], axis=1)

    def until(self, mjd: float) -> "Points":
        """Return those that were measured by a time [MJD]."""
        return self[: int(np.searchsorted(self.mjd, mjd, side="right"))]

    def without_frames(self, band: NDArray[np.uint8], mjd: NDArray[np.float64]) -> "Points":
        """Return those at whose time there is no frame in their band; bands and times of the frames (n,) in order."""
        if not len(self):
            return self
        own = np.ones(len(self), bool)
        for number in np.unique(band):
            times, here = mjd[band == number], np.flatnonzero(self.band == number)
            after = np.searchsorted(times, self.mjd[here])
            nearest = np.minimum(
                np.abs(times[np.minimum(after, len(times) - 1)] - self.mjd[here]),
                np.abs(times[np.maximum(after - 1, 0)] - self.mjd[here]),
            )
            own[here] = nearest >= ONE_EXPOSURE
        return self if own.all() else self[own]
