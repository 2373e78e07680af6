"""What a task shows: the figures of a run, and its own sections of the page that compares runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from ictconvention.drawing.embedded_figure import Picture
from ictconvention.drawing.panels import Compared
from ictconvention.evaluation.predictions import Pooled, Predictions
from ictconvention.survey.survey import Survey


@dataclass(frozen=True)
class NumberTable:
    """A table of a section: its title, its columns, and rows of as many cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Parameters
    ----------
    anchor, title, text : str
        Its address in the page, its heading and its first paragraph.
    pictures : mapping of str to sequence of Picture
        By the heading that they stand under, which may be empty.
    legend : bool
        Whether the lines of its pictures are the models.
    empty : str
        What is said where there is no picture.
    remarks : sequence of str
        Lines below the pictures: what they leave out, and why.
    tables : sequence of NumberTable
        Below all that.
    """

    anchor: str
    title: str
    text: str
    pictures: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    legend: bool = False
    empty: str = ""
    remarks: Sequence[str] = ()
    tables: Sequence[NumberTable] = ()


@dataclass(frozen=True)
class Said:
    """What one model says of one object: in words, the number to sort by, and whether it is right."""

    text: str
    number: float
    right: bool


@dataclass(frozen=True)
class ShownObject:
    """An object that the models get wrong: its id, its label in words, by how much, and what each model says."""

    id: str
    label: str
    number: float
    said: tuple[Said, ...]


@dataclass(frozen=True)
class WorstObjects:
    """The objects that the models get most wrong.

    Parameters
    ----------
    text, note : str
        Which these are, and how to read what the models say.
    column : str
        What the number of an object is.
    objects : sequence of ShownObject
    """

    text: str
    note: str
    column: str
    objects: tuple[ShownObject, ...]


class TaskFigures:
    """What a task shows; by default nothing, and the page has what serves every task: table, scores, curves.

    Parameters
    ----------
    names : sequence of str
        Names of the outputs.
    """

    against: str = ""  # of what a page without the survey lacks a section, after "no film strips, and no"

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def draw(self, part: str, found: Predictions, survey: Survey, run: str) -> dict[str, Figure]:
        """Return the figures of a run's predictions of a part, by name; `run` goes into their titles."""
        return {}

    def of_models(self, models: Sequence[Compared], survey: str) -> list[Section]:
        """Return the sections that stand before the learning curves; `survey` says whether it is simulated."""
        return []

    def of_objects(self, models: Sequence[Compared], opened: Survey, survey: str) -> list[Section]:
        """Return the sections after the learning curves, which need the survey itself."""
        return []

    def worst(self, models: Sequence[Pooled]) -> WorstObjects | None:
        """Return the objects that the models get most wrong."""
        return None
