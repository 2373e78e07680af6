"""Sets of classes beside the predictions of a survey, with a guarantee for each class; see `evaluation.sets`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.combine import find_counting_runs
from ictconvention.applying.predict import PredictOptions, SurveyPredictions
from ictconvention.configuration.stages import validation_chooses
from ictconvention.core.errors import UsageError, shorten
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_shares
from ictconvention.evaluation.sets.conformal import draw_sets, least_objects, merge, p_values
from ictconvention.evaluation.sets.coverage import describe_choice
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun

COLUMN = "set"
BETWEEN = "|"  # the classes of a set
CHECK = "; how many sets of tested objects hold the class is in the result of the run (`sets`)"


@dataclass(frozen=True, eq=False)
class DrawnSets:
    """The sets of the objects of a survey.

    Parameters
    ----------
    column : array (n,)
        The names of the classes in each, with `BETWEEN` between them; empty where no class is typical.
    said : tuple of str
        What is guaranteed, and where nothing is.
    """

    column: NDArray[np.str_]
    said: tuple[str, ...]


def check_coverage(coverage: float | None, runs: Sequence[TrainedRun], options: PredictOptions) -> None:
    """Refuse sets that would have no guarantee, before anything is predicted.

    Raises
    ------
    UsageError
        The coverage is no share, the runs have not learned classes or kept no validation part, or predictions are not
        made as those of the validation part were: of a forest, or of the first days.
    """
    if coverage is None:
        return
    if not 0 < coverage < 1:
        raise UsageError(f"--coverage is {coverage:g}", "--coverage", "give a share such as 0.9", "E-COMMAND-VALUE")
    kind = runs[0].options.task.kind
    if not runs[0].task.draws_sets:
        instead = {
            "redshift": "take the columns of the 68 % interval, or the PDF, whose PIT `report` shows",
            "mask": "take the share of each class",
        }
        found = f"sets are of classes, and this run has learned {kind}"
        raise UsageError(found, "--coverage", instead.get(kind, "leave it out"), "E-RUN-TASK")
    if taken := [name for name in runs[0].task.names if BETWEEN in name]:
        raise UsageError(f"a class is called {taken[0]!r}", "--coverage", "leave it out", "E-CLASS-NAME")
    for flag, given in (("--forest", options.forest is not None), ("--first-days", options.days is not None)):
        if given:
            found = f"the network's predictions of all frames of the validation part draw sets, and {flag} is not so"
            raise UsageError(found, "--coverage", f"leave out one of --coverage and {flag}", "E-COMMAND-CONFLICT")
    for run in runs:
        RunFolder(run.folder).read_validation()


def draw_survey_sets(
    parts: Sequence[SurveyPredictions], shares: NDArray[np.floating] | None, coverage: float, estimated: bool = False
) -> DrawnSets:
    """Draw the sets of what runs predict of a survey.

    Runs of one validation part, such as seeds of one fold, are averaged as in the table, and draw sets as one network.
    Those of several folds have validation parts of their own, and twice the mean of their p-values decides.

    Parameters
    ----------
    parts : sequence of SurveyPredictions
        What each run makes of the survey; `check_coverage` has passed the runs.
    shares : array (classes,), optional
        Class shares that are predicted at; None: each run's own.
    coverage : float
        Share of each class's objects whose set holds it.
    estimated : bool
        Whether the shares were estimated from the same objects.
    """
    names = parts[0].run.task.names
    counting = find_counting_runs(parts)
    groups = _group(parts)
    p, counts, known = [], [], []
    for members, label in groups:
        rows = [_moved(parts[i].row, parts[i], shares) for i, _ in members]
        validation = np.mean([_moved(found.at(Prior.SURVEY), parts[i], shares) for i, found in members], axis=0)
        p.append(p_values(validation, label, np.mean(rows, axis=0)))
        counts.append(counting[[i for i, _ in members]].all(0))
        known.append(np.bincount(label, minlength=len(names)))
    chosen = np.stack(counts)
    chosen[:, ~chosen.any(0)] = True  # objects that all have seen, which the table marks
    sets = draw_sets(merge(p, chosen), coverage)
    sets[parts[0].frames == 0] = True  # nothing is known of them
    sets[counting.any(0) & ~np.stack(counts).any(0)] = True  # no group is whole that has not seen them: nothing is sure
    column = np.array([BETWEEN.join(names[c] for c in np.flatnonzero(one)) for one in sets])
    said = _in_words(sets, names, np.stack(known), int(chosen.sum(0).max(initial=1)), coverage)
    said.append(f"sets: drawn by {describe_choice(any(validation_chooses(part.run.options) for part in parts))}{CHECK}")
    if estimated:
        said.append("sets: the class shares are estimated from the same objects, so that the guarantee is approximate")
    return DrawnSets(column, tuple(said))


def _moved(
    row: NDArray[np.floating], part: SurveyPredictions, shares: NDArray[np.floating] | None
) -> NDArray[np.float64]:
    own = part.run.calibration.survey_prior
    return at_shares(row, own, own if shares is None else shares)


Group = tuple[list[tuple[int, Predictions]], NDArray[np.integer]]


def _group(parts: Sequence[SurveyPredictions]) -> list[Group]:
    """Return the runs by their validation parts: places among all, with what each predicts of it; and its classes."""
    groups: dict[tuple[str, ...], Group] = {}
    for i, part in enumerate(parts):
        found = RunFolder(part.run.folder).read_validation()
        order = np.argsort(found.ids)
        ids, label = found.ids[order], found.label[order]
        ordered = Predictions(ids, label, {name: row[order] for name, row in found.rows.items()})
        members, _ = groups.setdefault((*ids.tolist(), *map(str, label)), ([], label))
        members.append((i, ordered))
    return list(groups.values())


def _in_words(
    sets: NDArray[np.bool_],
    names: Sequence[str],
    known: NDArray[np.integer],
    groups: int,
    coverage: float,
) -> list[str]:
    """Return what the sets are made for and how large they are; of several validation parts, how these were joined."""
    size = sets.sum(1)
    lines = [
        f"sets: made to hold the class of {coverage:.0%} of each class's objects, as far as these are like those of "
        f"the validation part; {size.mean():.2f} classes in the mean, {(size == 1).mean():.1%} of one, "
        f"{(size == 0).mean():.1%} of none"
    ]
    if groups > 1:
        lines.append(
            f"sets: each of {groups} folds says by its own validation part how typical an object is of a class, as the "
            "share of validation objects that are no more typical (a p-value); twice the mean of the folds decides, "
            "which is right however much they agree, and makes sets wider than one fold's"
        )
    least = least_objects(coverage, groups)
    few = [f"{name} {n}" for name, n in zip(names, known.min(0).tolist(), strict=True) if n < least]
    if few:
        lines.append(
            f"sets: {least} validation objects of a class are needed for {coverage:.0%}, and there are {shorten(few)}: "
            "such a class is in every set"
        )
    return lines
