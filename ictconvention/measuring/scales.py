"""The numbers that pixels and fluxes are scaled by, one per band: of the training part of a survey alone, or fixed."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.measuring.measured_cache import CachedPhotometry
from ictconvention.measuring.photometry import sky_noise
from ictconvention.measuring.robust import finite_median
from ictconvention.survey.survey import Survey

ScalingKind = Literal["asinh", "standardise", "imagenet", "centred"]
IMAGENET = (
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)  # mean and deviation of ImageNet's R, G, B from 0 to 1
SLACK = 0.01  # by which a pixel of a picture may lie outside 0 to 1
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
    kind : "asinh", "standardise", "imagenet" or "centred"
        "asinh": no offset; the scale is `SOFTENING` times the band's median sky noise. "standardise" (the published
        way): mean and standard deviation of all pixels of the band. The other two, see `fixed_scales`, are for pixels
        from 0 to 1.

    Raises
    ------
    SurveyError
        A band has no frame in it, or no pixel, or its pixels are all alike; or pixels are not from 0 to 1.
    UsageError
        Fixed scales are for other bands.
    """
    bands = len(survey.header.bands)
    match kind:
        case "asinh":
            noise = _per_band(
                ((s.band, sky_noise(s.frames, s.sky_sigma, survey.header.pixel_scale)) for s in survey), bands
            )
            scales = _softened(noise)
            _check_noise(scales, noise, survey)
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
        case "imagenet" | "centred":
            scales = fixed_scales(kind, survey.header.bands)
            _check_unit_range(survey, kind)
    return _checked(scales, survey)


def fixed_scales(kind: ScalingKind, bands: tuple[str, ...]) -> BandScales:
    """Return scales that know no survey.

    Parameters
    ----------
    kind : "imagenet" or "centred"
        "imagenet": mean and standard deviation of ImageNet, as the published weights of most encoders expect.
        "centred": from 0 to 1 becomes from -1 to 1, as EfficientNet-Lite of TensorFlow expects.
    bands : tuple of str
        Bands of the survey; ImageNet's are three, red first.

    Raises
    ------
    UsageError
        There are other bands than three, or bands with usual names in another order than from red to blue.
    """
    right = _from_red_to_blue(bands)
    if kind == "imagenet" and len(bands) == 3 and bands != right:
        found = f"pixels.scaling=imagenet is for bands from red to blue, and the survey has {', '.join(bands)}"
        raise UsageError(found, "pixels.scaling", f"set survey.bands=[{','.join(right)}]", "E-CONFIG-CONFLICT")
    if kind == "imagenet" and len(bands) != 3:
        found = f"pixels.scaling=imagenet is for three bands, and the survey has {len(bands)}: {', '.join(bands)}"
        fix = "take pixels.scaling=standardise, or three of the bands: survey.bands"
        raise UsageError(found, "pixels.scaling", fix, "E-CONFIG-CONFLICT")
    offset, scale = IMAGENET if kind == "imagenet" else ([0.5] * len(bands), [0.5] * len(bands))
    return BandScales(np.array(offset), np.array(scale))


def _from_red_to_blue(bands: tuple[str, ...]) -> tuple[str, ...]:
    """Return bands of a photograph or of the sky in this order; as they are, where one has no usual name."""
    usual = next((names for names in ("RGB", "KHJYyzirgu") if set(bands) <= set(names)), None)
    return bands if usual is None else tuple(sorted(bands, key=usual.index))


def _check_unit_range(survey: Survey, kind: ScalingKind) -> None:
    """Refuse pixels that are not from 0 to 1: a fixed scale would make of them what no published weights have seen."""
    for series in survey:
        finite = series.frames[np.isfinite(series.frames)]
        if len(finite) and not -SLACK <= finite.min() <= finite.max() <= 1 + SLACK:
            found = f"pixels.scaling={kind} is for pixels from 0 to 1, and those of {series.id} are from "
            found += f"{finite.min():.4g} to {finite.max():.4g}"
            fix = "take pixels.scaling=asinh or standardise, which measure the survey"
            raise SurveyError(found, survey.path, fix, "E-SURVEY-UNSUITED")


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
        case _:
            raise UsageError(
                f"pixels.scaling={kind} is for pictures, and there are fluxes",
                "pixels.scaling",
                "take asinh or standardise",
                "E-CONFIG-CONFLICT",
            )
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


def _check_noise(scales: BandScales, noise: list[NDArray[np.floating]], survey: Survey) -> None:
    """Refuse a band whose frames have pixels but no noise, such as pictures on plain black."""
    for band, scale, values in zip(survey.header.bands, scales.scale, noise, strict=True):
        if scale == 0 and len(values):
            found = f"band {band} cannot be scaled by the noise of its sky: most frames have none about their border"
            fix = "take pixels.scaling=standardise, which measures all pixels"
            raise SurveyError(found, survey.path, fix, "E-SURVEY-UNSUITED")


def _checked(scales: BandScales, survey: Survey) -> BandScales:
    for band, scale in zip(survey.header.bands, scales.scale, strict=True):
        if not (np.isfinite(scale) and scale > 0):
            found = f"band {band} cannot be scaled: the training part has no frame of it, or no pixel that varies"
            fix = "train with other objects, or write the survey without this band"
            raise SurveyError(found, survey.path, fix, "E-BAND-EMPTY")
    return scales
