"""What another night would show of the same stamps: more or less dust, wider seeing, another place, more noise.

Of colours dust alone changes the mean. For networks of pictures; whoever draws how far is `draw_recipe`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ictconvention.feeding.views import ViewRecipe

Frames = NDArray[np.floating]


def observe_again(
    frames: Frames,
    view: ViewRecipe,
    extinction: NDArray[np.float64],
    noise: Callable[[], NDArray[np.float64]],
    rng: np.random.Generator,
) -> Frames:
    """Return stamps as another night would show them; those given, where the view asks for nothing.

    Parameters
    ----------
    frames : array (m, H, W)
        Stamps, NaN where a pixel is missing.
    view : ViewRecipe
        Says how much of each. Of its dust, seeing, place and noise all frames have the same.
    extinction : array (m,)
        Extinction in each frame's band per unit of E(B-V) [mag].
    noise : function
        Returns the sky noise of each frame (m,), NaN where it is not known and none is added.
    rng : Generator
        Draws the noise of the pixels; nothing without any.
    """
    if view.reddening:
        frames = frames * (10 ** (-0.4 * view.reddening * extinction)).astype(np.float32)[:, None, None]
    if view.blur:
        frames = _blurred(frames, view.blur)
    if view.shift != (0, 0):
        frames = _shifted(frames, view.shift)
    if view.noise:
        sky = np.nan_to_num(view.noise * noise()).astype(np.float32)
        frames = frames + sky[:, None, None] * rng.standard_normal(frames.shape, dtype=np.float32)
    return frames


def _blurred(frames: Frames, sigma: float) -> Frames:
    """Convolve stamps with a Gaussian [pixels]; each keeps its light. What is missing gives none, and stays missing."""
    missing = ~np.isfinite(frames)
    plain: Any = np.where(missing, 0, frames).astype(np.float32)
    return np.where(missing, frames, gaussian_filter(plain, (0, sigma, sigma), mode="reflect"))


def _shifted(frames: Frames, shift: tuple[int, int]) -> Frames:
    """Move stamps by whole pixels along rows and columns; what comes in is the sky, zero."""
    moved = np.zeros_like(frames)
    to, origin = zip(*(_overlap(by, size) for by, size in zip(shift, frames.shape[1:], strict=True)), strict=True)
    moved[:, to[0], to[1]] = frames[:, origin[0], origin[1]]
    return moved


def _overlap(by: int, size: int) -> tuple[slice, slice]:
    """Return where the pixels of an axis that stay inside come to, and where they were."""
    by = max(-size, min(size, by))
    return slice(max(by, 0), size + min(by, 0)), slice(max(-by, 0), size + min(-by, 0))
