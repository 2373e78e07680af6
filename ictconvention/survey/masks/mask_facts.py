"""What the masks of a survey hold, in numbers and in words: known pixels of each class, and what is ignored."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import pluralize


@dataclass(frozen=True)
class MaskFacts:
    """Pixels of each class in all masks of a survey.

    Parameters
    ----------
    names : tuple of str
        The classes.
    pixels, chips : arrays (classes,)
        Known pixels of each class, and how many chips have one of them at least.
    total : int
        Pixels of all masks.
    blank, objects : int
        Chips without a known pixel, and all chips.
    """

    names: tuple[str, ...]
    pixels: NDArray[np.int64]
    chips: NDArray[np.int64]
    total: int
    blank: int
    objects: int

    @classmethod
    def of(cls, counts: NDArray[np.int64], names: tuple[str, ...], size: int) -> "MaskFacts":
        """Return the facts of known pixels (n, classes) in chips of `size` pixels along a side."""
        blank = int(np.count_nonzero(~counts.any(axis=1)))
        return cls(names, counts.sum(axis=0), (counts > 0).sum(axis=0), len(counts) * size**2, blank, len(counts))

    @property
    def known(self) -> int:
        """Pixels of a known class."""
        return int(self.pixels.sum())

    @property
    def ignored(self) -> float:
        """Share of the pixels that are of no known class."""
        return 1 - self.known / self.total if self.total else 0.0

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each class among the known pixels (classes,); NaN where none is known."""
        return np.asarray(self.pixels / self.known if self.known else np.full(len(self.pixels), np.nan))

    @property
    def said(self) -> str:
        """The known and ignored pixels in words."""
        words = f"{self.known} of {self.total} pixels known, {self.ignored:.1%} ignored"
        return f"{words}; {pluralize(self.blank, 'chip')} without a known pixel" if self.blank else words
