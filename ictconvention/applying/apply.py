"""Apply one run, or the runs of one model together, to a survey: the table of predictions, and what is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from astropy.table import Table

from ictconvention.applying.class_shares import check_prior, choose_shares
from ictconvention.applying.combine import combine
from ictconvention.applying.comparing.compare import warn_if_unlike
from ictconvention.applying.deciding.sets import COLUMN, check_coverage, draw_survey_sets
from ictconvention.applying.fitting_survey import check_survey_fits
from ictconvention.applying.forests.join import IN_WORDS, ForestUse, check_forests
from ictconvention.applying.predict import PredictOptions, predict_survey
from ictconvention.applying.prediction_table import OF_OBJECTS, check_names, in_words, prediction_table
from ictconvention.core.progress import Show, show_nothing
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey
from ictconvention.tasks.known_truth import describe_scores


def check_survey(
    runs: Sequence[TrainedRun],
    survey: Survey,
    verify: bool | Literal["auto"],
    show: Show,
    forest: ForestUse | None = None,
) -> None:
    """Refuse a survey that a run cannot predict, or whose files have changed, and a run without a forest that is to be.

    Errors are those of the three checks.
    """
    for run in runs:
        check_survey_fits(run, survey)
    check_forests(runs, forest)
    with show("verifying") as progress:
        verify_survey(survey, verify, progress)


@dataclass(frozen=True, eq=False)
class Applied:
    """What some runs make of a survey.

    Parameters
    ----------
    table : Table
        A row for each object, see `prediction_table`.
    said : tuple of str
        At which shares, what was predicted, how many are unlike, how many have trained, and the scores of objects whose
        truth is known and that have not; a warning where the survey is unlike that of training, as the first run sees
        it.
    """

    table: Table
    said: tuple[str, ...]


def apply_runs(
    runs: Sequence[TrainedRun],
    survey: Survey,
    options: PredictOptions,
    prior: str | Mapping[str, float] = "train",
    show: Show = show_nothing,
    coverage: float | None = None,
) -> Applied:
    """Let runs of one model predict every object of a survey, together.

    Parameters
    ----------
    runs : sequence of TrainedRun
        For the same outputs in the same order.
    survey : Survey
        A survey that was checked, see `check_survey`.
    options : PredictOptions
        How they predict.
    prior : str or mapping
        Shares of the classes, see `choose_shares`.
    show : callable
        Shows the progress of a named step.
    coverage : float, optional
        Of each class, the share of its objects whose set of classes, a column of the table, holds it.

    Raises
    ------
    UsageError
        The survey does not fit a run, a class is called as a column is, no set can be guaranteed (see
        `check_coverage`), or the shares are none, or have no meaning for what the runs have learned.
    """
    check_names(runs, OF_OBJECTS if coverage is None else (*OF_OBJECTS, COLUMN))
    check_prior(prior, runs[0])
    check_coverage(coverage, runs, options)
    parts = []
    for number, run in enumerate(runs, 1):
        with show(f"predicting {number}/{len(runs)}") as progress:
            parts.append(predict_survey(run, survey, options, progress))
    shares, shares_said = choose_shares(prior, parts, forest=options.forest is not None)
    found = combine(parts, shares)
    table = prediction_table(found, survey, runs, shares_said, options.days)
    said = [shares_said]
    if options.forest is not None:
        table.meta["FOREST"] = options.forest
        said.append(f"by {IN_WORDS[options.forest]}")
    if coverage is not None:
        sets = draw_survey_sets(parts, shares, coverage, prior == "estimate")
        table.add_column(sets.column, index=table.colnames.index("entropy") + 1, name=COLUMN)
        table.meta["COVERAGE"] = coverage
        said.extend(sets.said)
    scored = describe_scores(found.task, survey, found.row, ~found.seen_in_training, found.frames)
    unlike = warn_if_unlike(parts[0], survey) if options.days is None else None  # features of fewer frames are others
    warning = [] if unlike is None else [f"warning: {unlike}"]
    return Applied(table, (*said, *in_words(found, runs, survey), *scored, *warning))
