"""The runs that predict: that of a folder, or those of one model of a sweep."""

from pathlib import Path

from ictconvention.configuration.overrides import command
from ictconvention.core.errors import UsageError, did_you_mean, shorten
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun, read_trained


def choose_runs(folder: Path, model: str | None = None) -> tuple[list[TrainedRun], list[str]]:
    """Return the run of a folder, or the runs of one model of a sweep, and what was left out of it.

    Parameters
    ----------
    folder : Path
        Folder of a run, or of a sweep; or `demo`, or hf://OWNER/NAME (see `locate_run`).
    model : str, optional
        Which model, where a sweep has several.

    Raises
    ------
    UsageError
        It is neither, it has several models and none was chosen, or its runs are not comparable.
    """
    folder = locate_run(folder)
    if RunFolder(folder).is_run or not folder.is_dir():
        return [read_trained(folder)], []
    found, left_out = find_runs(folder)
    if model is not None and any(run.model == model for run in found):
        found = [run for run in found if run.model == model]  # the others may lack folds
    collection = group_runs(found, left_out)
    names = list(collection.runs)
    if model is None and len(names) > 1:
        several = f"this sweep has several models: {shorten(names, 8)}"
        raise UsageError(several, folder, f"choose one: {command(['--model', names[0]])}", "E-SWEEP-MODEL")
    chosen = names[0] if len(names) == 1 and model in (None, collection.first.model) else model
    if chosen not in names:
        none = f"no model {model!r}{did_you_mean(str(model), names)}"
        raise UsageError(none, folder, f"choose among {shorten(names, 8)}", "E-SWEEP-MODEL")
    runs = [read_trained(run.folder) for run in collection.runs[chosen].values()]
    if any(run.task.names != runs[0].task.names for run in runs):
        raise UsageError(
            "these runs have other classes, or another order of them", folder, "predict by one of them", "E-SWEEP-MODEL"
        )
    return runs, list(collection.left_out)
