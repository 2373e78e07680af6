"""The quantile forest on aperture photometry beside a run of redshifts: what it predicts of its parts, and scores."""

import os
from collections.abc import Mapping
from importlib.metadata import version
from time import process_time
from typing import Any

import numpy as np
from pydantic import NonNegativeFloat

from ictconvention import __version__
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import labelled_stages
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import UsageError, readable_os_errors, shorten
from ictconvention.core.progress import Show
from ictconvention.evaluation.forests.kept import AGAIN
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.redshift.without_network import Known, forest_pdfs, photometric_features
from ictconvention.reading.json_file import JsonRecord, Shape
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.runs.status import write_json
from ictconvention.survey.format import sha256
from ictconvention.tasks.redshift.bins import edges_of
from ictconvention.training.retest import open_data

NETWORK, FOREST = "network", "forest on photometry"  # which are scored
Scores = Mapping[str, Mapping[str, Mapping[str, Any]]]


class PhotometricShape(Shape):
    """The types of what `forest.json` says beside a run of redshifts."""

    run: str
    survey: str
    split: str
    classes: list[str]
    files: dict[str, str]
    core_seconds: NonNegativeFloat
    scikit_learn: str
    version: str
    scores: dict[str, dict[str, dict[str, Any]]]


RECORD = JsonRecord(PhotometricShape, UsageError, "E-RUN-DAMAGED", AGAIN, "a forest of a run of redshifts")


def train_photometric_forest(
    run: RunFolder, options: RunOptions, all_frames: bool, jobs: int | None, show: Show
) -> tuple[Scores, list[str]]:
    """Train the forest beside a run of redshifts, and keep what it predicts of the parts that were tested.

    It sees the training parts of the run's own split, all strata of an answer to a shift, and is calibrated on the
    validation part of the last stage, as networks are. Arguments and results as of `train_forest`.

    Raises
    ------
    UsageError
        All frames are asked for, which it sees anyway; otherwise as of `train_forest`.
    """
    if all_frames:
        of_curves = "--all-frames is of light curves, and a forest of redshifts sees the median stamps of all frames"
        raise UsageError(of_curves, run.path, "leave out --all-frames", "E-RUN-TASK")
    own, data = open_data(run, options)
    task, survey, parts = run.read_task(), data.survey, run.read_split()["parts"]
    z, stages = task.read_truth(survey), labelled_stages(own)
    known = {part: run.read_predictions(part) for part in TESTED if data.split.parts[part]}

    def with_redshift(*names: str) -> list[str]:
        ids = [id_ for name in names for id_ in parts[name]]
        return [id_ for id_, there in zip(ids, np.isfinite(z[survey.positions(ids)]), strict=True) if there]

    train, validation = (
        with_redshift(*(f"{stage}_train" for stage in stages)),
        with_redshift(f"{stages[-1]}_validation"),
    )
    asked = [id_ for found in known.values() for id_ in found.ids.tolist()]
    with folder_lock(run.path):
        begin = process_time()
        with show("measuring"):
            features = photometric_features(survey.select([*train, *validation, *asked]))
        of_train, of_validation, of_asked = np.split(features, np.cumsum([len(train), len(validation)]))
        learned = Known(of_train, z[survey.positions(train)])
        held = Known(of_validation, z[survey.positions(validation)])
        with show("growing trees"):
            pdfs = forest_pdfs(learned, held, of_asked, edges_of(task.names), own.seed, jobs)
        spent = process_time() - begin
        ends = np.cumsum([len(found.ids) for found in known.values()])[:-1]
        forest = {
            part: Predictions(found.ids, found.label, {"row": pdf})
            for (part, found), pdf in zip(known.items(), np.split(pdfs, ends), strict=True)
        }
        scores = {
            which: {part: task.score(part, found)[part] for part, found in of.items()}
            for which, of in ((NETWORK, known), (FOREST, forest))
        }
        for part, found in forest.items():
            columns = {"id": found.ids.tolist(), "fold": np.full(len(found.ids), own.fold.index)}
            run.write_predictions(part, columns | task.format.columns(found), by_forest=True)
        files = {part: sha256(run.predictions(part, by_forest=True)) for part in forest}
        made = {"scikit_learn": version("scikit-learn"), "version": __version__}
        write_json(run.forest, {**run.identity(), "files": files, "core_seconds": spent, **made, "scores": scores})
    name = survey.header.full_name
    return scores, [f"{which}: {line}" for which, of in scores.items() for line in task.describe(of, name)]


def read_photometric_forest(run: RunFolder, part: str = "test") -> tuple[Predictions, float] | None:
    """Return what the forest beside a run of redshifts predicts of a part, and its CPU time [s].

    None where there is none, or the run has learned something else.

    Raises
    ------
    UsageError
        It is damaged, or of another run.
    """
    if run.read_options().task.kind != "redshift" or not os.path.lexists(run.forest):
        return None
    known, path = RECORD.read(run.forest), run.predictions(part, by_forest=True)
    if other := [name for name, value in run.identity().items() if known[name] != value]:
        raise UsageError(f"this forest is of another {shorten(other)}", run.forest, AGAIN, "E-RUN-EDITED")
    with readable_os_errors("reading the forest's predictions", path):
        same = sha256(path) == known["files"].get(part)
    if not same:
        raise UsageError(f"these are not the predictions of {run.forest.name}", path, AGAIN, "E-RUN-EDITED")
    columns, task = run.read_columns(part, by_forest=True), run.read_task()
    label, rows = task.format.read(columns, run.read_priors()[0])
    return Predictions(np.asarray(columns["id"]).astype(str), label, rows), float(known["core_seconds"])
