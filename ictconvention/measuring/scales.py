"""The numbers that pixels and fluxes are scaled by, one per band, from the training part of a survey alone."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.measured_cache import CachedPhotometry
from ictconvention.measuring.photometry import sky_noise
from ictconvention.measuring.robust import finite_median
from ictconvention.survey.survey import Survey

ScalingKind = Literal["asinh", "standardise"]
SOFTENING = 3.0  # [noise of the band]; fluxes are linear below it and logarithmic above


class BandScales(NamedTuple):
    """What is subtracted in each band, and what is then divided by: arrays (bands,) [flux_unit]."""

    offset: NDArray[np.float64]
    scale: NDArray[np.float64]


def pixel_scales(survey: Survey, kind: ScalingKind) -> BandScales:
    """Return the scales of stamps.

    Parameters
    ----------
    survey : Survey
        The training part.
    kind : "asinh" or "standardise"
        "asinh": no offset; the scale is `SOFTENING` times the band's median sky noise. "standardise" (the published
        way): mean and standard deviation of all pixels of the band.

    Raises
    ------
    SurveyError
        A band has no frame in it, or no pixel, or its pixels are all alike.
    """
    bands = len(survey.header.bands)
    match kind:
        case "asinh":
            noise = _per_band(
                ((s.band, sky_noise(s.frames, s.sky_sigma, survey.header.pixel_scale)) for s in survey), bands
            )
            scales = _softened(noise)
        case "standardise":
            sums = np.zeros((3, bands))  # pixels, their sum, the sum of their squares
            for series in survey:
                pixels = series.frames.reshape(len(series), -1).astype(np.float64)
                finite = np.isfinite(pixels)
                pixels = np.where(finite, pixels, 0)
                moments = finite.sum(1), pixels.sum(1), np.einsum("fp,fp->f", pixels, pixels)
                for row, values in zip(sums, moments, strict=True):
                    row += np.bincount(series.band, values, bands)
            scales = _standard(*sums)
    return _checked(scales, survey)


def photometry_scales(survey: Survey, photometry: CachedPhotometry, kind: ScalingKind) -> BandScales:
    """Return the scales of fluxes; as `pixel_scales`, with the flux's error for the sky noise."""
    bands = len(survey.header.bands)
    pairs = [(s.band, photometry[s.id]) for s in survey]
    match kind:
        case "asinh":
            errors = _per_band(((band, values[:, 1]) for band, values in pairs), bands)
            scales = _softened(errors)
        case "standardise":
            fluxes = _per_band(((band, values[:, 0]) for band, values in pairs), bands)
            known = [values[np.isfinite(values)].astype(np.float64) for values in fluxes]
            scales = _standard(*(np.array([f(x) for x in known]) for f in (np.size, np.sum, lambda x: (x**2).sum())))
    return _checked(scales, survey)


def _per_band(
    pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.floating]]], bands: int
) -> list[NDArray[np.floating]]:
    """Sort values of frames by their band."""
    band, values = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return [values[band == b] for b in range(bands)]


def _softened(noise: list[NDArray[np.floating]]) -> BandScales:
    return BandScales(np.zeros(len(noise)), SOFTENING * np.array([finite_median(values) for values in noise]))


def _standard(count: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]) -> BandScales:
    with np.errstate(invalid="ignore", divide="ignore"):  # a band without pixels is refused below
        mean = total / count
        return BandScales(mean, np.sqrt(np.maximum(squares / count - mean**2, 0)))


def _checked(scales: BandScales, survey: Survey) -> BandScales:
    for band, scale in zip(survey.header.bands, scales.scale, strict=True):
        if not (np.isfinite(scale) and scale > 0):
            found = f"band {band} cannot be scaled: the training part has no frame of it, or no pixel that varies"
            fix = "train with other objects, or write the survey without this band"
            raise SurveyError(found, survey.path, fix, "E-BAND-EMPTY")
    return scales
