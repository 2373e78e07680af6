"""ICT at less cost goes the whole way: trained, killed and resumed, tested, applied, exported."""

import signal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import ictconvention as ict
from ictconvention.applying.export import export_run
from ictconvention.runs.trained_run import read_trained
from tests.small_runs import Smoke, places, read_json, result_of
from tests.training.test_stopped_run import same, strike

pytestmark = pytest.mark.slow
FAST = ["experiment=ict_fast", "stage.pretrain.max_epochs=2", "trainer.batch_size=6"]


@pytest.fixture(scope="module")
def fast(smoke: Smoke, work: Path) -> Path:
    return smoke(*FAST, f"runs={work}/fast")


def test_it_keeps_the_projections_apart_and_says_what_it_was(fast: Path) -> None:
    assert fast.parent.name == "ict_fast"
    config = read_json(fast / "result.json")["config"]
    assert config["views"] == {"online_frames": "third", "target_share": 0.5}
    assert [config["learner"][key] for key in ("projection", "predictor", "variance")] == ["trunk", True, 1.0]
    learner = read_trained(fast).learner
    assert (learner.spec.views, learner.spec.max_frames) == (3, 15)


def test_killed_in_the_second_epoch_it_resumes_to_the_same_digits(
    fast: Path, work: Path, smoke: Smoke, tmp_path: Path
) -> None:
    arguments = [*places(work), f"runs={tmp_path}/runs", *FAST]
    assert strike(tmp_path, "pretrain", 5, signal.SIGKILL, *arguments).returncode == -signal.SIGKILL
    same(fast, smoke(*FAST, f"runs={tmp_path}/runs"))


def test_it_predicts_what_it_was_tested_with_and_exports(fast: Path, work: Path, tmp_path: Path) -> None:
    run = ict.load(fast)
    assert run.test()["test"] == result_of(fast)["test"]
    table = run.predict(work / "miniature")
    tested = pq.read_table(fast / "predictions.parquet").to_pydict()
    rows = {id_: row for row, id_ in enumerate(table["id"])}
    for name in run.survey.header.classes:
        np.testing.assert_allclose(table[name][[rows[id_] for id_ in tested["id"]]], tested[name], atol=1e-5)
    export_run(read_trained(fast), tmp_path / "model.pt2")  # which compares the two
    assert (tmp_path / "model.pt2").exists()


def test_it_trains_any_network_that_features_come_from(smoke: Smoke, tmp_path: Path) -> None:
    words = ["experiment=ict_fast", "model=frame_transformer", "pixels.channels=direct+residual", f"runs={tmp_path}"]
    assert result_of(smoke(*words))["config"]["model"]["kind"] == "frame_transformer"
