"""An inception network learns redshifts with E(B-V), is exported as it predicts, and refuses what it cannot know."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor

import ictconvention as ict
from ictconvention.applying.export import export_run
from ictconvention.applying.features import save_features
from ictconvention.applying.model_file import read_model
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.feeding.reddening import read_reddening
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from ictconvention.training.run import run
from tests.refusals import refused
from tests.tasks.redshift.galaxies import write_galaxies

pytestmark = pytest.mark.slow
WORDS = [
    "task=redshift",
    "task.bins.number=20",
    "model=inception_p19",
    "model.width=0.0625",
    "fold=single",
    "profile=tiny",
]
WORDS += ["trainer.batch_size=16", "stage.finetune.max_epochs=0", "figures=false", "model.modalities=[[g,r],[r,i]]"]
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_galaxies(tmp_path_factory.mktemp("galaxies") / "survey", 60, ebv=True)


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    runs = tmp_path_factory.mktemp("runs")

    def trained(survey: Survey, *words: str) -> Path:
        given = [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={runs}", *words]
        return run(compose_run(given), given)

    return trained


@pytest.fixture(scope="module")
def one(train: Train, galaxies: Survey) -> Path:
    return train(galaxies)


def arrays(survey: Survey) -> dict[str, Tensor]:
    """Return what an exported model takes, of all objects of a survey."""
    frames = np.stack([series.frames for series in survey]).astype(np.float32)
    present = torch.ones(frames.shape[:2], dtype=torch.bool)
    return {
        "frames": torch.from_numpy(frames),
        "present": present,
        "reddening": torch.from_numpy(read_reddening(survey)),
    }


def test_an_exported_model_gives_the_pdfs_that_predict_gives(one: Path, galaxies: Survey, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: extra export")
    path = tmp_path / "model.onnx"
    export_run(read_trained(one), path)
    says, outputs_of = read_model(path)
    alone = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map  # for who has not this package
    assert json.loads(alone["edges"]) == says["edges"]
    assert len(says["edges"]) == 21
    assert "bin" in says["outputs"]["pdf"]["meaning"]
    assert "[mag]" in says["inputs"]["reddening"]["meaning"]
    predicted = ict.load(one).predict(galaxies)
    assert list(predicted["id"]) == list(galaxies.ids)
    found = outputs_of(arrays(galaxies))
    np.testing.assert_allclose(found["pdf"], predicted["pdf"], atol=1e-5)
    np.testing.assert_allclose(found["redshift"], predicted["z_mean"], atol=1e-5)


def test_a_survey_without_reddening_is_not_predicted_by_a_network_that_knows_it(one: Path, tmp_path: Path) -> None:
    with refused(UsageError, "E-SURVEY-UNSUITED", "ebv", where=tmp_path / "without"):
        ict.load(one).predict(write_galaxies(tmp_path / "without", 8))


def test_what_the_survey_has_not_is_refused_before_a_run_begins(train: Train, tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 40, ebv=True)
    runs = f"runs={tmp_path}/runs"
    with refused(UsageError, "E-BAND-UNKNOWN", "rr", "r", where="model.modalities"):
        train(survey, runs, "model.modalities=[[g,rr],[r,i]]")
    with refused(UsageError, "E-CONFIG-CONFLICT", "i", where="model.modalities"):
        train(survey, runs, "model.modalities=[[g,r]]")
    assert not (tmp_path / "runs").exists()


def test_features_are_those_of_known_reddening(one: Path, galaxies: Survey, tmp_path: Path) -> None:
    trained = read_trained(one)
    save_features(trained, galaxies, tmp_path / "features.parquet", dtype="float32")
    found = np.array(pq.read_table(tmp_path / "features.parquet")["features"].to_pylist())
    assert found.shape == (60, trained.learner.predictor.feature_size)
    assert np.isfinite(found).all()


def test_weights_that_know_reddening_begin_no_network_that_does_not(one: Path, train: Train, tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "without", 60, seed=1)
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "ebv", where=one):
        train(survey, f"init_from={one}", f"runs={tmp_path}/runs")
