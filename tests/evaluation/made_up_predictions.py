"""Predictions drawn by chance, for the tests of comparisons."""

from collections.abc import Sequence

import numpy as np

from ictconvention.evaluation.predictions import ModelPredictions, Predictions
from ictconvention.evaluation.prior import Prior


def predicted(ids: Sequence[str], seed: int, classes: int = 3, labels: Sequence[int] | None = None) -> Predictions:
    rng = np.random.default_rng(seed)
    label = np.array([sum(map(ord, id_)) % classes for id_ in ids] if labels is None else labels)
    likely, uniform = rng.dirichlet(np.ones(classes), (2, len(ids)))
    return Predictions(np.array(ids, dtype=str), label, {Prior.SURVEY: likely, Prior.UNIFORM: uniform})


def certain(ids: Sequence[str], labels: Sequence[int], guesses: Sequence[int], classes: int) -> Predictions:
    """Return predictions that leave no doubt, the same at all class shares."""
    sure = np.eye(classes)[list(guesses)]
    return Predictions(np.array(ids, dtype=str), np.array(labels), {Prior.SURVEY: sure, Prior.UNIFORM: sure})


def entry_of(
    name: str, guesses: dict[tuple[int, int], list[int]], labels: dict[int, list[int]], classes: int
) -> ModelPredictions:
    """Return an entry of certain predictions by fold and seed; objects are numbered within their fold."""
    return ModelPredictions(
        name,
        {
            (fold, seed): certain([f"{fold}-{i:03d}" for i in range(len(of))], labels[fold], of, classes)
            for (fold, seed), of in guesses.items()
        },
    )
