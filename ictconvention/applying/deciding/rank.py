"""Which objects of a survey to follow up: those that a run doubts most, each unlike the others, bright enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention import __version__
from ictconvention.applying.combine import Combined, combine, find_counting_runs
from ictconvention.applying.deciding.diverse import choose_diverse, find_candidates
from ictconvention.applying.features import features_of
from ictconvention.applying.fitting_survey import NANOMAGGIES, check_survey_fits
from ictconvention.applying.predict import PredictOptions, predict_survey
from ictconvention.applying.prediction_table import check_names
from ictconvention.applying.seen_objects import seen_by
from ictconvention.core.errors import UsageError, did_you_mean, pluralize
from ictconvention.core.magnitudes import ZERO_POINT
from ictconvention.core.progress import Show, show_nothing
from ictconvention.evaluation.quantities import brightness_of
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.survey import Survey

By = Literal["entropy", "error"]
COLUMNS = ("rank", "ra", "dec", "error", "novelty")  # besides those that `check_names` knows of
MAGNITUDE = "mag "  # begins the name of the column of magnitudes


@dataclass(frozen=True, slots=True)
class RankOptions:
    """How objects are chosen.

    Parameters
    ----------
    budget : int
        How many.
    max_mag : float, optional
        Faintest magnitude when bright, in the middle band; objects without one are then left out.
    by : "entropy" or "error"
        What doubt is: the entropy of the probabilities [nat], or the probability that the likeliest class is wrong.
    """

    budget: int = 20
    max_mag: float | None = None
    by: By = "entropy"

    def __post_init__(self) -> None:
        if self.budget < 1:
            raise UsageError(f"--budget is {self.budget}", "options of rank", "give 1 or more", "E-COMMAND-VALUE")
        if self.by not in get_args(By):
            found = f"--by is {self.by!r}{did_you_mean(self.by, get_args(By))}"
            raise UsageError(found, "options of rank", f"give {' or '.join(get_args(By))}", "E-COMMAND-VALUE")
        if self.max_mag is not None and not np.isfinite(self.max_mag):
            raise UsageError(f"--max-mag is {self.max_mag}", "options of rank", "give a magnitude", "E-COMMAND-VALUE")


@dataclass(frozen=True, eq=False)
class Ranked:
    """The objects that were chosen.

    Parameters
    ----------
    table : Table
        A row for each, in the order of the choice: rank, id, ra, dec [deg], the magnitude when bright where it is
        known, the probability of each class, predicted, entropy [nat], error, novelty.
    said : tuple of str
        Of how many, and what was left out.
    """

    table: Table
    said: tuple[str, ...]


def rank_survey(
    runs: Sequence[TrainedRun],
    survey: Survey,
    options: RankOptions = RankOptions(),
    predict: PredictOptions | None = None,
    show: Show = show_nothing,
) -> Ranked:
    """Choose which objects of a survey to follow up, by one run or by several of one model together.

    Doubt is that of their mean probabilities; what an object is, the features of the first run. Left out are objects
    with a class, those whose label the runs have used, and those without a frame. What unlabelled pre-training has seen
    may be chosen: nobody knows its class.

    Parameters
    ----------
    runs : sequence of TrainedRun
        They have learned classes.
    survey : Survey
        A survey that fits them.
    options : RankOptions
        How objects are chosen.
    predict : PredictOptions, optional
        How they are predicted.
    show : callable
        Shows the progress of a named step.

    Raises
    ------
    UsageError
        The runs have learned something else, a class is called as a column is, the survey does not fit them, its fluxes
        have no unit that magnitudes are made of where one is asked for, or no object is left.
    """
    first, predict = runs[0], predict or PredictOptions()
    _check(runs, survey, options)
    parts = []
    for number, run in enumerate(runs, 1):
        with show(f"predicting {number}/{len(runs)}") as progress:
            parts.append(predict_survey(run, survey, predict, progress))
    found = combine(parts, None)
    used = np.stack([seen_by(run, survey, by_label=True) for run in runs]) & find_counting_runs(parts)
    left = {
        "with a class": ~np.ma.getmaskarray(np.ma.asarray(survey.object_table()["class"])),
        "whose label the network has used": used.any(0),
        "without a frame": found.frames == 0,
    }
    there = ~np.logical_or.reduce(list(left.values()))
    name, magnitude = _magnitudes(survey, np.flatnonzero(there))
    if options.max_mag is not None:
        left[f"not known to reach {options.max_mag:g} mag"] = there & ~(magnitude <= options.max_mag)
        there &= magnitude <= options.max_mag
    said = [f"{pluralize(int(mask.sum()), 'object')} {why}" for why, mask in left.items() if mask.any()]
    if not there.any():
        none = f"no object is left to follow up: {', '.join(said)}"
        raise UsageError(none, survey.path, "take another survey, or a fainter --max-mag", "E-PREDICT-NOTHING")
    at = np.flatnonzero(there)
    doubt = _doubts(found, at)[options.by]
    candidates = find_candidates(doubt, options.budget)
    with show("looking for unlike ones") as progress:
        features = features_of(first, survey, at[candidates], predict.batch_size, progress)
    reference = RunFolder(first.folder).read_reference()
    precision = None if reference is None else reference.precision
    place = at[candidates[choose_diverse(doubt[candidates], features, options.budget, precision)]]
    table = _table(found, survey, place, {name: magnitude} if name else {})
    table.meta["RUNS"] = ", ".join(run.hash[:8] for run in runs)
    table.meta["BY"] = options.by
    number_of = f"{pluralize(len(place), 'object')} of {len(at)}"
    lines = [f"survey {survey.header.full_name}: {number_of}, by {options.by} and unlike each other"]
    lines += [f"left out: {line}" for line in said]
    if pixels := int(found.seen_in_training[at].sum()):
        lines.append(
            f"{pluralize(pixels, 'object')} of these {len(at)} trained the network without a label: its doubt of them "
            "may be less than of objects that are new to it"
        )
    return Ranked(table, tuple(lines))


def _check(runs: Sequence[TrainedRun], survey: Survey, options: RankOptions) -> None:
    """Refuse what cannot be ranked before anything is predicted; errors as of `rank_survey`."""
    first = runs[0]
    if first.options.task.kind != "classes":
        found = f"objects are ranked by the doubt about their class, and this run has learned {first.options.task.kind}"
        raise UsageError(found, first.folder, "rank by a run of classes", "E-RUN-TASK")
    check_names(runs, (*COLUMNS, *(f"{MAGNITUDE}{band}" for band in first.spec.bands)))
    for run in runs:
        check_survey_fits(run, survey)
    if options.max_mag is not None and survey.header.flux_unit not in NANOMAGGIES:
        found = f"the fluxes of this survey are in {survey.header.flux_words}, which makes no magnitudes"
        fix = "leave out --max-mag, or ingest the survey with a zero point"
        raise UsageError(found, survey.path, fix, "E-VALUE-UNITS")


def _doubts(found: Combined, place: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the doubt about some objects (n,), as each of `By` has it."""
    row = found.row[place]
    return {"entropy": found.task.format.further_columns(row)["entropy"], "error": 1 - row.max(1)}


def _table(
    found: Combined, survey: Survey, place: NDArray[np.int64], magnitude: Mapping[str, NDArray[np.float64]]
) -> Table:
    """Return the rows of the chosen objects, in the order of the choice; columns as of `Ranked`."""
    objects, row, form = survey.object_table(), found.row[place], found.task.format
    columns: dict[str, object] = {"rank": np.arange(1, len(place) + 1), "id": np.array(survey.ids, dtype=str)[place]}
    columns |= {one: np.ma.asarray(objects[one])[place] for one in ("ra", "dec")}
    columns |= {name: values[place] for name, values in magnitude.items()}
    columns |= form.estimates(row)
    columns["predicted"] = form.further_columns(row)["predicted"]
    columns |= _doubts(found, place)
    columns["novelty"] = found.novelty[place]
    header = survey.header
    return Table(columns, meta={"SURVEY": header.name, "SIMULATD": header.simulated, "VERSION": __version__})


def _magnitudes(survey: Survey, position: NDArray[np.int64]) -> tuple[str, NDArray[np.float64]]:
    """Return the name of the magnitude when bright, and that of every object (n,), NaN where unknown.

    Only objects at positions (m,) are measured. Without a unit that magnitudes are made of the name is empty.
    """
    magnitude = np.full(len(survey), np.nan)
    factor = NANOMAGGIES.get(survey.header.flux_unit)
    known = brightness_of(survey, position) if factor else {}
    for title, values in known.items():
        if survey.header.flux_unit != "nanomaggy":
            values = ZERO_POINT - 2.5 * (values + np.log10(factor or 1.0))  # they were logarithms of fluxes
        magnitude[position] = values
        return f"{MAGNITUDE}{title.removeprefix('log10 of the ').partition(' ')[0]}", magnitude
    return "", magnitude
