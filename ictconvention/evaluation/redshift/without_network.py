"""Redshifts without a network, as PDFs over bins: a forest and neighbours on photometry, and a constant n(z)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor
from sklearn.neighbors import NearestNeighbors

from ictconvention.evaluation.calibration import fit_temperature, probabilities
from ictconvention.evaluation.forest import aperture_features
from ictconvention.evaluation.forests.trees import as_seen
from ictconvention.evaluation.redshift.pdf import Floats, crps, mean_of_nearest, widen
from ictconvention.evaluation.redshift.scores import bin_of
from ictconvention.measuring.host import HOST_FEATURES, RADII
from ictconvention.survey.survey import Survey

EXTINCTION = "ebv"  # column of a survey, E(B-V) [mag]
TREES, LEAF, SHARE = 300, 5, 1 / 3  # objects of a leaf at least, and share of the numbers that a node chooses among
CONSTANT = 0.01  # share of the training's n(z) in what a forest's leaves say, so that no bin is impossible
COLOURS_IN, BRIGHTNESS_IN = 1, 2  # which circles of an aperture neighbours are near by: 2 and 3.5 arcsec
NEIGHBOURS = (8, 16, 32, 64)
WIDTHS = (0.005, 0.01, 0.02, 0.04)  # sd of a neighbour's redshift, times 1 + z


@dataclass(frozen=True, eq=False)
class Known:
    """Objects whose redshift is known.

    Parameters
    ----------
    features : array (n, f)
        What is measured of them, NaN where unknown.
    z : array (n,)
        Redshifts.
    """

    features: Floats
    z: Floats


def photometric_features(survey: Survey) -> Floats:
    """Return what a forest sees of every object of a survey, (len(survey), f): `aperture_features`, and E(B-V)."""
    found, table = aperture_features(survey), survey.object_table()
    if EXTINCTION not in table.colnames:
        return found
    extinction = np.ma.filled(np.ma.asarray(table[EXTINCTION], dtype=np.float64), np.nan)
    return np.column_stack([found, extinction])


def neighbour_features(features: Floats, bands: int) -> Floats:
    """Return those of `photometric_features` by which neighbours are near, (n, bands): colours, and one brightness."""
    circles, measured = len(RADII), bands * HOST_FEATURES
    colours = features[:, measured : measured + (bands - 1) * circles].reshape(len(features), bands - 1, circles)
    brightness = features[:, bands // 2 * HOST_FEATURES + BRIGHTNESS_IN]
    return np.column_stack([colours[:, :, COLOURS_IN], brightness])


def shares_of(z: Floats, edges: Floats) -> Floats:
    """Return the shares of the bins (bins,) among redshifts: the constant answer."""
    return np.asarray(np.bincount(bin_of(z, edges), minlength=len(edges) - 1) / len(z))


def forest_pdfs(
    train: Known, validation: Known, asked: Floats, edges: Floats, seed: int = 0, jobs: int | None = None
) -> Floats:
    """Return PDFs (m, bins) by a quantile regression forest (Meinshausen 2006): each leaf votes with its redshifts.

    Parameters
    ----------
    train, validation : Known
        What grows the trees, and what calibrates their votes by one temperature, as networks are.
    asked : array (m, f)
        The same numbers of the objects to be predicted.
    edges : array (bins + 1,)
        Edges of the bins.
    seed : int
        Seed of the trees.
    jobs : int, optional
        Threads; all by default.
    """
    model = RandomForestRegressor(
        TREES, min_samples_leaf=LEAF, max_features=SHARE, random_state=seed, n_jobs=jobs or -1
    )
    known = _some(train.features)
    model.fit(as_seen(train.features[:, known]), train.z)
    both = np.concatenate([validation.features, asked])
    votes = _votes(model, as_seen(train.features[:, known]), train.z, as_seen(both[:, known]), edges)
    logits = np.log((1 - CONSTANT) * votes + CONSTANT * _positive(shares_of(train.z, edges)))
    first, last = np.split(logits, [len(validation.z)])
    return probabilities(last, fit_temperature(first, bin_of(validation.z, edges)))


def _votes(
    model: RandomForestRegressor, train: NDArray[np.float32], z: Floats, asked: NDArray[np.float32], edges: Floats
) -> Floats:
    """Return the mean over trees of the shares of the bins in the leaf of each object, (m, bins)."""
    bins, place = len(edges) - 1, bin_of(z, edges)
    total = np.zeros((len(asked), bins))
    for of_train, of_asked in zip(model.apply(train).T, model.apply(asked).T, strict=True):
        leaves, own = np.unique(of_train, return_inverse=True)
        count = np.bincount(own * bins + place, minlength=len(leaves) * bins).reshape(-1, bins)
        total += (count / count.sum(1, keepdims=True))[np.searchsorted(leaves, of_asked)]
    return np.asarray(total / len(model.estimators_))


def neighbour_pdfs(train: Known, validation: Known, asked: Floats, edges: Floats) -> Floats:
    """Return PDFs (m, bins) by the nearest training objects; how many, and how wide each is, by the CRPS of validation.

    Parameters as of `forest_pdfs`; the numbers are divided by their scatter, unknown ones become their mean.
    """
    known = _some(train.features)
    mean, scatter = (of(train.features[:, known], axis=0) for of in (np.nanmean, np.nanstd))
    scatter[scatter == 0] = 1

    def scaled(features: Floats) -> Floats:
        return np.asarray(np.nan_to_num((features[:, known] - mean) / scatter))

    most = min(max(NEIGHBOURS), len(train.z))
    search = NearestNeighbors(n_neighbors=most).fit(scaled(train.features))
    nearest, near = (search.kneighbors(scaled(x), return_distance=False) for x in (validation.features, asked))
    best, chosen = np.inf, (NEIGHBOURS[0], WIDTHS[0])
    for width in WIDTHS:
        label = widen(train.z, width, edges)
        for number in NEIGHBOURS:
            score = float(crps(mean_of_nearest(label, nearest[:, :number]), validation.z, edges).mean())
            best, chosen = (score, (number, width)) if score < best else (best, chosen)
    number, width = chosen
    return mean_of_nearest(widen(train.z, width, edges), near[:, :number])


def _some(features: Floats) -> NDArray[np.bool_]:
    """Return which numbers (f,) are known of any object."""
    return np.asarray(np.isfinite(features).any(0))


def _positive(shares: Floats) -> Floats:
    """Return shares of which none is zero: one imagined object is in all bins alike."""
    return np.asarray(0.99 * shares + 0.01 / len(shares))
