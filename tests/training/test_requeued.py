"""Slurm's signal to a run that srun has started: it is requeued, and no weights get where they do not belong."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.trainer.connectors import signal_connector

from ictconvention.learning.supervised import Supervised
from tests.small_runs import Smoke, result_of

SLURM = {"NTASKS": "1", "NTASKS_PER_NODE": "1", "JOB_ID": "7", "JOB_NAME": "x", "PROCID": "0", "LOCALID": "0"}


def test_a_requeue_changes_no_result_and_leaves_nothing_behind(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning saves a checkpoint in the folder where it stands, which any stage and run would begin with."""
    settings = ["experiment=light_curve_sdss", "trainer.precision=32-true"]
    plain = smoke(*settings, f"runs={tmp_path}/plain")
    (there := tmp_path / "there").mkdir()
    (stray := there / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    monkeypatch.chdir(there)
    for name, value in SLURM.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    asked: list[list[str]] = []

    def call(command: list[str]) -> int:
        asked.append(command)
        return 0

    monkeypatch.setattr(signal_connector, "call", call)
    step, seen = Supervised.training_step, 0

    def struck(self: Supervised, *arguments: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        return step(self, *arguments)

    monkeypatch.setattr(Supervised, "training_step", struck)
    requeued = smoke(*settings, f"runs={tmp_path}/requeued")
    assert asked == [["scontrol", "requeue", "7"]]
    assert result_of(requeued) == result_of(plain)
    assert (requeued / "metrics.csv").read_text() == (plain / "metrics.csv").read_text()
    assert list(there.iterdir()) == [stray]
    assert {path.name for path in (requeued / "checkpoints").iterdir()} == {"pretrain.ckpt", "finetune.ckpt"}
