"""Aperture photometry of the object at the centre of its stamps."""

import numpy as np
from numpy.typing import NDArray
from photutils.geometry import circular_overlap_grid

APERTURE_RADIUS = 2.0  # [arcsec]
SKY_ANNULUS = 4.0  # [arcsec]; pixels whose centre lies farther out measure the local sky


def aperture_photometry(
    frames: NDArray[np.floating],
    sky_sigma: NDArray[np.floating],
    pixel_scale: float,
    radius: float = APERTURE_RADIUS,
    sky_radius: float = SKY_ANNULUS,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure the flux in a circle about the stamp's centre, above the median of the pixels far from it.

    Parameters
    ----------
    frames : array (n, H, W)
        Flux [flux_unit]. The centre is at ((H - 1) / 2, (W - 1) / 2) counted from the first pixel's centre.
    sky_sigma : array (n,)
        Noise of one pixel of empty sky [flux_unit].
    pixel_scale : float
        Size of a pixel [arcsec].
    radius : float
        Radius of the aperture [arcsec]; pixels count by their exact overlap with it.
    sky_radius : float
        Pixels farther than this from the centre measure the local sky [arcsec].

    Returns
    -------
    flux, error : arrays (n,)
        Flux and its error [flux_unit]; both NaN where a pixel of the aperture is not finite. The error is that of the
        sky-limited case: it leaves out the photon noise of the object itself.

    Raises
    ------
    ValueError
        When the aperture is larger than the stamp.
    """
    n, height, width = frames.shape
    half_y, half_x = height / 2, width / 2
    pixels = radius / pixel_scale
    if pixels > min(half_y, half_x):
        raise ValueError(f"an aperture of {2 * pixels:.1f} pixels across in a stamp of {height} x {width}")
    weight = circular_overlap_grid(-half_x, half_x, -half_y, half_y, width, height, pixels, 1, 1)
    far = _far_from_centre(height, width, sky_radius / pixel_scale)
    flat = frames.reshape(n, -1).astype(np.float64)
    inside = weight.ravel() > 0
    with np.errstate(invalid="ignore"):  # inf - inf, in frames that get no flux
        flux = flat[:, inside] @ weight.ravel()[inside]
    area = weight.sum()
    variance = np.full(n, (weight**2).sum())
    if far.any():
        outside = np.where(np.isfinite(flat), flat, np.nan)[:, far.ravel()]
        count = np.count_nonzero(np.isfinite(outside), axis=1)
        some = count > 0  # elsewhere the frame's own sky subtraction has to do
        flux[some] -= area * np.nanmedian(outside[some], axis=1)
        variance[some] += area**2 * (np.pi / 2) / count[some]  # variance of a median
    error = sky_sigma * np.sqrt(variance)
    lost = ~np.isfinite(flat[:, inside]).all(axis=1)
    flux[lost] = error[lost] = np.nan
    return flux, error


def sky_noise(
    frames: NDArray[np.floating],
    sky_sigma: NDArray[np.float32],
    pixel_scale: float,
    sky_radius: float = SKY_ANNULUS,
) -> NDArray[np.float64]:
    """Return the sky noise of each frame (n,) [flux_unit]: as stored, or where that is unknown, measured.

    Measured is the scatter (1.48 median absolute deviations) of the pixels farther than `sky_radius` [arcsec] from the
    centre, or of all in a smaller stamp; NaN where none is finite. Other arguments as of `aperture_photometry`.
    """
    noise = sky_sigma.astype(np.float64)
    height, width = frames.shape[1:]
    far = _far_from_centre(height, width, sky_radius / pixel_scale)
    for i in np.flatnonzero(~np.isfinite(noise)):
        pixels = frames[i][far] if far.any() else frames[i].ravel()
        pixels = pixels[np.isfinite(pixels)].astype(np.float64)
        noise[i] = 1.4826 * np.median(np.abs(pixels - np.median(pixels))) if pixels.size else np.nan
    return noise


def _far_from_centre(height: int, width: int, radius: float) -> NDArray[np.bool_]:
    """Return which pixels lie farther from the centre than a radius [pixels]."""
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) > radius)
