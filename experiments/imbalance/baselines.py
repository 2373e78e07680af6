"""The rows without a network: a random forest on what apertures measure, and the constant answer."""

import numpy as np

from experiments.imbalance.rows import CONSTANT, FOREST
from experiments.imbalance.select import STAGE
from experiments.table2.baselines import LEAST, calibrate_votes
from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.forest import aperture_features, forest_probabilities
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.runs.assembly import make_data
from ictconvention.runs.plan import plan_run


def baselines(options: RunOptions, part: str) -> dict[str, Predictions]:
    """Predict a part of the split of a run: trained and calibrated on what its networks are."""
    plan = plan_run(options)
    data = make_data(options, plan.survey, plan.split, STAGE)
    label, features = data.training.labels, aperture_features(plan.survey)
    train, validation, test = (data.positions(one) for one in (f"{STAGE}_train", f"{STAGE}_validation", part))
    count = np.bincount(label[train], minlength=len(plan.survey.header.classes))
    shares = count / count.sum()
    names = [f"{one:03d}" for one in label[train]]  # in the order of the classes
    asked = features[np.concatenate([validation, test])]
    _, votes = forest_probabilities(features[train], names, asked)
    likely = calibrate_votes(np.maximum(votes, LEAST), label[validation], shares)[len(validation) :]
    ids = np.array([plan.survey.ids[position] for position in test], dtype=str)
    found = {FOREST: likely, CONSTANT: np.tile(shares, (len(test), 1))}
    return {
        name: Predictions(ids, label[test], {Prior.SURVEY: x, Prior.UNIFORM: at_equal_shares(x, shares)})
        for name, x in found.items()
    }
