"""A chip is shown beside its mask, upright, each class in its colour, with what the colours stand for."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ictconvention.drawing.class_sheet import draw_class_sheet
from ictconvention.drawing.masks.colours import LAND_COVER, NOTHING
from ictconvention.drawing.masks.mask_panel import explain_mask
from ictconvention.drawing.picture_page import compose_colours, draw_object
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey
from tests.small_chips import CHIPS, FIELDS, FOREST, IGNORED, SNOW, WATER, chip, write_chips


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.fixture
def chips(tmp_path: Path) -> Survey:
    mask = np.full((8, 8), FIELDS, np.uint8)
    mask[0], mask[1, :4] = WATER, IGNORED  # the lowest row is of water
    return write_chips(tmp_path / "s", [chip(0, mask=mask), *(chip(n) for n in range(1, 41))])


def test_a_mask_stands_beside_its_chip_and_its_lowest_row_is_below(chips: Survey) -> None:
    figure = draw_object(chips[0], CHIPS)
    board = figure.axes[0]
    colours, mask = board.images[:2]
    assert mask.origin == "lower"
    shown = np.asarray(mask.get_array())
    assert np.allclose(shown[0], to_rgb(LAND_COVER["water"]))
    assert np.allclose(shown[1, :4], to_rgb(NOTHING))
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 3
    left, right, bottom, top = colours.get_extent()
    assert mask.get_extent() == pytest.approx([right + 0.12, 2 * right - left + 0.12, bottom, top])
    said = texts(figure)
    assert "chips (simulated) c000: chip with mask" in said
    assert "water 13.3%" in said  # 8 of 60 known pixels
    assert "fields 86.7%" in said
    assert "no known class: 6.2% of the chip" in said
    assert not any("forest" in text for text in said)


def test_the_legend_begins_with_the_commonest_class_and_has_those_of_the_mask_alone() -> None:
    mask = np.array([[SNOW, FOREST], [FOREST, FOREST]], np.uint8)
    assert [text for _, text in explain_mask(mask, CHIPS.classes)] == ["forest 75.0%", "snow 25.0%"]
    blank = explain_mask(np.full((2, 2), IGNORED, np.uint8), CHIPS.classes)
    assert blank == [(NOTHING, "no known class: 100.0% of the chip")]


def test_reflectances_are_stretched_to_be_seen(tmp_path: Path) -> None:
    """All below 0.05, which as a photograph would be black."""
    dark = chip(0)
    survey = write_chips(tmp_path / "s", [dark | {"frames": 0.05 * dark["frames"]}])
    shown = compose_colours(survey[0], (2, 1, 0))
    assert np.quantile(shown, 0.02) < 0.05
    assert np.quantile(shown, 0.98) > 0.95


def test_the_sheet_has_a_row_for_each_class_that_is_the_rarest_of_a_chip(chips: Survey) -> None:
    figure = draw_class_sheet(chips)
    said = texts(figure)
    assert said[0] == "chips (simulated)"
    rows = [text for text in said if text.endswith((" chips", " chip"))]
    assert sum(int(row.split()[0]) for row in rows) == len(chips)
    assert "snow" in said
    assert "no known pixel" in said
    assert len(figure.axes[0].images) % 2 == 0
    assert len(figure.axes[0].images) <= 2 * 5 * len(rows)


def test_chips_whose_objects_have_classes_and_surveys_without_masks_have_the_usual_sheet(tmp_path: Path) -> None:
    own = write_chips(tmp_path / "own", [chip(n, class_name="fields") for n in range(3)])
    assert len(draw_class_sheet(own).axes[0].images) == 3
    plain = write_survey(tmp_path / "plain", [image_series(n, 2) for n in range(3)])
    assert len(draw_class_sheet(plain).axes[0].images) == 3
