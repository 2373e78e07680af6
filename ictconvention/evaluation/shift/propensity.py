"""How likely an object is one of those to be predicted, by what is measured of it, and the weights that follow.

A classifier learns to tell the objects that train from those to be predicted. Its odds are the ratio of their
densities (Bickel et al. 2007), by which a loss over the first becomes one over the second. Knows no survey.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from ictconvention.evaluation.shift.binning import quick_binning

Floats = NDArray[np.float64]
FOLDS = 5  # of the cross-fitting
LEAST = 4 * FOLDS  # objects of either kind
SHARE = 10  # a leaf has this share of the rarer kind at least, or 50 objects
SURE = 1e-6  # probability that no odds go beyond


@dataclass(frozen=True, eq=False)
class Propensity:
    """How likely objects are those to be predicted.

    Parameters
    ----------
    source : array (n,)
        Of the objects that train, each by a classifier that has not seen it; at equal numbers of both kinds.
    target : array (m,)
        The same of objects to be predicted.
    others : array (k,)
        Of objects that no classifier has seen, the mean of all.
    """

    source: Floats
    target: Floats
    others: Floats

    @property
    def auc(self) -> float:
        """Return how well the two kinds are told apart: .5 where nothing is shifted, 1 where they share nothing."""
        truth = np.repeat([0, 1], [len(self.source), len(self.target)])
        return float(roc_auc_score(truth, np.concatenate([self.source, self.target])))

    def density_ratio(self) -> Floats:
        """Return the density of those to be predicted over that of those that train, at each of the latter (n,)."""
        return np.asarray(self.source / (1 - self.source))


@dataclass(frozen=True, eq=False)
class ImportanceWeights:
    """How much each object that trains counts.

    Parameters
    ----------
    weight : array (n,)
        Their mean is 1.
    clipped : float
        Share of the objects whose weight was cut down to the largest.
    auc : float
        See `Propensity.auc`.
    """

    weight: Floats
    clipped: float
    auc: float

    @classmethod
    def of(cls, propensity: Propensity, clip: float) -> "ImportanceWeights":
        """Return the density ratio, none above `clip` times its mean.

        The mean of a ratio is 1 where the objects that train reach everywhere. Where few do, it is not, and they would
        have all the weight.
        """
        ratio = propensity.density_ratio()
        ratio /= ratio.mean()
        weight = np.minimum(ratio, clip)
        return cls(weight / weight.mean(), float((ratio > clip).mean()), propensity.auc)

    @property
    def effective(self) -> float:
        """Return how many objects of equal weight would give as certain a mean: (sum w)^2 / sum w^2."""
        return float(self.weight.sum() ** 2 / (self.weight**2).sum())


def fit_propensity(source: Floats, target: Floats, others: Floats | None = None, seed: int = 0) -> Propensity:
    """Estimate how likely each object is one to be predicted, by classifiers that have not seen it.

    Parameters
    ----------
    source : array (n, f)
        What is measured of the objects that train, NaN where unknown; `LEAST` of them at least.
    target : array (m, f)
        The same of those to be predicted; `LEAST` of them at least.
    others : array (k, f), optional
        The same of others, whose propensity is asked for too.
    seed : int
        Draws the parts of the cross-fitting.
    """
    features, number = np.concatenate([source, target]), len(source) + len(target)
    apart = np.zeros((0, features.shape[1])) if others is None else others
    known = np.isfinite(features).any(0)
    features, apart = features[:, known], apart[:, known]
    truth = np.repeat([0, 1], [len(source), len(target)])
    chance = np.zeros(number + len(apart))
    for learn, held in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(features, truth):
        model = _classifier(seed, min(len(source), len(target)))
        with quick_binning():
            model.fit(features[learn], truth[learn])
        chance[held] = model.predict_proba(features[held])[:, 1]
        if len(apart):
            chance[number:] += model.predict_proba(apart)[:, 1] / FOLDS
    return Propensity(*np.split(np.clip(chance, SURE, 1 - SURE), [len(source), number]))


def _classifier(seed: int, fewest: int) -> Any:
    """Return gradient-boosted trees that stop where objects held back are told apart no better, each kind as heavy.

    Parameters
    ----------
    seed : int
        Draws who is held back.
    fewest : int
        Objects of the rarer kind.
    """
    return HistGradientBoostingClassifier(
        max_iter=200,
        max_leaf_nodes=4,  # weak trees, whose odds are less steep than the truth by little
        min_samples_leaf=int(np.clip(fewest // SHARE, 5, 50)),
        early_stopping=True,
        n_iter_no_change=15,
        class_weight="balanced",
        random_state=seed,
    )
