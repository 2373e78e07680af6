"""A figure as text that a page can hold, so that the page needs no other file."""

import base64
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

PIXELS = 96  # of a page, in an inch
FINENESS = 110  # of a picture in pixels [pixels per inch]
QUALITY = 72  # of WebP, up to 100


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Parameters
    ----------
    address : str
        A `data:` address, which holds all of it.
    width, height : int
        On the page [pixels of CSS].
    says : str
        What is seen, for those who do not see it.
    caption : str
        Text below it.
    numbers : tuple of (int, str)
        A number of each model in it, by the model's place in the comparison.
    """

    address: str
    width: int
    height: int
    says: str
    caption: str = ""
    numbers: tuple[tuple[int, str], ...] = ()


def embed_drawing(figure: Figure, says: str, caption: str = "", numbers: tuple[tuple[int, str], ...] = ()) -> Picture:
    """Return a figure of lines as SVG, its letters as text: sharp at any size. Equal figures are equal text."""
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ictconvention"}):
        content = _saved(figure, "svg", metadata={"Date": None, "Creator": None})
    return Picture(_address("image/svg+xml", content), *_size(figure), says, caption, numbers)


def embed_photograph(figure: Figure, says: str) -> Picture:
    """Return a figure of many pixels, such as stamps, as WebP."""
    content = _saved(figure, "webp", dpi=FINENESS, pil_kwargs={"quality": QUALITY})
    return Picture(_address("image/webp", content), *_size(figure), says)


def _saved(figure: Figure, form: str, **how: Any) -> bytes:
    file = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a name may hold letters that the font lacks
        figure.savefig(file, format=form, **how)
    return file.getvalue()


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _size(figure: Figure) -> tuple[int, int]:
    return round(figure.get_figwidth() * PIXELS), round(figure.get_figheight() * PIXELS)
