"""Scores of masks and shares with intervals: what a result says beside the scores."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.significance import REPLICATES, intervals
from ictconvention.tasks.mask.measures import MaskMeasures


def detail(model: Pooled, measures: MaskMeasures, group: NDArray[np.integer]) -> dict[str, Any]:
    """Return `intervals`, the ends of the 95 % interval of each score that there is.

    Parameters
    ----------
    model : Pooled
        Rows, and known shares.
    measures : MaskMeasures
        The scores.
    group : array (n,)
        Groups of pictures that the bootstrap draws whole.
    """
    spans = intervals(model, group, measures, REPLICATES, scores=measures.columns)
    return {
        "intervals": {name: [low, high] for name, (_, low, high) in spans.items() if np.isfinite([low, high]).all()}
    }
