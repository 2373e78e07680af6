"""The picture of a pair of views shows which frames each has, turned as it turns them."""

from math import radians
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from ictconvention.drawing.film_strip import STAMP
from ictconvention.drawing.view_strip import draw_views
from ictconvention.feeding.views import ViewRecipe
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey
from tests.small_pictures import picture_header, write_pictures


def nightly(path: Path, nights: int = 4) -> Survey:
    given = image_series(0, 5 * nights)
    given["band"] = np.tile(np.arange(5), nights)
    given["mjd"] = 53600 + np.repeat(np.arange(nights), 5) + np.tile(np.arange(5) * 0.001, nights)
    return write_survey(path, [given])


def stamps(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in figure.axes[0].images]


def test_each_view_shows_its_frames_in_their_places(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s")[0]
    first, second = ViewRecipe(np.array([0, 7, 12])), ViewRecipe(np.array([3]), quarter_turns=1, horizontal=True)
    figure = draw_views(series, [first, second], HEADER)
    board = figure.axes[0]
    assert len(board.images) + len(board.patches) == 2 * 20
    top = figure.get_figheight()
    places = [(image.get_extent()[0], top - image.get_extent()[3]) for image in board.images]
    columns = [round((left - 0.85) / STAMP) for left, _ in places]
    assert columns == [0, 1, 2, 0]  # a column per night
    below = [(down - places[0][1]) / STAMP for _, down in places]
    assert below[:3] == pytest.approx([0, 2, 2])  # a row per band
    assert below[3] == pytest.approx(5 + 0.45 / STAMP + 3)  # in the second view
    drawn = stamps(figure)
    for stamp, row in zip(drawn[:3], first.rows, strict=True):
        assert np.array_equal(stamp.argsort(axis=None), series.frames[row].argsort(axis=None))
    turned = np.rot90(series.frames[3][:, ::-1], -1)
    assert np.array_equal(drawn[3].argsort(axis=None), turned.argsort(axis=None))


def test_it_says_what_a_view_is(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s")[0]
    turned = ViewRecipe(np.arange(6), angle=radians(-12), quarter_turns=1, horizontal=True, vertical=True)
    texts = [text.get_text() for text in draw_views(series, [turned, ViewRecipe(np.arange(20))], HEADER).texts]
    assert "view 1: 6 of 20 frames, turned by 78.0 degrees, flipped horizontally and vertically" in texts
    assert "view 2: 20 of 20 frames" in texts
    assert texts[0] == "tiny sn0000: AGN (spectroscopic)"


def test_the_views_of_a_picture_are_in_colours_beside_its_bands(tmp_path: Path) -> None:
    series, header = write_pictures(tmp_path / "s", 1)[0], picture_header()
    whole = ViewRecipe(np.arange(3), horizontal=True)
    without_red = ViewRecipe(np.array([1, 2]), brightness=0.5)
    board = draw_views(series, [whole, without_red], header).axes[0]
    images = [np.asarray(image.get_array()) for image in board.images]
    colours = [image for image in images if image.ndim == 3]
    seen = series.frames.astype(float)
    assert np.allclose(colours[0], np.moveaxis(seen[:, :, ::-1], 0, -1), atol=1e-6)
    assert np.allclose(colours[1], np.dstack([np.zeros_like(seen[0]), *(0.5 * seen[1:])]), atol=1e-6)
    assert len(images) - len(colours) == 3 + 2  # bands in grey
    assert len(board.patches) == 1  # the one that is left out
    texts = [text.get_text() for text in board.texts]
    assert "view 2: 2 of 3 frames, brightness times 0.50" in texts
    assert any("R, G, B as red, green, blue" in text for text in texts)
    changed = series.frames[1:] * np.array([0.25, 0.5])[:, None, None]  # as an augmentation has it
    board = draw_views(series, [ViewRecipe(np.array([1, 2]))], header, [changed]).axes[0]
    (colour,) = (np.asarray(image.get_array()) for image in board.images if np.asarray(image.get_array()).ndim == 3)
    assert np.allclose(colour[..., 1:], np.moveaxis(changed, 0, -1), atol=1e-6)
