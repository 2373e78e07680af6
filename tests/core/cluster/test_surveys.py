"""What workers of a cluster write is, to the byte, what one process writes, also where a worker is killed."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ictconvention.applying import predict
from ictconvention.applying.predict import predict_survey
from ictconvention.cli.ingesting.scheduler_option import without_scheduler
from ictconvention.core.cluster.scheduler import use_scheduler
from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.measuring.measured_cache import CachedMedianFrames, CachedPhotometry
from ictconvention.runs.trained_run import read_trained
from ictconvention.simulation.simulate import simulate_scenes
from ictconvention.survey.survey import Survey
from tests.conftest import ROOT
from tests.core.cluster.calls import found_or_killed

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def moved_to(moved: list[tuple[int, int]], done: int, total: int) -> None:
    moved.append((done, total))


def test_surveys_measurements_and_predictions_are_those_of_one_process(
    finished: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "AT_ONCE", 16)  # four calls of 60 objects; one process takes the same ones
    trained = read_trained(finished)
    made = {}
    for name in ("cluster", "process"):
        with use_scheduler("local:2" if name == "cluster" else None):
            folder = tmp_path / name
            folder.mkdir()
            moved: list[tuple[int, int]] = []
            if name == "process":
                (folder / "killed").touch()
            found = ingest(
                IngestOptions(folder / "ingested", "a test", 1.0, size=8, jobs=2),
                partial(found_or_killed, folder),
                range(9),
                {},
                partial(moved_to, moved),
            )
            assert (found.frames, len(found.rejects)) == (9, 9)
            assert moved == [(done, 9) for done in range(1, 10)]
            assert (folder / "killed").exists()
            simulate_scenes(folder / "simulated", 300, seed=1, jobs=2, size=32)  # two shards
            shutil.copytree(work / "miniature", folder / "miniature", ignore=shutil.ignore_patterns("derived"))
            own = Survey.open(folder / "miniature")
            CachedPhotometry(own)
            CachedMedianFrames(own)
            made[name] = predict_survey(trained, own)
    for one in ("row", "distance", "novelty", "frames", "sampled", "features"):
        np.testing.assert_array_equal(getattr(made["cluster"], one), getattr(made["process"], one))
    assert (names := contents(tmp_path / "process")) == contents(tmp_path / "cluster")
    assert sum("derived" in name for name in names) == 2
    assert "ingested-rejects.csv" in names


def test_ctrl_c_ends_the_command_and_its_workers(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.core.cluster.calls"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to the workers too
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, "stopped\n")
    with pytest.raises(ProcessLookupError):
        for _ in range(300):  # what multiprocessing has begun ends when it sees that its parent is gone
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_where_the_work_was_done_is_no_part_of_a_survey() -> None:
    words = ["ingest", "stamps", "a", "b", "--scheduler", "tcp://x:1", "--size", "8"]
    assert without_scheduler(words) == ["ingest", "stamps", "a", "b", "--size", "8"]
    assert without_scheduler(["x", "--scheduler=local:2", "y"]) == ["x", "y"]
