"""The scores by which the models of a task are compared: what they are called, and what they are of resampled objects.

Knows no task: each has its own `Measures`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Rows = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Measure:
    """A score, and how it is written.

    Parameters
    ----------
    name : str
        Its key in what `Measures` returns, and the beginning of its columns in the CSV of a comparison.
    title : str
        What readers call it.
    rising : bool
        Whether more is better.
    scale, unit, digits : float, str, int
        What a number is multiplied by to be read, the unit that it then has, and its decimals.
    scatter : float, optional
        Standard deviation between seeds, scaled, where it is known: it is not in the interval of one seed.
    by_fold : bool
        Whether the table gives the mean over folds too.
    ranked : bool
        Whether it ranks objects against each other: over folds that are calibrated apart one ranking would mean
        little, and the table has the mean over folds alone.
    """

    name: str
    title: str
    rising: bool = True
    scale: float = 100.0
    unit: str = "%"
    digits: int = 1
    scatter: float | None = None
    by_fold: bool = False
    ranked: bool = False

    @property
    def titled(self) -> str:
        """Its title with the unit."""
        return f"{self.title} [{self.unit}]" if self.unit else self.title

    def write(self, value: float, signed: bool = False) -> str:
        """Return a number of it as it is read, without the unit."""
        shown = round(self.scale * value, self.digits) + 0.0  # no minus before a zero
        return f"{shown:{'+' if signed else ''}.{self.digits}f}"


class Measures(ABC):
    """The scores of a task.

    A task says what `weigh` makes of predictions; what is resampled in a bootstrap follows: the groups of objects
    that `Task.groups_of` gives, within each of the `strata`, and the seeds of every fold.
    """

    compared: ClassVar[tuple[Measure, ...]]  # the headline scores: of sentences, with intervals
    columns: ClassVar[tuple[Measure, ...]]  # of the table of a comparison
    said: ClassVar[str] = ""  # what must be known to read that table
    numbers: ClassVar[str] = ""  # the unit of all its numbers, in a sentence
    scatter_said: ClassVar[str] = ""  # how far seeds scatter, in words, where it is known
    alone: ClassVar[tuple[str, ...]] = ()  # rows that count what one training decides: an ensemble decides otherwise
    with_intervals: ClassVar[bool] = False  # whether a comparison gives each score of `columns` its own interval

    @property
    def early(self) -> Mapping[str, Measure]:
        """The scores that `--curve` follows from day to day, by their columns in its CSV."""
        return {one.name: one for one in self.compared}

    @property
    def of_predictions(self) -> tuple[Measure, ...]:
        """The scores of `score` that are said of a survey that is predicted and whose truth is known."""
        return self.compared

    @property
    def by_training(self) -> Mapping[str, tuple[Measure, ...]]:
        """The scores that are drawn for every fold and seed, by the heading that they stand under."""
        return {"": self.compared}

    @abstractmethod
    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Return the compared scores by name, (replicates,), of predictions of which each object counts so often.

        Parameters
        ----------
        rows : mapping of str to arrays (n, ...)
            Predictions of one training.
        label : array (n, ...)
            What the survey says.
        weight : array (replicates, n)
            How often each object counts.
        """

    def score(self, rows: Rows, label: NDArray[np.generic]) -> Mapping[str, float | None]:
        """Return every score of predictions by name: those compared, those of the table, and further ones."""
        return {name: float(x[0]) for name, x in self.weigh(rows, label, np.ones((1, len(label)))).items()}

    def strata(self, label: NDArray[np.generic]) -> NDArray[np.integer]:
        """Return the stratum of each object (n,), within which a bootstrap draws; by default there is one."""
        return np.zeros(len(label), dtype=np.int64)

    def right(self, rows: Rows, label: NDArray[np.generic]) -> NDArray[np.bool_] | None:
        """Return which objects (n,) are predicted rightly; None where a prediction is not right or wrong."""
        return None

    def notes(self, label: NDArray[np.generic]) -> list[str]:
        """Return what is to be said of the test objects below the table."""
        return []

    def count_in_words(self, label: NDArray[np.generic]) -> str:
        """Return of which kinds the test objects are, after their number."""
        return ""
