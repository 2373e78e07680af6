"""The masks of a survey by one run, or by the runs of a model together: estimated batch by batch, each to a file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.fitting_survey import places_of_bands
from ictconvention.applying.masks.files import MaskFolder, read_georeferences
from ictconvention.applying.predict import PredictOptions
from ictconvention.applying.seen_objects import seen_by
from ictconvention.core.errors import UsageError
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.survey import Survey
from ictconvention.training.masks.estimate import estimate_masks, estimate_probabilities

AT_ONCE = 2**25  # probabilities of pixels that are in memory
Progress = Callable[[int, int], object]


def check_gives_masks(run: TrainedRun, option: str, needed: bool = True) -> None:
    """Refuse a run that has learned no masks or, where the masks are `needed`, their shares alone; before it predicts.

    Raises
    ------
    UsageError
        It names the option that asks for it.
    """
    if not run.task.learns_masks:
        found = f"this run has learned {run.options.task.kind}, and no masks"
        raise UsageError(found, option, "leave it out, or take a run with task=mask", "E-RUN-TASK")
    if needed and getattr(run.options.task, "shares", "mask") == "direct":
        found = "this run has learned shares alone (task.shares=direct), and gives no mask"
        without = "leave it out" if option.startswith("-") else "give a survey"
        raise UsageError(found, option, f"{without}, or take a run with task.shares=mask", "E-RUN-TASK")


def save_masks(
    runs: Sequence[TrainedRun],
    survey: Survey,
    folder: MaskFolder,
    options: PredictOptions,
    progress: Progress = lambda done, total: None,
) -> None:
    """Write the estimated mask of every object of a survey, georeferenced where the survey says where its chips lie.

    Of several runs the probabilities of each pixel are averaged, those of the runs that have not seen the object, as
    shares are; the likeliest class stands in the mask. A pixel without data is of no class, and so are all of an object
    without a frame.

    Parameters
    ----------
    runs : sequence of TrainedRun
        Of one model, see `check_gives_masks`.
    survey : Survey
        A survey that they fit.
    folder : MaskFolder
        Where the masks go.
    options : PredictOptions
        Its days and the size of a batch; one device is used.
    progress : function
        Called with how many objects of how many are done, those of each run counted.
    """
    streams = [
        SurveyDataset(survey, run.options.sequence, run.spec.contents, places_of_bands(run, survey), options.days)
        for run in runs
    ]
    seen = np.stack([seen_by(run, survey) for run in runs])
    counting = ~seen | seen.all(0)
    size = survey.header.stamp_size
    step = max(options.batch_size, AT_ONCE // (len(runs[0].task.names) * size * size))
    done = 0

    def moved(objects: int) -> None:
        nonlocal done
        done += objects
        progress(done, len(survey) * len(runs))

    for first in range(0, len(survey), step):
        chunk = range(first, min(first + step, len(survey)))
        there = np.array([place for place in chunk if streams[0].frames(place)], dtype=np.int64)
        masks = np.full((len(chunk), size, size), IGNORED, dtype=np.uint8)
        if len(there):
            masks[there - first] = _estimated(runs, streams, counting[:, there], there, options.batch_size, moved)
        for place, mask in zip(chunk, masks, strict=True):
            folder.write(str(survey.ids[place]), mask)


def _estimated(
    runs: Sequence[TrainedRun],
    streams: Sequence[SurveyDataset],
    counting: NDArray[np.bool_],
    positions: NDArray[np.int64],
    batch_size: int,
    moved: Callable[[int], object],
) -> NDArray[np.uint8]:
    """Return the masks (n, H, W) of some objects, by the runs that count for each (runs, n)."""
    parts = [positions[first : first + batch_size].tolist() for first in range(0, len(positions), batch_size)]
    if len(runs) == 1:
        return estimate_masks(runs[0].learner, (streams[0][part] for part in parts), runs[0].precision, moved)
    total: NDArray[np.float32] | None = None
    for run, stream, counts in zip(runs, streams, counting, strict=True):
        found = estimate_probabilities(run.learner, (stream[part] for part in parts), run.precision, moved)
        found *= counts[:, None, None, None]
        total = found if total is None else total + found
    assert total is not None  # there is a run
    return np.where(total.any(1), total.argmax(1), IGNORED).astype(np.uint8)


def check_masks_folder(path: Path, survey: Survey, run: TrainedRun) -> MaskFolder:
    """Return the folder that masks of a survey go into, before hours are spent on what goes into it.

    Errors are those of `check_gives_masks`, `read_georeferences` and `MaskFolder`.
    """
    check_gives_masks(run, "--masks")
    return MaskFolder(path, run.task.names, [str(id_) for id_ in survey.ids], read_georeferences(survey))
