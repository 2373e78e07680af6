"""The picture of a pair of views shows which frames each has, turned as it turns them."""

from math import radians
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ictconvention.data.survey import Survey
from ictconvention.data.view_strip import draw_views
from ictconvention.data.views import View
from tests.conftest import HEADER, image_series, write_survey


def nightly(path: Path, nights: int = 4) -> Survey:
    given = image_series(0, 5 * nights)
    given["band"] = np.tile(np.arange(5), nights)
    given["mjd"] = 53600 + np.repeat(np.arange(nights), 5) + np.tile(np.arange(5) * 0.001, nights)
    return write_survey(path, [given])


def stamps(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_each_view_shows_its_frames_in_their_places(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s")[0]
    first, second = View(np.array([0, 7, 12])), View(np.array([3]), quarter_turns=1, horizontal=True)
    figure = draw_views(series, [first, second], HEADER)
    assert len(figure.axes) == 2 * 20
    shown = [number for number, axes in enumerate(figure.axes) if axes.images]
    assert shown == [0, 2 * 4 + 1, 2 * 4 + 2, 20 + 3 * 4 + 0]  # a row per band, a column per night
    drawn = stamps(figure)
    for stamp, row in zip(drawn[:3], first.rows, strict=True):
        assert np.array_equal(stamp.argsort(axis=None), series.frames[row].argsort(axis=None))
    turned = np.rot90(series.frames[3][:, ::-1], -1)
    assert np.array_equal(drawn[3].argsort(axis=None), turned.argsort(axis=None))


def test_it_says_what_a_view_is(tmp_path: Path) -> None:
    series = nightly(tmp_path / "s")[0]
    turned = View(np.arange(6), angle=radians(-12), quarter_turns=1, horizontal=True, vertical=True)
    texts = [text.get_text() for text in draw_views(series, [turned, View(np.arange(20))], HEADER).texts]
    assert "view 1: 6 of 20 frames, turned by 78.0 degrees, flipped horizontally and vertically" in texts
    assert "view 2: 20 of 20 frames" in texts
    assert texts[0] == "tiny sn0000: AGN (spectroscopic)"
