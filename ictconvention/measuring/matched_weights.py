"""Weights of pixels that see a point source alike in every seeing. Knows no survey and no light curve.

A flux is the sum of pixels times weights W. Convolved with the seeing P, the weights here are one Gaussian G for every
frame, with G(0) = 1, after Kuijken (2008, A&A 482, 1053). So a point source gives its total flux, and what is extended,
such as a host galaxy, gives the same number in every seeing: a correction for light outside an aperture would scale it.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma, j0, kv

STEP = 0.01  # of the table, in seeing and in radius, both in units of the Gaussian's sigma
WORST = 3.0  # FWHM of the seeing over the Gaussian's sigma, beyond which nothing is matched
WAVES, BEYOND = 1000, 8.0  # of the integral: its nodes, and how far it goes beyond the peak of G / P


def matched_weights(
    distance: NDArray[np.float64], fwhm: NDArray[np.float64], sigma: float, beta: float, pixel_scale: float
) -> NDArray[np.float64]:
    """Return the weights of pixels.

    Parameters
    ----------
    distance : array (n, p)
        From the source to the centres of the pixels of each frame [arcsec].
    fwhm : array (n,)
        Seeing of each frame [arcsec].
    sigma : float
        Sigma of the Gaussian that all frames are matched to [arcsec].
    beta : float
        Beta of the Moffat profile of the seeing.
    pixel_scale : float
        Size of a pixel [arcsec]; images are blurred by it too.

    Returns
    -------
    array (n, p)
        NaN for a seeing that is unknown, not positive, or `WORST` times `sigma` and worse.
    """
    reach = int(np.ceil(distance.max() / sigma / STEP)) + 2
    table = _table(reach, beta, pixel_scale / sigma)
    seeing = fwhm / sigma / STEP
    possible = (seeing > 0) & (seeing < len(table) - 1)
    lower = np.where(possible, seeing, 0).astype(np.intp)
    share = np.where(possible, seeing - lower, np.nan)[:, None]
    profile = (1 - share) * table[lower] + share * table[lower + 1]  # (n, reach)
    place = distance / sigma / STEP
    inner = place.astype(np.intp)
    share = place - inner
    rows = np.arange(len(profile))[:, None]
    return np.asarray((1 - share) * profile[rows, inner] + share * profile[rows, inner + 1])


@lru_cache(maxsize=8)
def _table(reach: int, beta: float, pixel: float) -> NDArray[np.float64]:
    """Return W by seeing (rows) and distance (columns), in steps of `STEP`; lengths in units of the Gaussian's sigma.

    The Hankel transform of G / (P pixel), of which the pixel's is that of a Gaussian of its variance.
    """
    fwhm = STEP * np.arange(1, round(WORST / STEP) + 2)[:, None]
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    wave = np.linspace(0, alpha.max() + BEYOND, WAVES)[1:]
    moffat = 2 * (alpha * wave / 2) ** (beta - 1) * kv(beta - 1, alpha * wave) / gamma(beta - 1)
    matched = np.exp(-(wave**2) / 2 + (wave * pixel) ** 2 / 24) / moffat
    table = (matched * wave) @ j0(np.outer(wave, STEP * np.arange(reach))) * (wave[1] - wave[0])
    return np.concatenate([table[:1], table])  # no seeing is as the least
