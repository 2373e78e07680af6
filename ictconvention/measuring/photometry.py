"""Fluxes of the object of a survey's stamps: at its place, alike in every seeing. One recipe says how, everywhere.

Where the seeing is known, pixels are weighted so that all frames look alike (see `matched_weights`): the flux is the
total of a point source, and light around it that does not vary, such as a host, adds a constant, however extended.
Where the seeing of no frame is known, the flux is what lies within a circle, and varies with the seeing.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from photutils.geometry import circular_overlap_grid

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.matched_weights import matched_weights
from ictconvention.measuring.robust import robust_sigma
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.verify import check_present

VERSION = 2  # of how a flux is measured; part of a recipe
METHOD = (
    "flux = sum of pixels times weights about the object, less the sky (the median of pixels beyond sky_radius of the "
    "stamp's centre); weights convolved with the seeing (Moffat, psf_fwhm) are exp(-r^2 / (2 sigma^2)), and they are "
    "zero beyond radius; where no psf_fwhm is known, weights are the overlap with a circle of circle_radius"
)
# A Gaussian narrower than the seeing amplifies noise; one of 1.2 arcsec has less of it than a corrected circle of
# 2 arcsec in seeings up to 2.2 arcsec (by 27 % at 1.4).
SIGMA, SIGMA_PIXELS = 1.2, 1.5  # of the Gaussian that all frames are matched to: [arcsec], and at least [pixels]
CIRCLE, CIRCLE_PIXELS = 2.0, 3.0  # radius where the seeing is unknown: [arcsec], and at least [pixels]
# The seeing is that before the pixel, as the simulation has it; a width measured in an image holds the pixel too, and
# makes fluxes larger: by .9 % where pixels have 0.396 arcsec, by 4 % where they have 1.01, alike in all frames.
# The profile is that of the simulation, and in the range of real seeing, 2.5 to 4.5. There it puts fluxes off by -6 to
# +9 % in small pixels, of which nearly all is one number: between seeings of 1.0 and 1.8 arcsec they differ by 3 to 5 %
# (within 2 arcsec, by 15 %).
MOFFAT_BETA = 3.0
REACH, LEAST_REACH = 2.5, 2.0  # radius of the weighted pixels [SIGMA]: wanted, and the least that a stamp must hold


@dataclass(frozen=True)
class PhotometryRecipe:
    """How fluxes are measured: all that must be known to measure the same ones; the key of what is kept.

    Parameters
    ----------
    pixel_scale : float
        Size of a pixel [arcsec].
    sigma : float
        Sigma of the Gaussian that the frames are matched to [arcsec].
    moffat_beta : float
        Moffat beta of the profile of the seeing, whose FWHM is `psf_fwhm`.
    radius : float
        Pixels whose centre lies farther from the object have no weight [arcsec].
    circle_radius : float
        Radius of the circle that replaces the weights where no seeing is known [arcsec].
    sky_radius : float
        The median of the pixels farther than this from the stamp's centre is the local sky [arcsec].
    version : int
        Version of the method.
    """

    pixel_scale: float
    sigma: float
    moffat_beta: float
    radius: float
    circle_radius: float
    sky_radius: float
    version: int

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe in plain values, by name."""
        return asdict(self)

    def flux_name(self, psf_fwhm: NDArray[np.floating]) -> str:
        """Return what the fluxes of an object are, by the seeing of its frames."""
        if np.isfinite(psf_fwhm).any():
            return "point-source flux"
        return f"flux within {self.circle_radius:.3g} arcsec"


def photometry_recipe(pixel_scale: float, stamp_size: int, where: str | Path) -> PhotometryRecipe:
    """Return how the fluxes of a survey are measured, by its pixels [arcsec] and the pixels along a side of a stamp.

    Raises
    ------
    SurveyError
        The stamps of the survey, which is at `where`, are too small.
    """
    sigma = max(SIGMA, SIGMA_PIXELS * pixel_scale)
    fits = (stamp_size - 1) / 2 * pixel_scale  # an object may lie half a pixel off the centre
    if fits < LEAST_REACH * sigma:
        least = int(np.ceil(2 * LEAST_REACH * sigma / pixel_scale)) + 1
        side = f"{stamp_size} x {stamp_size} pixels of {pixel_scale:g} arcsec"
        found = f"stamps of {side} are too small for photometry"
        raise SurveyError(
            found, where, f"write the survey with stamps of {least} x {least} pixels or more", "E-VALUE-SMALL"
        )
    circle = max(CIRCLE, CIRCLE_PIXELS * pixel_scale)
    reach = min(REACH * sigma, fits)
    return PhotometryRecipe(pixel_scale, sigma, MOFFAT_BETA, reach, circle, sky_radius(pixel_scale), VERSION)


def sky_radius(pixel_scale: float) -> float:
    """Return how far from a stamp's centre the local sky begins [arcsec]."""
    return 2 * max(CIRCLE, CIRCLE_PIXELS * pixel_scale)


def measure_photometry(series: ImageSeries, recipe: PhotometryRecipe) -> NDArray[np.float64]:
    """Measure flux and error (n, 2) of the frames of one object [flux_unit].

    Where the place of the object is unknown, it is the stamp's centre. A frame whose seeing is unknown is taken to have
    the median seeing of the object's others. Where the sky noise is unknown, the scatter of the pixels of the sky
    serves. The error has the photons of all light under the weights where the gain is known, and of the sky alone
    elsewhere.

    Returns
    -------
    array (n, 2)
        Both NaN where a pixel with a weight is missing or outside the stamp, or where the seeing is too bad to be
        matched (three times `sigma`).

    Raises
    ------
    SurveyError
        A frame has no finite pixel.
    """
    check_present(series)
    frames = series.frames.astype(np.float64)
    n, height, width = frames.shape
    place = np.nan_to_num(np.stack([series.x, series.y], axis=1).astype(np.float64))  # (n, 2) [pixels]
    weight = _weights(series.psf_fwhm.astype(np.float64), place, (height, width), recipe)
    noise = sky_noise(frames, series.sky_sigma, recipe.pixel_scale)
    pixels = frames.reshape(n, -1)
    sky, count = _local_sky(pixels[:, _far(height, width, recipe.pixel_scale).ravel()])
    lost = ~np.isfinite(pixels)
    light = np.where(lost, 0.0, pixels - sky[:, None])
    flux = np.einsum("np,np->n", weight, light)
    squares = weight**2
    with np.errstate(divide="ignore"):
        sky_share = np.where(count > 0, weight.sum(1) ** 2 * (np.pi / 2) / count, 0.0)  # variance of a median
    electrons = series.gain.astype(np.float64)
    known = np.isfinite(electrons) & (electrons > 0)
    photons = np.maximum(np.einsum("np,np->n", squares, light), 0) / np.where(known, electrons, np.inf)
    error = np.sqrt(noise**2 * (squares.sum(1) + sky_share) + photons)
    half = np.array([width, height]) / 2
    reach = recipe.radius if np.isfinite(series.psf_fwhm).any() else recipe.circle_radius
    outside = (np.abs(place) + reach / recipe.pixel_scale > half + 1e-6).any(1)
    missing = outside | (lost & (weight != 0)).any(1)
    flux[missing] = error[missing] = np.nan
    return np.stack([flux, error], axis=1)


def point_source_error(psf_fwhm: float, sky_sigma: float, stamp_size: int, recipe: PhotometryRecipe) -> float:
    """Return the error of a faint source's flux in a frame of some seeing [arcsec] and sky noise [flux_unit]."""
    weight = _weights(np.array([psf_fwhm]), np.zeros((1, 2)), (stamp_size, stamp_size), recipe)
    far = np.count_nonzero(_far(stamp_size, stamp_size, recipe.pixel_scale))
    variance = (weight**2).sum() + (weight.sum() ** 2 * np.pi / 2 / far if far else 0.0)
    return float(sky_sigma * np.sqrt(variance))


def sky_noise(frames: NDArray[np.floating], sky_sigma: NDArray[np.float32], pixel_scale: float) -> NDArray[np.float64]:
    """Return the sky noise of each frame (n,) [flux_unit]: as stored, or where that is unknown, measured.

    Measured is the scatter (1.48 median absolute deviations) of the pixels of frames (n, H, W) that are the local sky,
    or of all in a smaller stamp; NaN where none is finite.
    """
    noise = sky_sigma.astype(np.float64)
    height, width = frames.shape[1:]
    far = _far(height, width, pixel_scale)
    for i in np.flatnonzero(~np.isfinite(noise)):
        noise[i] = robust_sigma(frames[i][far] if far.any() else frames[i].ravel())
    return noise


def _weights(
    psf_fwhm: NDArray[np.float64], place: NDArray[np.float64], shape: tuple[int, int], recipe: PhotometryRecipe
) -> NDArray[np.float64]:
    """Return the weight of every pixel of frames, (n, H * W); NaN throughout for a seeing that cannot be matched."""
    height, width = shape
    known = np.isfinite(psf_fwhm)
    if not known.any():
        radius, half_x, half_y = recipe.circle_radius / recipe.pixel_scale, width / 2, height / 2
        circles = {
            (x, y): circular_overlap_grid(
                -half_x - x, half_x - x, -half_y - y, half_y - y, width, height, radius, 1, 1
            ).ravel()
            for x, y in map(tuple, place)
        }
        return np.stack([circles[x, y] for x, y in map(tuple, place)])
    seeing = np.where(known, psf_fwhm, np.median(psf_fwhm[known]))
    x = np.arange(width) - (width - 1) / 2 - place[:, :1]  # (n, W) [pixels]
    y = np.arange(height) - (height - 1) / 2 - place[:, 1:]
    distance = recipe.pixel_scale * np.hypot(x[:, None, :], y[:, :, None]).reshape(len(place), -1)
    near = distance <= recipe.radius
    some = np.flatnonzero(near.any(0))
    weight = np.zeros(distance.shape)
    inner = np.minimum(distance[:, some], recipe.radius)
    if not some.size:  # all frames have the object far outside
        return weight
    found = matched_weights(inner, seeing, recipe.sigma, recipe.moffat_beta, recipe.pixel_scale)
    weight[:, some] = np.where(near[:, some], found, 0)
    return weight


def _local_sky(pixels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the median of the finite of some pixels (n, p), zero where there is none, and their number."""
    finite = np.isfinite(pixels)
    count = np.count_nonzero(finite, axis=1)
    sky = np.zeros(len(pixels))
    whole = (count == pixels.shape[1]) & (count > 0)
    if whole.any():
        sky[whole] = np.median(pixels[whole], axis=1)
    for i in np.flatnonzero(~whole & (count > 0)):  # elsewhere the frame's own sky subtraction has to do
        sky[i] = np.median(pixels[i, finite[i]])
    return sky, count


def _far(height: int, width: int, pixel_scale: float) -> NDArray[np.bool_]:
    """Return which pixels of a stamp are its local sky."""
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) * pixel_scale > sky_radius(pixel_scale))
