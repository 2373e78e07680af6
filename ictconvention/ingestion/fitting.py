"""From an image cut around an object to a stamp of the survey's size: sky subtracted, cropped or binned."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ictconvention.ingestion.found import Found, FoundFrame, Reject, place_of
from ictconvention.ingestion.headers.calibration import nanomaggies_per_count
from ictconvention.ingestion.placeholders import drop_placeholders
from ictconvention.ingestion.readers.resampling import resample, resampled_noise
from ictconvention.measuring.robust import finite_median, robust_sigma

Fit = Literal["crop", "bin"]
SKY_SHARE = 0.35  # pixels farther from the centre than this share of the cutout's side measure its sky


@dataclass(frozen=True)
class Stamp:
    """A stamp of the survey.

    Parameters
    ----------
    pixels : array (size, size)
        Flux [nanomaggies, or counts where there is no zero point].
    sky_sigma : float
        Noise of a pixel, in the same unit; NaN where unknown.
    x, y : float
        Where the object lies, from the centre of the stamp [pixels].
    """

    pixels: NDArray[np.float32]
    sky_sigma: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Fitting:
    """How cutouts come to stamps.

    Parameters
    ----------
    size : int
        Size of the stamps [pixels].
    how : "crop" or "bin"
        See `crop_or_bin`.
    sky : bool
        Whether the median far from the centre is subtracted.
    simulated : bool
        Whether the sky did not make the cutouts, so that equal pixels may be sky without noise.
    """

    size: int = 32
    how: Fit = "crop"
    sky: bool = False
    simulated: bool = False

    def stamp(
        self,
        pixels: NDArray[np.floating],
        zero_point: float | None,
        noise: float = np.nan,
        place: tuple[float, float] = (0.0, 0.0),
        ratio: float = 1.0,
    ) -> Stamp:
        """Make a stamp of a cutout.

        Parameters
        ----------
        pixels : array (H, W)
            Counts, the object near the middle.
        zero_point : float, optional
            [AB mag]; None: the pixels keep their unit.
        noise : float
            Noise of a pixel [counts]; where it is NaN, that of the sky that was subtracted.
        place : pair of float
            Where the object lies, to the right of the cutout's centre and above it [pixels].
        ratio : float
            Side of a pixel of the stamp [pixels of the cutout]; other than 1, the cutout is interpolated about the
            object in the place of what `how` says, see `resample`.

        Raises
        ------
        ValueError
            The cutout is too small, shows no sky, or the zero point is no magnitude.
        """
        if not self.simulated:
            pixels = drop_placeholders(pixels)
        if self.sky:
            pixels, measured = subtract_sky(pixels)
            noise = measured if np.isnan(noise) else noise
        factor = 1.0 if zero_point is None else nanomaggies_per_count(zero_point)
        if ratio != 1:
            height, width = pixels.shape
            middle_x, middle_y = (width - 1) / 2 + place[0], (height - 1) / 2 + place[1]
            if (found := resample(pixels, middle_x, middle_y, self.size, ratio)) is None:
                side = self.size * ratio
                raise ValueError(
                    f"the cutout is {width} x {height} pixels, and the stamp {side:.1f} x {side:.1f} of them"
                )
            return Stamp((found * factor).astype(np.float32), noise * factor * resampled_noise(ratio), 0.0, 0.0)
        stamp, x, y = crop_or_bin(pixels, self.size, self.how, place)
        of_four = 2 if self.how == "bin" else 1  # the noise of a sum of four pixels
        return Stamp(stamp * np.float32(factor), noise * factor * of_four, x, y)


@dataclass(frozen=True, slots=True)
class CutoutOptions:
    """How cutouts are read, whatever file they come from.

    Parameters
    ----------
    folder : Path
        That the names of files are relative to.
    fitting : Fitting
        How the files' images come to stamps.
    zero_point : float, optional
        Zero point of images without one [AB mag]; without any, pixels keep their unit.
    """

    folder: Path
    fitting: Fitting = Fitting()
    zero_point: float | None = None

    def frame(
        self,
        id_: str,
        pixels: NDArray[np.floating],
        band: str,
        mjd: float,
        file: str,
        hdu: str,
        noise: float = np.nan,
        zero_point: float = np.nan,
        ratio: float = 1.0,
        **known: Any,
    ) -> Found:
        """Return the frame of a cutout, or the reject where no stamp can be made of it; arguments as of both."""
        try:
            given = self.zero_point if np.isnan(zero_point) else zero_point
            stamp = self.fitting.stamp(pixels, given, noise, ratio=ratio)
        except ValueError as error:  # UnreadableError is one
            return Reject(id_, place_of(file, hdu), str(error))
        known |= {"sky_sigma": stamp.sky_sigma, "x": stamp.x, "y": stamp.y}
        return FoundFrame(id_, stamp.pixels, band, mjd, file, hdu, **known)


def subtract_sky(pixels: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Subtract the median of the pixels far from the centre.

    Parameters
    ----------
    pixels : array (H, W)
        A cutout about an object.

    Returns
    -------
    pixels, noise : array (H, W), float
        Without the sky; and the scatter of the sky (1.48 median absolute deviations), NaN where it is zero or no far
        pixel is finite, when nothing is subtracted.
    """
    values = pixels[_far(*pixels.shape)].astype(np.float64)
    return pixels.astype(np.float64) - np.nan_to_num(finite_median(values)), robust_sigma(values) or np.nan


@cache
def _far(height: int, width: int) -> NDArray[np.bool_]:
    """Return which pixels are far from the centre."""
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) > SKY_SHARE * min(height, width))


def crop_or_bin(
    pixels: NDArray[np.floating], size: int, how: Fit = "crop", place: tuple[float, float] = (0.0, 0.0)
) -> tuple[NDArray[np.float32], float, float]:
    """Return a stamp of a size about an object, and where the object lies in it.

    Parameters
    ----------
    pixels : array (H, W)
        A cutout, at least as large as the stamp.
    size : int
        Size of the stamp.
    how : "crop" or "bin"
        Crop about the object, or sum blocks of 2 by 2 pixels before (a row or column of NaN is added where the number
        of pixels is odd). A block of which more than half is missing is missing; else the mean of the others takes
        the place of what is missing.
    place : pair of float
        Where the object lies, to the right of the cutout's centre and above it [pixels].

    Returns
    -------
    stamp, x, y : array (size, size), float, float
        The object is x to the right of the stamp's centre and y above it [pixels of the stamp]: up to half a pixel
        where the cutout is large enough, since no pixel is interpolated.

    Raises
    ------
    ValueError
        The cutout is too small.
    """
    height, width = pixels.shape
    middle_y, middle_x = (height - 1) / 2 + place[1], (width - 1) / 2 + place[0]
    if how == "bin":
        pixels = np.pad(pixels.astype(np.float64), ((0, height % 2), (0, width % 2)), constant_values=np.nan)
        height, width = (side // 2 for side in pixels.shape)
        blocks = pixels.reshape(height, 2, width, 2).swapaxes(1, 2).reshape(height, width, 4)
        known = np.isfinite(blocks)
        count = known.sum(2)
        total = np.where(known, blocks, 0).sum(2)
        pixels = np.where(count >= 2, total * 4 / np.maximum(count, 1), np.nan)
        middle_y, middle_x = (middle_y - 0.5) / 2, (middle_x - 0.5) / 2
    if min(height, width) < size:
        raise ValueError(f"the cutout is {width} x {height} pixels, and the stamp {size} x {size}")
    top, left = _start(middle_y, size, height), _start(middle_x, size, width)
    stamp = np.ascontiguousarray(pixels[top : top + size, left : left + size], dtype=np.float32)
    return stamp, middle_x - left - (size - 1) / 2, middle_y - top - (size - 1) / 2


def _start(middle: float, size: int, length: int) -> int:
    """Return the first pixel of `size` of them about a place."""
    return int(np.clip(np.floor(middle - (size - 1) / 2 + 0.5), 0, length - size))
