"""The rows without a network: the constant answer, and random forests with and without pixels."""

from collections.abc import Mapping
from time import process_time

import numpy as np
from numpy.typing import NDArray

from experiments.table2.rows import ALL_FRAMES, CADENCE, CONSTANT, FOREST, HOST
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import STAGES
from ictconvention.evaluation.forest import cadence_features
from ictconvention.evaluation.forests.calibrated import CalibratedForest, survey_shares
from ictconvention.evaluation.forests.features import photometric_features
from ictconvention.evaluation.predictions import ModelPredictions, Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.dataset import SampleKey
from ictconvention.measuring.host import survey_host_features
from ictconvention.measuring.measured_cache import CachedMedianFrames, CachedPhotometry
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.plan import plan_run


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
            likely[name] = CalibratedForest.fit(features, feed, STAGES).predict(features[test])
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
            rows[name].append(photometric_features(series, photometry[series.id], at, bands))
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
