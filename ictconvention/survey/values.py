"""The values that a survey may hold, said once for all that comes in: each check returns what is wrong, or None.

Knows neither files nor surveys: readers of tables, ingestion, the writer and the check of a survey ask the same rules.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

EARLIEST_MJD, LATEST_MJD = 15_000.0, 400_000.0  # the years 1899 and 2954
MAX_NONFINITE_SHARE = 0.5  # of pixels
LONGEST_ID = 200  # letters
LARGEST_WHOLE = 2**53  # whole numbers beyond it are not all known to a float
COARSEST_TIME = 60.0  # [s]
JULIAN_ZERO = 2_400_000.5  # the Julian date of MJD 0
JULIAN_DATES = (JULIAN_ZERO + EARLIEST_MJD, JULIAN_ZERO + LATEST_MJD)
UNIX_SECONDS = 1e8  # [s], the year 1973; a larger time counts seconds
NOTHING = ("", "--", "nan", "null", "none", "n/a")  # texts that stand for a missing value, in any case of letters
RANGES = {  # of the numbers that a table says of an object or a frame
    "redshift": (-0.1, 20.0),
    "ra": (-180.0, 360.0),  # [deg]
    "dec": (-90.0, 90.0),  # [deg]
    "host_separation": (0.0, 60.0),  # [arcsec]
    "host_r": (5.0, 35.0),  # [AB mag]
}
WIDEST_SEEING = 90.0  # [arcsec]; 99 and 999 are marks of something missing
POSITIVE = {"psf_fwhm": "seeing", "sky_sigma": "sky noise", "gain": "gain", "error": "error"}
BRIGHTEST, SMALLEST_ERROR = 1e6, 1e-9  # [nanomaggies] of light curves; beyond these, another unit


class Flaw(NamedTuple):
    """What is wrong with a value, what to do about it, and the code of the error that says so."""

    found: str
    fix: str
    code: str


def flaw_of_times(mjd: NDArray[np.floating]) -> Flaw | None:
    """Say what is wrong with times (n,), which should be MJD [days]."""
    if not len(mjd):
        return None
    if not np.isfinite(mjd).all():
        return Flaw("no date: times must be finite MJD", "leave out what has no time", "E-VALUE-TIME")
    early, late = float(np.min(mjd)), float(np.max(mjd))
    if early < 0:
        return Flaw(f"MJD {early:.1f} is before 1858", "give Modified Julian Dates, in days", "E-VALUE-TIME")
    if early < EARLIEST_MJD:
        found = f"MJD {early:.1f} is before {EARLIEST_MJD:.0f}: it counts from another day, such as JD - 2450000"
        return Flaw(found, "give Modified Julian Dates, JD - 2400000.5", "E-VALUE-TIME")
    if late > UNIX_SECONDS:
        return Flaw(
            f"MJD {late:.1f} looks like seconds since 1970", "give MJD: divide by 86400 and add 40587", "E-VALUE-TIME"
        )
    if JULIAN_DATES[0] <= late <= JULIAN_DATES[1]:
        found = f"MJD {late:.1f} looks like a Julian date: subtract 2400000.5"
        return Flaw(found, "subtract 2400000.5 from the times", "E-VALUE-TIME")
    if late > LATEST_MJD:
        return Flaw(f"MJD {late:.1f} is after the year 2954", "give Modified Julian Dates, in days", "E-VALUE-TIME")
    return None


def flaw_of_precision(name: str, times: NDArray[Any]) -> Flaw | None:
    """Say whether the type of times (n,) [days] is too coarse to tell exposures apart."""
    if times.dtype.kind != "f" or not np.isfinite(times).any():
        return None
    largest = np.abs(times[np.isfinite(times)]).max()
    seconds = float(np.spacing(largest)) * 86_400
    if seconds <= COARSEST_TIME:
        return None
    type_ = times.dtype.newbyteorder("=")
    near = f"near {name.upper()} {float(largest):.0f} tells times only to {seconds / 60:.1f} minutes"
    return Flaw(
        f"{name} is {type_}, which {near}", "write it as float64, from the source of the times", "E-VALUE-PRECISION"
    )


def flaw_of_id(id_: object) -> Flaw | None:
    """Say what is wrong with a name of an object: it stands for nothing, cannot be read, or has lost digits."""
    if id_ is None or (isinstance(id_, float) and math.isnan(id_)):
        return Flaw("this row has no id", "give every row the id of its object", "E-VALUE-MISSING")
    if isinstance(id_, float) and abs(id_) >= LARGEST_WHOLE:
        return _lost_digits(f"{id_!r} is a floating-point number, which")
    if isinstance(id_, str):
        if not id_ or id_ != id_.strip() or not id_.isprintable():
            return Flaw(
                f"id {id_!r} is empty, unprintable, or has spaces at its ends",
                "give a name that can be read",
                "E-ID-FORMAT",
            )
        if len(id_) > LONGEST_ID:
            found = f"id {id_[:20]!r}... has {len(id_)} letters, more than {LONGEST_ID}"
            return Flaw(found, "give a shorter name", "E-ID-FORMAT")
        if id_.lower() in NOTHING:
            return Flaw(
                f"id {id_!r} stands for a missing value", "give every row the id of its object", "E-VALUE-MISSING"
            )
        whole = re.fullmatch(r"[+-]?(\d+)\.0*", id_)
        if re.fullmatch(r"[+-]?\d(\.\d*)?[eE]\+\d+|[+-]?\d\.\d+[eE]\d+", id_) or (
            whole and int(whole[1]) >= LARGEST_WHOLE
        ):
            return _lost_digits(id_)
    return None


def flaw_of_number(name: str, value: float) -> Flaw | None:
    """Say whether a number of an object, or of a frame, is out of the range of its kind; NaN is unknown, no flaw."""
    if math.isnan(value):
        return None
    if name in POSITIVE:
        return flaw_of_positive(name, np.array([value]))
    low, high = RANGES[name]
    if low <= value <= high:
        return None
    return Flaw(f"{name} is {value}, outside {low:g} to {high:g}", f"correct {name}, or {_EMPTY}", "E-VALUE-RANGE")


def flaw_of_positive(name: str, values: NDArray[np.floating]) -> Flaw | None:
    """Say whether seeing, noise, gain or an error of (n,) is not above 0; NaN is unknown, no flaw."""
    most = WIDEST_SEEING if name == "psf_fwhm" else np.finfo(np.float64).max
    wrong = ~(np.isnan(values) | ((values > 0) & (values <= most)))
    if not wrong.any():
        return None
    limit = f"positive and at most {most:g} arcsec" if name == "psf_fwhm" else "positive and finite"
    found = f"{name} is {values[wrong][0]:g}: {POSITIVE[name]} must be {limit}"
    return Flaw(found, f"correct {name}, or {_EMPTY}", "E-VALUE-RANGE")


def flaw_of_place(name: str, values: NDArray[np.floating], stamp_size: int) -> Flaw | None:
    """Say whether the place of an object (n,), from the centre of its stamp [pixels], is outside; NaN is unknown."""
    outside = np.abs(values) > stamp_size / 2
    if not outside.any():
        return None
    found = f"{name} is {values[outside][0]:g}, outside a stamp of {stamp_size} pixels"
    return Flaw(found, "give the object's place from the stamp's centre [pixels], or NaN", "E-VALUE-RANGE")


def flaw_of_frame_columns(columns: Mapping[str, NDArray[Any]], stamp_size: int) -> Flaw | None:
    """Say what is wrong with the times, seeing, noise, gain or places of frames, by their column (n,)."""
    flaws = [flaw_of_times(columns["mjd"])]
    flaws += [flaw_of_positive(name, columns[name]) for name in ("psf_fwhm", "sky_sigma", "gain")]
    flaws += [flaw_of_place(name, columns[name], stamp_size) for name in ("x", "y")]
    return next((flaw for flaw in flaws if flaw is not None), None)


def flaw_of_pixels(frames: NDArray[np.floating]) -> Flaw | None:
    """Say whether one of frames (n, H, W) has no finite pixel, or too many pixels of all are not finite."""
    missing = np.count_nonzero(~np.isfinite(frames), axis=(1, 2))
    if not missing.any():
        return None
    pixels = frames.shape[1] * frames.shape[2]
    if (empty := np.flatnonzero(missing == pixels)).size:
        found = f"frame {empty[0]} has no finite pixel" if len(frames) > 1 else "no pixel is finite"
        return Flaw(found, "leave the frame out", "E-VALUE-PIXELS")
    if (share := missing.mean() / pixels) > MAX_NONFINITE_SHARE:
        found = f"{share:.0%} of the pixels are not finite, more than the allowed {MAX_NONFINITE_SHARE:.0%}"
        return Flaw(found, "leave out the frames at the edge of the image, or the object", "E-VALUE-PIXELS")
    return None


def flaw_of_fluxes(flux: NDArray[np.floating], error: NDArray[np.floating]) -> Flaw | None:
    """Say what is wrong with measured fluxes and their errors (n,) [nanomaggies]."""
    for name, values in (("flux", flux), ("error", error)):
        if not np.isfinite(values).all():
            return Flaw(f"{name} is not finite", "leave out the rows without a measurement", "E-VALUE-MISSING")
    if not (error > 0).all():
        return Flaw("an error is not positive", "give the standard error of each measurement", "E-VALUE-RANGE")
    if len(flux) and (np.max(np.abs(flux)) > BRIGHTEST or np.min(error) < SMALLEST_ERROR):
        fix = "give nanomaggies, or AB magnitudes in a column `mag`, and leave out what is missing"
        return Flaw(f"fluxes to {np.max(flux):.3g} with errors from {np.min(error):.3g}", fix, "E-VALUE-UNITS")
    return None


_EMPTY = "leave it empty (None, NaN) where it is unknown"


def _lost_digits(id_: str) -> Flaw:
    found = f"id {id_} has lost its last digits: several objects may have become one"
    return Flaw(found, "write ids as whole numbers or as text, from the source of the ids", "E-VALUE-PRECISION")
