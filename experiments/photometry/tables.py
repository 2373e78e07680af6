"""What the results say together: scores after some days, and what photometry adds to frames alone."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.frame_transformer.study_tables import EqualShares
from experiments.photometry.jobs import ARMS, FOREST, MODELS, Job
from experiments.photometry.results import DAYS, Result
from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import Difference, describe_seeds, differences, mean_scores

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
    others = [arm for arm in ARMS if arm != FRAMES and any(arm in arms for arms in rows.values())]
    found = {(row, days): _compare(arms, days, measures) for row, arms in rows.items() for days in DAYS}
    lines: list[str] = []
    for one in measures.compared:
        heads = [one.title, "days", *(ARMS[arm].title for arm in (FRAMES, *others))]
        heads += [f"{ARMS[arm].title}, minus frames alone" for arm in others]
        lines += [_line(*heads), "|" + "---|" * len(heads)]
        for (row, days), (scores, ahead) in found.items():
            cells = [one.write(scores[arm][one.name]) if arm in scores else "-" for arm in (FRAMES, *others)]
            cells += [_in_cell(ahead[arm][one.name]) if arm in ahead else "-" for arm in others]
            lines.append(_line(named(row, rows[row]), days, *cells))
        lines.append("")
    if seeds := {len(arms[FRAMES]) for row, arms in rows.items() if row != FOREST}:
        lines += [describe_seeds(min(seeds), 1, measures), ""]
    return [*lines, *_costs(rows)]


def named(row: str, arms: Mapping[str, Sequence[Result]]) -> str:
    """Return the name of a row, with how many seeds it has of a network."""
    seeds = len(arms[FRAMES])
    return row if row == FOREST else f"{row.replace('_', ' ')}, {seeds} {'seed' if seeds == 1 else 'seeds'}"


def _compare(
    arms: Mapping[str, Sequence[Result]], days: str, measures: EqualShares
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, Difference]]]:
    """Return the scores of each arm after some days, and how far each is from frames alone, by measure."""
    of = {arm: pooled(several, days) for arm, several in arms.items()}
    group = arms[FRAMES][0].group
    ahead = {
        arm: {one.measure.name: one for one in differences(of[arm], of[FRAMES], group, measures)}
        for arm in of
        if arm != FRAMES
    }
    return {arm: mean_scores(one, measures) for arm, one in of.items()}, ahead


def _in_cell(found: Difference) -> str:
    value, low, high = (found.measure.write(x, signed=True) for x in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


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
