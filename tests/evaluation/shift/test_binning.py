"""The quick bins of weighted features are scikit-learn's own, to the last bit."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting import binning

from ictconvention.evaluation.redshift.pdf import Floats
from ictconvention.evaluation.shift.binning import PATCHED, quick_binning

pytestmark = pytest.mark.skipif(not hasattr(binning, PATCHED), reason="this scikit-learn bins without weights")


def features(n: int) -> Floats:
    """Return a feature of distinct values, one of many ties, and one of which half is unknown (n, 3)."""
    rng = np.random.default_rng(0)
    half = np.where(np.arange(n) % 2, np.nan, rng.normal(size=n))
    return np.column_stack([rng.normal(size=n), np.round(rng.normal(size=n), 2), half])


@pytest.mark.parametrize("weights", [np.ones(900), np.where(np.arange(900) < 300, 1.5, 0.75), np.arange(900) % 7 + 0.1])
def test_quantiles_are_those_of_scikit_learn(weights: Floats) -> None:
    for column in features(900).T:
        slow = binning._find_binning_thresholds(column, 255, sample_weight=weights)
        with quick_binning():
            quick = binning._find_binning_thresholds(column, 255, sample_weight=weights)
        np.testing.assert_array_equal(quick, slow)


def test_trees_predict_the_same_and_scikit_learn_is_left_as_it_was() -> None:
    own, x = getattr(binning, PATCHED), features(900)
    truth = (x[:, 0] + np.nan_to_num(x[:, 2]) > 0.8).astype(int)

    def chances() -> Floats:
        model = HistGradientBoostingClassifier(max_iter=20, class_weight="balanced", random_state=0)
        return np.asarray(model.fit(x, truth).predict_proba(x))

    slow = chances()
    with quick_binning():
        np.testing.assert_array_equal(chances(), slow)
    assert getattr(binning, PATCHED) is own
    with pytest.raises(KeyError), quick_binning():
        raise KeyError
    assert getattr(binning, PATCHED) is own
