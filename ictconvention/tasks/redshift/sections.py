"""What runs and pages show of redshifts, each picture with words for those who do not see it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ictconvention.drawing.embedded_figure import Picture, embed_drawing
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.redshift.figures import (
    draw_bias,
    draw_distribution,
    draw_pit,
    draw_points_against,
)
from ictconvention.drawing.style import add_title, style_of
from ictconvention.evaluation.predictions import Pooled, Predictions
from ictconvention.evaluation.redshift.pdf import Floats, interval, point_estimates
from ictconvention.evaluation.redshift.scores import BEYOND, BEYOND_KEY, FAR, errors, redshift_scores
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.bins import SHARES_KEY, edges_of
from ictconvention.tasks.redshift.details import tables_in_bins
from ictconvention.tasks.redshift.format import LEVEL
from ictconvention.tasks.task_figures import Said, Section, ShownObject, TaskFigures, WorstObjects

MOST = 12  # objects with the largest errors
AGAINST = (
    "The mean of the PDF against the true redshift, over all folds and seeds; dashed where they are equal, dotted at "
    "errors of .05 (1 + z), dash-dotted at the 95th percentile of the training's redshifts."
)
BIAS = (
    "The mean of (z_p - z) / (1 + z) in bins of about equal numbers of objects, the mean over the seeds; bars are the "
    "error of the mean of one seed. Below, n(z) of these objects, and of training where it is known."
)
PIT = (
    "The share of each PDF that lies below the true redshift, over all folds and seeds: flat where the PDFs are what "
    "they say; high at the ends where they are too narrow, in the middle where they are too wide."
)
DISTRIBUTION = "The PDFs of all test objects summed, the mean over the seeds, and the true redshifts in grey."
IN_BINS = (
    "bias, scatter and outliers of the test objects in bins of equal numbers, with 95 % intervals of the luck of the "
    "objects and of the seeds. The bins of the predicted redshift are those of the true one; the magnitude is measured."
)
WORST = (
    "The test objects whose redshifts all models together miss most: the absolute error |z_p - z| / (1 + z), the mean "
    "over models and seeds. What is wrong here may be the redshift of the survey."
)


class RedshiftFigures(TaskFigures):
    """What redshifts show.

    Parameters
    ----------
    names : sequence of str
        Names of the bins.
    training : mapping
        What is known of the training part.
    """

    against = "scores in bins of redshift and magnitude"

    def __init__(self, names: Sequence[str], training: Mapping[str, Any]) -> None:
        super().__init__(names)
        self.edges, self.beyond = edges_of(names), training.get(BEYOND_KEY)
        self.trained = np.array(training[SHARES_KEY]) if SHARES_KEY in training else None

    def draw(self, part: str, found: Predictions, survey: Survey, run: str) -> dict[str, Figure]:
        """Return redshifts against redshifts, bias, PIT and n(z)."""
        name = survey.header.full_name
        scores = redshift_scores(found.at("row"), self.edges, np.asarray(found.label, dtype=float), self.beyond)
        said = f"sigma_MAD {scores['sigma_mad']:.4f}, outliers .05: {scores['outliers_05']:.1%}"
        model = Compared(said, style_of(0), found.pooled)
        figures: dict[str, Figure | None] = {
            "redshift": draw_points_against(model, self.edges, name, self.beyond),
            "bias": draw_bias([model], self.edges, name, self.trained, self.beyond),
            "pit": draw_pit([model], self.edges, name),
            "nz": draw_distribution([model], self.edges, name),
        }
        end = part.removeprefix("test").removesuffix("_test")
        end = f"_{end}" if end else ""
        title = f"{name}, {part.replace('_', ' ')} part"
        return {f"{key}{end}": add_title(figure, title, run) for key, figure in figures.items() if figure is not None}

    def of_models(self, models: Sequence[Compared], survey: str) -> list[Section]:
        """Return redshifts against redshifts, bias, PIT and n(z)."""
        edges, beyond = self.edges, self.beyond
        told = [(model, _mean_scores(model.pooled, edges, beyond)) for model in models]
        against = [
            embed_drawing(
                draw_points_against(model, edges, survey, beyond),
                f"predicted against true redshifts of {model.name}; sigma_MAD {found['sigma_mad']:.4f}",
                f"sigma_MAD {found['sigma_mad']:.4f}, outliers .05: {found['outliers_05']:.1%}",
            )
            for model, found in told
        ]
        bias = draw_bias(models, edges, survey, self.trained, beyond)
        return [
            Section("redshifts", "Redshifts", AGAINST, {"": against}),
            Section(
                "bias",
                "Bias",
                BIAS,
                {"": [] if bias is None else [_of_all(bias, told, "bias", "bias against true redshift")]},
                legend=True,
                empty="Fewer than five objects have a redshift.",
                remarks=_said_beyond(told, beyond),
            ),
            Section(
                "pit",
                "PIT",
                PIT,
                {"": [_of_all(draw_pit(models, edges, survey), told, "pit_ks", "histogram of the PIT")]},
                legend=True,
            ),
            Section(
                "nz",
                "n(z)",
                DISTRIBUTION,
                {"": [_of_all(draw_distribution(models, edges, survey), told, "nz_wasserstein", "n(z)")]},
                legend=True,
            ),
        ]

    def of_objects(self, models: Sequence[Compared], opened: Survey, survey: str) -> list[Section]:
        """Return bias, scatter and outliers in bins of redshift and of magnitude, as numbers."""
        return [Section("bins", "In bins", f"{survey}: {IN_BINS}", tables=tables_in_bins(models, self.edges, opened))]

    def worst(self, models: Sequence[Pooled]) -> WorstObjects:
        """Return the objects of the largest errors."""
        z = np.asarray(models[0].label, dtype=np.float64)
        means = [model.at("row").mean(0) for model in models]
        off = np.stack([errors(point_estimates(pdf, self.edges)["mean"], z) for pdf in means])
        mean = np.nan_to_num(np.abs(off).mean(0))
        ends = [interval(pdf, self.edges, LEVEL) for pdf in means]
        shown = tuple(
            ShownObject(
                str(models[0].ids[i]),
                f"{z[i]:.4f}",
                float(mean[i]),
                tuple(
                    Said(
                        f"{z[i] + off[m, i] * (1 + z[i]):.4f} ({low[i]:.3f} to {high[i]:.3f})",
                        float(abs(off[m, i])),
                        bool(abs(off[m, i]) <= FAR["outliers_05"]),
                    )
                    for m, (low, high) in enumerate(ends)
                ),
            )
            for i in np.argsort(-mean, kind="stable")[:MOST]
            if np.isfinite(z[i])
        )
        note = "what each model says, with its 68 % interval (green: within .05)"
        return WorstObjects(WORST, note, "error", shown)


def _mean_scores(pooled: Pooled, edges: Floats, beyond: float | None) -> dict[str, float]:
    """Return the mean over the seeds of each score, NaN where there is none."""
    z = np.asarray(pooled.label, dtype=np.float64)
    found = [redshift_scores(pdf, edges, z, beyond) for pdf in pooled.at("row")]
    return {name: float(np.mean([np.nan if x[name] is None else x[name] for x in found])) for name in found[0]}


def _of_all(figure: Figure, told: Sequence[tuple[Compared, Mapping[str, float]]], score: str, what: str) -> Picture:
    """Return a picture of all models with a score of each."""
    numbers = tuple((number, f"{found[score]:.4f}") for number, (_, found) in enumerate(told))
    said = ", ".join(f"{model.name} {found[score]:.4f}" for model, found in told)
    words = {"bias": "bias", "pit_ks": "distance of the PIT from uniform", "nz_wasserstein": "Wasserstein distance"}
    return embed_drawing(figure, f"{what}; {words[score]}: {said}", words[score], numbers)


def _said_beyond(told: Sequence[tuple[Compared, Mapping[str, float]]], beyond: float | None) -> list[str]:
    """Say how large the bias is beyond the training's redshifts."""
    if beyond is None or not told[0][1][f"objects_beyond_{BEYOND}"]:
        return []
    each = ", ".join(f"{model.name} {found[f'bias_beyond_{BEYOND}']:+.4f}" for model, found in told)
    number = int(told[0][1][f"objects_beyond_{BEYOND}"])
    return [f"Bias of the {number} objects beyond z = {beyond:.3g}, the training's {BEYOND}th percentile: {each}."]
