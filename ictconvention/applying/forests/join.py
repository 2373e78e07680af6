"""What the forest beside a run adds to the network's predictions of a survey."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, did_you_mean, shorten
from ictconvention.evaluation.forests.calibrated import CalibratedForest
from ictconvention.evaluation.forests.features import FeatureRecipe
from ictconvention.evaluation.forests.kept import AGAIN, KeptForest
from ictconvention.evaluation.predictions import geometric_mean
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.measuring.photometry import photometry_recipe
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun

ForestUse = Literal["mean", "alone"]
IN_WORDS: dict[ForestUse, str] = {
    "mean": "the mean of network and forest, of the logarithms of their probabilities",
    "alone": "the forest alone; novelty and distance are those of the network",
}


@dataclass(frozen=True, eq=False)
class JoinedForest:
    """The forest beside a run, which predicts the objects of a survey.

    Parameters
    ----------
    use : "mean" or "alone"
        Whether the network's predictions count as well.
    forest : CalibratedForest
    recipe : FeatureRecipe
        How it sees the objects of this survey.
    """

    use: ForestUse
    forest: CalibratedForest
    recipe: FeatureRecipe

    @classmethod
    def read(cls, run: TrainedRun, survey: SurveyDataset, use: ForestUse) -> "JoinedForest":
        """Read it for a survey that fits the network; errors as of `read_forest`."""
        kept, whole = read_forest(run), survey.survey
        sequence = None if kept.all_frames else run.options.sequence
        return cls(use, kept.forest, FeatureRecipe.of(whole.header, whole.path, sequence, run.spec.points))

    def join(
        self, survey: SurveyDataset, positions: NDArray[np.int64], row: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what is predicted of some objects of the survey, of which the network predicts `row` (n, classes).

        It sees the frames and the points that are let through, and no other.
        """
        features = np.array(
            [
                self.recipe.measure(survey.let_through(i), points=survey.points_let_through(i))
                for i in positions.tolist()
            ]
        )
        likely = self.forest.predict(features)
        return likely if self.use == "alone" else mean_of_both(row, likely)


def mean_of_both(network: NDArray[np.float64], forest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of what network and forest predict (n, classes), as a row "mean of" of Table 2 has it."""
    return geometric_mean([network, forest])


def read_forest(run: TrainedRun) -> KeptForest:
    """Return the forest beside a run.

    Raises
    ------
    UsageError
        There is none, it is damaged or of another run, it sees numbers that are made otherwise today, or the run has
        learned no classes.
    """
    check_task(run.options.task.kind, run.folder)
    folder = RunFolder(run.folder)
    kept = folder.read_forest()
    fluxes = photometry_recipe(float(run.survey["pixel_scale"]), run.spec.stamp_size, folder.forest)
    sequence = None if kept.all_frames else run.options.sequence
    recipe = FeatureRecipe(len(run.spec.bands), fluxes, sequence, run.spec.points)
    today = recipe.as_dict() | {"numbers": recipe.count}
    known = {**kept.features, "numbers": kept.numbers}
    if differ := [
        f"{name} {known.get(name)}, not {value}" for name, value in today.items() if known.get(name) != value
    ]:
        found = f"this forest has learned numbers that are made otherwise today ({shorten(differ)})"
        raise UsageError(found, folder.forest, AGAIN, "E-RUN-VERSION")
    return kept


def check_forests(runs: Sequence[TrainedRun], use: ForestUse | None) -> None:
    """Refuse runs without a forest where one is asked for, before anything is predicted; errors as of `read_forest`."""
    for run in runs if use is not None else ():
        read_forest(run)


def read_use(word: str | None) -> ForestUse | None:
    """Return the use of a forest that a word names; a `UsageError` says that it names none."""
    match word:
        case None | "mean" | "alone":
            return word
    found = f"--forest is {word!r}{did_you_mean(str(word), [*IN_WORDS])}"
    fix = f"take {' or '.join(IN_WORDS)}, or leave it out: the network alone"
    raise UsageError(found, "options of predict", fix, "E-COMMAND-VALUE")


def check_task(kind: str, where: Path) -> None:
    """Refuse a run that has learned no classes, with a `UsageError`."""
    if kind != "classes":
        found = f"this run has learned {kind}, and a forest tells classes apart"
        raise UsageError(found, where, "take a run of task=classes", "E-RUN-TASK")
