"""The masks of a survey, from one shard or many, of all its objects or of a selection."""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ictconvention.survey.masks.mask_values import renumber
from ictconvention.survey.masks.pixel_counts import blocks_of
from ictconvention.survey.shard import Shard

Positions = NDArray[np.integer] | Sequence[int] | slice


class SurveyMasks:
    """Read masks of objects by their positions.

    Parameters
    ----------
    shards : sequence of Shard
        Those of the survey; each has masks.
    places : array (2, n)
        The shard of each object, and its row there, as of `Survey.places`.
    classes : tuple of str or None
        Those that are read, in their order; the pixels of the others are then ignored. None: all, as they are stored.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        places: NDArray[np.int64],
        classes: tuple[str, ...] | None,
    ) -> None:
        self._shards = shards
        self._shard_of, self._row_in = places
        self._stored = [shard.masks for shard in shards if shard.masks is not None]
        self._all_classes = shards[0].header.classes
        self._classes = classes
        self._renumber = None if classes is None else renumber(self._all_classes, classes)

    def read(self, positions: Positions = slice(None)) -> NDArray[np.uint8]:
        """Return the masks of objects (n, H, W), read-only.

        Neighbours in one shard are a view of its memory map, of which nothing is read until it is touched; others are
        copied into memory.
        """
        places = np.arange(len(self._shard_of))[positions]
        shard_of, rows = self._shard_of[places], self._row_in[places]
        size = self._shards[0].header.stamp_size
        if len(places) and (shard_of == shard_of[0]).all() and (np.diff(rows) == 1).all():
            masks = self._stored[shard_of[0]][rows[0] : rows[0] + len(rows)]
        else:
            masks = np.empty((len(places), size, size), dtype=np.uint8)
            for number in np.unique(shard_of):
                here = shard_of == number
                masks[here] = self._stored[number][rows[here]]
        return self._as_chosen(masks)

    def read_one(self, position: int) -> NDArray[np.uint8]:
        """Return the mask of one object (H, W), read-only."""
        return self._as_chosen(self._stored[self._shard_of[position]][self._row_in[position]])

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.uint8]]]:
        """Yield the masks of neighbouring objects with their positions, some megabytes at a time."""
        size = self._shards[0].header.stamp_size
        for block in blocks_of(len(self._shard_of), size * size):
            yield block, self.read(block)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Known pixels of each class in each object, (n, classes); counted once for each shard."""
        counts = np.zeros((len(self._shard_of), len(self._all_classes)), dtype=np.int64)
        for number in np.unique(self._shard_of):
            here = self._shard_of == number
            counts[here] = self._shards[int(number)].class_pixels[self._row_in[here]]
        if self._classes is not None:
            counts = counts[:, [self._all_classes.index(name) for name in self._classes]]
        counts.flags.writeable = False
        return counts

    def _as_chosen(self, masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self._renumber is not None:
            masks = self._renumber[masks]
        masks.flags.writeable = False
        return masks
