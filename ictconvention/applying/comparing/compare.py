"""Will a run work on a survey: its features there beside those of validation and test, and how both were observed.

Labels are not looked at.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ictconvention.applying.comparing.verdict import UNLIKE, Quantity, compare_conditions, describe
from ictconvention.applying.features import infer_features, stream_for
from ictconvention.applying.fitting_survey import check_survey_fits, places_of_bands
from ictconvention.applying.predict import Progress, SurveyPredictions, choose_rows
from ictconvention.applying.seen_objects import name_objects, seen_by
from ictconvention.configuration.overrides import command
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.drawing.applied.survey_comparison import ComparedSurveys, draw_comparison
from ictconvention.evaluation.shift.known_sample import OWN, POPULATIONS, KnownSample
from ictconvention.evaluation.shift.two_samples import TwoSamples, compare_samples
from ictconvention.measuring.conditions import ObservingConditions, measure_conditions
from ictconvention.runs.published.manifest import read_title
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import full_name
from ictconvention.survey.survey import Survey
from ictconvention.training.memory import keep_freed_memory


@dataclass(frozen=True, eq=False)
class SurveyComparison:
    """A survey beside what a run knows.

    Parameters
    ----------
    run, survey, training_survey : str
        What they are called; the surveys' names say whether they are simulated.
    bands : tuple of str
        Bands of the network.
    told : dict of str to TwoSamples
        By each population of the run, see `POPULATIONS`, how well features tell the survey from it; None where there
        are too few objects.
    known, here : ObservingConditions
        How the objects of validation and test were observed, and those of the survey.
    quantities : list of Quantity
        The same side by side.
    novelty : array (n,)
        See `NoveltyReference`; NaN where the run has none.
    trained : bool
        Whether there are too few objects but those that the run has seen, so that these are among the survey's.
    verdict : str
        One sentence.
    """

    run: str
    survey: str
    training_survey: str
    bands: tuple[str, ...]
    told: dict[str, TwoSamples | None]
    known: ObservingConditions
    here: ObservingConditions
    quantities: list[Quantity]
    novelty: NDArray[np.float64]
    trained: bool
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Return its numbers as plain values; None where one is unknown."""
        told = {
            name: None if one is None else {"auc": one.auc, "low": one.low, "high": one.high, "objects": one.size}
            for name, one in self.told.items()
        }
        novelty = self.novelty[np.isfinite(self.novelty)]
        return {
            "run": self.run,
            "survey": self.survey,
            "training_survey": self.training_survey,
            "verdict": self.verdict,
            "auc": told,
            "objects": {"run": len(self.known), "survey": len(self.here), "seen_in_training": self.trained},
            "novelty": {
                "above_0.95": float((novelty > 0.95).mean()) if len(novelty) else None,
                "histogram": np.histogram(novelty, 20, (0, 1))[0].tolist(),
            },
            "conditions": [_plain(asdict(one)) for one in self.quantities],
        }

    def drawn(self) -> ComparedSurveys:
        """Return what `draw_comparison` takes."""
        sample = self.training_survey, self.survey, self.told[OWN], self.novelty
        return ComparedSurveys(self.run, *sample, self.known, self.here, self.bands, self.verdict)

    def show(self) -> Figure:
        """Draw it; a notebook shows the figure."""
        return draw_comparison(self.drawn())

    def save_json(self, path: Path) -> None:
        """Write `as_dict` to a JSON file, whole."""
        with whole_file(path, "saving the comparison") as partial:
            text = json.dumps(self.as_dict(), indent=1, allow_nan=False, ensure_ascii=False)
            partial.write_text(f"{text}\n", encoding="utf-8")


def compare_survey(
    run: TrainedRun, survey: Survey, batch_size: int = 64, progress: Progress = lambda done, total: None
) -> SurveyComparison:
    """Compare a survey with what a run knows.

    Objects that have trained or validated the run are left out, unless there are too few others.

    Parameters
    ----------
    run : TrainedRun
        The run.
    survey : Survey
        A survey that fits it.
    batch_size : int
        Objects in a batch.
    progress : function
        Called with the number of objects that are done, and of all that are looked at.

    Raises
    ------
    UsageError
        The survey does not fit the run, no object has a frame, or the run kept no sample of what it knows.
    """
    keep_freed_memory()
    check_survey_fits(run, survey)
    known = read_sample(run)
    stream = stream_for(run, survey)
    there = np.flatnonzero(survey.lengths)
    if not len(there):
        raise UsageError("no object of this survey has a frame", survey.path, "take another", "E-PREDICT-NOTHING")
    seen = seen_by(run, survey)
    rows = choose_rows(there, seen)
    features = infer_features(run, stream, rows, batch_size, progress).features
    return _compared(run, survey, known, rows, features, bool(seen[rows].any()))


def read_sample(run: TrainedRun) -> KnownSample:
    """Return what a run knows.

    Raises
    ------
    UsageError
        It kept no such thing, or that is damaged.
    """
    folder = RunFolder(run.folder)
    if (known := folder.read_sample()) is None:
        fix = f"test it again, which makes one: {command(['ictconvention', 'test', str(run.folder)])}"
        raise UsageError(f"this run has no {folder.sample.name}", run.folder, fix, "E-RUN-VERSION")
    return known


def warn_if_unlike(part: SurveyPredictions, survey: Survey) -> str | None:
    """Return the verdict on a survey that was predicted, where it is unlike the training survey; else None.

    By the features of some of its objects, which the prediction has made anyway.
    """
    known = RunFolder(part.run.folder).read_sample()
    if known is None or (own := known.population(OWN)) is None or not len(part.sampled):
        return None
    if part.seen_in_training[part.sampled].any():  # what has trained the network is told apart from what has not
        return None
    found = compare_samples(own.features, part.features, *name_objects(part.run, survey, part.sampled, own))
    if found is None or found.auc < UNLIKE:
        return None
    here = measure_conditions(survey, part.sampled, places_of_bands(part.run, survey))
    quantities = compare_conditions(own.conditions, here, part.run.spec.bands)
    return describe(found, (len(own.ids), len(part.sampled)), quantities)


def _compared(
    run: TrainedRun,
    survey: Survey,
    known: KnownSample,
    rows: NDArray[np.int64],
    features: NDArray[np.float32],
    trained: bool,
) -> SurveyComparison:
    folder = RunFolder(run.folder)
    told: dict[str, TwoSamples | None] = {}
    for name in POPULATIONS:
        if (one := known.population(name)) is not None:
            told[name] = compare_samples(one.features, features, *name_objects(run, survey, rows, one))
    own = known.population(OWN)
    assert own is not None  # every run has a validation part
    here = measure_conditions(survey, rows, places_of_bands(run, survey))
    quantities = compare_conditions(own.conditions, here, run.spec.bands)
    reference = folder.read_reference()
    unknown = np.full(len(rows), np.nan)
    return SurveyComparison(
        read_title(folder.path) if folder.is_published else folder.title,
        survey.header.full_name,
        full_name(str(run.survey["name"]), bool(run.survey["simulated"])),
        run.spec.bands,
        told,
        own.conditions,
        here,
        quantities,
        unknown if reference is None else reference.novelty(reference.distance(features)),
        trained,
        describe(told[OWN], (len(own.ids), len(rows)), quantities),
    )


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Return values that JSON knows: None for NaN."""

    def number(value: Any) -> Any:
        if isinstance(value, tuple):
            return [number(one) for one in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return {name: number(value) for name, value in content.items()}
