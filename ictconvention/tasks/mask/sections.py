"""What pages say of masks and shares: the overlap of each class, published numbers, the pictures most wrong."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.drawing.panels import Compared
from ictconvention.evaluation.masks.kl import divergences, normalised
from ictconvention.evaluation.masks.pixels import iou
from ictconvention.evaluation.masks.published import CAUTION, PUBLISHED_KL
from ictconvention.evaluation.predictions import Pooled, Predictions
from ictconvention.survey.survey import Survey
from ictconvention.tasks.mask.measures import CONFUSION
from ictconvention.tasks.mask.pictures import AGAINST, CONFUSED, confusion_pictures, draw_run, share_pictures
from ictconvention.tasks.task_figures import NumberTable, Said, Section, ShownObject, TaskFigures, WorstObjects

MOST = 12  # pictures whose shares are most wrong
RIGHT = 0.05  # divergence below which shares are called right
OVERLAP = (
    "Intersection over union of each class, of the pixels of all test pictures together, the mean over the seeds; '-' "
    "where no pixel is of the class, known or predicted."
)
SHARES = "Below, the mean share of each class in the test pictures, known and predicted."
PUBLISHED = "Published divergences of a challenge with the same score."
WORST = (
    "The test pictures whose shares all models together miss most: the divergence, the mean over models and seeds. "
    "What is wrong here may be the mask."
)


class MaskFigures(TaskFigures):
    """What masks show."""

    def draw(self, part: str, found: Predictions, survey: Survey, run: str) -> dict[str, Figure]:
        """Return the confusion of pixels, and shares against known ones."""
        return draw_run(part, found, self.names, survey, run)

    def of_models(self, models: Sequence[Compared], survey: str) -> list[Section]:
        """Return confusion of pixels, overlaps and shares of all models, and published numbers with their caution."""
        against = {"": share_pictures(models, self.names, survey)}
        sections = [Section("shares", "Shares", f"{AGAINST} {SHARES}", against, tables=(self._shares(models),))]
        if masks := [model for model in models if CONFUSION in model.pooled.rows]:
            confused = {"": confusion_pictures(masks, self.names, survey)}
            sections.insert(0, Section("confusion", "Confusion of pixels", CONFUSED, confused))
            sections.insert(1, Section("iou", "Overlap of the classes", OVERLAP, tables=(self._overlaps(masks),)))
        rows = tuple((said, f"{value:g}") for said, value in PUBLISHED_KL.items())
        published = NumberTable("Published", ("what", "KL"), rows)
        return [*sections, Section("published", "Published", PUBLISHED, tables=(published,), remarks=(CAUTION,))]

    def _overlaps(self, models: Sequence[Compared]) -> NumberTable:
        rows = []
        for model in models:
            each = np.stack([iou(counts.sum(0)) for counts in model.pooled.at(CONFUSION)])
            rows.append((model.name, *(_written(x) for x in _mean(each))))
        return NumberTable("Intersection over union", ("model", *self.names), tuple(rows))

    def _shares(self, models: Sequence[Compared]) -> NumberTable:
        known = normalised(np.asarray(models[0].pooled.label, dtype=np.float64))
        there = np.isfinite(known).all(1)
        means = {"known": known[there].mean(0)}
        means |= {model.name: model.pooled.at("row")[:, there].mean((0, 1)) for model in models}
        rows = tuple((name, *map(_written, values)) for name, values in means.items())
        return NumberTable("Mean shares", ("", *self.names), rows)

    def worst(self, models: Sequence[Pooled]) -> WorstObjects | None:
        """Return the pictures whose shares the models miss most."""
        known = np.asarray(models[0].label, dtype=np.float64)
        means = [model.at("row").mean(0) for model in models]
        each = np.stack([divergences(known, row) for row in means])
        mean = np.nan_to_num(each.mean(0), nan=-1.0)
        shown = tuple(
            ShownObject(
                str(models[0].ids[i]),
                self._in_words(known[i]),
                float(mean[i]),
                tuple(
                    Said(self._in_words(row[i]), float(each[m, i]), bool(each[m, i] < RIGHT))
                    for m, row in enumerate(means)
                ),
            )
            for i in np.argsort(-mean, kind="stable")[:MOST]
            if mean[i] >= 0
        )
        note = f"what each model says, the three largest shares (green: a divergence below {RIGHT:g})"
        return WorstObjects(WORST, note, "divergence", shown) if shown else None

    def _in_words(self, shares: NDArray[np.float64]) -> str:
        """Return the three largest shares in words."""
        return ", ".join(
            f"{self.names[c]} {shares[c]:.2f}" for c in np.argsort(-shares, kind="stable")[:3] if shares[c]
        )


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the seeds of values (seeds, classes), NaN where none has one."""
    count = np.isfinite(values).sum(0)
    return np.where(count > 0, np.nansum(values, 0) / np.maximum(count, 1), np.nan)


def _written(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"
