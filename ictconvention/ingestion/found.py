"""What a reader finds in one file or another: frames, measurements without pixels, and what has to be left out."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

UNKNOWN = math.nan
USUAL_BANDS = ("u", "g", "r", "i", "z", "y", "Y", "J", "H", "K")  # in order of wavelength


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """One frame of one object.

    Parameters
    ----------
    id : str
        Id of the object.
    pixels : array (size, size)
        Flux [flux unit of the survey], NaN where there is no pixel.
    band : str
        Name of the passband.
    mjd : float
        Time of the exposure [days].
    file, hdu : str
        Where it was found.
    psf_fwhm : float
        Seeing [arcsec], NaN where unknown.
    sky_sigma : float
        Noise of a pixel of empty sky [flux unit], NaN where unknown.
    x, y : float
        Where the object lies, to the right of and above the centre of the stamp [pixels]; NaN where unknown.
    gain : float
        Electrons that make one flux unit, NaN where unknown.
    ra, dec : float
        Position of the object in this frame [deg], NaN where unknown.
    first_detection : float
        The earliest detection of the object that this frame knows of [MJD], NaN where unknown.
    normalised : bool
        Whether its pixels were divided by their length or their maximum, so that they are no fluxes.
    reliability : float
        How sure its survey is that the detection is real, from 0 to 1; NaN where it does not say.
    calibration, calibration_scatter : float
        What the flux was multiplied by to be that of a clear night, and the relative scatter of the stars that said so;
        NaN where no stars were asked.
    """

    id: str
    pixels: NDArray[np.floating]
    band: str
    mjd: float
    file: str
    hdu: str = ""
    psf_fwhm: float = UNKNOWN
    sky_sigma: float = UNKNOWN
    x: float = UNKNOWN
    y: float = UNKNOWN
    gain: float = UNKNOWN
    ra: float = UNKNOWN
    dec: float = UNKNOWN
    first_detection: float = UNKNOWN
    normalised: bool = False
    reliability: float = UNKNOWN
    calibration: float = UNKNOWN
    calibration_scatter: float = UNKNOWN


@dataclass(frozen=True, slots=True)
class FoundMask:
    """The classes of an object's pixels; it comes before the object's frames.

    Parameters
    ----------
    id : str
        Id of the object.
    values : array (size, size)
        Position of each pixel's class in the survey's classes, 255 where it is unknown; row 0 as in the frames.
    file : str
        Where it was found; empty where there is none.
    """

    id: str
    values: NDArray[np.uint8]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Photometry of an object, at times of which there is a frame and others.

    Parameters
    ----------
    id, mjd, band
        As of a frame.
    flux, error : float
        Flux and its error [flux unit], NaN for a non-detection.
    limit : float
        Flux of a 5 sigma detection then [flux unit], NaN where unknown.
    kind : str
        "detection", "limit" or "forced".
    flag : str
        What its source says against it; empty where it says nothing.
    """

    id: str
    mjd: float
    band: str
    flux: float
    error: float
    limit: float
    kind: str
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Reject:
    """What was left out.

    Parameters
    ----------
    object : str
        Id of the object, empty where a whole file was left out.
    file : str
        The file, and the HDU where there is one.
    reason : str
        Why.
    flaw : bool
        False for what was left out by choice: a band that was not asked for, an object that no image shows.
    """

    object: str
    file: str
    reason: str
    flaw: bool = True


Found = FoundFrame | FoundMask | Measurement | Reject


def _columns(kind: type[FoundFrame] | type[Measurement] | type[Reject]) -> list[tuple[str, pa.DataType]]:
    """Return the columns of a table of such things, texts first, without pixels."""
    types: dict[Any, pa.DataType] = {str: pa.string(), float: pa.float64(), bool: pa.bool_()}
    ordered = sorted(fields(kind), key=lambda one: one.type is not str)
    return [(one.name, types[one.type]) for one in ordered if one.type in types]


# What is kept of each frame but its pixels, of which there is a checksum; they lie in row `row` of the file of unit
# `unit`.
FRAME_LINES = pa.schema([*_columns(FoundFrame), *((name, pa.int64()) for name in ("crc32", "unit", "row"))])
REJECT_LINES = pa.schema(_columns(Reject))
MASK_LINES = pa.schema([("id", pa.string()), ("unit", pa.int64()), ("row", pa.int64())])  # where a mask lies, as above


def place_of(file: str, hdu: str | None) -> str:
    """Return where something was found, in words."""
    return f"{file}[{hdu}]" if hdu else file
