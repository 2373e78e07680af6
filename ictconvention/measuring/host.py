"""What an astronomer measures in median stamps: how bright an object is, how concentrated, how far off the centre."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from photutils.geometry import circular_overlap_grid

from ictconvention.measuring.measured_cache import CachedMedianFrames
from ictconvention.survey.survey import Survey

VERSION = 2  # of `host_features`; part of what is kept of a forest
RADII = (1.0, 2.0, 3.5, 5.5)  # of circles about the stamp's centre [arcsec]
NEAR = 5.0  # the pixels within make the centroid [arcsec]
HOST_FEATURES = 7  # of a band
LEAST_KNOWN = 0.5  # share of a circle's pixels that must have a value
SOFTENING, LEAST_FLUX = 0.1, 0.05  # of the logarithm of a flux, and of a quotient of fluxes [flux_unit]


def host_features(median: NDArray[np.floating], pixel_scale: float) -> NDArray[np.float64]:
    """Summarise the median stamps of one object.

    Parameters
    ----------
    median : array (bands, H, W)
        As `median_frames` returns them [flux_unit]; NaN where nothing is known.
    pixel_scale : float
        Size of a pixel [arcsec].

    Returns
    -------
    array (7 * bands,)
        Of each band: asinh of the fluxes within 1, 2, 3.5 and 5.5 arcsec, the quotients of the first and the third and
        of the second and the fourth, and the distance of the light's centroid from the centre [arcsec]. Pixels without
        a value count as the mean of the circle's others, and nothing in the centroid. NaN where a band has no frame, a
        circle does not fit in the stamp, or more than half of its pixels have no value.
    """
    height, width = median.shape[1:]
    where = _apertures(height, width, float(pixel_scale))
    pixels = median.reshape(len(median), -1).astype(np.float64)
    known = np.isfinite(pixels)
    pixels[~known] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        share = known @ where.circles / where.circles.sum(0)  # (bands, 4)
        flux = pixels @ where.circles / share
    flux[(share < LEAST_KNOWN) | where.too_large] = np.nan
    light = np.clip(pixels, 0, None) * where.near
    total = light.sum(1) + 1e-6
    offset = pixel_scale * np.hypot(light @ where.x / total, light @ where.y / total)
    offset[known @ where.near < LEAST_KNOWN * where.near.sum()] = np.nan
    quotients = [flux[:, near] / (np.abs(flux[:, far]) + LEAST_FLUX) for near, far in ((0, 2), (1, 3))]
    return np.column_stack([np.arcsinh(flux / SOFTENING), *quotients, offset]).ravel()


class _Apertures(NamedTuple):
    """Where the pixels of a stamp count; the same for every object of a survey."""

    circles: NDArray[np.float64]  # (H * W, 4) share of each pixel in each circle
    too_large: NDArray[np.bool_]  # (4,) circles that do not fit in the stamp
    near: NDArray[np.float64]  # (H * W,) share of each pixel in the circle of the centroid
    x: NDArray[np.float64]  # (H * W,) from the centre [pixels]
    y: NDArray[np.float64]


@lru_cache(maxsize=8)
def _apertures(height: int, width: int, pixel_scale: float) -> _Apertures:
    half_x, half_y = width / 2, height / 2
    radii = [radius / pixel_scale for radius in (*RADII, NEAR)]
    *circles, near = (
        circular_overlap_grid(-half_x, half_x, -half_y, half_y, width, height, r, 1, 1).ravel() for r in radii
    )
    y, x = np.mgrid[:height, :width].reshape(2, -1) - np.array([[half_y - 0.5], [half_x - 0.5]])
    return _Apertures(np.stack(circles).T, np.array(radii[:-1]) > min(half_x, half_y), near, x, y)


def survey_host_features(survey: Survey, medians: CachedMedianFrames | None = None) -> NDArray[np.float64]:
    """Return `host_features` of every object of a survey, (len(survey), f), from its medians where they are open."""
    medians, scale = medians or CachedMedianFrames(survey), survey.header.pixel_scale
    return np.array([host_features(medians[id_], scale) for id_ in survey.ids])
