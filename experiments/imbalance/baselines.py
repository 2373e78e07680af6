"""The rows without a network: a random forest on what apertures measure, and the constant answer."""

import numpy as np

from experiments.imbalance.rows import CONSTANT, FOREST
from experiments.imbalance.select import STAGE
from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.forest import aperture_features
from ictconvention.evaluation.forests.calibrated import CalibratedForest, survey_shares
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.plan import plan_run


def baselines(options: RunOptions, part: str) -> dict[str, Predictions]:
    """Predict a part of the split of a run: trained and calibrated on what its networks are."""
    plan = plan_run(options)
    data = make_data(options, plan.survey, plan.split, STAGE)
    features, test, shares = aperture_features(plan.survey), data.positions(part), survey_shares(data)
    likely = CalibratedForest.fit(features, data, [STAGE]).predict(features[test])
    ids, label = np.array([plan.survey.ids[position] for position in test], dtype=str), data.training.labels[test]
    found = {FOREST: likely, CONSTANT: np.tile(shares, (len(test), 1))}
    return {
        name: Predictions(ids, label, {Prior.SURVEY: x, Prior.UNIFORM: at_equal_shares(x, shares)})
        for name, x in found.items()
    }
