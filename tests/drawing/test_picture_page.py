"""A picture is shown as it looks: upright, its bands as colours; a series stays a film strip."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.class_sheet import draw_class_sheet
from ictconvention.drawing.film_strip import NO_PIXEL
from ictconvention.drawing.picture_page import colour_bands, compose_colours, draw_object
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey

RGB = SurveyHeader("pictures", ("R", "G", "B"), ("a", "b"), 1.0, 8, flux_unit="none")


def values(number: int = 0, bands: int = 3, size: int = 8) -> NDArray[np.float64]:
    return np.random.default_rng(number).random((bands, size, size))


def picture(number: int = 0, header: SurveyHeader = RGB, order: tuple[int, ...] | None = None, **known: Any) -> Any:
    """Return a picture, its frames in any order of the bands."""
    order = order or tuple(range(len(header.bands)))
    frames = known.pop("frames", values(number, len(header.bands), header.stamp_size))
    given = {"id": f"p{number}", "frames": frames[list(order)], "band": list(order), "mjd": [51544.0] * len(order)}
    return given | {"class_name": header.classes[number % 2]} | known


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_the_colours_of_a_picture_are_its_bands_whatever_their_order(tmp_path: Path) -> None:
    series = write_survey(tmp_path / "s", [picture(order=(2, 0, 1))], RGB)[0]
    three = colour_bands(series, RGB)
    assert three == (1, 2, 0)
    shown = compose_colours(series, three)
    assert np.abs(shown - np.moveaxis(values(), 0, 2)).max() < 1e-6


@pytest.mark.parametrize(
    ("bands", "shown"),
    [  # g, r and i as in the pictures of the SDSS
        (("u", "g", "r", "i", "z"), "irg"),
        (("u", "ustar", "g", "r", "i", "y", "Ks"), "irg"),
        (("g", "r", "z"), "zrg"),
        (("r", "i", "z", "J"), "Jzr"),
        (("i", "r", "g"), "irg"),
        (("band1", "band2", "band3", "band4"), ("band1", "band2", "band3")),
        (("g", "r"), None),
    ],
)
def test_the_reddest_band_is_red_and_unknown_ones_are_in_their_order(
    bands: tuple[str, ...], shown: str | tuple[str, ...] | None, tmp_path: Path
) -> None:
    header = replace(RGB, bands=bands)
    series = write_survey(tmp_path / "s", [picture(header=header)], header)[0]
    three = colour_bands(series, header)
    assert (three is None) == (shown is None)
    if three and shown:
        assert [bands[series.band[n]] for n in three] == list(shown)


def test_a_missing_pixel_is_pink_and_fluxes_are_stretched(tmp_path: Path) -> None:
    frames = 100 * values() - 20
    frames[1, 2, 3] = np.nan
    series = write_survey(tmp_path / "s", [picture(frames=frames)], RGB)[0]
    shown = compose_colours(series, (0, 1, 2))
    assert tuple(shown[2, 3]) == pytest.approx(to_rgb(NO_PIXEL))
    assert 0 <= shown.min() < shown.max() <= 1
    assert np.argmax(shown[..., 0]) == np.argmax(np.minimum(frames[0], np.percentile(frames[0], 99.7)))


def test_an_object_without_a_class_has_its_redshift_in_its_title(tmp_path: Path) -> None:
    given = [
        picture(0, class_name=None, redshift=0.25),
        picture(1, class_name=None),
        picture(2, redshift=0.5),
        picture(3, class_name=None, redshift=0.125),
    ]
    survey = write_survey(tmp_path / "s", given, RGB)
    said = [texts(draw_object(series, RGB)).splitlines() for series in survey]
    assert [lines[0] for lines in said] == [
        "pictures p0: redshift 0.250",
        "pictures p1: unlabelled",
        "pictures p2: a",
        "pictures p3: redshift 0.125",
    ]
    assert said[2][1].startswith("redshift 0.500, ")
    sheet = texts(draw_class_sheet(survey)).splitlines()
    assert [line for line in sheet if line.startswith("0.")] == ["0.125", "0.250"]  # in their order, on the stamps
    assert sheet.count("1 objects") == 2
    assert sheet.count("2 objects") == 1


def test_a_long_title_lies_on_the_paper(tmp_path: Path) -> None:
    header = replace(RGB, classes=("a_class_of_a_very_long_name_that_needs_room", "b"))
    series = write_survey(tmp_path / "s", [picture(0, header, id="folder_of_a_long_name/picture")], header)[0]
    figure = draw_object(series, header)
    figure.draw_without_rendering()
    (title, *_) = figure.axes[0].texts
    assert title.get_text().endswith(header.classes[0])
    assert title.get_window_extent().x1 <= figure.bbox.x1


def test_a_picture_has_its_bands_and_a_series_its_strip(tmp_path: Path) -> None:
    pictures = write_survey(tmp_path / "p", [picture(0), picture(1)], RGB)
    page = draw_object(pictures[0], RGB)
    assert len(page.axes[0].images) == 1 + 3
    assert "R, G, B as red, green, blue" in texts(page)
    assert "pictures p0: a" in texts(page)
    series = write_survey(tmp_path / "s", [image_series(0, 8)])
    assert not series[0].is_picture
    assert draw_object(series[0], HEADER).axes[-1].get_xlabel().startswith("days")


def test_a_grey_picture_and_one_of_many_bands_are_drawn(tmp_path: Path) -> None:
    for bands in (("grey",), tuple(f"band{n}" for n in range(11))):
        header = replace(RGB, bands=bands)
        survey = write_survey(tmp_path / bands[0], [picture(header=header)], header)
        assert len(draw_object(survey[0], header).axes[0].images) == len(bands) + (len(bands) > 2)
        assert len(draw_class_sheet(survey).axes[0].images) == 1


def test_a_picture_of_fluxes_says_them(tmp_path: Path) -> None:
    header = SurveyHeader("galaxies", ("g", "r", "i"), ("a", "b"), 0.396, 32)
    across = np.arange(32) - 15.5
    source = np.exp(-(across[:, None] ** 2 + across**2) / 8)
    frames = np.stack([source * level for level in (1, 2, 3)]) + 0.01 * values(0, 3, 32)
    survey = write_survey(tmp_path / "s", [picture(header=header, frames=frames)], header)
    assert "[nanomaggy]: g " in texts(draw_object(survey[0], header))


def test_the_sheet_shows_pictures_in_colours_and_says_simulated(tmp_path: Path) -> None:
    header = replace(RGB, simulated=True)
    survey: Survey = write_survey(tmp_path / "s", [picture(n, header) for n in range(6)], header)
    sheet = draw_class_sheet(survey)
    images = sheet.axes[0].images
    assert [image.get_array().shape for image in images] == [(8, 8, 3)] * 6  # type: ignore[union-attr]
    assert "pictures (simulated)" in texts(sheet)
    assert "R, G, B as red, green, blue" in texts(sheet)
