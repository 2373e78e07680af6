"""The rows without a network: the constant answer, and random forests with and without pixels."""

from collections.abc import Mapping, Sequence
from time import process_time

import numpy as np
from numpy.typing import NDArray

from experiments.table2.rows import ALL_FRAMES, CADENCE, CONSTANT, FOREST, HOST
from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.calibration import at_prior, fit_temperature, probabilities
from ictconvention.evaluation.forest import (
    PRETRAIN_WEIGHT,
    cadence_features,
    forest_probabilities,
    light_curve_features,
)
from ictconvention.evaluation.predictions import ModelPredictions, Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.measuring.host import survey_host_features
from ictconvention.measuring.measured_cache import CachedMedianFrames, CachedPhotometry
from ictconvention.runs.assembly import make_data
from ictconvention.runs.plan import plan_run

LEAST = 1e-3  # probability below which a forest's share of votes says no more


def baselines(folds: Mapping[int, RunOptions]) -> tuple[ModelPredictions, ...]:
    """Predict the test parts without a network.

    Each row has what the networks have: the same objects and frames, training parts, validation parts (which calibrate
    alone) and class shares; and medians of all frames, where it has a host.

    Parameters
    ----------
    folds : mapping of int to RunOptions
        A run of each fold, of any network.
    """
    feeds: dict[int, SeriesDataModule] = {}
    for fold, options in folds.items():
        plan = plan_run(options)
        feeds[fold] = make_data(options, plan.survey, plan.split, "finetune")
    data = next(iter(feeds.values()))
    print(f"random forests on {len(data.survey)} objects, {len(feeds)} folds")
    seen, measuring = forest_features(data)
    predictions: dict[str, dict[tuple[int, int], Predictions]] = {name: {} for name in (CONSTANT, *seen)}
    spent: dict[str, dict[tuple[int, int], float]] = {name: {} for name in predictions}
    for fold, feed in feeds.items():
        shares = survey_shares(feed)
        test = feed.positions("test")
        label = feed.training.labels[test]
        likely = {CONSTANT: np.tile(shares, (len(test), 1))}
        for name, features in seen.items():
            begin = process_time()
            (likely[name],) = predict_by_forest(features, feed, ("test",))
            spent[name][fold, 0] = measuring[name] + process_time() - begin
        for name, found in likely.items():
            rows: dict[str, NDArray[np.float64]] = {Prior.SURVEY: found, Prior.UNIFORM: at_equal_shares(found, shares)}
            ids = np.array([feed.survey.ids[i] for i in test], dtype=str)
            predictions[name][fold, 0] = Predictions(ids, label, rows)
    return tuple(ModelPredictions(name, of, core_seconds=spent[name]) for name, of in predictions.items())


def forest_features(data: SeriesDataModule) -> tuple[dict[str, NDArray[np.float64]], dict[str, float]]:
    """Return each forest's features of every object, and the CPU time that they took [s].

    Photometry and median stamps are made before: once for a survey, where its folder does not have them yet.
    Those of the frames that a network is tested on, and of all frames; a host has median stamps of all frames, as the
    networks do that see residuals.
    """
    survey, bands = data.survey, len(data.survey.header.bands)
    photometry, medians = CachedPhotometry(survey), CachedMedianFrames(survey)
    rows: dict[str, list[NDArray[np.float64]]] = {CADENCE: [], FOREST: [], FOREST + ALL_FRAMES: []}
    spent = dict.fromkeys(rows, 0.0)
    for position, series in enumerate(survey):
        (view,) = data.evaluation.views_of(SampleKey(position))
        for name, at in ((FOREST, view.view.rows), (FOREST + ALL_FRAMES, slice(None))):
            begin = process_time()
            flux, error = photometry[series.id][at].astype(np.float64).T
            rows[name].append(light_curve_features(flux, error, series.band[at], series.mjd[at], bands))
            spent[name] += process_time() - begin
        at, begin = view.view.rows, process_time()
        quality = series.psf_fwhm[at], series.sky_sigma[at]
        rows[CADENCE].append(cadence_features(*quality, series.band[at], series.mjd[at], bands))
        spent[CADENCE] += process_time() - begin
    found = {name: np.array(of_each) for name, of_each in rows.items()}
    begin = process_time()
    host = survey_host_features(survey, medians)
    of_host = process_time() - begin
    for name, photometric in ((HOST, FOREST), (HOST + ALL_FRAMES, FOREST + ALL_FRAMES)):
        found[name] = np.hstack([found[photometric], host])
        spent[name] = spent[photometric] + of_host
    return found, spent


def survey_shares(data: SeriesDataModule) -> NDArray[np.float64]:
    """Return the class shares of the fine-tuning part, those of the networks' probabilities."""
    labels = data.training.labels[data.positions("finetune_train")]
    count = np.bincount(labels, minlength=len(data.survey.header.classes))
    return np.asarray(count / count.sum())


def predict_by_forest(
    features: NDArray[np.float64], data: SeriesDataModule, parts: Sequence[str], jobs: int | None = None
) -> list[NDArray[np.float64]]:
    """Train a forest on both training parts, and return calibrated probabilities of each of the parts, (n, classes).

    They are at the class shares of the fine-tuning part. The forest has so many threads; all by default.
    """
    classes, shares = data.survey.header.classes, survey_shares(data)
    stages = [data.positions(f"{stage}_train") for stage in ("pretrain", "finetune")]
    train, validation = np.concatenate(stages), data.positions("finetune_validation")
    weights = np.concatenate([np.full(len(stages[0]), PRETRAIN_WEIGHT), np.ones(len(stages[1]))])
    names = [classes[c] for c in data.training.labels[train]]
    asked = [validation, *(data.positions(part) for part in parts)]
    known, votes = forest_probabilities(features[train], names, features[np.concatenate(asked)], weights, jobs=jobs)
    full = np.full((len(votes), len(classes)), LEAST)
    full[:, [classes.index(name) for name in known]] = np.maximum(votes, LEAST)
    ends = np.cumsum([len(positions) for positions in asked])[:-1]
    return np.split(calibrate_votes(full, data.training.labels[validation], shares), ends)[1:]


def calibrate_votes(
    votes: NDArray[np.float64], labels: NDArray[np.int64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return probabilities (n, classes) at class shares, of shares of votes (n, classes) for classes of equal weight.

    Votes are no probabilities, far too soft as they stand. Their logarithms are divided by a temperature first and
    moved to these shares then, so that the decisions at equal shares are those of the votes.

    Parameters
    ----------
    votes : array (n, classes)
        Above zero.
    labels : array (m,)
        Classes of the first m, which trained nothing and have these shares.
    shares : array (classes,)
        The class shares.
    """
    logits, equal = np.log(votes), np.full(len(shares), 1 / len(shares))
    shift = at_prior(np.zeros(len(shares)), equal, shares)
    temperature = fit_temperature(logits[: len(labels)], labels, shift)
    return probabilities(logits / temperature + shift)
