"""Real galaxies of SDSS, which the package kcorrect ships: fluxes, errors and redshifts. Knows no pixel."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.core.magnitudes import magnitude
from ictconvention.simulation.galaxies.selection import Cuts, Select

FILE = Path("data", "test", "gst_tests_small.fits")  # within the package
LEAST_FLUX = 1e-3  # [nanomaggies], of a galaxy that is not seen in u
RED_EXTINCTION = 2.751  # of SDSS's r per unit of E(B-V), in the extinctions of that table
CUTS = Cuts(magnitude=17.3, redshift=0.12, colour=2.9)  # most of these galaxies are brighter than 17.8 in r


@dataclass(frozen=True)
class RealGalaxies:
    """The galaxies of a catalogue.

    Parameters
    ----------
    flux, error : array (n, 5)
        Measured in ugriz, behind the Milky Way's dust, with noise [nanomaggies].
    redshift, ebv : array (n,)
        Spectroscopic redshift, and E(B-V) of the Milky Way [mag].
    place : array (n, 2)
        Right ascension and declination [deg].
    """

    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    redshift: NDArray[np.float64]
    ebv: NDArray[np.float64]
    place: NDArray[np.float64]

    def select(self, select: Select, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw which of them are selected, (n,)."""
        u, r = magnitude(np.maximum(self.flux[:, 0], LEAST_FLUX)), magnitude(self.flux[:, 2])
        return np.asarray(rng.random(len(r)) < CUTS.chance(select, r, self.redshift, u - r))


def take_rows(chosen: NDArray[np.bool_], wanted: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a row of a catalogue for each galaxy of a survey, none twice.

    Parameters
    ----------
    chosen : array (rows,)
        Which rows are selected.
    wanted : array (n,)
        Which galaxies of the survey are.
    rng : Generator
        Draws the rows.

    Raises
    ------
    UsageError
        There are not so many.
    """
    rows = np.empty(len(wanted), dtype=np.int64)
    for selected, what in ((True, "selected"), (False, "other")):
        there, places = rng.permutation(np.flatnonzero(chosen == selected)), wanted == selected
        if len(there) < (count := int(places.sum())):
            found = f"{count} {what} galaxies of a catalogue that has {len(there)} of them"
            fix = "give fewer --objects or --extra-test: no galaxy is painted twice"
            raise UsageError(found, "simulate", fix, "E-COMMAND-VALUE")
        rows[places] = there[:count]
    return rows


def read_kcorrect() -> RealGalaxies:
    """Read the 10 000 galaxies that kcorrect ships.

    Raises
    ------
    UsageError
        The extra `galaxies` is not installed.
    """
    package = find_spec("kcorrect")
    if package is None or package.origin is None:
        fix = "install the extra: pip install -c constraints.txt '.[simulation,galaxies]'"
        raise UsageError("the package kcorrect is not installed", "--catalogue", fix, "E-PACKAGE-MISSING")
    table = Table.read(Path(package.origin).parent / FILE)
    return RealGalaxies(
        flux=np.asarray(table["MODELFLUX"], dtype=np.float64),
        error=np.asarray(table["MODELFLUX_IVAR"], dtype=np.float64) ** -0.5,
        redshift=np.asarray(table["Z"], dtype=np.float64),
        ebv=np.asarray(table["EXTINCTION"], dtype=np.float64)[:, 2] / RED_EXTINCTION,
        place=np.column_stack([table["RA"], table["DEC"]]).astype(np.float64),
    )
