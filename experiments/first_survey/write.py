"""Write a small simulated survey with the Python interface: the pattern to follow for stamps of your own.

    python experiments/first_survey/write.py surveys/first

The skies are simple (one galaxy, one point source, Gaussian noise): enough to try the commands on, not to train on.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ictconvention.data.survey_format import SurveyHeader
from ictconvention.data.survey_writer import SurveyWriter
from ictconvention.errors import IctConventionError

PER_CLASS = {"AGN": 20, "SN Ia": 20, "Variable": 20, "SN Other": 20}
NOISE = {"u": 0.048, "g": 0.018, "r": 0.028, "i": 0.045, "z": 0.148}  # of SDSS frames [nanomaggies per pixel]
PIXEL_SCALE, SIZE, SEED = 0.396, 32, 0
LEAST_WAIT, SEASON = 15.0, 90.0  # [days]


def light_curve(name: str, day: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the flux of a class's point source on the given days, about 1 at its brightest."""
    flux: NDArray[np.float64]
    match name:
        case "SN Ia":
            since = day - rng.uniform(LEAST_WAIT, SEASON / 2)
            flux = np.exp(-0.5 * (since / np.where(since < 0, 6.0, 18.0)) ** 2)
        case "SN Other":
            since = day - rng.uniform(LEAST_WAIT, SEASON / 2)
            flux = np.where(since < 0, np.exp(-0.5 * (since / 4.0) ** 2), np.where(since < 50, 1.0, 0.2))
        case "AGN":
            flux = np.exp(0.3 * np.cumsum(rng.normal(size=len(day))) / np.sqrt(len(day)))
        case _:
            flux = 0.7 + 0.3 * np.sin(2 * np.pi * (day / rng.uniform(0.4, 0.8) + rng.uniform()))
    return flux


def paint(
    flux: NDArray[np.float64], fwhm: NDArray[np.float64], sigma: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Paint a Moffat point source of the given fluxes and seeing [arcsec] on a galaxy, with noise: (n, 32, 32)."""
    y, x = (np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2) * PIXEL_SCALE
    width = (fwhm / (2 * np.sqrt(2 ** (1 / 3) - 1)))[:, None, None]  # Moffat, beta 3
    star = 2 * PIXEL_SCALE**2 / (np.pi * width**2) * (1 + (x**2 + y**2) / width**2) ** -3
    shift, axis = rng.normal(0, 0.8, 2), rng.uniform(0.5, 1.0)
    galaxy = np.exp(-np.hypot(x - shift[0], (y - shift[1]) / axis) / rng.uniform(0.6, 1.5))
    galaxy *= rng.lognormal(2.0, 0.7) / galaxy.sum()
    noise = rng.normal(size=(len(flux), SIZE, SIZE)) * sigma[:, None, None]
    frames: NDArray[np.float32] = (flux[:, None, None] * star + galaxy + noise).astype(np.float32)
    return frames


def main(path: Path) -> None:
    bands = tuple(NOISE)
    header = SurveyHeader(
        name="first",
        bands=bands,
        classes=tuple(PER_CLASS),
        pixel_scale=PIXEL_SCALE,
        stamp_size=SIZE,
        simulated=True,
        provenance={"made by": "experiments/first_survey/write.py", "seed": SEED},
    )
    rng = np.random.default_rng(SEED)
    with SurveyWriter(path, header) as writer:
        for number, name in enumerate(name for name, count in PER_CLASS.items() for _ in range(count)):
            night = np.sort(rng.choice(int(SEASON), rng.integers(15, 25), replace=False))
            band = np.tile([2, 3, 0, 4, 1], len(night))  # the order of SDSS: r i u z g, 72 s apart
            mjd = 53600.0 + np.repeat(night, 5) + np.tile(np.arange(5) * 72 / 86400, len(night))
            kept = rng.random(len(mjd)) > 0.05  # a band is missing now and then
            band, mjd = band[kept], mjd[kept]
            fwhm = rng.normal(1.4, 0.15, len(mjd)).clip(1.0, 1.8)
            sigma = np.array(list(NOISE.values()))[band]
            flux = rng.lognormal(2.0, 0.5) * light_curve(name, (mjd - 53600).astype(np.float64), rng)
            writer.add(
                str(number),
                paint(flux, fwhm, sigma, rng),
                band=band,
                mjd=mjd,
                psf_fwhm=fwhm,
                sky_sigma=sigma,
                class_name=name,
                label_source="spectroscopic",
                ra=rng.uniform(0, 50),
                dec=rng.uniform(-1.25, 1.25),
            )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python experiments/first_survey/write.py FOLDER")
    try:
        main(Path(sys.argv[1]))
    except IctConventionError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
