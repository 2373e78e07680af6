"""What this machine can do, and what it is: devices, precision, packages, the state of the code."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from ictconvention import __version__
from ictconvention.configuration.schema import TrainerOptions
from ictconvention.core.errors import UsageError, pluralize

Precision = Literal["32-true", "bf16-mixed"]
PACKAGES = ("torch", "lightning", "numpy", "torchmetrics", "hydra-core", "scikit-learn", "pyarrow")
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")


def check_machine(options: TrainerOptions) -> None:
    """Refuse what this machine cannot do; without a GPU, n devices are n processes.

    Raises
    ------
    UsageError
        It has fewer GPUs, or its GPU knows no bfloat16.
    """
    if not torch.cuda.is_available():
        return
    if options.devices > (present := torch.cuda.device_count()):
        found = f"trainer.devices is {options.devices}, this machine has {pluralize(present, 'GPU')}"
        raise UsageError(found, "trainer.devices", f"take at most {present}, or another machine")
    if options.precision == "bf16-mixed" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UsageError("this GPU has no bfloat16", "trainer.precision", "take trainer.precision=32-true, or auto")


def check_slurm(devices: int) -> None:
    """Refuse what Slurm's variables say of processes that nobody has started, or of others than the run needs.

    Raises
    ------
    UsageError
        SLURM_NTASKS is not the number of devices, or srun has not started the processes.
    """
    tasks = os.environ.get("SLURM_NTASKS")
    if tasks is None or os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive"):  # as Lightning sees it
        return
    alone = "unset SLURM_NTASKS, and this process starts any others by itself"
    if tasks != str(devices):
        found = f"SLURM_NTASKS is {tasks}, and trainer.devices is {devices}: each device has a process of its own"
        fix = f"submit with --ntasks-per-node={devices} and start it with srun; or {alone}"
        raise UsageError(found, "SLURM_NTASKS", fix)
    if devices > 1 and "SLURM_STEP_ID" not in os.environ:
        found = f"SLURM_NTASKS is {tasks}, and srun has not started these processes: this one would wait for the others"
        raise UsageError(found, "SLURM_NTASKS", f"start it with srun; or {alone}")
    if devices > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ:
        found = f"SLURM_NTASKS is {tasks}, and SLURM_NTASKS_PER_NODE is not set"
        raise UsageError(found, "SLURM_NTASKS_PER_NODE", f"submit with --ntasks-per-node={devices}, not --ntasks")


def precision_of(options: TrainerOptions) -> Precision:
    """Return the precision that was asked for; for `auto`, bf16-mixed where the machine is fast at it."""
    if options.precision != "auto":
        return options.precision
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.cpu._is_amx_tile_supported() else "32-true"


def processors() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def rank_zero() -> bool:
    """Return whether this is the process that speaks and writes, of those that Lightning, torchrun or Slurm start."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def started_alone() -> bool:
    """Return whether Lightning starts the other processes, if any, rather than torchrun or Slurm, all at once."""
    return os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")) == "1"


def environment(precision: Precision, devices: int) -> dict[str, Any]:
    """Return what a result may depend on beside its configuration."""
    cuda = torch.cuda.is_available()
    return {
        "packages": {name: version(name) for name in PACKAGES} | {"ictconvention": __version__},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else [],
        "devices": devices,
        "precision": precision,
        "revision": _revision(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _revision() -> str | None:
    """Return the git revision of the code, with a plus where it was changed since; None where it is no clone."""
    code = Path(__file__).parent
    commands = (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
    try:
        run = [subprocess.run(["git", "-C", code, *c], capture_output=True, text=True, check=True) for c in commands]
    except (OSError, subprocess.CalledProcessError):
        return None
    return run[0].stdout.strip() + ("+" if run[1].stdout.strip() else "")
