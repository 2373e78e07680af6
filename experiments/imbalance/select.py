"""The setting of the optimiser, chosen by validation: each is trained from fresh weights, and no test part is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ictconvention.configuration.options import Stage
from ictconvention.core.errors import UsageError
from ictconvention.simulation.hosts.pictures import CLASSES

if TYPE_CHECKING:  # heavy
    from ictconvention.runs.run_folder import RunFolder

RATES, KINDS, BATCHES, PATIENCES = ("1e-3", "1e-2", "1e-1"), ("adam", "sgd"), (32, 64), (5, 7, 10)
BY = ("loss_balanced", "recall/1", "f1/1")
STAGE: Stage = "pretrain"  # of a fold with one stage


@dataclass(frozen=True)
class Course:
    """What validation says after each training epoch of a setting, (epochs,).

    Parameters
    ----------
    loss : sequence of float
        The metric by which a stage keeps its best training epoch, and by which patience counts.
    scores : mapping of str to sequence of float
        What the choice may go by, by name; more is better.
    """

    loss: Sequence[float]
    scores: Mapping[str, Sequence[float]]


def settings() -> Iterator[tuple[str, list[str]]]:
    """Yield the trainings by title and overrides: patience only stops the same course elsewhere."""
    optimiser = f"stage.{STAGE}.optimiser"
    for rate, kind, batch in product(RATES, KINDS, BATCHES):
        words = [f"{optimiser}.learning_rate={rate}", f"{optimiser}.kind={kind}", f"trainer.batch_size={batch}"]
        yield f"{kind} {rate}, batch {batch}", words


def kept_epoch(loss: Sequence[float], patience: int) -> int:
    """Return which training epoch, from 0, a stage of so much patience keeps."""
    best = 0
    for epoch, value in enumerate(loss):
        if value < loss[best]:
            best = epoch
        if epoch - best >= patience:
            break
    return best


def choose(courses: Mapping[str, Course], by: str) -> tuple[str, int, float]:
    """Return the setting and the patience whose kept training epoch has the best score; of equals, the first.

    Raises
    ------
    UsageError
        No setting has a course.
    """
    found = [
        (course.scores[by][kept_epoch(course.loss, patience)], name, patience)
        for name, course in courses.items()
        for patience in PATIENCES
        if len(course.loss)
    ]
    if not found:
        raise UsageError("no setting was trained", "select", "remove the folder of the sweep", "E-SWEEP-FAILED")
    score, name, patience = max(found, key=lambda one: one[0])
    return name, patience, score


def course_of(run: "RunFolder") -> Course:
    """Return the course of a finished run, from its metrics of validation."""
    rows = [row for (stage, _), row in sorted(run.open_metrics().rows.items()) if stage == STAGE]
    classes = run.read_split()["classes"]
    part = [classes[id_] for id_ in run.read_split()["parts"][f"{STAGE}_validation"]]
    frequent, rare = (part.count(name) for name in CLASSES)
    loss, *recalls = (
        np.array([float(row[f"{STAGE}/val/{name}"]) for row in rows])
        for name in ("loss_balanced", *(f"recall/{name}" for name in CLASSES))
    )
    true, false = recalls[1] * rare, (1 - recalls[0]) * frequent
    f1 = 2 * true / np.maximum(true + false + rare, 1e-12)
    scores = {"loss_balanced": -loss, "recall/1": recalls[1], "f1/1": f1}
    return Course(loss.tolist(), {name: values.tolist() for name, values in scores.items()})
