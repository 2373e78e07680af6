"""What `predict` does for runs that learned masks: which outputs are asked for, scenes in place of a survey."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

from ictconvention.applying.apply import Applied
from ictconvention.applying.class_shares import check_prior
from ictconvention.applying.masks.files import MaskFolder
from ictconvention.applying.masks.predict import check_gives_masks, check_masks_folder, save_masks
from ictconvention.applying.masks.predict_scenes import in_words, predict_scenes
from ictconvention.applying.masks.preligens import challenge_table, check_challenge
from ictconvention.applying.masks.scenes import Scene, find_scenes, is_of_scenes
from ictconvention.applying.predict import PredictOptions
from ictconvention.core.errors import UsageError, did_you_mean
from ictconvention.core.progress import Show, show_nothing
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.survey import Survey

PRELIGENS = "preligens"  # what --format calls the challenge's table


@dataclass(frozen=True, slots=True)
class MaskOutputs:
    """What is asked for beside the usual table.

    Parameters
    ----------
    masks : Path, optional
        Folder of the estimated masks.
    form : str, optional
        "preligens": the challenge's table in place of the usual one.

    Raises
    ------
    UsageError
        There is no such format.
    """

    masks: Path | None = None
    form: str | None = None

    def __post_init__(self) -> None:
        if self.form not in (None, PRELIGENS):
            found = f"there is no format {self.form!r}{did_you_mean(str(self.form), [PRELIGENS])}"
            raise UsageError(found, "--format", f"give {PRELIGENS}, or leave it out", "E-COMMAND-VALUE")

    def check(self, run: TrainedRun, ids: Sequence[str], output: Path | None = None) -> None:
        """Refuse what a run cannot give; errors as of `check_gives_masks` and `check_challenge`."""
        if self.masks is not None:
            check_gives_masks(run, "--masks")
        if self.form is not None:
            check_gives_masks(run, "--format", needed=False)
            check_challenge(run.task.names, ids, output or Path("shares.csv"))

    def table(self, table: Table, names: Sequence[str]) -> Table:
        """Return the table of predictions in the format that is asked for."""
        if self.form is None:
            return table
        shares = np.column_stack([np.asarray(table[f"share_{name}"], dtype=np.float64) for name in names])
        return challenge_table(table["id"].tolist(), shares, names)


def predicts_scenes(run: TrainedRun, path: Path) -> bool:
    """Return whether a run that learned masks is given images in place of a survey."""
    return run.task.learns_masks and is_of_scenes(path)


def apply_to_scenes(
    runs: Sequence[TrainedRun],
    scenes: Sequence[Scene],
    folder: MaskFolder | None,
    batch_size: int = 64,
    show: Show = show_nothing,
) -> Applied:
    """Let runs of one model predict scenes, see `open_scenes`, and write their masks."""
    with show("predicting") as progress:
        table = predict_scenes(runs, scenes, folder, batch_size, progress)
    return Applied(table, tuple(in_words(table, runs[0].task.names)))


def open_scenes(
    run: TrainedRun,
    path: Path,
    outputs: MaskOutputs,
    options: PredictOptions,
    prior: str | Mapping[str, float] = "train",
    output: Path | None = None,
) -> tuple[list[Scene], MaskFolder | None]:
    """Return the scenes of an image or a folder, and the folder of their masks, where it is asked for.

    Raises
    ------
    UsageError
        The run gives no masks, an option has no meaning for scenes, or as of `find_scenes` and `MaskOutputs.check`.
    FileSystemError
        The folder of the masks exists and is not empty.
    """
    check_gives_masks(run, "SURVEY")
    check_prior(prior, run)
    without = {"--forest": options.forest, "--first-days": options.days}
    if given := [name for name, value in without.items() if value is not None]:
        found = f"{given[0]} is of series of observations, and these are scenes of one time"
        raise UsageError(found, given[0], "leave it out", "E-COMMAND-CONFLICT")
    if options.devices > 1:
        found = f"--devices is {options.devices}, and scenes are predicted on one"
        raise UsageError(found, "--devices", "leave it out, or give the scenes to several commands", "E-COMMAND-VALUE")
    scenes = find_scenes(path, run.spec.bands)
    ids = [scene.id for scene in scenes]
    outputs.check(run, ids, output)
    grounds = {scene.id: scene.ground for scene in scenes if scene.ground is not None}
    folder = None if outputs.masks is None else MaskFolder(outputs.masks, run.task.names, ids, grounds)
    return scenes, folder


def masks_folder(
    run: TrainedRun, survey: Survey, outputs: MaskOutputs, output: Path | None = None
) -> MaskFolder | None:
    """Return the folder of the masks of a survey, where it is asked for; errors as of `open_scenes`."""
    outputs.check(run, [str(id_) for id_ in survey.ids], output)
    return None if outputs.masks is None else check_masks_folder(outputs.masks, survey, run)


def write_masks(
    runs: Sequence[TrainedRun],
    survey: Survey,
    folder: MaskFolder,
    options: PredictOptions,
    show: Show = show_nothing,
) -> None:
    """Fill the folder of the masks of a survey, see `save_masks`."""
    with folder, show("estimating masks") as progress:
        save_masks(runs, survey, folder, options, progress)
