"""The page of what a network looked at: who is on it, whether the network was right, and which map it is."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from ictconvention.drawing.applied.explained_page import ExplainedObject, Panel, draw_explained, stretch


def one(label: str | None, panels: int = 1, empty: bool = False) -> ExplainedObject:
    rng = np.random.default_rng(0)
    shown = [
        Panel(rng.normal(size=(3, 8, 8)), ("R", "G", "B"), np.zeros((8, 8)) if empty else rng.random((8, 8)), float(n))
        for n in range(panels)
    ]
    return ExplainedObject("p$1", label, ("plain", "source"), np.array([0.2, 0.8]), "source", shown)


def texts(figure: Figure) -> list[str]:
    titles = [axes.get_title() for axes in figure.axes]
    return [text.get_text() for text in figure.texts] + [title for title in titles if title]


def test_each_object_has_its_class_the_answer_and_the_class_of_the_map() -> None:
    figure = draw_explained([one("source"), one("plain"), one(None)], "pictures (simulated)", "cnn2")
    said = texts(figure)
    assert said[0] == "pictures (simulated): where cnn2 looked"
    assert said.count("map of: source") == 3
    assert [text for text in said if text.startswith("true")] == ["true: source", "true: plain", "true: unknown"]
    answers = [text for text in said if text.startswith("predicted")]
    assert answers == ["predicted: source (right)", "predicted: source (wrong)", "predicted: source"]


def test_long_names_are_whole_and_end_before_the_stamps() -> None:
    long = "spiral_galaxies_with_long_names"
    object_ = replace(one(long), id=f"{long}/copy", classes=("plain", long), of_class=long, part="test")
    figure = draw_explained([object_], "pictures", "cnn2")
    figure.draw_without_rendering()
    beside = figure.texts[2:]  # after the lines above all
    said = [text.get_text().replace("\n", "") for text in beside]
    assert said[:2] == [f"{long}/copy", "part: test"]
    assert [words.count(long) for words in said] == [1, 0, 1, 1, 1]
    stamps = min(axes.get_window_extent().x0 for axes in figure.axes)
    boxes = [text.get_window_extent() for text in beside]
    assert all(box.x1 <= stamps for box in boxes)
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    assert boxes[-1].y0 >= 0


def test_a_sequence_has_a_panel_for_each_map_and_an_empty_map_is_called_so() -> None:
    assert [text for text in texts(draw_explained([one("plain", 3)], "s", "m")) if "day" in text] == [
        "RGB, day 0",
        "RGB, day 1",
        "RGB, day 2",
    ]
    assert "nothing in it speaks for it" in texts(draw_explained([one("plain", empty=True)], "s", "m"))
    assert "nothing in it speaks for it" not in texts(draw_explained([one("plain")], "s", "m"))


@pytest.mark.parametrize(
    ("bands", "shape"), [(("R", "G", "B"), (8, 8, 3)), (("g", "g", "g"), (8, 8)), (("r",), (8, 8))]
)
def test_three_bands_are_a_picture_in_colour_and_other_numbers_a_grey_one(
    bands: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    frames = np.random.default_rng(1).normal(size=(len(bands), 8, 8))
    frames[0, 0, 0] = np.nan
    picture = stretch(Panel(frames, bands, np.zeros((8, 8))))
    assert picture.shape == shape
    assert picture.min() == 0
    assert picture.max() == 1


@pytest.mark.parametrize(("bands", "red"), [(("g", "r", "i"), 2), (("i", "r", "g"), 0), (("R", "G", "B"), 0)])
def test_the_reddest_band_is_red(bands: tuple[str, ...], red: int) -> None:
    frames = np.zeros((3, 8, 8))
    frames[red, 2:5, 2:5] = 1
    picture = stretch(Panel(frames, bands, np.zeros((8, 8))))
    assert (picture[3, 3] == [1, 0, 0]).all()
