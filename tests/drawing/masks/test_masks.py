"""Figures of masks: colours, which chips are shown and how bright, and what matrices, points and lines say."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from ictconvention.drawing.masks.chips import ShownChip, choose_chips, draw_chips, show_alike
from ictconvention.drawing.masks.colours import class_colours, class_patches, colour_mask
from ictconvention.drawing.masks.course import draw_divergence_course
from ictconvention.drawing.masks.figures import draw_pixel_confusion, draw_shares
from ictconvention.drawing.style import style_of
from ictconvention.survey.masks.mask_file import IGNORED

CLASSES = ("artificial", "water", "moss")
BANDS = ("B", "G", "R", "NIR")


def test_each_class_has_a_colour_of_its_own_and_water_is_blue() -> None:
    colours = class_colours((*CLASSES, "lichen"))
    assert len(set(colours)) == 4
    red, _, blue = to_rgb(colours[1])
    assert blue > red
    assert class_colours(("water", "moss"))[0] == colours[1]  # whatever else there is


def test_a_mask_is_shown_in_these_colours_and_the_legend_names_what_is_there() -> None:
    mask = np.array([[0, 1], [IGNORED, 1]], dtype=np.uint8)
    shown = colour_mask(mask, CLASSES)
    assert shown[0, 0].tolist() == pytest.approx(to_rgb(class_colours(CLASSES)[0]))
    assert [patch.get_label() for patch in class_patches(CLASSES, [mask])] == ["artificial", "water", "not known"]


def test_best_median_and_worst_are_those_of_the_divergence_and_none_comes_twice() -> None:
    assert choose_chips(np.array([0.3, np.nan, 0.1, 0.9, 0.2, 0.5])) == {"best": 2, "median": 0, "worst": 3}
    assert choose_chips(np.array([np.nan, 0.4])) == {"best": 1}
    assert choose_chips(np.array([0.5, 0.4])) == {"best": 1, "worst": 0}
    assert choose_chips(np.array([np.nan])) == {}


def test_equal_pixels_are_equally_bright_in_all_chips_and_a_missing_one_is_grey() -> None:
    rng = np.random.default_rng(0)
    frames = [rng.uniform(0, 1000, (4, 9, 9)).astype(np.float32) for _ in range(2)]
    frames[0][:, 0, 0] = frames[1][:, 5, 5] = 400
    frames[0][2, 1, 1] = np.nan
    first, second = show_alike(frames, BANDS)
    np.testing.assert_array_equal(first[0, 0], second[5, 5])
    assert first[1, 1, 0] == 0.5
    red = frames[1][2].ravel()
    assert (np.diff(second[:, :, 0].ravel()[np.argsort(red)]) >= 0).all()  # red is the band R


def test_chips_stand_in_rows_with_the_masks_of_each_model() -> None:
    rng = np.random.default_rng(0)
    masks = {name: rng.integers(0, 3, (9, 9)).astype(np.uint8) for name in ("one", "other")}
    known = rng.integers(0, 3, (9, 9)).astype(np.uint8)
    frames = rng.normal(size=(4, 9, 9)).astype(np.float32)
    chips = [
        ShownChip(f"$chip{n}", why, frames, known, masks, {"one": 0.25, "other": 0.5})
        for n, why in enumerate(("best", "worst"))
    ]
    figure = draw_chips(chips, BANDS, CLASSES, "land (simulated)")
    assert len(figure.axes) == 2 * 4
    assert [axes.get_title() for axes in figure.axes[:4]] == ["R, G, B", "known", "one", "other"]
    said = [text.get_text() for text in figure.texts]
    assert "best\n$chip0" in said
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert inside == ["KL 0.250", "KL 0.500"] * 2
    shown = np.asarray(figure.axes[1].images[0].get_array())
    np.testing.assert_allclose(shown, colour_mask(known, CLASSES), atol=0.01)


def test_confusion_is_in_hundredths_of_each_known_class_and_an_absent_one_is_empty() -> None:
    count = np.array([[30, 10, 0], [0, 0, 0], [1, 0, 999]])
    figure = draw_pixel_confusion(count, CLASSES, "model", style_of(0), "land")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["75", "25", "0", "<1", "0", "100"]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "artificial (3.8%)",
        "water (0.0%)",
        "moss (96.2%)",
    ]


def test_shares_lie_at_their_roots_and_chips_without_a_known_pixel_are_left_out() -> None:
    known = np.array([[0.25, 0.75, 0.0], [np.nan, np.nan, np.nan]])
    estimated = np.array([[[0.16, 0.8, 0.04], [1.0, 0.0, 0.0]]])
    figure = draw_shares(known, estimated, CLASSES, "model", style_of(0), "land")
    lines = figure.axes[0].lines[1:]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines] == [  # type: ignore[index]
        pytest.approx((0.5, 0.4)),
        pytest.approx((np.sqrt(0.75), np.sqrt(0.8))),
        pytest.approx((0, 0.2)),
    ]
    assert all(len(line.get_xdata()) == 1 for line in lines)  # type: ignore[arg-type]


def test_the_course_of_several_models_is_in_one_figure_with_their_medians() -> None:
    def rows(*values: float) -> dict[tuple[str, int], dict[str, float]]:
        return {("pretrain", n): {"pretrain/val/kl": value} for n, value in enumerate(values, 1)}

    tables = {"one": [rows(3, 1, 2), rows(5, 1, 4), rows(4, 1, 9)], "other": [rows(2, 1)]}
    looks = {"one": style_of(0), "other": style_of(1)}
    figure = draw_divergence_course(tables, looks, "land")
    assert figure is not None
    *thin, one, other = figure.axes[0].lines
    assert len(thin) == 3
    np.testing.assert_array_equal(one.get_ydata(), [4, 1, 4])
    np.testing.assert_array_equal(other.get_ydata(), [2, 1])
    assert draw_divergence_course({"one": [{("pretrain", 1): {"pretrain/val/loss": 1.0}}]}, looks, "land") is None
