"""Apply a trained run to a survey of any size, batch by batch, on one device or several."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ictconvention.applying.fitting_survey import check_survey_fits, places_of_bands
from ictconvention.applying.forests.join import ForestUse, JoinedForest, read_use
from ictconvention.applying.seen_objects import seen_by
from ictconvention.configuration.registry import import_module, imported_modules
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.core.parallel import is_elsewhere, run_parallel, usual_jobs
from ictconvention.evaluation.novelty import NoveltyReference
from ictconvention.evaluation.shift.known_sample import draw_rows
from ictconvention.evaluation.shift.neighbours import Neighbours
from ictconvention.evaluation.shift.two_samples import LEAST
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.machine import processors
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift.kept import check_predicts_all, read_neighbours
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import infer
from ictconvention.training.memory import keep_freed_memory

FEWER = (
    "the system may have run out of memory: use a smaller --batch-size, or fewer --devices; a script of your own has "
    'its code below `if __name__ == "__main__":`, since each process reads it'
)
AT_ONCE = 4096  # objects whose features are in memory
Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """How predictions are made.

    Parameters
    ----------
    days : float, optional
        Only frames until so many days after each object's first detection.
    batch_size : int
        Objects in a batch.
    devices : int
        GPUs, or processes on a machine without.
    forest : "mean" or "alone", optional
        Whether the forest beside the run joins: in a mean of log-probabilities, or in the network's place.
    """

    days: float | None = None
    batch_size: int = 64
    devices: int = 1
    forest: ForestUse | None = None

    def __post_init__(self) -> None:
        read_use(self.forest)
        if self.days is not None and not 0 <= self.days < np.inf:
            raise UsageError(
                f"--first-days is {self.days:g}", "options of predict", "give days from 0", "E-COMMAND-VALUE"
            )
        if self.batch_size < 1 or self.devices < 1:
            found = f"--batch-size is {self.batch_size}, --devices {self.devices}"
            raise UsageError(found, "options of predict", "give at least one of each", "E-COMMAND-VALUE")
        if torch.cuda.is_available() and self.devices > (present := torch.cuda.device_count()):
            found = f"{self.devices} devices, this machine has {pluralize(present, 'GPU')}"
            raise UsageError(found, "--devices", f"give at most {present}", "E-MACHINE-DEVICES")


@dataclass(frozen=True, eq=False)
class SurveyPredictions:
    """What one run makes of the n objects of a survey.

    Parameters
    ----------
    run : TrainedRun
    row : array (n, outputs)
        What is predicted of each, rows that sum to 1: of classes, calibrated probabilities at the run's own shares of
        them, where it is asked for of the run's forest too. An object without a frame has those shares.
    distance, novelty : arrays (n,)
        See `NoveltyReference`; NaN where the run has none, or the object no frame.
    frames : array (n,)
        Frames that were used.
    seen_in_training : boolean array (n,)
        Whether the object trained or validated the run, see `seen_by`.
    sampled, features : arrays (m,), (m, features)
        Some of the objects, see `choose_rows`, and what the network's last layer sees of them.
    """

    run: TrainedRun
    row: NDArray[np.float64]
    distance: NDArray[np.float64]
    novelty: NDArray[np.float64]
    frames: NDArray[np.int64]
    seen_in_training: NDArray[np.bool_]
    sampled: NDArray[np.int64]
    features: NDArray[np.float32]


def predict_survey(
    run: TrainedRun,
    survey: Survey,
    options: PredictOptions = PredictOptions(),
    progress: Progress = lambda done, total: None,
) -> SurveyPredictions:
    """Let a run predict every object of a survey.

    Raises
    ------
    UsageError
        The survey does not fit the network, or the run has no forest where one is asked for.
    """
    keep_freed_memory()
    check_predicts_all(run)
    check_survey_fits(run, survey)
    bands = places_of_bands(run, survey)
    read = (run.options.sequence, run.spec.contents, bands, options.days, run.spec.reddening)
    stream = SurveyDataset(survey, *read)
    forest = None if options.forest is None else JoinedForest.read(run, stream, options.forest)
    known = Known.read(RunFolder(run.folder))
    n = len(survey)
    row = np.tile(run.calibration.survey_prior, (n, 1))
    distance = np.full(n, np.nan)
    frames = np.zeros(n, dtype=np.int64)
    there = np.array([i for i in range(n) if stream.frames(i)], dtype=np.int64)
    seen = seen_by(run, survey)
    sampled, features = choose_rows(there, seen), np.zeros((0, 0), dtype=np.float32)
    if len(there):
        elsewhere = is_elsewhere()
        devices = usual_jobs(None) if elsewhere else min(options.devices, len(there))
        parts = np.array_split(there, -(-len(there) // AT_ONCE) if elsewhere else devices)  # as one process takes them
        done = 0
        if devices == 1 and not elsewhere:

            def moved(objects: int) -> None:
                nonlocal done
                done += objects
                progress(done, len(there))

            pieces = [_part_applied(run, stream, forest, known, sampled, options.batch_size, None, moved, there)]
        else:
            threads = 1 if elsewhere else max(1, processors() // devices)
            modules = imported_modules()
            task = partial(_part_of_process, run.folder, stream, forest, sampled, options.batch_size, threads, modules)
            of_part: dict[int, Piece] = {}
            for part, piece in run_parallel(task, list(enumerate(parts)), devices, survey.path, FEWER, spawn=True):
                of_part[part] = piece
                done += len(piece.position)
                progress(done, len(there))
            pieces = [of_part[part] for part in range(len(parts))]  # as one process takes them
        for piece in pieces:
            row[piece.position], distance[piece.position] = piece.row, piece.distance
            frames[piece.position] = piece.frames
        sampled, features = (np.concatenate(x) for x in zip(*((p.sampled, p.features) for p in pieces), strict=True))
    novelty = np.full(n, np.nan)
    if known.reference is not None:
        novelty[there] = known.reference.novelty(distance[there])
    return SurveyPredictions(run, row, distance, novelty, frames, seen, sampled, features)


def choose_rows(there: NDArray[np.int64], seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return which objects stand for their survey, `MOST` at most: those that the run has not seen, if these suffice.

    Parameters
    ----------
    there : array (m,)
        Positions of the objects with a frame.
    seen : boolean array (n,)
        Whether each object of the survey has trained or validated the run.
    """
    unseen = there[~seen[there]]
    some = unseen if len(unseen) >= LEAST else there
    return np.asarray(some[draw_rows(len(some))])


class Known(NamedTuple):
    """What a run knows of features: how unlike its training they are and, where neighbours predict, their redshifts."""

    reference: NoveltyReference | None
    neighbours: Neighbours | None

    @classmethod
    def read(cls, folder: RunFolder) -> "Known":
        """Return what is in the folder of a run; errors as of `read_reference` and `read_neighbours`."""
        return cls(folder.read_reference(), read_neighbours(folder))


class Piece(NamedTuple):
    """What one device makes of some objects; fields as of `SurveyPredictions`."""

    position: NDArray[np.int64]
    row: NDArray[np.float64]
    distance: NDArray[np.floating]
    frames: NDArray[np.int64]
    sampled: NDArray[np.int64]
    features: NDArray[np.float32]


def _part_applied(
    run: TrainedRun,
    stream: SurveyDataset,
    forest: JoinedForest | None,
    known: Known,
    sampled: NDArray[np.int64],
    batch_size: int,
    device: torch.device | None,
    progress: Callable[[int], object],
    positions: NDArray[np.int64],
) -> Piece:
    """Return what one device predicts of some objects."""
    pieces = []
    for chunk in np.array_split(positions, -(-len(positions) // AT_ONCE)):
        batches = (stream[chunk[i : i + batch_size].tolist()] for i in range(0, len(chunk), batch_size))
        reduce = run.task.reduce_with(run.calibration, len(chunk))
        made = infer(run.learner, batches, run.precision, device, progress, reduce)
        nothing = np.full(len(chunk), np.nan)
        distance = nothing if known.reference is None else known.reference.distance(made.features)
        row = run.row(made.outputs) if known.neighbours is None else known.neighbours.predict(made.features)
        row = row if forest is None else forest.join(stream, made.position, row)
        kept = np.isin(made.position, sampled)
        pieces.append((made.position, row, distance, made.frames, made.position[kept], made.features[kept]))
    return Piece(*(np.concatenate(values) for values in zip(*pieces, strict=True)))


def _part_of_process(
    folder: Path,
    stream: SurveyDataset,
    forest: JoinedForest | None,
    sampled: NDArray[np.int64],
    batch_size: int,
    threads: int,
    modules: tuple[str, ...],
    number: int,
    positions: NDArray[np.int64],
) -> Piece:
    """Do the same in a process of its own, on the device of its number; without a GPU, with so many threads."""
    for name in modules:
        import_module(name)
    keep_freed_memory()
    torch.set_num_threads(threads)
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device = torch.device("cuda", number % gpus) if gpus else torch.device("cpu")
    known = Known.read(RunFolder(folder))
    run = read_trained(folder)
    return _part_applied(run, stream, forest, known, sampled, batch_size, device, lambda objects: None, positions)
