"""A scene of any size through a network of small pictures: overlapping tiles, blended so that no seam shows.

Knows arrays alone. The scene is read tile by tile and comes back as strips of rows, so that memory holds a strip.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Read = Callable[[int, int, int, int], NDArray[np.float32]]  # top, left, rows, columns -> (bands, rows, columns)
Infer = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (B, bands, S, S) -> (B, outputs, S, S)


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a scene is cut into square tiles.

    An output pixel is a mean over the tiles that hold it. A tile counts for nothing within `margin` of an edge that is
    not the scene's, and the more the farther a pixel is from there, so that the mean has no step.

    The mean equals one pass of the network over the whole scene, where all of this holds: the network is convolutional
    and in eval mode (nothing in it looks at the whole picture); sides of the scene, of the tile and the step are
    multiples of its stride, by which its deepest map is smaller; and `margin` is at least its reach, the distance over
    which a pixel of the input moves one of the output. Of a `unet` of 2L layers the stride is 2^L and the reach is less
    than 7 * 2^L. A scene that fits into one tile is one pass in any case.

    Parameters
    ----------
    size : int
        Side of a tile, that of the pictures which the network was trained on [pixels].
    margin : int
        At the inner edges of a tile, what is not used [pixels].
    stride : int
        Stride of the network: tiles start at its multiples, and at the end of the scene.

    Raises
    ------
    ValueError
        The margins leave no step of a stride.
    """

    size: int
    margin: int
    stride: int = 1

    def __post_init__(self) -> None:
        if self.margin < 0 or self.stride < 1 or self.step < 1:
            found = f"tiles of {self.size} pixels with margins of {self.margin}"
            raise ValueError(f"{found} leave no step of {self.stride} pixels")

    @property
    def step(self) -> int:
        """From a tile to the next [pixels]: half of one, so that each pixel is in two, or less for wide margins."""
        return min(self.size // 2, self.size - 2 * self.margin) // self.stride * self.stride

    def starts(self, length: int) -> NDArray[np.int64]:
        """Return where the tiles begin along an axis of a scene; the last one ends with it."""
        last = max(length - self.size, 0)
        return np.append(np.arange(0, last, self.step), last)

    def weights(self, length: int) -> NDArray[np.float64]:
        """Return how much each pixel of each tile counts along an axis, (tiles, size); sums over tiles are 1."""
        starts = self.starts(length)
        place = np.arange(self.size) + 0.5
        edge = np.full((len(starts), self.size), float(self.size))  # distance from the nearest edge inside the scene
        edge[1:] = place
        edge[:-1] = np.minimum(edge[:-1], self.size - place)
        weights = np.maximum(edge - self.margin, 0)
        total = np.zeros(max(length, self.size))
        for start, own in zip(starts, weights, strict=True):
            total[start : start + self.size] += own
        return np.stack([own / total[start : start + self.size] for start, own in zip(starts, weights, strict=True)])


def infer_strips(
    shape: tuple[int, int], read: Read, infer: Infer, tiling: Tiling, batch_size: int = 16
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the outputs of a scene from the top, in strips: the first row of each, and its outputs (outputs, rows, W).

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the scene.
    read : function
        Returns a window of the scene (bands, rows, columns), of its top, left, rows and columns.
    infer : function
        The network: outputs (B, outputs, size, size) of tiles (B, bands, size, size).
    tiling : Tiling
        How tiles lie. A scene that is smaller than one is continued by its mirror image.
    batch_size : int
        Tiles that go through the network at once.
    """
    height, width = shape
    size = tiling.size
    tops, lefts = tiling.starts(height), tiling.starts(width)
    down, across = tiling.weights(height), tiling.weights(width)
    strip: NDArray[np.float32] | None = None
    for row, top in enumerate(tops.tolist()):
        for first in range(0, len(lefts), batch_size):
            there = lefts[first : first + batch_size].tolist()
            tiles = np.stack([_tile(read, top, left, shape, size) for left in there])
            outputs = infer(tiles)
            if strip is None:
                strip = np.zeros((outputs.shape[1], size, max(width, size)), dtype=np.float32)
            for number, left in enumerate(there):
                weight = down[row][:, None] * across[first + number]
                strip[:, :, left : left + size] += outputs[number] * weight.astype(np.float32)
        if strip is None:
            raise ValueError(f"the scene has {height} rows and {width} columns")
        end = int(tops[row + 1]) if row + 1 < len(tops) else height
        done = end - top
        yield top, strip[:, :done, :width].copy()
        strip[:, : size - done] = strip[:, done:].copy()
        strip[:, size - done :] = 0


def _tile(read: Read, top: int, left: int, shape: tuple[int, int], size: int) -> NDArray[np.float32]:
    """Return one tile (bands, size, size)."""
    rows, columns = min(size, shape[0] - top), min(size, shape[1] - left)
    window = read(top, left, rows, columns)
    if (rows, columns) == (size, size):
        return window
    return np.pad(window, ((0, 0), (0, size - rows), (0, size - columns)), mode="symmetric")
