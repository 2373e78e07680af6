"""The transformers go the whole way of a run: trained, resumed, tested again, and applied to a survey."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import ictconvention as ict
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from tests.refusals import refused
from tests.small_runs import Smoke, places, result_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("experiment", ["frame_transformer_sdss", "light_curve_transformer_sdss"])
def test_a_run_is_tested_again_and_predicts_what_it_was_tested_with(
    experiment: str, smoke: Smoke, work: Path, tmp_path: Path
) -> None:
    folder = smoke(f"experiment={experiment}", "stage.pretrain.max_epochs=2", f"runs={tmp_path}")
    run = ict.load(folder)
    assert run.test()["test"] == result_of(folder)["test"]
    table = run.predict(work / "miniature")
    tested = pq.read_table(folder / "predictions.parquet").to_pydict()
    rows = {id_: row for row, id_ in enumerate(table["id"])}
    at = [rows[id_] for id_ in tested["id"]]
    for name in run.survey.header.classes:
        np.testing.assert_allclose(table[name][at], tested[name], atol=1e-5)


def test_two_views_train_it_and_a_stopped_run_resumes(smoke: Smoke, tmp_path: Path) -> None:
    words = ["experiment=frame_transformer_sdss", "learner=ict", "name=two", "augmentation=quarter_turns"]
    whole = smoke(*words, f"runs={tmp_path}/whole")
    smoke(*words, f"runs={tmp_path}/parts", "stage.finetune.max_epochs=0")
    parts = smoke(*words, f"runs={tmp_path}/parts")
    assert result_of(parts)["test"] == result_of(whole)["test"]


def test_what_it_cannot_be_built_for_is_refused(work: Path) -> None:
    words = [*places(work), "model=frame_transformer", "pixels.channels=direct"]
    with refused(UsageError, "E-CONFIG-CONFLICT", "pixels.channels=direct+residual", where="model"):
        compose_run(words)  # before a survey is opened
