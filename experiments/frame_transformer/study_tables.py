"""What the results of the study say together: scores, and how far the network is ahead of each forest.

Knows no survey and trains nothing: the results are enough.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from experiments.frame_transformer.study_results import FILES, FORESTS, NETWORKS, PARTS, Result
from experiments.table2.rows import ALL_FRAMES, HOST
from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.predictions import Key, ModelPredictions, Pooled, mean_of_logarithms, pool
from ictconvention.evaluation.prior import Prior, at_shares
from ictconvention.evaluation.scores import calibration_error
from ictconvention.evaluation.significance import describe_seeds, differences, mean_scores
from ictconvention.tasks.class_measures import HEADINGS, ClassMeasures

MEANS = {  # of log-probabilities
    f"mean of {network} and {row}": (network, row) for network in NETWORKS for row in (HOST, HOST + ALL_FRAMES)
}
PURE, COMPLETENESS = "SN Ia", 0.8
FOLLOWED = {"AGN": 0.1, "SN Ia": 0.5, "Variable": 0.1, "SN Other": 0.3}  # class shares of a search for supernovae


class EqualShares(ClassMeasures):
    """The scores of classes at equal class shares."""

    compared: ClassVar[tuple[Measure, ...]] = ClassMeasures(()).by_training[HEADINGS[Prior.UNIFORM]][1::-1]


def entries_of(results: Iterable[Result], part: str) -> dict[str, ModelPredictions]:
    """Return the rows that have a result of a part, with the folds that all of them have, and then their means."""
    by_row: dict[str, dict[Key, Result]] = {row: {} for row in FILES}
    for one in results:
        if part in one.parts:
            by_row[one.record["row"]][one.key] = one
    by_row = {row: of for row, of in by_row.items() if of}
    first = {row: min(seed for _, seed in of) for row, of in by_row.items()}
    of_first = [{fold for fold, seed in of if seed == first[row]} for row, of in by_row.items()]
    folds = sorted(set[int].intersection(*of_first)) if of_first else []
    entries = {}
    for row, of in by_row.items():
        seeds = [seed for seed in sorted({seed for _, seed in of}) if all((fold, seed) in of for fold in folds)]
        kept = {(fold, seed): of[fold, seed] for fold in folds for seed in seeds}
        spent = {key: one.record["core_seconds"] for key, one in kept.items()}
        if kept:
            predictions = {key: one.parts[part] for key, one in kept.items()}
            known = {key: seconds for key, seconds in spent.items() if seconds is not None}
            entries[row] = ModelPredictions(row, predictions, core_seconds=known)
    pairs = {name: pair for name, pair in MEANS.items() if entries.keys() >= set(pair)}
    return entries | {name: mean_of_logarithms(name, [entries[row] for row in pair]) for name, pair in pairs.items()}


def pooled_of(entry: ModelPredictions, part: str) -> Pooled:
    """Bring the folds together; of the extra test part, which each tests, folds count as further seeds."""
    if part == "extra_test":
        trainings = enumerate(entry.predictions.values())
        entry = ModelPredictions(entry.name, {(0, number): found for number, found in trainings})
    return pool(entry)


def purity(probability: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the purity of the smallest sample, by the probability of a class (n,), of this completeness."""
    precision, recall, _ = precision_recall_curve(truth, probability)
    return float(precision[recall >= COMPLETENESS][-1])


def error_at(likely: NDArray[np.float64], label: NDArray[np.int64], wanted: NDArray[np.float64]) -> float:
    """Return the calibration error at other class shares of probabilities (n, classes) at those of their objects."""
    own = np.bincount(label, minlength=likely.shape[1]) / len(label)
    moved = at_shares(likely, own, wanted)
    return calibration_error(moved.max(1), moved.argmax(1) == label, weight=(wanted / own)[label])


def describe_results(
    results: Sequence[Result], folds: Sequence[int], seeds: Sequence[int], rows: Sequence[str] = tuple(FILES)
) -> str:
    """Return the table of some rows, how far networks are ahead of forests, and what is missing of folds and seeds."""
    results = [one for one in results if one.record["row"] in rows]
    there = {(one.record["row"], *one.key) for one in results}
    wanted = [(row, fold, seed) for row in rows for fold in folds for seed in (seeds if row in NETWORKS else (0,))]
    lines = _listed("Missing", [key for key in wanted if key not in there]) or ["Nothing is missing."]
    entries = {part: of for part in PARTS if (of := entries_of(results, part))}
    if not entries:
        return "\n".join(["No fold has a result of every row.", *lines])
    shown = {(row, *key) for row, entry in entries["test"].items() for key in entry.predictions}
    lines += _listed("Not in the tables, for another row lacks the fold, or another fold the seed", there - shown)
    measures = EqualShares(results[0].record["classes"])
    wholes = {part: {row: pooled_of(entry, part) for row, entry in of.items()} for part, of in entries.items()}
    group = {id_: g for one in results for part in entries for id_, g in one.grouped(part)}
    table = _scores(entries, wholes, measures)
    for network in NETWORKS:
        if any(network in of for of in wholes.values()):
            table += ["", *_differences(network, wholes, group, measures)]
    made = [one.record["environment"] | {"precision": one.record["precision"]} for one in results]
    facts = [sorted({str(of.get(name)) for of in made}) for name in ("processor", "precision", "threads")]
    lines.append(f"Processor: {', '.join(facts[0])}; precision {', '.join(facts[1])}; threads {', '.join(facts[2])}.")
    return "\n".join([*table, "", *lines])


def _listed(said: str, keys: Collection[tuple[str, int, int]]) -> list[str]:
    rows = {row: ", ".join(f"{fold}/{seed}" for of, fold, seed in sorted(keys) if of == row) for row in FILES}
    listed = [f"{row} {of}" for row, of in rows.items() if of]
    return [f"{said} (fold/seed): {'; '.join(listed)}."] if listed else []


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _scores(
    entries: Mapping[str, Mapping[str, ModelPredictions]],
    wholes: Mapping[str, Mapping[str, Pooled]],
    measures: EqualShares,
) -> list[str]:
    """Return the table of scores: means over the trainings of a row."""
    of_part = [*(one.title for one in measures.compared), "calibration error", f"{PURE} purity"]
    heads = [f"{part.replace('_', ' ')}: {head}" for part in wholes for head in of_part]
    wanted = np.array([FOLLOWED.get(name, 0.0) for name in measures.names])
    third = "extra_test" in wholes and set(FOLLOWED) == set(measures.names)
    heads += ["extra test: calibration error in a search for supernovae"] if third else []
    lines = [_line("", *heads, "core-seconds"), "|" + "---|" * (2 + len(heads))]
    for row, entry in entries["test"].items():
        cells: list[str] = []
        for part, of in wholes.items():
            label, likely = of[row].label, of[row].at(PARTS[part])
            error = np.mean([calibration_error(one.max(1), one.argmax(1) == label) for one in likely])
            cells += [f"{value:.3f}" for value in (*mean_scores(of[row], measures).values(), error)]
            column = measures.names.index(PURE) if PURE in measures.names else None
            pure = [purity(one[:, column], label == column) for one in likely] if column is not None else []
            cells.append(f"{np.mean(pure):.3f}" if pure else "-")
        if third:
            found = wholes["extra_test"][row]
            likely = found.at(PARTS["extra_test"])
            cells.append(f"{np.mean([error_at(one, found.label, wanted) for one in likely]):.3f}")
        spent = list(entry.core_seconds.values())
        lines.append(_line(row, *cells, f"{np.mean(spent):.0f}" if spent else "-"))
    return lines


def _differences(
    network: str, wholes: Mapping[str, Mapping[str, Pooled]], group: Mapping[str, int], measures: EqualShares
) -> list[str]:
    """Return how many points a network is ahead of each forest, and what the intervals hold."""
    heads = [f"{part.replace('_', ' ')}: {one.title}" for part in wholes for one in measures.compared]
    lines = [_line(f"{network} minus", *heads), "|" + "---|" * (1 + len(heads))]
    held: dict[str, None] = {}
    for row in FORESTS:
        cells = []
        for part, of in wholes.items():
            if network in of and row in of:
                groups = np.array([group[id_] for id_ in of[row].ids])
                for one in differences(of[network], of[row], groups, measures):
                    value, low, high = (one.measure.write(x, signed=True) for x in (one.value, one.low, one.high))
                    cells.append(f"{value} ({low} to {high})")
                trainings = min(of[network].seeds, of[row].seeds)
                held[f"{part.replace('_', ' ')}: {describe_seeds(trainings, of[row].cells, measures)}"] = None
        if cells:
            lines.append(_line(row, *cells))
    return [*lines, "", *held] if held else [f"No fold has both {network} and forest."]
