"""Whether two samples are of one population, by how well a classifier tells their objects apart. Knows no survey.

A classifier two-sample test (Lopez-Paz & Oquab 2017): quadratic, so that it sees a spread that has changed as well as a
mean. The variance of its cross-validated AUC is that of DeLong et al. 1988 in each fold, with the factor of Nadeau &
Bengio 2003.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

Floats = NDArray[np.float64]
FOLDS = 5  # of the cross-validation
LEAST, MOST = 50, 1500  # objects of each sample: with fewer nothing is said, of more some are drawn
SURE = 0.95  # of the interval
SHARED = 1 + FOLDS / (FOLDS - 1)  # by which the variance grows, since the folds' classifiers share objects
AXES, PER_AXIS = 16, 20  # principal axes that are looked at, and objects of each sample for one
STRENGTH = 0.1  # of the logistic regression: the inverse of its penalty


@dataclass(frozen=True, eq=False)
class TwoSamples:
    """How well two samples of equal size are told apart.

    Parameters
    ----------
    auc, low, high : float
        .5 where nothing tells them apart, 1 where all objects are told; and the ends of its 95 % interval.
    size : int
        Objects of each sample.
    scores : array (2, size)
        How much each object looks like one of the second sample to a classifier that has not seen it, from 0 to 1.
    """

    auc: float
    low: float
    high: float
    size: int
    scores: Floats


def compare_samples(
    known: NDArray[np.floating],
    other: NDArray[np.floating],
    known_names: Sequence[str] | NDArray[np.str_] | None = None,
    other_names: Sequence[str] | NDArray[np.str_] | None = None,
    seed: int = 0,
) -> TwoSamples | None:
    """Return how well a classifier tells two samples apart, or None with fewer than `LEAST` objects of either.

    Parameters
    ----------
    known, other : arrays (n, f), (m, f)
        Features of their objects; of the larger sample as many are drawn as the smaller has, or `MOST` of each.
    known_names, other_names : sequences of str, optional
        Their names, the same of one object that is in both: it is never on both sides of the cross-validation, which
        would learn there that what looks like it is of the other sample.
    seed : int
        Draws the objects, and the folds.

    Examples
    --------
    >>> from ictconvention.evaluation.shift.two_samples import compare_samples
    >>> rng = np.random.default_rng(0)
    >>> found = compare_samples(rng.normal(0, 1, (200, 3)), rng.normal(0, 2, (300, 3)))
    >>> found.size, found.low > 0.7  # the means are alike, the spreads are not
    (200, True)
    """
    rng = np.random.default_rng(seed)
    size = min(len(known), len(other), MOST)
    if size < LEAST:
        return None
    drawn = [rng.permutation(len(one))[:size] for one in (known, other)]
    features = np.concatenate([np.asarray(x)[rows] for x, rows in zip((known, other), drawn, strict=True)])
    names = [
        [f"{number} {row}" for row in rows] if given is None else np.asarray(given)[rows].tolist()
        for number, (given, rows) in enumerate(zip((known_names, other_names), drawn, strict=True))
    ]
    truth, fold = np.repeat([0, 1], size), _folds(names[0], names[1], rng)
    seen = _with_squares(features, max(1, min(AXES, size // PER_AXIS)))
    scores, areas, variances = np.zeros(2 * size), [], []
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(seen[train], truth[train])
        scores[test] = model.predict_proba(seen[test])[:, 1]
        area, variance = area_and_variance(scores[test][truth[test] == 0], scores[test][truth[test] == 1])
        areas.append(area)
        variances.append(variance)
    auc, reach = float(np.mean(areas)), ndtri(0.5 + SURE / 2) * np.sqrt(SHARED * np.sum(variances)) / FOLDS
    low, high = float(max(auc - reach, 0)), float(min(auc + reach, 1))
    return TwoSamples(auc, low, high, size, scores.reshape(2, size))


def area_and_variance(below: Floats, above: Floats) -> tuple[float, float]:
    """Return the area under the ROC curve that scores (n,) and (m,) give, and its variance."""
    n, m = len(below), len(above)
    ranks = rankdata(np.concatenate([below, above]))
    over = (ranks[n:] - rankdata(above)) / n  # of each above, the share of those below that it exceeds
    under = 1 - (ranks[:n] - rankdata(below)) / m
    return float(over.mean()), float(over.var(ddof=1) / m + under.var(ddof=1) / n)


def _folds(known: Sequence[str], other: Sequence[str], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the fold of each object of one sample and of the other, equal ones of both in one: about as many in each.

    Objects of both, of the first and of the second alone are dealt out in turn.
    """
    both = set(known) & set(other)
    fold_of: dict[str, int] = {}
    for names in (sorted(both), [x for x in known if x not in both], [x for x in other if x not in both]):
        fold_of |= {names[row]: place % FOLDS for place, row in enumerate(rng.permutation(len(names)).tolist())}
    return np.array([fold_of[name] for name in (*known, *other)], dtype=np.int64)


def _with_squares(features: NDArray[np.floating], axes: int) -> Floats:
    """Return the first principal axes of features (n, f), and their squares, each of mean 0 and spread 1.

    Features count by their ranks, so that a few far ones do not decide. No label is looked at.
    """
    normal = ndtri((rankdata(features, axis=0) - 0.5) / len(features))
    first = PCA(min(axes, *normal.shape), svd_solver="full").fit_transform(normal)
    seen = np.concatenate([first, first**2], axis=1)
    spread = seen.std(0)
    return np.asarray((seen - seen.mean(0)) / np.where(spread > 0, spread, 1))
