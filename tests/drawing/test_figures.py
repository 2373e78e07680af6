"""Figures draw the means over seeds, each model looks the same in all of them, and those of a run have its title."""

from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from ictconvention.drawing.embedded_figure import embed_drawing
from ictconvention.drawing.figures import (
    FALSE_POSITIVE,
    LEAST_OBJECTS,
    MOST_BARS,
    MOST_BINS,
    areas,
    calibration_errors,
    draw_confusion,
    draw_points,
    draw_recall,
    draw_reliability,
    draw_roc,
    mean_confusion,
    recall_by,
)
from ictconvention.drawing.film_strip import draw_film_strip
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import COLOURS, LINES, LONGEST, Style, add_title, fold_name, shorten_middle, style_of
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.scores import scores
from tests.conftest import image_series, write_survey

CLASSES = ("AGN", "SN Ia", "SN Other")
SURVEY = "tiny (simulated)"


def drawn(seed: int = 0, seeds: int = 2, classes: int = 3, n: int = 90) -> Pooled:
    """Return predictions of objects of all classes but the last."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % (classes - 1)
    logits = rng.normal(size=(2, seeds, n, classes)) + 1.5 * np.eye(classes)[label]
    likely, uniform = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    ids = np.array([f"{number:03d}" for number in range(n)])
    return Pooled(ids, label, np.zeros(n, dtype=np.int64), {Prior.SURVEY: likely, Prior.UNIFORM: uniform})


@pytest.fixture
def models() -> list[Compared]:
    return [Compared(f"model {number}", style_of(number), drawn(number)) for number in range(3)]


def says_where(figure: Figure) -> bool:
    return figure.get_supxlabel() == SURVEY


def lines(figure: Figure, colour: str) -> list[NDArray[np.float64]]:
    return [np.asarray(line.get_xydata()) for line in figure.axes[0].lines if line.get_color() == colour]


def test_every_training_is_a_point_in_its_models_row() -> None:
    values = {"one": {(0, 0): 60.0, (0, 1): 62.0, (1, 0): 70.0, (1, 1): 68.0}, "two": {(0, 0): 50.0}}
    figure = draw_points(values, [style_of(0), style_of(1)], "macro F1 [%]", SURVEY)
    points, mean = lines(figure, COLOURS[0])
    np.testing.assert_array_equal(points[:, 0], [60, 62, 70, 68])
    assert points[0, 1] == points[1, 1] < points[2, 1] == points[3, 1]  # the folds below each other
    np.testing.assert_allclose(mean[:, 0], 65)
    assert all(abs(row) < 0.5 for row in points[:, 1])
    np.testing.assert_array_equal(lines(figure, COLOURS[1])[0], [(50, 1)])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["one", "two"]
    assert says_where(figure)


def test_a_sweep_of_fifteen_models_can_be_told_apart() -> None:
    names = [f"ict_sdss, learner.consistency=1.0, learner.tau={tau:.3f}" for tau in np.linspace(0.9, 1, 15)]
    values = {name: {(0, 0): 50.0 + place} for place, name in enumerate(names)}
    figure = draw_points(values, [style_of(place) for place in range(15)], "macro F1", SURVEY)
    shown = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(shown)) == 15
    assert all(len(line) <= LONGEST for text in shown for line in text.splitlines())
    assert all(text.endswith(name[-5:]) for text, name in zip(shown, names, strict=True))
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert all(above[0] > below[1] for below, above in pairwise(heights))
    assert min(box.x0 for box in boxes) >= 0


def test_looks_repeat_only_after_all_lines() -> None:
    looks = [style_of(number) for number in range(len(COLOURS) * len(LINES))]
    assert len(set(looks)) == len(looks)
    assert style_of(len(looks)) == looks[0]
    assert [look.dashes for look in looks[:: len(COLOURS)]] == ["", "6 3", "2 2"]


def test_a_long_name_keeps_its_end_and_no_letter_moves_the_paper() -> None:
    assert shorten_middle("short") == "short"
    assert len(shorten_middle("x" * 99 + "tau=0.9")) == LONGEST
    assert shorten_middle("x" * 99 + "tau=0.9").endswith("tau=0.9")
    assert shorten_middle("a\rb\x00c") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_a_name_is_folded_where_a_word_ends_and_no_line_is_too_long() -> None:
    assert fold_name("ellipticals", 16) == "ellipticals"
    assert fold_name("spiral_galaxies_with_names", 16) == "spiral_galaxies_\nwith_names"
    assert fold_name("model=cnn2 imbalance=weighted", 21) == "model=cnn2\nimbalance=weighted"
    for name in ("x" * 99, "a " * 60, "one-two/three " * 9):
        folded = fold_name(name, 12, 3).splitlines()
        assert len(folded) <= 3
        assert max(map(len, folded)) <= 12
        assert folded[-1].endswith(name.rstrip()[-3:])


def test_names_about_a_confusion_matrix_are_whole_and_lie_on_the_paper() -> None:
    classes, model = ("spiral_galaxies_with_arms", "ellipticals"), "model=cnn2 imbalance=weighted"
    figure = draw_confusion(np.eye(2), classes, model, style_of(0), SURVEY)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    title = next(text for text in axes.get_children() if isinstance(text, Text) and "cnn2" in text.get_text())
    names = [*axes.get_xticklabels(), *axes.get_yticklabels(), title]
    written = "".join(text.get_text().replace("\n", "") for text in names)
    assert "…" not in written
    assert written.count("spiral_galaxies_with_arms") == 2
    paper = figure.bbox
    for text in names:
        box = text.get_window_extent()
        assert min(box.x0, box.y0) >= 0, text
        assert box.x1 <= paper.x1, text
        assert box.y1 <= paper.y1, text


def test_the_name_and_unit_of_a_quantity_are_whole(models: list[Compared]) -> None:
    name = "log10 of the G flux when bright [no unit]"
    figure = draw_recall(models[:1], {0: CLASSES[0]}, {name: np.arange(90.0)}, SURVEY)
    assert figure is not None
    assert figure.axes[0].get_xlabel().replace("\n", " ") == name


def test_the_confusion_is_the_mean_of_those_of_the_seeds(models: list[Compared]) -> None:
    pooled = models[0].pooled
    for shares, found in ((Prior.SURVEY, pooled.at(Prior.SURVEY)), (Prior.UNIFORM, pooled.at(Prior.UNIFORM))):
        each = [confusion_matrix(pooled.label, one.argmax(1), labels=[0, 1, 2]) for one in found]
        np.testing.assert_array_equal(mean_confusion(pooled, shares), (each[0] + each[1]) / 2)
    count = mean_confusion(pooled, Prior.SURVEY)
    figure = draw_confusion(count, CLASSES, "model 0", style_of(0), SURVEY)
    said = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert said[0, 0] == f"{count[0, 0] / 45:.0%}\n{count[0, 0]:.4g}"
    assert said[2, 2] == "0%\n0"  # no SN Other is tested
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "AGN (45)",
        "SN Ia (45)",
        "SN Other (0)",
    ]
    assert says_where(figure)


def test_the_roc_of_a_model_is_the_mean_of_its_seeds(models: list[Compared]) -> None:
    figure = draw_roc(models, {1: "SN Ia"}, SURVEY)
    for model in models:
        truth = model.pooled.label == 1
        curves = [roc_curve(truth, found[:, 1])[:2] for found in model.pooled.at(Prior.SURVEY)]
        expected = np.mean([np.interp(FALSE_POSITIVE, *curve) for curve in curves], axis=0)
        (line,) = lines(figure, model.look.colour)
        np.testing.assert_allclose(line[1:, 1], expected)
        np.testing.assert_array_equal(line[0], (0, 0))
        assert areas(model.pooled, 1) == [roc_auc_score(truth, found[:, 1]) for found in model.pooled.at(Prior.SURVEY)]
    assert areas(models[0].pooled, 2) == []
    assert says_where(figure)


def test_a_constant_answer_of_each_fold_ranks_nothing() -> None:
    pooled = drawn()
    cell = np.arange(len(pooled.label)) % 3 % 2
    shares = np.array([[0.5, 0.4, 0.1], [0.4, 0.5, 0.1]])[cell]  # another constant in each fold
    constant = replace(pooled, cell=cell, rows={Prior.SURVEY: np.stack([shares, shares])})
    assert areas(constant, 0) == [0.5] * 4
    figure = draw_roc([Compared("constant", style_of(0), constant)], {0: "AGN"}, SURVEY)
    (line,) = lines(figure, style_of(0).colour)
    np.testing.assert_allclose(line[:, 0], line[:, 1], atol=1e-12)


def test_reliability_puts_each_bin_at_the_accuracy_over_all_seeds(models: list[Compared]) -> None:
    model = models[0]
    figure = draw_reliability(model, SURVEY)
    points = np.array([p[0] for p in lines(figure, COLOURS[0]) if len(p) == 1])
    confidence = model.pooled.at(Prior.SURVEY).max(2).ravel()
    right = (model.pooled.at(Prior.SURVEY).argmax(2) == model.pooled.label).ravel()
    place = (confidence * 15).astype(int)
    expected = [(confidence[place == b].mean(), right[place == b].mean()) for b in np.unique(place)]
    np.testing.assert_allclose(points, expected)
    heights = [patch.get_height() for patch in figure.axes[1].patches if isinstance(patch, Rectangle)]
    np.testing.assert_allclose(heights, np.bincount(place, minlength=15) / 2)
    each = [scores(found, model.pooled.label, CLASSES)["calibration_error"] for found in model.pooled.at(Prior.SURVEY)]
    np.testing.assert_allclose(calibration_errors(model.pooled), each)
    assert says_where(figure)


def test_recall_against_a_quantity_is_the_mean_of_the_seeds(models: list[Compared]) -> None:
    x = np.where(np.arange(90) < 80, np.linspace(17, 22, 90), np.nan)
    figure = draw_recall(models, {0: "AGN"}, {"magnitude": x}, SURVEY)
    assert figure is not None
    here = (models[0].pooled.label == 0) & np.isfinite(x)
    for model in models:
        each = [recall_by(x[here], found[here].argmax(1) == 0) for found in model.pooled.at(Prior.UNIFORM)]
        (line,) = lines(figure, model.look.colour)
        np.testing.assert_allclose(line, np.mean(each, axis=0)[:, :2])
    assert figure.axes[0].get_title("left") == f"AGN ({here.sum()} objects)"
    assert len(figure.axes[0].collections) == 3
    assert says_where(figure)
    assert draw_recall(models, {2: "SN Other"}, {"magnitude": x}, SURVEY) is None
    assert draw_recall(models, {0: "AGN"}, {"redshift": np.full(90, np.nan)}, SURVEY) is None
    many = models * MOST_BARS
    crowded = draw_recall(many, {0: "AGN"}, {"magnitude": x}, SURVEY)
    assert crowded is not None
    assert not crowded.axes[0].collections


@pytest.mark.parametrize("classes", [2, 9])
def test_any_names_of_few_or_many_classes_can_be_drawn(classes: int) -> None:
    names = [f"$x$ & $\\y_{number}$ \x01<b>" for number in range(classes)]
    pooled = drawn(classes=classes)
    models = [Compared(name, style_of(number), pooled) for number, name in enumerate(names[:3])]
    figures = [draw_points({name: {(0, 0): 1.0} for name in names[:3]}, [m.look for m in models], "$", "$")]
    figures += [draw_confusion(mean_confusion(pooled, Prior.SURVEY), names, names[0], style_of(0), "$")]
    figures += [draw_reliability(models[0], "$")]
    figures += [draw_roc(models, {0: names[0]}, "$"), draw_roc(models[:1], dict(enumerate(names)), "$")]
    for chosen in (models, {0: names[0]}), (models[:1], dict(enumerate(names))):
        recall = draw_recall(*chosen, {"$": np.arange(90.0)}, "$")
        assert recall is not None
        figures.append(recall)
    for figure in figures:
        assert embed_drawing(add_title(figure, "$x$"), "").address.startswith("data:image/svg+xml;base64,")


def test_a_run_has_a_line_for_each_class_and_names_the_one_that_it_lacks(models: list[Compared]) -> None:
    (run,), classes = models[:1], dict(enumerate(CLASSES))
    legend = draw_roc([run], classes, SURVEY).axes[0].get_legend()
    assert legend is not None
    (area,) = {np.mean(areas(run.pooled, 1))}
    named = [text.get_text() for text in legend.get_texts()]
    assert named[1:] == [f"SN Ia: {area:.3f} (45 objects)", "SN Other: no test object"]
    unknown, known = np.full(90, np.nan), np.linspace(17, 22, 90)
    recall = draw_recall([run], classes, {"redshift": unknown, "magnitude": known}, SURVEY)
    assert recall is not None
    assert [axes.get_xlabel() for axes in recall.axes] == ["magnitude"]
    shown = {line.get_label(): np.asarray(line.get_xydata()) for line in recall.axes[0].lines}
    here = run.pooled.label == 0
    each = [recall_by(known[here], guess[here] == 0) for guess in run.pooled.at(Prior.UNIFORM).argmax(2)]
    np.testing.assert_allclose(shown["AGN (45)"], np.mean(each, axis=0)[:, :2])
    assert list(shown) == ["AGN (45)", "SN Ia (45)", "SN Other: no object"]
    assert not shown["SN Other: no object"].size


def test_a_class_without_another_to_rank_it_against_is_named_with_that_reason() -> None:
    pooled = drawn()
    alone = replace(pooled, label=np.zeros_like(pooled.label))
    legend = draw_roc([Compared("one", style_of(0), alone)], dict(enumerate(CLASSES)), SURVEY).axes[0].get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert said[0].startswith("AGN: in no fold")
    assert said[1:] == ["SN Ia: no test object", "SN Other: no test object"]


def painted(figure: Figure, look: Style) -> int:
    """Return how many pixels of a figure have the colour of a look, or nearly."""
    file = BytesIO()
    figure.savefig(file, format="rgba")
    pixels = np.frombuffer(file.getvalue(), np.uint8).reshape(-1, 4)[:, :3].astype(float)
    return int((np.abs(pixels - 255 * np.array(to_rgb(look.colour))).max(1) < 24).sum())


@pytest.mark.parametrize("count", [2, 5, 9])
def test_models_that_coincide_are_all_seen(count: int) -> None:
    """The same predictions under several names: of each there is colour, in every panel."""
    models = [Compared(str(number), style_of(number), drawn(n=400)) for number in range(count)]
    recall = draw_recall(models, {0: "AGN"}, {"magnitude": np.linspace(17, 22, 400)}, SURVEY)
    assert recall is not None
    for figure in (draw_roc(models, {0: "AGN"}, SURVEY), recall):
        assert min(painted(figure, model.look) for model in models) > 10
        data = [lines(figure, model.look.colour)[0] for model in models]
        assert all(np.array_equal(one, data[0]) for one in data)  # what is drawn apart is the same number


def test_points_that_are_set_apart_are_within_the_axes(models: list[Compared]) -> None:
    figure = draw_recall(models, {0: "AGN"}, {"magnitude": np.linspace(17, 22, 90)}, SURVEY)
    assert figure is not None
    figure.draw_without_rendering()
    axes = figure.axes[0]
    for line in axes.lines:
        shown = line.get_transform().transform(np.asarray(line.get_xydata()))
        assert all(axes.bbox.padded(1).contains(x, y) for x, y in shown)


def test_a_figure_of_a_run_is_as_large_as_the_film_strip_and_titled_like_it(
    models: list[Compared], tmp_path: Path
) -> None:
    survey = write_survey(tmp_path / "s", [image_series(0, 6)])
    strip = draw_film_strip(survey[0], survey.header)
    count, known = mean_confusion(models[0].pooled, Prior.SURVEY), np.linspace(17, 22, 90)
    classes = dict(enumerate(CLASSES))
    recall = draw_recall(models[:1], classes, {"magnitude": known}, SURVEY)
    assert recall is not None
    panels = [draw_confusion(count, CLASSES, "", style_of(0), SURVEY), draw_roc(models[:1], classes, SURVEY), recall]
    for figure in [*panels, draw_reliability(models[0], SURVEY)]:
        add_title(figure, "tiny (simulated), test part", "run, at equal class shares")
        assert figure.get_figwidth() >= strip.get_figwidth()
        assert figure.dpi == strip.dpi
        for ours, its in zip(figure.texts[-2:], strip.texts[:2], strict=True):
            assert ours.get_fontsize() == its.get_fontsize()
            assert ours.get_fontweight() == its.get_fontweight()
            left = [text.get_position()[0] * one.get_figwidth() for text, one in ((ours, figure), (its, strip))]
            assert left[0] == pytest.approx(left[1])
        figure.draw_without_rendering()
        top = max(box.y1 for axes in figure.axes if (box := axes.get_tightbbox()) is not None)
        assert top < figure.texts[-1].get_window_extent().y0  # nothing lies under the title
    width = panels[0].get_figwidth()
    assert add_title(panels[0], "long" * 40).get_figwidth() > width


def test_recall_in_bins_averages_to_the_recall() -> None:
    rng = np.random.default_rng(1)
    right, magnitude = rng.random(60) < 0.7, rng.uniform(16, 23, 60)
    bins = recall_by(magnitude, right)
    assert bins.shape == (min(MOST_BINS, 60 // LEAST_OBJECTS), 4)
    assert bins[:, 1].mean() == pytest.approx(right.mean())  # 60 in 6 equal bins
    assert ((bins[:, 2] <= bins[:, 1]) & (bins[:, 1] <= bins[:, 3])).all()
    np.testing.assert_array_equal(bins[:, 0], np.sort(bins[:, 0]))


def test_intervals_of_recall_are_wilsons() -> None:
    for found, low, high in ((False, 0, 1 / 9), (True, 8 / 9, 1)):
        (one,) = recall_by(np.arange(8.0), np.full(8, found))
        np.testing.assert_allclose(one[2:], (low, high), rtol=1e-5, atol=1e-12)
