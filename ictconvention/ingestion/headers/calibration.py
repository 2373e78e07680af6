"""From what a header says to the flux of a count: zero points, units of the pixels, the gain."""

import re

import numpy as np
from astropy import units

from ictconvention.core.magnitudes import ZERO_POINT, magnitude, nanomaggies
from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.headers.headers import Headers

ZERO_POINT_KEYS = ("MAGZERO", "MAGZPT", "MAGZP", "ZEROPNT", "PHOTZP", "ZPTMAG")  # [AB mag]
SDSS_FRAME_KEYS = ("NMGY", "NMGYIVAR")  # SDSS's frames alone have both; their pixels are nanomaggies
SAME_ZERO_POINT = 0.01  # [mag]
FAINTEST = 60.0  # [AB mag]; beyond it, and below its negative, a number is a mark of something missing
NANOMAGGY_JANSKY = 3.630780547701e-6
NANOMAGGIES = ("nanomaggy", "nanomaggies", "nmgy", "nanomaggie")
COUNTS = ("count", "counts", "ct", "adu", "dn", "du")
ELECTRONS = ("electron", "electrons", "e-", "e", "photon", "photons")
SECONDS = ("s", "sec", "second", "seconds")


def read_zero_point(headers: Headers) -> tuple[float, str]:
    """Return the zero point of the pixels [AB mag], and where it is unknown NaN and what was found instead.

    A keyword holds one if it is above 0 and below 60: 0, -99 and -999 stand for none, and the next keyword counts.
    Pixels in a unit of flux (BUNIT nanomaggy, nJy, Jy ...) need no keyword.

    Raises
    ------
    UnreadableError
        The keyword and the unit contradict each other.
    """
    held = {key: headers.number(key) for key in ZERO_POINT_KEYS if headers.value(key) is not None}
    key, zero_point = next(((key, number) for key, number in held.items() if 0 < number < FAINTEST), ("", np.nan))
    in_unit, unit = _zero_point_of_unit(headers), headers.text("BUNIT")
    if abs(zero_point - in_unit) > SAME_ZERO_POINT:
        raise UnreadableError(f"{key} is {zero_point:g}, but pixels in {unit} have the zero point {in_unit:.3f}")
    if not np.isnan(known := in_unit if np.isnan(zero_point) else zero_point):
        return known, ""
    found = [f"{key} is {headers.text(key)}, no zero point" for key in held]
    found += [f"BUNIT is {unit!r}, no unit of flux"] if unit else []
    return np.nan, "; ".join(found) or f"no keyword {', '.join(ZERO_POINT_KEYS)}"


def _zero_point_of_unit(headers: Headers) -> float:
    unit = headers.text("BUNIT")
    if unit.lower() in NANOMAGGIES or (not unit and all(headers.number(key) > 0 for key in SDSS_FRAME_KEYS)):
        return ZERO_POINT
    try:
        jansky = float(units.Unit(unit).to(units.Jy)) if unit else np.nan
    except (ValueError, TypeError):  # no unit, or none of flux
        return np.nan
    return float(magnitude(jansky / NANOMAGGY_JANSKY)) if jansky > 0 else np.nan


def nanomaggies_per_count(zero_point: float) -> float:
    """Return the flux of a count in an image whose zero point is that AB magnitude [nanomaggies].

    Raises
    ------
    UnreadableError
        It is no magnitude, such as -999, or 0, which marks a missing one.
    """
    if not 0 < abs(zero_point) < FAINTEST:
        raise UnreadableError(f"the zero point is {zero_point:g}, no AB magnitude")
    return float(nanomaggies(zero_point))


def read_gain(headers: Headers, zero_point: float) -> float:
    """Return how many electrons make a nanomaggy, NaN where the header does not say it.

    BUNIT must name counts, of which GAIN (or EGAIN) electrons make one, or electrons; each may be per second of
    EXPTIME. Gains of a chip's amplifiers (GAINA, GAINB) say nothing of the image's unit, and are not taken.
    """
    unit, _, per = re.sub(r"[\s.]*(s-1|s\^-1|s\*\*-1)$", "/s", headers.text("BUNIT").lower()).partition("/")
    if unit.strip() in COUNTS:
        electrons = headers.number("EGAIN", "GAIN")
    elif unit.strip() in ELECTRONS:
        electrons = 1.0
    else:
        return np.nan
    if per.strip() in SECONDS:
        electrons *= headers.exposure
    elif per:
        return np.nan
    return float(electrons / nanomaggies_per_count(zero_point)) if electrons > 0 else np.nan
