"""The figures say the numbers that the predictions hold, and the survey they come from."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, recall_score, roc_auc_score, roc_curve

from ictconvention.evaluation.figures import draw_confusion, draw_reliability, draw_roc, recall_interval
from ictconvention.evaluation.learning_curves import draw_learning_curves
from ictconvention.evaluation.recall_figure import LEAST_OBJECTS, MOST_BINS, draw_recall, recall_by
from ictconvention.figure_file import save_figure

CLASSES = ("AGN", "SN Ia", "SN Other")
TITLE = "tiny (simulated), test part"


@pytest.fixture
def predictions() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [60, 40])  # no SN Other is tested
    logits = rng.normal(size=(100, 3)) + 1.5 * np.eye(3)[labels]
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), labels


def titled(figure: Figure) -> bool:
    return TITLE in [axes.get_title() for axes in figure.axes] + [figure.get_suptitle()]


def test_confusion_counts_and_shares(predictions: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    likely, labels = predictions
    figure = draw_confusion(likely, labels, CLASSES, TITLE)
    counts = confusion_matrix(labels, likely.argmax(1), labels=[0, 1, 2])
    objects = np.array([[60], [40], [1]])
    (image,) = figure.axes[0].images
    np.testing.assert_allclose(np.asarray(image.get_array()), counts / objects)
    said = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert said == {(j, i): f"{n / objects[i, 0]:.0%}\n{n}" for (i, j), n in np.ndenumerate(counts)}  # x, y
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "AGN (60)",
        "SN Ia (40)",
        "SN Other (0)",
    ]
    assert titled(figure)


def test_roc_names_the_area_and_leaves_out_what_cannot_be_ranked(
    predictions: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    likely, labels = predictions
    figure = draw_roc(likely, labels, CLASSES, TITLE)
    (legend,) = [axes.get_legend() for axes in figure.axes]
    assert legend is not None
    area = roc_auc_score(labels == 1, likely[:, 1])
    assert [text.get_text() for text in legend.get_texts()][1] == f"SN Ia: {area:.3f} (40 objects)"
    assert len(legend.get_texts()) == 2
    false, true, _ = roc_curve(labels == 1, likely[:, 1])
    np.testing.assert_allclose(np.asarray(figure.axes[0].lines[2].get_xydata()), np.column_stack([false, true]))
    assert titled(figure)


def test_reliability_puts_each_bin_at_its_accuracy(predictions: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    likely, labels = predictions
    figure = draw_reliability(likely, labels, TITLE)
    points = np.array([np.asarray(line.get_xydata())[0] for line in figure.axes[0].lines if line.get_marker() == "o"])
    confidence, right = likely.max(1), likely.argmax(1) == labels
    place = (confidence * 15).astype(int)
    expected = [(confidence[place == b].mean(), right[place == b].mean()) for b in np.unique(place)]
    np.testing.assert_allclose(points, expected)
    bars = [np.asarray(line.get_ydata()) for line in figure.axes[0].lines if line.get_marker() == "None"][1:]
    wanted = [recall_interval(int(right[place == b].sum()), int((place == b).sum())) for b in np.unique(place)]
    np.testing.assert_allclose(np.array(bars), np.array(wanted))
    heights = [patch.get_height() for patch in figure.axes[1].patches if isinstance(patch, Rectangle)]
    np.testing.assert_array_equal(heights, np.bincount(place, minlength=15))
    assert titled(figure)


def test_recall_in_bins_averages_to_the_recall(predictions: tuple[NDArray[np.float64], NDArray[np.int64]]) -> None:
    likely, labels = predictions
    rng = np.random.default_rng(1)
    right, magnitude = likely[labels == 0].argmax(1) == 0, rng.uniform(16, 23, 60)
    bins = recall_by(magnitude, right)
    assert len(bins) == min(MOST_BINS, 60 // LEAST_OBJECTS)
    recall = recall_score(labels, likely.argmax(1), labels=[0], average="macro")
    assert np.mean([value for _, value, _, _ in bins]) == pytest.approx(recall)  # 60 in 6 equal bins
    assert all(low <= value <= high for _, value, low, high in bins)
    assert [x for x, *_ in bins] == sorted(x for x, *_ in bins)


def test_a_quantity_that_nobody_knows_has_no_panel(
    predictions: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> None:
    likely, labels = predictions
    unknown, known = np.full(100, np.nan), np.linspace(17, 22, 100)
    figure = draw_recall(likely, labels, CLASSES, {"redshift": unknown, "magnitude": known}, TITLE)
    assert figure is not None
    assert [axes.get_xlabel() for axes in figure.axes] == ["magnitude"]
    drawn = {line.get_label(): np.asarray(line.get_xydata()) for line in figure.axes[0].lines}
    right = likely[:60].argmax(1) == 0
    np.testing.assert_allclose(drawn["AGN (60)"], np.array(recall_by(known[:60], right))[:, :2])
    assert titled(figure)
    assert draw_recall(likely, labels, CLASSES, {"redshift": unknown}, TITLE) is None


def test_recall_interval_is_wilsons() -> None:
    np.testing.assert_allclose(recall_interval(0, 10), (0, 1 / 11))
    np.testing.assert_allclose(recall_interval(10, 10), (10 / 11, 1))
    np.testing.assert_allclose(recall_interval(50, 100, deviations=1.96), (0.4038, 0.5962), atol=1e-4)


def test_any_number_of_classes_and_any_name_can_be_drawn(tmp_path: Path) -> None:
    names = [f"$x$ & $\\y_{number}$" for number in range(12)]
    row: dict[str, str | float] = {f"pretrain/val/recall/{name}": 0.5 for name in names}
    figures = [draw_learning_curves({("pretrain", 1): row}, "$a$ & $\\b$")]
    likely, labels = np.eye(12), np.arange(12)
    figures += [draw_confusion(likely, labels, names, "$"), draw_roc(likely, labels, names, "$")]
    figures += [draw_recall(likely, labels, names, {"redshift": np.linspace(0.1, 1, 12)}, "$")]
    for number, figure in enumerate(figures):
        assert figure is not None
        save_figure(figure, tmp_path / f"{number}.png")
    assert draw_learning_curves({}, TITLE) is None


def test_learning_curves_show_what_the_stages_logged() -> None:
    rows: dict[tuple[str, int], dict[str, str | float]] = {
        ("pretrain", 1): {
            "pretrain/train/loss": "2.5",
            "pretrain/val/recall/SN Ia": 0.1,
            "pretrain/val/recall/AGN": 0.2,
        },
        ("pretrain", 2): {"pretrain/train/loss": 1.5, "pretrain/val/collapse/spread": 0.01},
        ("finetune", 1): {"finetune/train/loss": 1.0, "finetune/val/f1_macro": 0.4},
    }
    figure = draw_learning_curves(rows, TITLE, healthy=0.088)
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "loss",
        "validation scores",
        "recall in validation",
        "spread of the projections",
    ]
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), [(1, 2.5), (2, 1.5)])
    assert [line.get_label() for line in figure.axes[4].lines] == ["SN Ia", "AGN"]
    assert titled(figure)
