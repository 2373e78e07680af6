"""Which epochs of a series made a network decide as it did: what its class loses without one of them.

An epoch is left out as if the survey had never had it: photometry, median frames, days and groups are those of the
other frames, so that the numbers are exactly those that `predict` gives for such a survey. Of more frames than the
network takes, those that it takes stay the same but for the one that is left out: none comes in for it. Photometry
without pixels stays, but for that of the exposure that is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from astropy.table import Table, vstack
from numpy.typing import NDArray

from ictconvention.applying.explaining.attention import EpochAttention, read_attention
from ictconvention.applying.explaining.maps import choose_objects, explain_batch, map_of_each
from ictconvention.applying.fitting_survey import check_survey_fits, places_of_bands
from ictconvention.applying.seen_objects import name_parts
from ictconvention.core.errors import UsageError, did_you_mean
from ictconvention.drawing.applied.explained_series import ExplainedSeries
from ictconvention.feeding.dataset import whole_view
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import FRAME_COLUMNS
from ictconvention.survey.series import ImageSeries, night_index
from ictconvention.survey.split import classes_of
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import infer

Floats = NDArray[np.float64]
AT_ONCE = 32  # series in a batch
LEAST = 1e-300  # probability whose logarithm stands for those of smaller ones


def explain_series(
    run: TrainedRun,
    survey: Survey,
    ids: Sequence[str] = (),
    of_class: str | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> list[ExplainedSeries]:
    """Return which epochs decided on some objects.

    Parameters
    ----------
    run : TrainedRun
        A finished run, of any network on series.
    survey : Survey
        Where the objects are.
    ids : sequence of str
        Which; without any, the first of each class, of the test part where it has some.
    of_class : str, optional
        The class that is explained; by default the one that is predicted of each.
    progress : function
        Called with the number of objects that are done, and of all.

    Raises
    ------
    UsageError
        What was learned are no classes, the survey does not fit the run, or the run does not know the class.
    SurveyError
        An object is not in the survey, or has a frame without a finite pixel.
    """
    check_classes(run)
    names = list(run.spec.classes)
    check_survey_fits(run, survey)
    if of_class is not None and of_class not in names:
        found = f"the network knows no class {of_class!r}{did_you_mean(of_class, names)}"
        raise UsageError(found, "--class", f"take one of {', '.join(names)}", "E-CLASS-UNKNOWN")
    label, parts = list(classes_of(survey.object_table()).values()), name_parts(run, survey)
    positions = [survey.position(id_) for id_ in ids] if ids else choose_objects(label, parts, 1)
    read = (run.options.sequence, run.spec.contents, places_of_bands(run, survey))
    stream = SurveyDataset(survey, *read, reddening=run.spec.reddening)
    explained = []
    for position in positions:
        explained.append(_explained(run, stream, position, of_class, label[position], parts[position]))
        progress(len(explained), len(positions))
    return explained


def check_classes(run: TrainedRun) -> None:
    """Refuse a run that has learned no classes: a redshift has no logit of its own, and a mask one in each pixel.

    Raises
    ------
    UsageError
        It has learned redshifts or masks.
    """
    if run.options.task.kind != "classes":
        found = f"this run has learned {run.options.task.kind}, and what is explained is the logit of a class"
        raise UsageError(found, run.folder, "take a run with task=classes", "E-RUN-TASK")


def predict_without(
    run: TrainedRun, stream: SurveyDataset, position: int, left_out: Sequence[NDArray[np.integer]]
) -> Floats:
    """Return the calibrated probabilities (n, classes) of an object, each time without some of its frames.

    Where no frame is left they are the class shares of the survey, as `predict` has them.

    Parameters
    ----------
    run : TrainedRun
        The run.
    stream : SurveyDataset
        The survey, as the run reads it.
    position : int
        Position of the object in the survey.
    left_out : sequence of integer arrays
        Positions of the frames that are left out, each time.
    """
    series = stream.let_through(position)
    taken = seen_frames(run, series)
    kept = [np.setdiff1d(np.arange(len(series)), rows) for rows in left_out]
    seen = [np.searchsorted(rows, np.intersect1d(taken, rows)) for rows in kept]
    row = np.tile(np.asarray(run.calibration.survey_prior, dtype=np.float64), (len(kept), 1))
    there = [number for number, rows in enumerate(seen) if len(rows)]
    objects = [(take_frames(series, kept[number]), position) for number in there]
    views = None if len(taken) == len(series) else [seen[number] for number in there]
    if objects:
        chunks = [slice(i, i + AT_ONCE) for i in range(0, len(objects), AT_ONCE)]
        batches = (stream.batch_of(objects[few], None if views is None else views[few]) for few in chunks)
        row[there] = run.row(infer(run.learner, batches, run.precision).outputs)
    return row


def seen_frames(run: TrainedRun, series: ImageSeries) -> NDArray[np.int64]:
    """Return the frames of a series that the network takes, in time order."""
    return np.sort(whole_view(series, run.options.sequence).rows)


def log_odds(row: Floats, number: int) -> Floats:
    """Return the logarithm of a class's probability over that of all others, of rows (n, classes)."""
    others = np.delete(row, number, axis=1).sum(1)
    return np.asarray(np.log(np.maximum(row[:, number], LEAST)) - np.log(np.maximum(others, LEAST)))


def take_frames(series: ImageSeries, rows: NDArray[np.integer]) -> ImageSeries:
    """Return some of the frames of a series."""
    columns = {name: getattr(series, name)[rows] for name in FRAME_COLUMNS}
    return replace(series, frames=series.frames[rows], **columns)


def deletion_costs(
    run: TrainedRun, stream: SurveyDataset, position: int, count: int, rng: np.random.Generator, draws: int = 5
) -> tuple[float, float]:
    """Return what the log-odds of the predicted class lose without the most important frames, and without random ones.

    The frames are those without which, each alone, most is lost; a measure that is faithful finds frames that cost more
    together than others do.

    Parameters
    ----------
    run : TrainedRun
        The run.
    stream : SurveyDataset
        The survey, as the run reads it.
    position : int
        Position of an object of which the network takes more frames than `count`.
    count : int
        Frames that are left out together.
    rng : Generator
        Draws the random ones.
    draws : int
        Sets of random frames, of which the mean is taken.
    """
    taken, nothing = seen_frames(run, stream.let_through(position)), np.zeros(0, dtype=np.int64)
    alone = predict_without(run, stream, position, [nothing, *taken[:, None]])
    number = int(alone[0].argmax())
    odds = log_odds(alone, number)
    most = taken[np.argsort(odds[1:], kind="stable")[:count]]
    sets = [most, *(rng.choice(taken, count, replace=False) for _ in range(draws))]
    lost = odds[0] - log_odds(predict_without(run, stream, position, sets), number)
    return float(lost[0]), float(lost[1:].mean())


def epoch_table(explained: Sequence[ExplainedSeries], bands: Sequence[str]) -> Table:
    """Return a row for each frame of some objects: what is lost without it and without its night, and its attention.

    Columns: id, class, frame, night, mjd [days], band, seen (by the network: of very many frames it takes some), lost
    and probability_without (NaN where it is not seen), lost_night, and attention of each stage.
    """
    tables = []
    for one in explained:
        n, night = len(one.series), night_index(one.series.mjd)
        columns = {
            "id": np.full(n, one.id),
            "class": np.full(n, one.of_class),
            "frame": np.arange(n),
            "night": night,
            "mjd": one.series.mjd,
            "band": np.array([bands[b] for b in one.series.band]),
            "seen": one.seen,
            "lost": one.lost,
            "probability_without": one.without,
            "lost_night": one.lost_night[night],
        }
        attention = {f"attention {name}": values for name, values in one.attention.items()}
        tables.append(Table({**columns, **attention}))
    return vstack(tables)


def _explained(
    run: TrainedRun, stream: SurveyDataset, position: int, of_class: str | None, label: str | None, part: str
) -> ExplainedSeries:
    names, series = list(run.spec.classes), stream.let_through(position)
    n, night = len(series), night_index(series.mjd)
    nights = [np.flatnonzero(night == number) for number in range(int(night[-1]) + 1)]
    nothing = np.zeros(0, dtype=np.int64)
    row = predict_without(run, stream, position, [nothing, *np.arange(n)[:, None], *nights])
    number = int(row[0].argmax()) if of_class is None else names.index(of_class)
    odds = log_odds(row, number)
    rows = whole_view(series, run.options.sequence).rows
    seen = np.isin(np.arange(n), rows)
    lost, without = odds[0] - odds[1 : n + 1], row[1 : n + 1, number]
    lost[~seen] = without[~seen] = np.nan
    attention, maps, notes = _looked(run, stream, position, number, rows, n)
    return ExplainedSeries(
        str(series.id),
        label,
        names,
        row[0],
        names[number],
        part,
        stream.survey[position],
        seen,
        lost,
        without,
        odds[0] - odds[n + 1 :],
        attention,
        maps,
        notes,
    )


def _looked(
    run: TrainedRun, stream: SurveyDataset, position: int, number: int, rows: NDArray[np.int64], count: int
) -> tuple[dict[str, Floats], NDArray[np.floating] | None, tuple[str, ...]]:
    """Return attention by stage (count,), maps (count, H, W), and what is to be said of both."""
    trunk, kind = next(iter(run.learner.trunks.values())), run.options.model.kind
    (batch,) = stream[[position]]
    found: EpochAttention | None = read_attention(trunk.eval(), run.learner.inputs(batch), len(rows))
    attention: dict[str, Floats] = {}
    notes = []
    if found is None:
        notes.append(f"no attention: {kind} has none that can be read")
    else:
        notes.append(found.said)
        for name, values in found.weights.items():
            attention[name] = np.full(count, np.nan)
            attention[name][rows] = values
    if trunk.map_layer is None:
        notes.append(f"no Grad-CAM: {kind} has no map of places in the stamps")
    elif find_spec("captum") is None:
        notes.append("no Grad-CAM: the package captum is not installed (extra explain)")
    else:
        try:
            found_maps, _, _ = explain_batch(run, trunk, batch, number)
        except UsageError as error:  # a map of a single cell
            return attention, None, (*notes, f"no Grad-CAM: {error.found}")
        maps = np.zeros((count, *found_maps.shape[1:]), dtype=np.float32)
        maps[rows] = found_maps.numpy()[map_of_each(batch, trunk.frames_per_map)]
        share = {1: "frame", None: "object", "night": "night"}.get(trunk.frames_per_map, "group of frames")
        notes.append(f"Grad-CAM: a map for each {share}; yellow is most")
        return attention, maps, tuple(notes)
    return attention, None, tuple(notes)
