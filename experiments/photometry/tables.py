"""What the results say together: scores after some days, and what photometry adds to frames alone."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.frame_transformer.study_tables import EqualShares
from experiments.photometry.jobs import ARMS, FOREST, MODELS, Job
from experiments.photometry.results import DAYS, Result
from ictconvention.evaluation.measures import Measure
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import describe_seeds, differences, mean_scores

FRAMES = "frames"  # the arm that the others are compared with
ROWS = (*MODELS, FOREST)


def arms_of(results: Mapping[Job, Result], row: str) -> dict[str, list[Result]]:
    """Return the results of a row by arm, in the order of `ARMS`, of the seeds that frames alone have too."""
    found: dict[str, dict[int, Result]] = {arm: {} for arm in ARMS}
    for job, one in sorted(results.items(), key=lambda item: item[0].seed):
        if job.row == row:
            found[job.arm][job.seed] = one
    of_frames = found[FRAMES].keys()
    whole = {arm: of for arm, of in found.items() if of and of_frames and of.keys() >= of_frames}
    return {arm: [of[seed] for seed in of_frames] for arm, of in whole.items()}


def pooled(several: Sequence[Result], days: str) -> Pooled:
    """Return what several seeds predict after some days as one model."""
    first = several[0]
    rows = np.stack([one.likely[days] for one in several])
    return Pooled(first.ids, first.label, np.zeros(len(first.ids), np.int64), {Prior.UNIFORM: rows, Prior.SURVEY: rows})


def lines_of(results: Mapping[Job, Result]) -> list[str]:
    """Return the tables: of each measure, and what the trainings cost."""
    if not results:
        return ["There are no results."]
    measures = EqualShares(next(iter(results.values())).record["classes"])
    rows = {row: arms for row in ROWS if len(arms := arms_of(results, row)) > 1}
    lines: list[str] = []
    for one in measures.compared:
        lines += [*_table(one, rows, measures), ""]
    if seeds := {len(arms[FRAMES]) for row, arms in rows.items() if row != FOREST}:
        lines += [describe_seeds(min(seeds), 1, measures), ""]
    return [*lines, *_costs(rows)]


def _table(measure: Measure, rows: Mapping[str, Mapping[str, Sequence[Result]]], measures: EqualShares) -> list[str]:
    """Return the table of one measure: a line for each row and day."""
    others = [arm for arm in ARMS if arm != FRAMES and any(arm in arms for arms in rows.values())]
    heads = [ARMS[FRAMES].title, *(ARMS[arm].title for arm in others)]
    heads += [f"{ARMS[arm].title}, minus frames alone" for arm in others]
    lines = [_line(measure.title, "days", *heads), "|" + "---|" * (2 + len(heads))]
    for row, arms in rows.items():
        for days in DAYS:
            of = {arm: pooled(several, days) for arm, several in arms.items()}
            scores = {arm: mean_scores(one, measures)[measure.name] for arm, one in of.items()}
            cells = [measure.write(scores[arm]) if arm in scores else "-" for arm in (FRAMES, *others)]
            group = arms[FRAMES][0].group
            for arm in others:
                cells.append("-")
                if arm in of:
                    found = differences(of[arm], of[FRAMES], group, measures)
                    (one,) = [difference for difference in found if difference.measure.name == measure.name]
                    value, low, high = (measure.write(x, signed=True) for x in (one.value, one.low, one.high))
                    cells[-1] = f"{value} ({low} to {high})"
            seeds = len(arms[FRAMES])
            name = row if row == FOREST else f"{row}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
            lines.append(_line(name.replace("_", " "), days, *cells))
    return lines


def _costs(rows: Mapping[str, Mapping[str, Sequence[Result]]]) -> list[str]:
    """Return the table of the training epochs and core-seconds of one training."""
    lines = [_line("one training", "arm", "training epochs of each stage", "core-seconds"), "|" + "---|" * 4]
    for row, arms in rows.items():
        for arm, several in arms.items():
            spent = np.median([one.record["core_seconds"] for one in several])
            epochs = "-" if row == FOREST else str(round(ARMS[arm].passes * several[0].record["epochs"]))
            lines.append(_line(row.replace("_", " "), ARMS[arm].title, epochs, f"{spent:.0f}"))
    return lines


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
