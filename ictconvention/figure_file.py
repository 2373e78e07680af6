"""Save a figure: whole or not at all, in the format that its name ends in."""

import warnings
from pathlib import Path

from matplotlib.figure import Figure

from ictconvention.atomic import whole_file
from ictconvention.errors import UsageError


def save_figure(figure: Figure, path: str | Path) -> None:
    """Save a figure; the ending of the name chooses the format (png, pdf, svg).

    Raises
    ------
    UsageError
        When the ending is no image format.
    FileSystemError
        When the file cannot be written.
    """
    path = Path(path)
    known = figure.canvas.get_supported_filetypes()
    ending = path.suffix.removeprefix(".").lower()
    if ending not in known:
        found = f"{path.suffix or 'no ending'!r} is no image format"
        raise UsageError(found, path, "end the name in .png, .pdf or .svg")
    with whole_file(path, "saving the figure") as partial, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # an id may hold letters that the font lacks
        figure.savefig(partial, format=ending)
