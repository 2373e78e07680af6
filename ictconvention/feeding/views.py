"""Views of a series: which of its frames a network sees, and how its stamps are turned.

Frames are chosen by index arithmetic where the data are read; stamps are turned on the device, a whole batch at once.
Each draw has its own generator, made from a key, so that no draw depends on what was drawn before it.
"""

import zlib
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, radians

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ictconvention.configuration.options import Augmentation


@dataclass(frozen=True, slots=True)
class ViewRecipe:
    """One view of one series.

    Parameters
    ----------
    rows : array (m,)
        Positions of its frames in the series, increasing.
    angle : float
        Rotation [rad]; a positive one turns the columns' axis towards the rows' axis.
    quarter_turns : int
        Turns by 90 degrees in the same sense, 0 to 3.
    horizontal, vertical : bool
        Flips along the columns and along the rows, before the turns.
    brightness, contrast : float
        What multiplies every pixel, and then its difference to the mean of its frame; 1 changes nothing.
    shift : tuple of int
        Whole pixels along rows and columns; what comes in is zero.
    blur : float
        Sigma of a Gaussian [pixels].
    noise : float
        Noise that is added [sky noise of the frame].
    reddening : float
        E(B-V) of dust that is added, or below 0 taken away [mag]. These four come first, see `observe_again`.
    points : array (p,), optional
        Which of the object's points without pixels it sees, increasing; none where they are not read.
    """

    rows: NDArray[np.int64]
    angle: float = 0.0
    quarter_turns: int = 0
    horizontal: bool = False
    vertical: bool = False
    brightness: float = 1.0
    contrast: float = 1.0
    shift: tuple[int, int] = (0, 0)
    blur: float = 0.0
    noise: float = 0.0
    reddening: float = 0.0
    points: NDArray[np.int64] | None = None


def keyed_generator(seed: int, stage: str, epoch: int, id: str, view: int) -> np.random.Generator:
    """Return the generator of one view's draws: the same for the same key, on any worker and after a resume."""
    words = [seed, zlib.crc32(stage.encode()), epoch, zlib.crc32(id.encode()), view]
    return np.random.default_rng(np.random.SeedSequence(words))


def even_frames(frames: int, max_frames: int) -> NDArray[np.int64]:
    """Return all positions of a series, or `max_frames` of them evenly spaced from the first to the last."""
    return np.linspace(0, frames - 1, min(frames, max_frames)).round().astype(np.int64)


def even_nights(night: NDArray[np.int64], max_frames: int, least_frames: int) -> NDArray[np.int64]:
    """Return the positions of as many evenly spaced whole nights as `max_frames` frames hold.

    Parameters
    ----------
    night : array (n,)
        The night of each frame, counted from 0.
    max_frames : int
        Largest number of frames, M.
    least_frames : int
        Smallest number of frames, K. If whole nights cannot give as many, even frames of the series are taken.
    """
    sizes = np.bincount(night)
    fitting = int((np.cumsum(np.sort(sizes)) <= max_frames).sum())  # even the shortest nights are no more
    for number in range(fitting, 0, -1):
        chosen = even_frames(len(sizes), number)
        if min(least_frames, len(night)) <= sizes[chosen].sum() <= max_frames:
            return np.flatnonzero(np.isin(night, chosen))
    return even_frames(len(night), max_frames)


def draw_recipe(
    unit: NDArray[np.int64],
    max_frames: int,
    least_frames: int,
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> ViewRecipe:
    """Draw a view: random removal of frames or nights, a window of what is left, a turn and flips.

    Parameters
    ----------
    unit : array (n,)
        What is removed as a whole: the position of each frame (frames one by one), or its night; counted from 0.
    max_frames : int
        Largest number of frames, M.
    least_frames : int
        Smallest number of frames, K; a shorter series keeps them all. If whole nights cannot give as many, frames are
        removed one by one.
    augmentation : Augmentation
        How far to stray.
    rng : Generator
        Gives the draws; see `keyed_generator`.
    """
    sizes = np.bincount(unit)
    order = rng.permutation(len(sizes))
    fitting = int((np.cumsum(sizes[order]) <= max_frames).sum())
    rows = np.empty(0, dtype=np.int64)
    if fitting:
        kept = np.sort(order[: rng.integers(ceil(augmentation.keep * fitting), fitting, endpoint=True) or 1])
        length = int(rng.integers(ceil(augmentation.window * len(kept)), len(kept), endpoint=True))
        first = int(rng.integers(0, len(kept) - length, endpoint=True))
        chosen = set(kept[first : first + length].tolist())
        for spare in order.tolist():  # fill up to K: with what the window left out, then with what was removed
            if sizes[list(chosen)].sum() >= min(least_frames, len(unit)):
                break
            if sizes[list(chosen)].sum() + sizes[spare] <= max_frames:
                chosen.add(spare)
        rows = np.flatnonzero(np.isin(unit, list(chosen)))
    if len(rows) < min(least_frames, len(unit)):  # nights too long to fit, or too short to do
        rows = np.sort(rng.choice(len(unit), min(max_frames, len(unit)), replace=False))
    return ViewRecipe(
        rows,
        angle=radians(augmentation.rotation) * float(rng.uniform(-1, 1)),
        quarter_turns=int(rng.integers(4)) if augmentation.quarter_turns else 0,
        horizontal=bool(augmentation.flips and rng.random() < 0.5),
        vertical=bool(augmentation.flips is True and rng.random() < 0.5),
        brightness=_draw_factor(augmentation.brightness, rng),
        contrast=_draw_factor(augmentation.contrast, rng),
        shift=_draw_shift(augmentation.shift, rng),
        blur=augmentation.blur * float(rng.random()) if augmentation.blur else 0.0,
        noise=augmentation.noise * float(rng.random()) if augmentation.noise else 0.0,
        reddening=augmentation.reddening * float(rng.uniform(-1, 1)) if augmentation.reddening else 0.0,
    )


def _draw_factor(stray: float, rng: np.random.Generator) -> float:
    """Return a factor around 1; without a stray nothing is drawn, so that other draws are as they always were."""
    return 1 + stray * float(rng.uniform(-1, 1)) if stray else 1.0


def _draw_shift(most: int, rng: np.random.Generator) -> tuple[int, int]:
    if not most:
        return 0, 0
    rows, columns = rng.integers(-most, most, size=2, endpoint=True).tolist()
    return rows, columns


def drop_bands(view: ViewRecipe, band: NDArray[np.uint8], share: float, rng: np.random.Generator) -> ViewRecipe:
    """Return a view without the frames of some of its bands.

    Parameters
    ----------
    view : ViewRecipe
        The view.
    band : array (n,)
        Band of each frame of the series.
    share : float
        Probability that a band is left out; where all would be, one stays.
    rng : Generator
        Gives the draws; without a share none is made.
    """
    if not share:
        return view
    there = np.unique(band[view.rows])
    kept = there[rng.random(len(there)) >= share]
    if not len(kept):
        kept = rng.choice(there, 1)
    return replace(view, rows=view.rows[np.isin(band[view.rows], kept)])


def adjust_stamps(frames: Tensor, brightness: Tensor, contrast: Tensor, seen: Tensor | None = None) -> Tensor:
    """Multiply each frame, and then its differences to its own mean.

    Parameters
    ----------
    frames : tensor (F, H, W)
        Stamps.
    brightness, contrast : tensors (F,)
        The two factors of each frame.
    seen : boolean tensor (F, H, W), optional
        Pixels that are not missing; the others stay as they are, and count in no mean.
    """
    frames = frames * brightness[:, None, None]
    if seen is None:
        mean = frames.mean((1, 2), keepdim=True)
        return mean + contrast[:, None, None] * (frames - mean)
    mean = (frames * seen).sum((1, 2), keepdim=True) / seen.sum((1, 2), keepdim=True).clamp(min=1)
    return (mean + contrast[:, None, None] * (frames - mean)).where(seen, frames)


def turn_stamps(frames: Tensor, angle: Tensor, quarter_turns: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """Flip and turn each frame as its view says.

    Parameters
    ----------
    frames : tensor (F, H, W)
        Square stamps without missing pixels.
    angle : tensor (F,)
        Rotation of each frame about the stamp's centre [rad], bilinear, with zero beyond the edge; 0 changes nothing.
        Best on the CPU: its values are read.
    quarter_turns : integer tensor (F,)
        Turns by 90 degrees, 0 to 3; exact.
    horizontal, vertical : boolean tensor (F,)
        Flips; exact.

    Returns
    -------
    tensor (F, H, W)
    """
    result = turn_exactly(frames, quarter_turns, horizontal, vertical)
    oblique = angle.nonzero().squeeze(1)
    if not len(oblique):
        return result
    turn = angle[oblique].to(frames.device, non_blocking=True)
    oblique = oblique.to(frames.device, non_blocking=True)
    cos, sin, zero = turn.cos(), turn.sin(), torch.zeros_like(turn)
    theta = torch.stack([cos, sin, zero, -sin, cos, zero], dim=1).view(-1, 2, 3)  # from output to input positions
    stamps = result[oblique, None]
    grid = F.affine_grid(theta, list(stamps.shape), align_corners=False)
    return result.index_copy(0, oblique, F.grid_sample(stamps, grid, align_corners=False).squeeze(1))


def turn_exactly(maps: Tensor, quarter_turns: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """Flip and turn square maps (n, ..., H, W) of any type, such as masks, as their views say; no pixel is changed.

    Parameters
    ----------
    maps : tensor (n, ..., H, W)
        One, or several, of each of n views.
    quarter_turns, horizontal, vertical : tensors (n,)
        As of `turn_stamps`.
    """
    return _rearranged(maps, _origins(maps.shape[-1], maps.device)[_exact_turn(quarter_turns, horizontal, vertical)])


def undo_turns(maps: Tensor, quarter_turns: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """Return maps (n, ..., H, W) that have been turned by `turn_exactly` as they were, bit for bit."""
    return _rearranged(maps, _places(maps.shape[-1], maps.device)[_exact_turn(quarter_turns, horizontal, vertical)])


def _exact_turn(quarter_turns: Tensor, horizontal: Tensor, vertical: Tensor) -> Tensor:
    """Return the number of each exact turn, from 0 to 15."""
    return 4 * quarter_turns + 2 * vertical + horizontal


def _rearranged(maps: Tensor, origin: Tensor) -> Tensor:
    """Return maps (n, ..., H, W) of the pixels that come from these places (n, H * W)."""
    between = maps.shape[1:-2]
    origin = origin.reshape(len(maps), *[1] * len(between), -1).expand(-1, *between, -1)
    return maps.flatten(-2).gather(-1, origin).view_as(maps)


@cache
def _places(size: int, device: torch.device) -> Tensor:
    """Return where each pixel has come to (16, size * size) by each exact turn."""
    return _origins(size, device).argsort(1)


@cache
def _origins(size: int, device: torch.device) -> Tensor:
    """Return which pixel comes to each place (16, size * size) by each exact turn: flips, then quarter turns."""
    pixel = torch.arange(size * size).view(size, size)
    turns = []
    for quarters in range(4):
        for vertical in (False, True):
            for horizontal in (False, True):
                axes = [axis for axis, chosen in enumerate((vertical, horizontal)) if chosen]
                turns.append(pixel.flip(axes).rot90(-quarters).flatten())
    return torch.stack(turns).to(device)
