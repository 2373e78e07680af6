"""A forest trained on the parts that networks train on, calibrated on the part that calibrates them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.options import Imbalance, Stage
from ictconvention.evaluation.calibration import fit_temperature, prior_shift, probabilities
from ictconvention.evaluation.forest import PRETRAIN_WEIGHT, fit_forest
from ictconvention.evaluation.forests.trees import Trees, as_seen
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.sampler import class_shares

LEAST = 1e-3  # probability below which a forest's share of votes says no more


@dataclass(frozen=True, eq=False)
class CalibratedForest:
    """A forest whose probabilities are calibrated.

    Parameters
    ----------
    trees : Trees
        Vote for the classes, each of which weighs the same.
    shares : array (classes,)
        Shares of the classes that its probabilities are at: those of the last stage's training part.
    temperature : float
        Divides the logarithms of the votes.
    """

    trees: Trees
    shares: NDArray[np.float64]
    temperature: float

    @classmethod
    def fit(
        cls, features: NDArray[np.float64], data: SeriesDataModule, stages: Sequence[Stage], jobs: int | None = None
    ) -> "CalibratedForest":
        """Train a forest on the training parts of some stages, and calibrate it on the validation part of the last.

        Parameters
        ----------
        features : array (n, f)
            Those of each object of the survey; of other parts they are not read.
        data : SeriesDataModule
            That of the last stage.
        stages : sequence of "pretrain" and "finetune"
            Which stages, in order.
        jobs : int, optional
            Threads; all by default.
        """
        classes, labels, shares = data.names, data.training.labels, survey_shares(data)
        parts = [data.positions(f"{stage}_train") for stage in stages]
        parts = [part[labels[part] != UNLABELLED] for part in parts]
        worth = {"pretrain": PRETRAIN_WEIGHT, "finetune": 1.0}
        weights = np.concatenate([np.full(len(part), worth[stage]) for stage, part in zip(stages, parts, strict=True)])
        train, validation = np.concatenate(parts), data.positions(data.validation_part)
        model = fit_forest(as_seen(features[train]), [classes[c] for c in labels[train]], weights, jobs=jobs)
        trees = Trees.of(model, classes)
        known = validation[labels[validation] != UNLABELLED]
        return cls(trees, shares, fit_vote_temperature(_votes(trees, features[known]), labels[known], shares))

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return probabilities (n, classes) of features (n, f), at `shares`."""
        return calibrate_votes(_votes(self.trees, features), self.temperature, self.shares)


def survey_shares(data: SeriesDataModule) -> NDArray[np.float64]:
    """Return the class shares of the stage's training part, those of the networks' probabilities."""
    return class_shares(data.training.labels[data.positions(data.train_part)], len(data.names), Imbalance())[0]


def fit_vote_temperature(votes: NDArray[np.float64], labels: NDArray[np.int64], shares: NDArray[np.float64]) -> float:
    """Return the temperature of shares of votes, see `calibrate_votes`, by objects that no tree has seen.

    Parameters
    ----------
    votes : array (n, classes)
        Above zero.
    labels : array (n,)
        Classes of the same objects, which have these shares.
    shares : array (classes,)
        The class shares.
    """
    return fit_temperature(np.log(votes), labels, _shift(shares))


def calibrate_votes(votes: NDArray[np.float64], temperature: float, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities (n, classes) at class shares, of shares of votes (n, classes) for classes of equal weight.

    Votes are no probabilities, far too soft as they stand. Their logarithms are divided by a temperature first and
    moved to these shares then, so that the decisions at equal shares are those of the votes.
    """
    return probabilities(np.log(votes), temperature, _shift(shares))


def _shift(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what moves logits from equal class shares to others."""
    return prior_shift(np.full(len(shares), 1 / len(shares)), shares)


def _votes(trees: Trees, features: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.maximum(trees.predict(features), LEAST)
