"""How well features tell two kinds of objects apart, by a classifier that knows nothing but them. Knows no survey."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FOLDS = 5  # of the cross-fitting
MOST = 5000  # objects of either kind that are looked at


def tell_domains(source: NDArray[np.floating], target: NDArray[np.floating], seed: int = 0) -> float | None:
    """Return the AUC with which a logistic regression tells two kinds of objects, each by one that has not seen it.

    Parameters
    ----------
    source, target : arrays (n, f), (m, f)
        Features of the objects of either kind; of more than `MOST` some are drawn.
    seed : int
        Draws these, and the parts of the cross-fitting.

    Returns
    -------
    float or None
        .5 where nothing tells them apart, 1 where features do without fail; None with fewer than two of a kind.

    Examples
    --------
    >>> from ictconvention.evaluation.shift.domains import tell_domains
    >>> rng = np.random.default_rng(0)
    >>> tell_domains(rng.normal(0, 1, (100, 3)), rng.normal(9, 1, (100, 3)))
    1.0
    """
    rng = np.random.default_rng(seed)
    kinds = [np.asarray(x, dtype=np.float64)[rng.permutation(len(x))[:MOST]] for x in (source, target)]
    if (fewest := min(map(len, kinds))) < 2:
        return None
    truth = np.repeat([0, 1], [len(x) for x in kinds])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=5000))
    parts = StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    score = cross_val_predict(model, np.concatenate(kinds), truth, cv=parts, method="decision_function")
    return float(roc_auc_score(truth, score))
