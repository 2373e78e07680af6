"""Whether objects that are chosen as `ictconvention rank` does teach more than random ones, label for label.

    python -m experiments.follow_up.loop RUN SURVEY

The features of a trained run stay as they are; a logistic regression on them learns the labels that are asked for. It
begins with 20 random test objects of the run, and asks for 20 more in each of five rounds among the others. What it
has learned is scored on the extra test part, which nobody asks for.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from experiments.markdown import head as heading
from experiments.markdown import line
from ictconvention.applying.deciding.diverse import choose_diverse
from ictconvention.applying.features import features_of
from ictconvention.core.errors import report_errors
from ictconvention.evaluation.calibration import probabilities
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey

FIRST, BUDGET, ROUNDS = 20, 20, 5
WAYS = ("random", "most entropy", "entropy, unlike each other")
Features = NDArray[np.float64]
Labels = NDArray[np.int64]


def loop(pool: Features, label: Labels, test: Features, truth: Labels, way: str, seed: int) -> list[float]:
    """Return the balanced accuracy after each round, the start first, of one way to choose.

    Parameters
    ----------
    pool, test : arrays (n, features), (m, features)
        What may be asked for, and what scores.
    label, truth : arrays (n,), (m,)
        Their classes; those of the pool are seen when they are asked for.
    way : str
        One of `WAYS`.
    seed : int
        Draws the start, the same for every way, and what is random.
    """
    rng = np.random.default_rng(seed)
    known = rng.permutation(len(pool))[:FIRST]
    scores = []
    for _ in range(ROUNDS + 1):
        head = LogisticRegression(C=0.1, class_weight="balanced", max_iter=500).fit(pool[known], label[known])
        scores.append(float(balanced_accuracy_score(truth, head.predict(test))))
        rest = np.setdiff1d(np.arange(len(pool)), known)
        if way == "random":
            chosen = rng.permutation(len(rest))[:BUDGET]
        else:
            row = _row(head, pool[rest])
            doubt = -(row * np.log(np.maximum(row, 1e-300))).sum(1)
            chosen = (
                np.argsort(-doubt, kind="stable")[:BUDGET]
                if way == "most entropy"
                else choose_diverse(doubt, pool[rest], BUDGET)
            )
        known = np.concatenate([known, rest[chosen]])
    return scores


def _row(head: LogisticRegression, features: Features) -> Features:
    logits = head.decision_function(features)
    return probabilities(logits if logits.ndim > 1 else np.column_stack([-logits / 2, logits / 2]))


def study(folder: Path, survey: Survey, seeds: int) -> str:
    """Return the table of a study, in Markdown."""
    run = read_trained(folder)
    label = run.task.read_labels(survey)
    parts = {part: survey.positions(run.split["parts"][part]) for part in ("test", "extra_test")}
    scale = StandardScaler().fit(features_of(run, survey, parts["test"]))
    pool, test = (scale.transform(features_of(run, survey, at)) for at in parts.values())
    of_pool, truth = (label[at] for at in parts.values())
    scores = np.array([[loop(pool, of_pool, test, truth, way, seed) for seed in range(seeds)] for way in WAYS])
    rows = []
    for way, of_way in zip(WAYS, scores, strict=True):  # (seeds, rounds)
        ends, mean = of_way[:, -1], of_way[:, 1:].mean(1)
        rows.append([way, *(_interval(x) for x in (of_way[:, 0], mean, ends))])
        gains = (mean - scores[0][:, 1:].mean(1), ends - scores[0][:, -1])
        rows[-1] += ["", ""] if way == WAYS[0] else [_interval(x, True) for x in gains]
    labels = FIRST + BUDGET * ROUNDS
    columns = ["asked for", f"{FIRST} labels", "mean of the rounds", f"{labels} labels"]
    columns += ["mean, minus random", f"{labels} labels, minus random"]
    title = f"Survey {survey.header.full_name}: {len(pool)} objects to ask for, {len(test)} that score, {seeds} seeds."
    return f"{title}\n\n" + "\n".join([*heading(*columns), *(line(*row) for row in rows)])


def _interval(values: Features, signed: bool = False) -> str:
    """Return a mean over seeds in points, with its 95 % interval."""
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{100 * values.mean():{'+' if signed else ''}.1f} ± {100 * half:.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study that a command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a run of classes, such as demo, whose survey has extra test objects")
    parser.add_argument("survey", type=Path, help="its survey")
    parser.add_argument("--seeds", type=int, default=20)
    given = parser.parse_args(arguments)
    with report_errors():
        print(study(given.run, Survey.open(given.survey), given.seeds))


if __name__ == "__main__":
    main()
