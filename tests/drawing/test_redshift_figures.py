"""Figures of redshifts explain their own lines, within the paper, for one model and for many with long names."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from ictconvention.drawing.panels import Compared
from ictconvention.drawing.redshift.figures import draw_bias, draw_distribution, draw_pit, draw_points_against
from ictconvention.drawing.style import add_title, style_of
from ictconvention.evaluation.predictions import Pooled

EDGES = np.linspace(0, 0.7, 41)
LONG = "a_model_whose_name_says_its_learner_and_its_loss_and_never_ends"


def models(number: int) -> list[Compared]:
    rng = np.random.default_rng(0)
    z, centres = rng.gamma(3, 0.07, 120).clip(0, 0.69), (EDGES[1:] + EDGES[:-1]) / 2
    ids, cell = np.array([f"o{i}" for i in range(len(z))]), np.zeros(len(z), dtype=np.int64)
    pdf = np.exp(-0.5 * ((centres - z[:, None]) / 0.03) ** 2)
    pooled = Pooled(ids, z, cell, {"row": (pdf / pdf.sum(1, keepdims=True))[None]})
    return [Compared(f"{LONG}_{place}", style_of(place), pooled) for place in range(number)]


def drawn(number: int) -> dict[str, Figure | None]:
    several, trained = models(number), np.full(40, 1 / 40)
    return {
        "against": draw_points_against(several[0], EDGES, "galaxies (simulated)", 0.3),
        "bias": draw_bias(several, EDGES, "galaxies (simulated)", trained, 0.3),
        "pit": draw_pit(several, EDGES, "galaxies (simulated)"),
        "nz": draw_distribution(several, EDGES, "galaxies (simulated)"),
    }


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("number", [1, 3, 6])
def test_every_line_that_is_no_model_is_named_within_the_paper(number: int, alone: bool) -> None:
    named = {
        "against": {"equal", "error of .05 (1 + z)", "training's 95th percentile"},
        "bias": {"n(z) of these objects", "n(z) of training", "training's 95th percentile"},
        "pit": {"flat: PDFs are what they say"},
        "nz": {"true redshifts"},
    }
    for name, figure in drawn(number).items():
        assert figure is not None
        if alone:
            add_title(figure, "galaxies (simulated), extra test part", "direct fold0-seed0")
        figure.draw_without_rendering()
        legends = [legend for axes in figure.axes if (legend := axes.get_legend()) is not None]
        texts = [text for legend in legends for text in legend.get_texts()]
        assert {text.get_text() for text in texts} >= named[name]
        for box in (text.get_window_extent() for text in texts):
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, name
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, name
            for axes in figure.axes:
                assert not box.overlaps(axes.bbox), name  # they hide no point
