"""The features of a run's encoder, written once: what the last layer sees, by id, in the survey's order."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ictconvention.applying import features
from ictconvention.applying.features import RECORD, save_features
from ictconvention.cli.main import app
from ictconvention.core.errors import UsageError
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import infer
from tests.refusals import refused


def test_features_are_those_that_the_last_layer_sees(
    work: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "AT_ONCE", 25)  # three pieces
    run, survey, path = read_trained(finished), Survey.open(work / "miniature"), tmp_path / "features.parquet"
    arguments = ["features", str(finished), str(survey.path), "-o", str(path), "--dtype", "float32"]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    table = pq.read_table(path)
    assert table["id"].to_pylist() == list(survey.ids)
    bands = np.arange(len(survey.header.bands))
    stream = SurveyDataset(survey, run.options.sequence, run.spec.contents, bands)
    whole = infer(run.learner, [stream[range(len(survey))]], run.precision).features
    assert np.allclose(np.array(table["features"].to_pylist()), whole, rtol=1e-4, atol=1e-5)
    record = json.loads(table.schema.metadata[RECORD])
    assert (record["run"], record["survey"]) == (run.hash, survey.hash)
    save_features(run, survey[:9], path)
    half = pq.read_table(path)
    assert half["features"].type.value_type == "halffloat"
    assert np.allclose(np.array(half["features"].to_pylist(), dtype=float), whole[:9], rtol=2e-3, atol=1e-3)


def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    work: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, survey = read_trained(finished), Survey.open(work / "miniature")[:3]
    with refused(UsageError, "E-FILES-ENDING"):
        save_features(run, survey, tmp_path / "features.csv")
    made = infer
    monkeypatch.setattr(
        features,
        "infer",
        lambda *given, **named: (one := made(*given, **named))._replace(features=np.full_like(one.features, 1e6)),
    )
    with refused(UsageError, "E-VALUE-RANGE", survey.ids[0]):
        save_features(run, survey, tmp_path / "features.parquet")
    assert not list(tmp_path.iterdir())
