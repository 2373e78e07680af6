"""Several nodes: torchrun or srun starts a process for each device of each, and the digits are those of one node."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.forked import Command, Ended
from tests.small_runs import LEFT, places, read_json

QUICK = ["experiment=light_curve_sdss", "stage.pretrain.max_epochs=0", "trainer.precision=32-true"]
MISFIT = "torchrun's WORLD_SIZE is 2 and its LOCAL_WORLD_SIZE 1; trainer.devices is 1 and trainer.num_nodes 1"


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def torchrun(rank: int, per_node: int) -> dict[str, str]:
    """Return what torchrun tells a process of two."""
    ranks = {"RANK": rank, "LOCAL_RANK": rank % per_node, "GROUP_RANK": rank // per_node}
    sizes = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": per_node}
    return {name: str(value) for name, value in (ranks | sizes).items()} | {"TORCHELASTIC_RUN_ID": "none"}


def srun(rank: int, per_node: int) -> dict[str, str]:
    """Return what Slurm tells a task of two."""
    ranks = {"PROCID": rank, "LOCALID": rank % per_node, "NODEID": rank // per_node, "STEP_ID": 0, "JOB_ID": 7}
    sizes = {"NTASKS": 2, "NTASKS_PER_NODE": per_node, "NNODES": 2 // per_node}
    return {f"SLURM_{name}": str(value) for name, value in (ranks | sizes).items()} | {"SLURM_JOB_NAME": "x"}


def run_both(
    folder: Path, words: list[str], launcher: Callable[[int, int], dict[str, str]], per_node: int
) -> list[Ended]:
    """Start two processes as a launcher does, and wait for them."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "OMP_NUM_THREADS": "1"}
    started = [
        Command(folder / f"said{rank}", words, environment=launcher(rank, per_node) | meeting) for rank in range(2)
    ]
    return [command.wait() for command in started]


def test_two_nodes_by_srun_give_the_digits_of_two_devices_by_torchrun(work: Path, tmp_path: Path) -> None:
    results: dict[str, set[bytes]] = {}
    for name, launcher, settings in (
        ("devices", torchrun, {"devices": 2, "nodes": 1}),
        ("srun", srun, {"devices": 1, "nodes": 2}),
    ):
        words = [*places(work), *QUICK, f"runs={tmp_path}/{name}"]
        words += [f"trainer.devices={settings['devices']}", f"trainer.num_nodes={settings['nodes']}"]
        first, second = run_both(tmp_path / f"out-{name}", words, launcher, settings["devices"])
        assert (first.returncode, second.returncode, second.stderr) == (0, 0, ""), first.stderr
        assert [line.split(":")[0] for line in first.stderr.splitlines()] == ["next"], first.stderr
        assert first.stdout.count(", training epoch 1 of 1:") == 1
        assert second.stdout == ""
        (folder,) = (tmp_path / name / "light_curve_sdss").iterdir()
        assert {path.name for path in folder.iterdir()} == LEFT
        assert {key: read_json(folder / "environment.json")[key] for key in settings} == settings
        results[folder.name] = results.get(folder.name, set()) | {(folder / "result.json").read_bytes()}
    assert [len(contents) for contents in results.values()] == [1]  # one name, one content


def test_a_misfit_is_told_by_each_node_and_nobody_waits(work: Path, tmp_path: Path) -> None:
    words = [*places(work), *QUICK, f"runs={tmp_path}/runs"]
    for ended in run_both(tmp_path, words, torchrun, 1):
        assert ended.returncode == 2
        assert ended.stderr.startswith(f"error: {MISFIT}\n")
    first, second = run_both(tmp_path, words, torchrun, 2)
    assert (first.returncode, second.returncode) == (2, 2)
    assert "trainer.devices=2 trainer.num_nodes=1" in first.stderr
    assert second.stderr == ""  # one voice for each node
    assert not (tmp_path / "runs").exists()


def by_hand(rank: int, per_node: int) -> dict[str, str]:
    """Return what a script that starts two processes by itself tells each."""
    return {name: value for name, value in torchrun(rank, per_node).items() if not name.startswith("TORCHELASTIC")}


def test_processes_that_each_would_train_alone_are_refused_before_anything_is_written(
    work: Path, tmp_path: Path
) -> None:
    words = [*places(work), *QUICK, f"runs={tmp_path}/runs"]
    first, second = run_both(tmp_path, words, by_hand, 2)
    assert (first.returncode, second.returncode, second.stderr) == (2, 2, "")
    assert "code:  E-MACHINE-NODES" in first.stderr
    assert "where: WORLD_SIZE" in first.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.skipif("ICTCONVENTION_TORCHRUN" not in os.environ, reason="half a minute: ICTCONVENTION_TORCHRUN=1")
def test_torchrun_itself_on_two_nodes_gives_what_lightning_gives_on_one(work: Path, tmp_path: Path) -> None:
    """ICT, whose target network and projections are of both processes."""
    python, port = Path(sys.executable), free_port()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    words = [str(ROOT / "train.py"), *places(work), "experiment=ict_sdss", "trainer.precision=32-true"]
    torchrun = [str(python.parent / "torchrun"), "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--master-addr", "127.0.0.1", "--master-port", port]
    own = ["trainer.num_nodes=2", f"runs={tmp_path}/nodes"]
    launched = [[*torchrun, "--node-rank", str(rank), *words, *own] for rank in range(2)]
    both = [subprocess.Popen(command, env=environment, cwd=tmp_path) for command in launched]
    assert [process.wait(300) for process in both] == [0, 0]
    alone = [sys.executable, *words, "trainer.devices=2", f"runs={tmp_path}/devices"]
    assert subprocess.run(alone, env=environment, cwd=tmp_path).returncode == 0
    (nodes,), (devices,) = ((tmp_path / name / "ict_sdss").iterdir() for name in ("nodes", "devices"))
    assert nodes.name == devices.name
    assert (nodes / "result.json").read_bytes() == (devices / "result.json").read_bytes()
