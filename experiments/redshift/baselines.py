"""The rows without a network, on the split and the bins of the networks, and a split with fewer labels."""

import json
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

from experiments.redshift.jobs import CONSTANT, FOREST, NEIGHBOURS
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import readable_os_errors
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.redshift.pdf import Floats
from ictconvention.evaluation.redshift.without_network import (
    Known,
    forest_pdfs,
    neighbour_features,
    neighbour_pdfs,
    photometric_features,
    shares_of,
)
from ictconvention.runs.assembly.run_data import load_or_draw_split, make_task
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.redshift.task import Redshift

STAGE = "pretrain"  # of a fold of one stage with labels
VERSION = 1  # of these rows; part of their setting


class Photometry:
    """A survey with its redshifts, what is measured of its objects, and the split of a run.

    Parameters
    ----------
    options : RunOptions
        Of a run.
    features : array (n, f), optional
        Of the survey, where they were measured before.
    """

    def __init__(self, options: RunOptions, features: Floats | None = None) -> None:
        self.survey = open_or_simulate(options)
        task = make_task(options, self.survey)
        assert isinstance(task, Redshift)
        self.task, self.z = task, task.read_truth(self.survey)
        self.split = load_or_draw_split(options, self.survey)
        self.features = photometric_features(self.survey) if features is None else features

    def positions(self, part: str) -> NDArray[np.int64]:
        """Return where the objects of a part are whose redshift is known."""
        found = np.array([self.survey.position(id_) for id_ in self.split.parts[part]], dtype=np.int64)
        return found[np.isfinite(self.z[found])]

    def predict(self, row: str, seed: int, parts: Sequence[str]) -> tuple[dict[str, Predictions], float]:
        """Return what a row predicts of some parts, and the CPU time of that [s], without measuring."""
        begin, edges, bands = process_time(), self.task.edges, len(self.survey.header.bands)
        features = neighbour_features(self.features, bands) if row == NEIGHBOURS else self.features
        train, validation = (
            Known(features[here], self.z[here])
            for here in (self.positions(f"{STAGE}_train"), self.positions(f"{STAGE}_validation"))
        )
        places = [self.positions(part) for part in parts if self.split.parts[part]]
        asked = features[np.concatenate(places)]
        if row == FOREST:
            pdfs = forest_pdfs(train, validation, asked, edges, seed, jobs=1)
        elif row == NEIGHBOURS:
            pdfs = neighbour_pdfs(train, validation, asked, edges)
        else:
            assert row == CONSTANT
            pdfs = np.tile(shares_of(train.z, edges), (len(asked), 1))
        ends = np.cumsum([len(place) for place in places])[:-1]
        found = {}
        for part, place, pdf in zip(parts, places, np.split(pdfs, ends), strict=True):
            ids = np.array([self.survey.ids[i] for i in place], dtype=str)
            found[part] = Predictions(ids, self.z[place], {"row": pdf})
        return found, process_time() - begin


def write_fewer_labels(path: Path, split: Split, labels: int) -> None:
    """Write a split of which one of `labels` labelled objects trains or validates; the others are left out.

    The objects of fewer labels are among those of more. Each decile of redshift keeps its share, one object at least.
    """
    rng = np.random.default_rng(0)
    parts: dict[str, Sequence[str]] = dict(split.parts)
    for part in (f"{STAGE}_train", f"{STAGE}_validation"):
        ids = np.array(split.parts[part], dtype=str)
        classes = np.array([str(split.classes[id_]) for id_ in ids.tolist()], dtype=str)
        kept = []
        for name in np.unique(classes):
            drawn = rng.permutation(ids[classes == name])
            kept += drawn[: -(-len(drawn) // labels)].tolist()
        parts[part] = sorted(kept)
    with readable_os_errors("making the folder of splits", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "saving the split") as partial:
        partial.write_text(json.dumps({"parts": {name: list(ids) for name, ids in parts.items()}}), encoding="utf-8")


def training_redshifts(survey: Survey, task: Redshift, split: Split) -> Floats:
    """Return the redshifts of the training part."""
    z = task.read_truth(survey)[[survey.position(id_) for id_ in split.parts[f"{STAGE}_train"]]]
    return np.asarray(z[np.isfinite(z)])
