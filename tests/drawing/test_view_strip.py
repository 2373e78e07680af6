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
