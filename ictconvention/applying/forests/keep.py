"""Train the forest of a finished run on the same objects, keep it beside the run, and score both and their mean."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.applying.forests.join import check_task, mean_of_both
from ictconvention.applying.forests.redshifts import train_photometric_forest
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import labelled_stages
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import UsageError, pluralize, readable_os_errors
from ictconvention.core.progress import Progress, Show, show_nothing
from ictconvention.evaluation.calibration import SHARPEST
from ictconvention.evaluation.forests.calibrated import CalibratedForest
from ictconvention.evaluation.forests.features import FeatureRecipe
from ictconvention.evaluation.forests.kept import KeptForest
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.tasks.task import Task
from ictconvention.training.retest import open_data

NETWORK, FOREST, MEAN = "network", "forest", "mean"  # which are scored
SHOWN = {  # of the scores, and the ends of the names of those at the class shares that they are best read at
    "balanced_accuracy": ("balanced accuracy", "_uniform", "equal class shares"),
    "f1_macro": ("macro F1", "", "the survey's class shares"),
}
EXTREME = 1.001 / SHARPEST  # temperature below which probabilities are 0 and 1
Scores = Mapping[str, Mapping[str, Mapping[str, Any]]]


def train_forest(
    folder: Path, options: RunOptions, all_frames: bool = False, jobs: int | None = None, show: Show = show_nothing
) -> tuple[Scores, list[str]]:
    """Train the forest of a run and keep it in the folder of the run, where one may be replaced.

    It sees the training parts of the run's own split, pre-training objects with a smaller weight, and is calibrated on
    the validation part of the last stage. Beside a run of redshifts it is that of `train_photometric_forest`.

    Parameters
    ----------
    folder : Path
        Folder of a finished run that has learned classes or redshifts.
    options : RunOptions
        As of `retest`: where the survey is now, if it has moved.
    all_frames : bool
        Whether its light curves have all frames of an object; by default those that the network is tested on.
    jobs : int, optional
        Threads; all by default.
    show : callable
        Shows the progress of a named step.

    Returns
    -------
    scores : mapping
        Of network, forest and mean, by these names: the scores of each part that was tested, as in a result. A forest
        of redshifts has no mean with the network.
    said : list of str
        The chief ones, a line for each part and score.

    Raises
    ------
    UsageError
        The run is not finished, has learned something else or is damaged, or its survey is another one.
    SurveyError
        The stamps are too small for photometry.
    FileSystemError
        The folder of the run cannot be written.
    """
    with readable_os_errors("training the forest", folder):
        run = RunFolder(locate_run(folder))
        if run.is_published:
            fix = "train the forest beside the run itself, and publish that again"
            raise UsageError("this run was published, and stays as it was", run.path, fix, "E-FILES-PROTECTED")
        if run.read_options().task.kind == "redshift":
            return train_photometric_forest(run, options, all_frames, jobs, show)
        check_task(run.read_options().task.kind, run.path)
        own, data = open_data(run, options)
        known = {part: run.read_predictions(part) for part in TESTED if data.split.parts[part]}
        sequence, points = None if all_frames else own.sequence, data.spec.points
        recipe = FeatureRecipe.of(data.survey.header, data.survey.path, sequence, points)
        with folder_lock(run.path):
            with show("measuring") as progress:
                features = measure_features(data, recipe, own, progress)
            with show("growing trees"):
                forest = CalibratedForest.fit(features, data, labelled_stages(own), jobs)
            parts = {NETWORK: known, FOREST: {}, MEAN: {}}
            for part, found in known.items():
                at = data.survey.positions(found.ids.tolist())
                alone = forest.predict(features[at])
                mean = mean_of_both(found.at(Prior.SURVEY), alone)
                for name, likely in ((FOREST, alone), (MEAN, mean)):
                    rows: dict[str, NDArray[np.float64]] = {
                        Prior.SURVEY: likely,
                        Prior.UNIFORM: at_equal_shares(likely, forest.shares),
                    }
                    parts[name][part] = Predictions(found.ids, found.label, rows)
            scores = {name: _score(run.read_task(), of) for name, of in parts.items()}
            run.write_forest(KeptForest(forest, recipe.as_dict(), recipe.count, scores))
    said = describe_scores(scores, data.survey.header.full_name)
    if forest.temperature < EXTREME:
        objects = pluralize(len(data.positions(data.validation_part)), "object")
        said.append(
            f"calibration: the forest is right for all of {objects} that calibrate it, and may be too sure of others"
        )
    return scores, said


def measure_features(
    data: SeriesDataModule, recipe: FeatureRecipe, options: RunOptions, progress: Progress
) -> NDArray[np.float64]:
    """Return the numbers (n, count) of the objects that train, calibrate or test; NaN of all others."""
    last = data.validation_part
    parts = dict.fromkeys([*(f"{stage}_train" for stage in labelled_stages(options)), last, *TESTED])
    positions = data.positions(*(part for part in parts if data.split.parts.get(part)))
    features = np.full((len(data.survey), recipe.count), np.nan)
    photometry, medians = data.training.photometry, data.training.medians  # where the network needs them too
    for done, position in enumerate(positions.tolist(), 1):
        series = data.survey[position]
        fluxes, median = (None if kept is None else kept[series.id] for kept in (photometry, medians))
        points = None if data.training.points is None else data.training.points.of(series)
        features[position] = recipe.measure(series, fluxes, median, points)
        progress(done, len(positions))
    return features


def describe_scores(scores: Scores, survey: str) -> list[str]:
    """Return the chief scores of network, forest and mean, a line for each part and score."""
    lines = []
    for part in [part for part in TESTED if part in scores[NETWORK]]:
        for score, (name, end, shares) in SHOWN.items():
            numbers = ", ".join(f"{which} {of[part + end][score]:.3f}" for which, of in scores.items())
            objects = scores[NETWORK][part]["objects"]
            said = f"{survey}, {part.replace('_', ' ')} part, {objects} objects, {name} at {shares}"
            lines.append(f"{said}: {numbers}")
    return lines


def _score(task: Task, parts: Mapping[str, Predictions]) -> dict[str, dict[str, Any]]:
    return {name: of for part, found in parts.items() for name, of in task.score(part, found).items()}
