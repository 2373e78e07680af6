"""Rubin alerts, in Avro, tar archives of it, single messages or Parquet: one cutout each, and photometry.

Cutouts stand at another angle in each visit. They are rotated to north up, east left, about the object, which then
lies in the middle of every stamp.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ictconvention.files.avro_file import NoSchemaError
from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.fitting import Fitting, Stamp, crop_or_bin, subtract_sky
from ictconvention.ingestion.found import Found, FoundFrame, Reject
from ictconvention.ingestion.placeholders import drop_placeholders
from ictconvention.ingestion.readers.alert_files import Alert, AlertUnit, read_alerts
from ictconvention.ingestion.rubin.alert import (
    ALERTS,
    MOVING,
    band_of,
    flags_of,
    number_of,
    place_of_object,
    read_id,
    time_of,
)
from ictconvention.ingestion.rubin.cutouts import FWHM, NANOJANSKY, PIXEL_SCALE, Cutout, read_cutout
from ictconvention.ingestion.rubin.photometry import first_detection, is_doubtful, read_photometry
from ictconvention.ingestion.rubin.rotation import turn_north_up

Image = Literal["science", "difference"]
CUTOUTS: dict[Image, str] = {"science": "cutoutScience", "difference": "cutoutDifference"}


@dataclass(frozen=True, slots=True)
class RubinOptions:
    """How alerts are read.

    Parameters
    ----------
    folder : Path
        That the names of files are relative to.
    fitting : Fitting
        How cutouts come to stamps; smaller ones are completed by missing pixels.
    cutout : "science" or "difference"
        Which image.
    rotate : bool
        Whether cutouts are rotated to north up.
    min_reliability : float
        Detections below it are left out.
    schema : dict, optional
        Parsed Avro schema of single messages.
    """

    folder: Path
    fitting: Fitting = Fitting()
    cutout: Image = "science"
    rotate: bool = True
    min_reliability: float = 0.0
    schema: Any = None


def read_rubin(options: RubinOptions, unit: AlertUnit) -> Iterator[Found]:
    """Yield the frame and the photometry of each alert of some files, and a reject for what cannot be read."""
    for place, alert in read_alerts(options.folder, unit, ALERTS, CUTOUTS[options.cutout], options.schema):
        if isinstance(alert, Exception):
            hint = "; or give it by --schema" if isinstance(alert, NoSchemaError) else ""
            yield Reject("", place, f"{alert}{hint}")
        else:
            yield from take_rubin(options, alert, place)


def take_rubin(options: RubinOptions, alert: Alert, place: str) -> Iterator[Found]:
    """Yield the frame and the photometry of an alert, found at a place; or a reject for what cannot be read."""
    id_: str | None = ""
    try:
        id_ = read_id(alert)
        found = Reject("", place, MOVING, flaw=False) if id_ is None else _frame(options, alert, id_, place)
    except (ValueError, TypeError) as error:  # UnreadableError is a ValueError
        found = Reject(id_ or "", place, str(error))
    yield found
    if isinstance(found, FoundFrame):
        yield from read_photometry(alert, found.id, place, options.min_reliability)


def _frame(options: RubinOptions, alert: Alert, id_: str, place: str) -> Found:
    source, name = alert.get("diaSource"), CUTOUTS[options.cutout]
    if not isinstance(source, Mapping):
        raise UnreadableError("the alert lacks diaSource")
    if flags := flags_of(source):
        return Reject(id_, place, f"the detection is flagged by {' and '.join(flags)}")
    if is_doubtful(source, options.min_reliability):
        reason = f"reliability {number_of(source, 'reliability'):.2f}, less than {options.min_reliability:g}"
        return Reject(id_, place, reason, flaw=False)
    mjd, band = time_of(source), band_of(source)
    ra, dec = place_of_object(alert, source)
    if alert.get(name) is None:
        raise UnreadableError(f"the alert lacks {name}")
    cutout = read_cutout(alert[name], ra, dec)
    stamp = make_stamp(cutout, options.fitting, options.rotate)
    return FoundFrame(
        id_,
        stamp.pixels,
        band,
        mjd,
        place,
        psf_fwhm=_moments_fwhm(source) if np.isnan(cutout.psf_fwhm) else cutout.psf_fwhm,
        sky_sigma=stamp.sky_sigma,
        x=stamp.x,
        y=stamp.y,
        ra=ra,
        dec=dec,
        first_detection=first_detection(alert, mjd, options.min_reliability),
        reliability=number_of(source, "reliability"),
    )


def make_stamp(cutout: Cutout, fitting: Fitting, rotate: bool) -> Stamp:
    """Make a stamp of a cutout, in nanomaggies.

    With north up the object lies in its middle; as it stands, within half a pixel of it, since no pixel is
    interpolated. What the cutout does not cover is missing.
    """
    pixels, noise = cutout.pixels, cutout.noise
    if not fitting.simulated:
        pixels = drop_placeholders(pixels)
    if fitting.sky:
        pixels, measured = subtract_sky(pixels)
        noise = measured if np.isnan(noise) else noise
    side = fitting.size * (2 if fitting.how == "bin" else 1)
    if rotate:
        pixels, factor = turn_north_up(pixels, cutout.grid, side, PIXEL_SCALE)
        noise, place = noise * factor, (0.0, 0.0)
    else:
        height, width = pixels.shape
        place = (cutout.grid.column - (width - 1) / 2, cutout.grid.row - (height - 1) / 2)
        pixels = np.pad(pixels, side, constant_values=np.nan)
    stamp, x, y = crop_or_bin(pixels, fitting.size, fitting.how, place)
    of_four = 2 if fitting.how == "bin" else 1  # the noise of a sum of four pixels
    return Stamp(stamp * np.float32(NANOJANSKY), noise * NANOJANSKY * of_four, x, y)


def _moments_fwhm(source: Alert) -> float:
    """Return the seeing by the moments that the alert gives of its PSF [arcsec]."""
    mean = (number_of(source, "ixxPSF") + number_of(source, "iyyPSF")) / 2
    return FWHM * float(np.sqrt(mean)) if mean > 0 else np.nan
