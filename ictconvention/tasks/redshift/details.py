"""Redshifts' scores with intervals, and in bins: what a result says beside the scores, and the tables of a page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.drawing.panels import Compared
from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.quantities import brightness_of
from ictconvention.evaluation.redshift.in_bins import SCORES, InBin, Span, replicates_for, score_in_bins
from ictconvention.evaluation.redshift.pdf import Floats
from ictconvention.evaluation.significance import intervals
from ictconvention.survey.labels.groups import find_groups
from ictconvention.survey.split import reach_of
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.measures import RedshiftMeasures
from ictconvention.tasks.task_figures import NumberTable

TITLES = {"z": "true redshift z", "z_p": "predicted redshift z_p"}


def magnitudes_of(survey: Survey, ids: Sequence[str]) -> dict[str, Floats]:
    """Return the measured magnitude of objects (n,) by its name; none where stamps are too small for photometry."""
    return brightness_of(survey, np.array([survey.position(id_) for id_ in ids], dtype=np.int64))


def detail(
    model: Pooled, measures: RedshiftMeasures, group: NDArray[np.integer], others: Mapping[str, Floats]
) -> dict[str, Any]:
    """Return `intervals`, the ends of the 95 % interval of each score, and `bins` by quantity, in plain values.

    Parameters
    ----------
    model : Pooled
        PDFs and true redshifts.
    measures : RedshiftMeasures
        Its scores.
    group : array (n,)
        Groups of objects that the bootstrap draws whole.
    others : mapping of str to array (n,)
        Quantities of the objects, beside the redshifts, in whose bins they are scored.
    """
    replicates = replicates_for(len(model.ids))
    spans = intervals(model, group, measures, replicates, scores=measures.columns)
    found = score_in_bins(model, measures.edges, group, others, replicates)
    by_quantity: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        by_quantity.setdefault(one.quantity, []).append(one.record)
    ends = {name: [low, high] for name, (_, low, high) in spans.items() if np.isfinite([low, high]).all()}
    return {"intervals": ends, "bins": by_quantity}


def tables_in_bins(models: Sequence[Compared], edges: Floats, survey: Survey) -> list[NumberTable]:
    """Return a table for each quantity: bias, scatter and outliers of each model in each bin."""
    objects, ids = survey.object_table(), models[0].pooled.ids.tolist()
    group, others = find_groups(objects, reach_of(objects)), magnitudes_of(survey, ids)
    group = group[[survey.position(id_) for id_ in ids]]
    replicates = replicates_for(len(ids))
    found = {model.name: score_in_bins(model.pooled, edges, group, others, replicates) for model in models}
    first = next(iter(found.values()))
    tables = []
    for quantity in dict.fromkeys(one.quantity for one in first):
        rows = [
            (_written(one), name, f"{one.objects:.0f}", *(_cell(one.scores[score], score) for score in SCORES))
            for number in range(len(first))
            for name, bins in found.items()
            if (one := bins[number]).quantity == quantity
        ]
        said = TITLES.get(quantity, quantity)
        columns = (said, "model", "objects", *(MEASURES[score].titled for score in SCORES))
        tables.append(NumberTable(f"In bins of the {said}", columns, tuple(rows)))
    return tables


MEASURES: Mapping[str, Measure] = {one.name: one for one in RedshiftMeasures.columns}


def _written(one: InBin) -> str:
    if one.low is None:
        return f"below {one.high:g}"
    return f"from {one.low:g}" if one.high is None else f"{one.low:g} to {one.high:g}"


def _cell(span: Span, score: str) -> str:
    value, low, high = span
    if value is None or low is None or high is None:
        return "-"
    write = MEASURES[score].write
    return f"{write(value)} ({write(low)} to {write(high)})"
