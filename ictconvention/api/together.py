"""Predictions from Python: what `Run` and sweeps do by the runs of one model together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from astropy.table import Table

from ictconvention.applying.apply import apply_runs, check_survey
from ictconvention.applying.fitting_survey import open_for
from ictconvention.applying.masks.apply import MaskOutputs, apply_to_scenes, masks_folder, open_scenes, write_masks
from ictconvention.applying.masks.files import file_name
from ictconvention.applying.predict import PredictOptions
from ictconvention.core.progress import show_nothing
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.survey import Survey


def open_survey(run: TrainedRun, survey: Survey | str | Path) -> Survey:
    """Return a survey that a run is applied to; errors as of `open_for`."""
    return survey if isinstance(survey, Survey) else open_for(run, survey)


def predict_together(
    runs: Sequence[TrainedRun],
    survey: Survey | str | Path,
    prior: str | Path | Mapping[str, float],
    first_days: float | None,
    forest: Literal["mean", "alone"] | None,
    batch_size: int,
    devices: int,
    verify: bool | Literal["auto"],
    coverage: float | None,
) -> Table:
    """Return the table of predictions of runs of one model together; parameters and errors as of `Run.predict`."""
    options = PredictOptions(first_days, batch_size, devices, forest)
    opened = open_survey(runs[0], survey)
    check_survey(runs, opened, verify, show_nothing, forest)
    shares = str(prior) if isinstance(prior, Path) else prior
    found = apply_runs(runs, opened, options, shares, coverage=coverage)
    found.table.meta["NOTES"] = "; ".join(found.said)
    return found.table


def predict_masks_together(
    runs: Sequence[TrainedRun], survey: Survey | str | Path, folder: str | Path, batch_size: int = 64
) -> dict[str, Path]:
    """Write the masks of a survey by runs of one model together; parameters and errors as of `Run.predict_masks`."""
    options = PredictOptions(batch_size=batch_size)
    opened = open_survey(runs[0], survey)
    made = masks_folder(runs[0], opened, MaskOutputs(Path(folder)))
    assert made is not None  # for the types: a folder is asked for
    check_survey(runs, opened, "auto", show_nothing)
    write_masks(runs, opened, made, options)
    return {str(id_): Path(folder) / file_name(str(id_)) for id_ in opened.ids}


def predict_scenes_together(
    runs: Sequence[TrainedRun], scenes: str | Path, folder: str | Path | None = None, batch_size: int = 64
) -> Table:
    """Return the table of scenes by runs of one model together; parameters and errors as of `Run.predict_scenes`."""
    options = PredictOptions(batch_size=batch_size)
    outputs = MaskOutputs(None if folder is None else Path(folder))
    opened, made = open_scenes(runs[0], Path(scenes), outputs, options)
    return apply_to_scenes(runs, opened, made, batch_size).table
