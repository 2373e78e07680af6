"""Save a figure: whole or not at all, in the format that its name ends in."""

import warnings
from io import BytesIO
from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError


class NotebookFigure(Figure):
    """A figure that a notebook shows, whether pyplot was imported or not."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            self.savefig(file, format="png")
        return file.getvalue()


def save_figure(figure: Figure, path: str | Path, record: bool = False) -> None:
    """Save a figure; the ending of the name chooses the format (png, pdf, svg).

    Parameters
    ----------
    figure : Figure
        What is drawn.
    path : str or Path
        Path of the file.
    record : bool
        Whether it is one of a run, in its folder; see `whole_file`.

    Raises
    ------
    UsageError
        When the ending is not an image format, or the file lies in a survey or a run.
    FileSystemError
        When the file cannot be written.
    """
    path = Path(path)
    ending = check_figure_name(path)
    with whole_file(path, "saving the figure", record) as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an id may hold letters that the font lacks
        figure.savefig(partial, format=ending)


def check_figure_name(path: Path) -> str:
    """Return the format that a name ends in.

    Raises
    ------
    UsageError
        When the ending is not an image format.
    """
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FigureCanvasBase.get_supported_filetypes():
        found = f"{path.suffix or 'no ending'!r} is not an image format"
        raise UsageError(found, path, "end the name in .png, .pdf or .svg", "E-FILES-ENDING")
    return ending
