"""The results of the study at a glance, no wider than a terminal; every score with its interval is in `tables`."""

from collections.abc import Iterator, Mapping
from textwrap import wrap

import numpy as np

from experiments.imbalance.published import REPORTS, SOURCE
from experiments.imbalance.rows import NO_WEIGHTS, reference_of
from experiments.imbalance.scores import RARE, TwoClassMeasures
from experiments.imbalance.tables import aligned
from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.predictions import ModelPredictions, pool
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import describe_seeds, differences, intervals, mean_scores

WIDTH = 98  # letters of a line
SHARES = {Prior.SURVEY: "the survey's class shares", Prior.UNIFORM: "equal class shares"}


def summary_of(
    title: str, rows: Mapping[str, ModelPredictions | None], names: tuple[str, str], missing: str
) -> Iterator[str]:
    """Yield the chief scores of each row at both class shares, and what each answer to imbalance gains.

    Parameters
    ----------
    title, rows, names, missing
        As of `tables.text_of`.
    """
    entries = {name: entry for name, entry in rows.items() if entry is not None}
    rare = names[RARE]
    yield from wrap(f"{title}. Per cent; of F1 and of differences 95 % intervals.", WIDTH)
    for at, shares in SHARES.items():
        yield ""
        yield from wrap(f"Decided at {shares}; precision, recall and F1 of {rare}.", WIDTH)
        yield from _scores(entries, TwoClassMeasures(names, at, ranked=False), TwoClassMeasures(names, at))
    if without := [name for name, entry in rows.items() if entry is None]:
        yield ""
        yield from wrap(f"{NO_WEIGHTS} of {'; '.join(without)}: {missing}", WIDTH)
    yield ""
    yield from wrap(
        "What each answer gains over the same network where nothing is done, in points; * what is established, by the "
        "bootstrap of these objects and seeds.",
        WIDTH,
    )
    for at, shares in SHARES.items():
        yield ""
        yield f"At {shares}."
        yield from _gains(entries, TwoClassMeasures(names, at, ranked=False))
    yield ""
    seeds = max(len(entry.seeds) for entry in entries.values())
    yield from wrap(describe_seeds(seeds, 1, TwoClassMeasures(names, Prior.SURVEY)), WIDTH)
    reports = (f"{name} {100 * report.derived()[f'f1 of class {RARE}']:.1f}" for name, report in REPORTS.items())
    told = (
        f"Published F1 of the rare class, of other pictures and of one training each: {', '.join(reports)} ({SOURCE})"
    )
    yield from wrap(told, WIDTH)


def _scores(
    entries: Mapping[str, ModelPredictions], measures: TwoClassMeasures, ranked: TwoClassMeasures
) -> Iterator[str]:
    of = {key: _named(measures, f"{key}/{measures.names[RARE]}") for key in ("precision", "recall", "f1")}
    lines = [["row", "precision", "recall", "F1", "balanced", "AUROC"]]
    for name, entry in entries.items():
        pooled = pool(entry)
        mean = mean_scores(pooled, ranked)
        _, low, high = intervals(pooled, np.arange(len(pooled.ids)), measures)[of["f1"].name]
        value = {key: one.write(mean[one.name]) for key, one in of.items()}
        span = f"{value['f1']} ({of['f1'].write(low)} to {of['f1'].write(high)})"
        whole = [_named(ranked, key).write(mean[key]) for key in ("balanced_accuracy", "auroc")]
        lines.append([name, value["precision"], value["recall"], span, *whole])
    yield from aligned(lines)


def _gains(entries: Mapping[str, ModelPredictions], measures: TwoClassMeasures) -> Iterator[str]:
    chosen = (f"f1/{measures.names[RARE]}", "balanced_accuracy")
    lines = [["row", *(_named(measures, key).title for key in chosen)]]
    for name, entry in entries.items():
        if (reference := reference_of(name)) is None or reference not in entries:
            continue
        first, second = pool(entry), pool(entries[reference])
        found = {one.measure.name: one for one in differences(first, second, np.arange(len(first.ids)), measures)}
        cells = []
        for one in (found[key] for key in chosen):
            value, low, high = (one.measure.write(number, signed=True) for number in (one.value, one.low, one.high))
            cells.append(f"{value} ({low} to {high}){' *' if one.established else ''}")
        lines.append([name, *cells])
    yield from aligned(lines)


def _named(measures: TwoClassMeasures, name: str) -> Measure:
    return next(one for one in measures.compared if one.name == name)
