"""A figure becomes text that a page can hold, sharp, small, and the same for the same figure."""

import base64
from xml.etree import ElementTree

from matplotlib.figure import Figure

from ictconvention.drawing.embedded_figure import PIXELS, embed_drawing, embed_photograph


def titled(title: str) -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().set_title(title, parse_math=False)
    return figure


def content(address: str, kind: str) -> bytes:
    assert address.startswith(f"data:{kind};base64,")
    return base64.b64decode(address.partition(",")[2])


def test_a_drawing_keeps_its_letters_as_text() -> None:
    picture = embed_drawing(titled("<b>&$x$ é 字"), "a title", "below", ((0, "0.9"),))
    texts = "".join(ElementTree.fromstring(content(picture.address, "image/svg+xml")).itertext())
    assert "<b>&$x$ é 字" in texts
    assert (picture.width, picture.height) == (3 * PIXELS, 2 * PIXELS)
    assert (picture.says, picture.caption, picture.numbers) == ("a title", "below", ((0, "0.9"),))


def test_equal_figures_are_equal_text() -> None:
    assert embed_drawing(titled("a"), "") == embed_drawing(titled("a"), "")
    assert embed_drawing(titled("a"), "") != embed_drawing(titled("b"), "")


def test_a_photograph_is_webp() -> None:
    data = content(embed_photograph(titled("a"), "").address, "image/webp")
    assert (data[:4], data[8:12]) == (b"RIFF", b"WEBP")
