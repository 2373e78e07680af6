"""Calibrated CCD images with a WCS: stamps about a list of positions, image by image, each image read once."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import Cutout2D
from astropy.nddata.utils import NoOverlapError, PartialOverlapError
from astropy.stats import SigmaClip
from astropy.wcs import WCS
from numpy.typing import NDArray
from photutils.background import Background2D, MADStdBackgroundRMS

from ictconvention.core.errors import UsageError, find_repeated, shorten
from ictconvention.files.reading import NoImageError, UnreadableError, open_fits, read_image, reason_of
from ictconvention.files.user_table import read_id, read_objects, read_user_table
from ictconvention.ingestion.found import Found, FoundFrame, Reject, place_of
from ictconvention.ingestion.headers.band_names import BAND_KEYS, find_band
from ictconvention.ingestion.headers.calibration import nanomaggies_per_count, read_gain, read_zero_point
from ictconvention.ingestion.headers.celestial import pixel_scale, read_wcs
from ictconvention.ingestion.headers.dates import Exposure, read_exposure
from ictconvention.ingestion.headers.headers import Headers
from ictconvention.ingestion.orientation import turns_north_up
from ictconvention.ingestion.placeholders import drop_placeholders
from ictconvention.ingestion.readers.ccd_images import CcdImage, check_footprints, image_names
from ictconvention.ingestion.readers.ccd_masks import read_ccd_mask
from ictconvention.ingestion.readers.resampling import resample, resampled_noise
from ictconvention.survey.neighbours import separations

SKY_BOX = 256  # [pixels]; the sky is measured in boxes of about this side
MOST_EXCLUDED = 80  # per cent of a box that may be masked, or far from its sky
SAME_SCALE = 0.05  # largest relative difference of pixel scales within a survey


@dataclass(frozen=True)
class CcdOptions:
    """How stamps are cut.

    Parameters
    ----------
    folder : Path
        That the names of files are relative to.
    ids : sequence of str
        Ids of the objects.
    ra, dec : arrays (n,)
        Their positions [deg].
    pixel_scale : float
        Pixel scale of the survey [arcsec].
    size : int
        Size of the stamps [pixels].
    zero_point : float
        Zero point of images without one [AB mag].
    sky : bool
        Whether the sky is measured and subtracted.
    band_names : mapping
        Band by its names in headers, see `read_band_names`.
    resample : bool
        Whether images of another pixel scale are interpolated to that of the survey; else they are rejected.
    """

    folder: Path
    ids: Sequence[str]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    pixel_scale: float
    size: int = 32
    zero_point: float = np.nan
    sky: bool = True
    band_names: Mapping[str, str] = field(default_factory=dict)
    resample: bool = False


def read_positions(
    path: Path, renamed: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, Any]], NDArray[np.float64], NDArray[np.float64]]:
    """Read a table of objects with the columns id, ra and dec, or those that `renamed` has in their place.

    Returns
    -------
    objects : dict
        As arguments of `SurveyWriter.add`, by id.
    ra, dec : arrays (n,)
        [deg]

    Raises
    ------
    UsageError
        A column or a position is missing, or an id stands twice.
    """
    table = read_user_table(path, ("id", "ra", "dec"), ("class", "label_source", "redshift"), renamed)
    objects = read_objects(table.located)
    if twice := find_repeated(read_id(row, where) for where, row in table.located):
        raise UsageError(f"ids stand twice: {shorten(twice)}", path, "give each object one row", "E-ID-DUPLICATE")
    if without := [id_ for id_, own in objects.items() if own["ra"] is None or own["dec"] is None]:
        raise UsageError(
            f"no position: {shorten(without)}", path, "give ra and dec of each object [deg]", "E-VALUE-MISSING"
        )
    ra, dec = (np.array([own[name] for own in objects.values()]) for name in ("ra", "dec"))
    return objects, ra, dec


def read_ccd(options: CcdOptions, image: CcdImage) -> Iterator[Found]:
    """Yield the stamps of all objects on an image, and a reject for each that is too near its edge."""
    try:
        with open_fits(options.folder / image.file) as hdus:
            names = image_names(hdus, image.hdu)
            check_footprints(hdus, names)
            for name in names:
                pixels, own, title = read_image(hdus, name)
                number = hdus.index_of(int(name) if name.isdigit() else name)
                try:
                    found = _cut(options, image, pixels, Headers(hdus[0].header, own), title, number)
                except UnreadableError as error:
                    found = [Reject("", place_of(image.file, title), str(error))]
                del hdus[number].data  # a mosaic has more images than memory holds
                yield from found
    except NoImageError as error:  # a catalogue, or another companion of the images
        yield Reject("", image.file, str(error), flaw=False)
    except (UnreadableError, OSError) as error:
        yield Reject("", image.file, reason_of(error))


def _cut(
    options: CcdOptions, image: CcdImage, pixels: NDArray[np.floating], headers: Headers, hdu: str, number: int
) -> list[Found]:
    """Return the stamps of an HDU, given by its name and its number."""
    if pixels.ndim != 2:
        raise UnreadableError(f"an image of {pixels.ndim} axes")
    wcs = read_wcs(headers.own)
    scale = pixel_scale(wcs)
    ratio = options.pixel_scale / scale if abs(scale / options.pixel_scale - 1) > SAME_SCALE else 1.0
    if ratio != 1 and not options.resample:
        reason = f"pixels of {scale:.3f} arcsec, those of the survey have {options.pixel_scale:.3f}"
        raise UnreadableError(f"{reason}; --resample interpolates them")
    here, x, y = _on_image(options, wcs, pixels.shape)
    if not here.size:
        return []
    band = image.band or find_band(headers, options.band_names)
    if band is None:
        raise UnreadableError(f"no band: no keyword {' or '.join(BAND_KEYS)}, and no column band")
    zero_point, gain = _zero_point(options, image, headers)
    factor = nanomaggies_per_count(zero_point)
    exposure = read_exposure(headers) if np.isnan(image.mjd) else Exposure(image.mjd)
    psf_fwhm = _first_known(image.psf_fwhm, headers.seeing(scale))
    file, found = place_of(image.file, hdu), list[Found]()
    sound = drop_placeholders(pixels)
    if share := float(np.isnan(sound).mean() - np.isnan(pixels).mean()):
        reason = f"{share:.1%} of the pixels show no sky, being equal: they are missing in its stamps"
        found.append(Reject("", file, reason, flaw=False))
    pixels = np.where(read_ccd_mask(options.folder, image, hdu, number, pixels.shape), np.nan, sound)
    noise = None
    if options.sky:
        pixels, noise = _without_sky(pixels)
    turns = turns_north_up(wcs, SkyCoord(options.ra[here], options.dec[here], unit="deg"))
    for number, column, row, turn in zip(here.tolist(), x.tolist(), y.tolist(), turns, strict=True):
        if (cut := _stamp(pixels, column, row, options.size, ratio)) is None:
            edge = min(column, row, pixels.shape[1] - 1 - column, pixels.shape[0] - 1 - row)
            reason = f"{edge:.1f} pixels from the edge of the image: a stamp of {options.size} does not fit"
            found.append(Reject(options.ids[number], file, reason))
            continue
        stamp, dx, dy = turn.applied(*cut)
        sigma = np.nan if noise is None else float(noise[round(row), round(column)]) * factor
        found.append(
            FoundFrame(
                options.ids[number],
                (stamp * factor).astype(np.float32),
                band,
                exposure.at(row),
                image.file,
                hdu,
                psf_fwhm=psf_fwhm,
                sky_sigma=sigma * (resampled_noise(ratio) if ratio != 1 else 1) or np.nan,
                x=dx,
                y=dy,
                gain=gain,
            )
        )
    return found


def _stamp(
    pixels: NDArray[np.floating], column: float, row: float, size: int, ratio: float
) -> tuple[NDArray[np.floating], float, float] | None:
    """Return a stamp about a place, and where that lies in it, from its centre [pixels]; None where it does not fit."""
    if ratio != 1:
        found = resample(pixels, column, row, size, ratio)
        return None if found is None else (found, 0.0, 0.0)
    try:
        cutout = Cutout2D(pixels, (column, row), size, mode="strict")
    except (PartialOverlapError, NoOverlapError):
        return None
    dx, dy = (position - (size - 1) / 2 for position in cutout.input_position_cutout)
    return cutout.data, dx, dy


def _zero_point(options: CcdOptions, image: CcdImage, headers: Headers) -> tuple[float, float]:
    """Return the zero point of an image [AB mag], and its gain [electrons per nanomaggy]."""
    zero_point, found = image.zero_point, ""
    if np.isnan(zero_point):
        zero_point, found = read_zero_point(headers)
    zero_point = _first_known(zero_point, options.zero_point)
    if np.isnan(zero_point):
        raise UnreadableError(f"no zero point: {found}, and no column zero_point; --zero-point gives one to all images")
    return zero_point, read_gain(headers, zero_point)


def nearest_miss(options: CcdOptions, images: Sequence[CcdImage]) -> str | None:
    """Say how far the positions are from the images, if none lies on any; None where one does."""
    nearest: tuple[float, str] = (np.inf, "")
    places = SkyCoord(options.ra, options.dec, unit="deg")
    for image in images:
        try:
            with open_fits(options.folder / image.file) as hdus:
                for name in image_names(hdus, image.hdu):
                    pixels, header, title = read_image(hdus, name)
                    wcs = read_wcs(header)
                    if _on_image(options, wcs, pixels.shape)[0].size:
                        return None
                    height, width = pixels.shape
                    centre = wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
                    apart = places.separation(centre).deg
                    at = int(apart.argmin())
                    where = (
                        f"{options.ids[at]} at {places[at].ra.deg:.4f}, {places[at].dec.deg:.4f}, is {apart[at]:.3g}"
                    )
                    where += f" degrees from the middle of {image.file}[{title}]"
                    where += f" at {centre.ra.deg:.4f}, {centre.dec.deg:.4f}"
                    nearest = min(nearest, (float(apart[at]), where))
        except (UnreadableError, OSError, ValueError):
            continue
    return f"no position lies on any image: the nearest, {nearest[1]}" if nearest[1] else None


def _first_known(*values: float) -> float:
    return next((value for value in values if not np.isnan(value)), np.nan)


def _on_image(
    options: CcdOptions, wcs: WCS, shape: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return which objects lie on an image, and where [pixels, from 0 at the centre of the first]."""
    height, width = shape
    centre = wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
    reach = np.hypot(height, width) * pixel_scale(wcs) / 3600  # [deg]; twice as far as a corner
    near = np.flatnonzero(separations(centre.ra.deg, centre.dec.deg, options.ra, options.dec) < reach)
    if not near.size:
        return near, np.zeros(0), np.zeros(0)
    x, y = wcs.world_to_pixel(SkyCoord(options.ra[near], options.dec[near], unit="deg"))
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    return near[inside], x[inside], y[inside]


def _without_sky(pixels: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Subtract the sky, measured in boxes; return its noise too."""
    height, width = pixels.shape
    missing = ~np.isfinite(pixels)
    if not missing.all():
        pixels = pixels - np.median(pixels[~missing])  # the splines between few boxes err by a share of the level
    try:
        box = tuple(math.ceil(side / max(1, round(side / SKY_BOX))) for side in (height, width))  # none cut at the edge
        noise = MADStdBackgroundRMS(SigmaClip(3.0, maxiters=10))  # the light of galaxies is no noise
        sky = Background2D(
            pixels, box, mask=missing, exclude_percentile=MOST_EXCLUDED, fill_value=np.nan, bkgrms_estimator=noise
        )
        return pixels - sky.background, sky.background_rms
    except ValueError as error:  # next to all pixels are masked
        found = f"the sky cannot be measured: {missing.mean():.0%} of the pixels are masked"
        raise UnreadableError(found) from error
