"""The learning curves of a model are the mean of its trainings, with each of them."""

import numpy as np

from ictconvention.drawing.learning_curves import SPREAD, Rows, draw_learning_curves
from ictconvention.drawing.style import COLOURS, style_of

SURVEY = "tiny (simulated)"


def rows(start: float, epochs: int = 3) -> dict[tuple[str, int], dict[str, str | float]]:
    return {
        ("pretrain", epoch): {"pretrain/train/loss": str(start - epoch), "pretrain/val/f1_macro": 0.1 * epoch}
        for epoch in range(1, epochs + 1)
    }


def test_the_mean_is_thick_and_each_training_thin() -> None:
    figure = draw_learning_curves([rows(4), rows(6), rows(8, 2)], "ict", style_of(0), SURVEY)
    assert figure is not None
    first, second, third, mean = figure.axes[0].lines
    np.testing.assert_array_equal(second.get_xydata(), [(1, 5), (2, 4), (3, 3)])
    np.testing.assert_array_equal(mean.get_xydata(), [(1, 5), (2, 4), (3, 2)])  # the third has no third epoch
    assert mean.get_linewidth() > first.get_linewidth() == third.get_linewidth()
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "validation scores"]
    assert figure.get_suptitle() == "ict"
    assert figure.get_supxlabel() == SURVEY


def test_one_training_is_drawn_once() -> None:
    figure = draw_learning_curves([rows(4)], "ict", style_of(0), SURVEY)
    assert figure is not None
    assert len(figure.axes[0].lines) == 1


def test_the_spread_of_projections_is_shown_beside_a_healthy_one() -> None:
    projecting: Rows = {
        ("pretrain", 1): {"pretrain/val/collapse/spread": 0.01},
        ("finetune", 1): {"finetune/train/loss": 1.0},
    }
    figure = draw_learning_curves([projecting], "ict", style_of(0), SURVEY, healthy=0.088)
    assert figure is not None
    panels = {axes.get_ylabel().replace("\n", " "): axes for axes in figure.axes[::2]}
    assert list(panels) == ["loss", SPREAD]
    spread, healthy = panels[SPREAD].lines
    np.testing.assert_array_equal(spread.get_xydata(), [(1, 0.01)])
    assert set(np.asarray(healthy.get_ydata())) == {0.088}


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_learning_curves([], "ict", style_of(0), SURVEY) is None
    assert draw_learning_curves([{}], "ict", style_of(0), SURVEY) is None


def test_a_run_shows_all_that_its_stages_logged_each_in_its_own_look() -> None:
    logged: dict[tuple[str, int], dict[str, str | float]] = {
        ("pretrain", 1): {
            "pretrain/train/loss": "2.5",
            "pretrain/val/recall/SN Ia": 0.1,
            "pretrain/val/recall/AGN": 0.2,
        },
        ("pretrain", 2): {"pretrain/train/loss": 1.5, "pretrain/val/collapse/spread": 0.01},
        ("finetune", 1): {"finetune/train/loss": 1.0, "finetune/val/f1_macro": 0.4},
    }
    figure = draw_learning_curves([logged], "", None, SURVEY, healthy=0.088)
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == [
        "loss",
        "validation scores",
        "recall in validation",
        "spread of\nthe projections",
    ]
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), [(1, 2.5), (2, 1.5)])
    assert [line.get_label() for line in figure.axes[4].lines] == ["SN Ia", "AGN"]
    assert [line.get_color() for line in figure.axes[4].lines] == list(COLOURS[:2])
    assert figure.get_supxlabel() == SURVEY


def test_metrics_that_coincide_are_both_seen() -> None:
    """In a run's own looks by their widths, in a model's one colour by rings."""
    equal: dict[tuple[str, int], dict[str, str | float]] = {
        ("finetune", epoch): {"finetune/val/balanced_accuracy": 0.9, "finetune/val/f1_macro": 0.9}
        for epoch in range(1, 21)
    }
    own = draw_learning_curves([equal], "", None, SURVEY)
    assert own is not None
    first, second = own.axes[0].lines
    assert first.get_linewidth() > second.get_linewidth() + 0.5
    assert first.get_color() != second.get_color()
    model = draw_learning_curves([equal], "ict", style_of(0), SURVEY)
    assert model is not None
    first, second = model.axes[0].lines
    assert (second.get_marker(), second.get_markerfacecolor()) == ("o", "white")
    assert first.get_marker() == "None"
