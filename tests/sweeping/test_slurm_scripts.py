"""What Slurm is handed: the script of one run on several nodes, and the jobs of a sweep on a machine like Jean Zay."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ictconvention.cli.train import sweep
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.runs.machine import check_launch
from tests.conftest import ROOT
from tests.refusals import refused
from tests.small_runs import places

pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
SCRIPTS = [ROOT / "conf/hydra/launcher/several_nodes.slurm", ROOT / "experiments/redshift/jean_zay.slurm"]
ASKED = re.compile(r"^#SBATCH --([\w-]+)=(\S+)$", re.MULTILINE)


def write_command(folder: Path, name: str, body: str) -> None:
    """Leave a command, first of those that a script finds."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!{sys.executable}\nimport json, os, shutil, sys\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_the_script_of_several_nodes_starts_what_its_job_has_room_for(script: Path, tmp_path: Path) -> None:
    asked = dict(ASKED.findall(script.read_text()))
    nodes, each = asked["nodes"], asked["ntasks-per-node"]
    assert asked["gres"] == f"gpu:{each}"
    write_command(tmp_path / "bin", "srun", f"json.dump(sys.argv[1:], open({str(tmp_path / 'said')!r}, 'w'))")
    (tmp_path / "activate").write_text("module() { :; }\n")
    (tmp_path / "bin/activate").write_text("")
    told = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": nodes, "SLURM_NTASKS_PER_NODE": each}
    told |= {"BASH_ENV": str(tmp_path / "activate"), "ICTCONVENTION_VENV": str(tmp_path), "SCRATCH": str(tmp_path)}
    told |= {"WORK": str(tmp_path), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(["bash", str(script), "experiment=ict_sdss", "trainer.batch_size=256"], env=told, check=True)
    flag, command, verb, *words = json.loads((tmp_path / "said").read_text())
    assert (flag, command, verb) == ("--kill-on-bad-exit=1", "ictconvention", "train")
    assert words[:2] == [f"trainer.num_nodes={nodes}", f"trainer.devices={each}"]
    options = compose_run(words)
    assert (options.name, options.trainer.batch_size) == ("ict_sdss", 256)
    assert options.trainer.workers < int(asked["cpus-per-task"])


def test_the_launch_of_that_script_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = dict(ASKED.findall(SCRIPTS[0].read_text()))
    nodes, each = int(asked["nodes"]), int(asked["ntasks-per-node"])
    told = {"NTASKS": nodes * each, "NNODES": nodes, "NTASKS_PER_NODE": each, "STEP_ID": 0, "JOB_NAME": "ictconvention"}
    for name, value in (told | {"PROCID": 3, "LOCALID": 3, "NODEID": 0}).items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    words = [f"trainer.num_nodes={nodes}", f"trainer.devices={each}"]
    check_launch(compose_run(words).trainer)
    with refused(UsageError, "E-MACHINE-NODES", where="SLURM_NTASKS"):
        check_launch(compose_run(words[1:]).trainer)


def test_a_sweep_on_jean_zay_asks_for_its_nodes_and_hours(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_command(tmp_path / "bin", "sbatch", f"shutil.copy(sys.argv[1], {str(tmp_path / 'script')!r}); sys.exit(1)")
    write_command(tmp_path / "bin", "srun", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    words = ["hydra/launcher=jean_zay", "hydra.launcher.account=gal@h100", *places(work)]
    words += ["experiment=light_curve_sdss", "trainer.precision=32-true", f"runs={tmp_path}/runs"]
    with refused(UsageError, "E-SWEEP-SUBMIT"):
        sweep(words)
    text = (tmp_path / "script").read_text()
    asked = dict(ASKED.findall(text))
    wanted = {"account": "gal@h100", "constraint": "h100", "cpus-per-task": "24", "gpus-per-node": "1"}
    assert asked.items() >= (wanted | {"time": "1200", "hint": "nomultithread"}).items()
    assert text.index("module purge") < text.index("export HF_HUB_OFFLINE=1") < text.index("srun")
