"""What recall is drawn against: brightness, redshift and host separation of the objects of a survey."""

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.survey import Survey

BRIGHT = 90  # percentile of an object's fluxes that stands for its brightness


def quantities_of(survey: Survey, position: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return quantities of objects, by name and unit.

    The brightness in the middle band, where stamps are large enough for photometry; the redshift, and the survey's
    column `host_separation` [arcsec], where it has them.

    Parameters
    ----------
    survey : Survey
        Whose objects they are.
    position : array (n,)
        Positions of the objects in the survey.

    Returns
    -------
    dict of arrays (n,)
        NaN where unknown.
    """
    table = survey.object_table()
    quantities = brightness_of(survey, position)
    if (redshift := _column(table, "redshift", position)) is not None:
        quantities["redshift"] = np.where(redshift > 0, redshift, np.nan)
    if (separation := _column(table, "host_separation", position)) is not None:
        quantities["host separation [arcsec]"] = separation
    return quantities


def brightness_of(survey: Survey, position: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the brightness of objects (n,) in the middle band by its name; nothing where stamps are too small."""
    header = survey.header
    band = header.bands.index("r") if "r" in header.bands else len(header.bands) // 2
    try:
        recipe = photometry_recipe(header.pixel_scale, header.stamp_size, survey.path)
    except SurveyError:  # without photometry, no brightness
        return {}
    flux = np.full(len(position), np.nan)
    for row, place in enumerate(position):
        series = survey[int(place)]
        here = series.band == band
        if here.any():
            measured = measure_photometry(series, recipe)[here, 0]
            if np.isfinite(measured).any():
                flux[row] = np.nanpercentile(measured, BRIGHT)
    flux[~(flux > 0)] = np.nan
    name = header.bands[band]
    if header.flux_unit == "nanomaggy":
        return {f"{name} magnitude when bright": 22.5 - 2.5 * np.log10(flux)}
    return {f"log10 of the {name} flux when bright [{header.flux_words}]": np.log10(flux)}


def _column(table: Table, name: str, position: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return a column of numbers with NaN where unknown, or None where there is none."""
    if name not in table.colnames or table[name].dtype.kind not in "fiu":
        return None
    values: NDArray[np.float64] = np.ma.filled(np.ma.asarray(table[name], dtype=float), np.nan)
    return values[position]
