"""What this machine can do, and what it is: devices, precision, packages, the state of the code."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch

from ictconvention import __version__
from ictconvention.configuration.run_groups import TrainerOptions
from ictconvention.core.errors import UsageError, pluralize

Precision = Literal["32-true", "bf16-mixed"]
PACKAGES = ("torch", "lightning", "numpy", "torchmetrics", "hydra-core", "scikit-learn", "pyarrow")
TRACKERS = {"tensorboard": "tensorboard", "mlflow": "mlflow-skinny"}  # packages of extras of the same names
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
PLACES = ("LOCAL_RANK", "SLURM_LOCALID")  # of a process on its node
OF_SRUN = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")  # what srun tells each of several processes
OF_MPI = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")  # the processes that an mpirun has started
NUMBERS = (
    *(*RANKS, "WORLD_SIZE", "LOCAL_WORLD_SIZE", *OF_MPI),
    *("SLURM_LOCALID", "SLURM_NODEID", "SLURM_NTASKS", "SLURM_NNODES", "SLURM_STEP_NUM_TASKS"),
)
MEETING = ("LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what Lightning tells the processes that it starts
SHELLS = ("bash", "interactive")  # names of a job of Slurm's in which somebody types, as Lightning sees it


def check_machine(options: TrainerOptions) -> None:
    """Refuse what this machine cannot do; without a GPU, n devices are n processes.

    Raises
    ------
    UsageError
        It has fewer GPUs, its GPU knows no bfloat16, or torch.compile does not work here.
    """
    if options.compile:
        _check_compiler()
    if not torch.cuda.is_available():
        return
    if options.devices > (present := torch.cuda.device_count()):
        found = f"trainer.devices is {options.devices}, this machine has {pluralize(present, 'GPU')}"
        raise UsageError(found, "trainer.devices", f"take at most {present}, or another machine", "E-MACHINE-DEVICES")
    if options.precision == "bf16-mixed" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UsageError(
            "this GPU has no bfloat16",
            "trainer.precision",
            "take trainer.precision=32-true, or auto",
            "E-MACHINE-PRECISION",
        )


@cache
def _check_compiler() -> None:
    """Compile next to nothing, to see whether it can be done."""
    try:
        torch.compile(torch.nn.Tanh())(torch.ones(2, device="cuda" if torch.cuda.is_available() else "cpu"))
    except Exception as error:  # whatever the machine lacks
        found = f"trainer.compile is true, and torch.compile does not work here ({str(error).splitlines()[0]})"
        fix = "install a C++ compiler (on Debian: g++), for a GPU Triton too; or leave out trainer.compile"
        raise UsageError(found, "trainer.compile", fix, "E-MACHINE-COMPILE") from error


def check_tracker(kind: str) -> None:
    """Refuse a tracker that is not installed here.

    Parameters
    ----------
    kind : str
        As `logger.kind` has it.

    Raises
    ------
    UsageError
        Naming the extra that brings it.
    """
    found = find_spec(kind) if kind in TRACKERS else None
    if kind in TRACKERS and (found is None or found.origin is None):  # a folder of that name is no package
        fix = f"install the extra: pip install -c constraints.txt '.[{kind}]'; or leave out logger={kind}"
        raise UsageError(f"the package {TRACKERS[kind]} is not installed", f"logger={kind}", fix, "E-PACKAGE-MISSING")


def check_ranks() -> None:
    """Refuse variables of torchrun or Slurm that say a process's place, or a number of processes, and are no number.

    Raises
    ------
    UsageError
        Naming the variable.
    """
    for name in NUMBERS:
        if (value := os.environ.get(name)) is not None and not (value.isascii() and value.isdigit()):
            fix = f"unset {name}, or start it with torchrun or srun, which set it"
            raise UsageError(f"{name} is {value!r}, no whole number", name, fix, "E-MACHINE-NODES")


def check_alone(what: str) -> None:
    """Refuse one of several processes that torchrun, srun or mpirun has started, each of which would do the same.

    Parameters
    ----------
    what : str
        What each would do, such as a search.

    Raises
    ------
    UsageError
        Naming the variable.
    """
    check_ranks()
    most = dict.fromkeys(RANKS, 0) | dict.fromkeys(("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", *OF_MPI), 1)
    for name, number in most.items():
        if (value := int(os.environ.get(name, "0"))) > number:
            found = f"{name} is {value}: this is one of several processes, and each would do the whole {what}"
            fix = f"start a {what} without torchrun, srun or mpirun: it starts the processes of its jobs by itself"
            raise UsageError(found, name, fix, "E-MACHINE-NODES")


def check_launch(options: TrainerOptions) -> None:
    """Refuse other processes than the run needs, or some that nobody has started: the others would wait for them.

    torchrun's word counts before Slurm's, since srun may start a torchrun on each node; theirs before that of others.

    Raises
    ------
    UsageError
        torchrun or srun has started another number of processes or nodes, or none of them starts those of other nodes;
        or something else has started several, each of which would train alone.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        _check_torchrun(options)
    elif "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in SHELLS:
        _check_slurm(options)
    elif options.num_nodes > 1:
        found = f"trainer.num_nodes is {options.num_nodes}, and nobody has started the processes of the other nodes"
        words = f"--nnodes {options.num_nodes} --nproc-per-node {options.devices}"
        fix = f"start it with srun, or on each node with: torchrun {words} --node-rank 0 (1, ...) --master-addr HOST"
        raise UsageError(found, "trainer.num_nodes", f"{fix} train.py ...", "E-MACHINE-NODES")
    else:
        _check_others(options)


def _check_others(options: TrainerOptions) -> None:
    """Refuse processes that neither torchrun nor Slurm has started, but for those that Lightning starts on a node.

    Each of them would train alone, and all would write into one folder, or into none.
    """
    devices = options.devices
    fix = f"start them with srun, or with: torchrun --nproc-per-node {devices} train.py trainer.devices={devices} ..."
    alone = "for one process, which starts any others by itself, unset"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size not in (1, devices):
        found = f"WORLD_SIZE is {size}, and trainer.devices is {devices} on one node; torchrun has set neither"
        raise UsageError(found, "WORLD_SIZE", f"{fix}; {alone} WORLD_SIZE", "E-MACHINE-NODES")
    if size > 1 and (absent := [name for name in MEETING if name not in os.environ]):
        found = f"WORLD_SIZE is {size}, and nobody has set {' and '.join(absent)}, by which these processes would meet"
        raise UsageError(found, absent[0], f"{fix}; {alone} WORLD_SIZE", "E-MACHINE-NODES")
    if size == 1:
        _check_mpirun(fix)
    for name in RANKS:
        most = size if name in ("RANK", "LOCAL_RANK") else 1
        if (rank := int(os.environ.get(name, "0"))) >= most:
            found = f"{name} is {rank}, and there is {'one such process' if most == 1 else f'0 to {most - 1}'} here"
            raise UsageError(found, name, f"{fix}; {alone} {name}", "E-MACHINE-NODES")
    if size < devices and "LOCAL_RANK" in os.environ:
        found = f"LOCAL_RANK is set, so that somebody else is to start the {devices} processes, and WORLD_SIZE is not"
        raise UsageError(found, "LOCAL_RANK", f"{fix}; {alone} LOCAL_RANK", "E-MACHINE-NODES")


def _check_mpirun(fix: str) -> None:
    """Refuse processes of an mpirun that know nothing of each other."""
    for name in OF_MPI:
        if (started := int(os.environ.get(name, "1"))) != 1:
            found = f"{name} is {started}: mpirun has started these processes, and each would train alone"
            alone = f"for one process, which starts any others by itself, unset {name}"
            raise UsageError(found, name, f"{fix}; {alone}", "E-MACHINE-NODES")


def _check_torchrun(options: TrainerOptions) -> None:
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        if int(os.environ.get(name, "0")) < 1:
            found = f"TORCHELASTIC_RUN_ID is set, and {name} is {os.environ.get(name, 'not')}"
            fix = "start it with torchrun, which sets both to 1 or more; or unset TORCHELASTIC_RUN_ID"
            raise UsageError(found, name, fix, "E-MACHINE-NODES")
    world, local = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if world == options.processes and local == options.devices:
        return
    found = f"torchrun's WORLD_SIZE is {world} and its LOCAL_WORLD_SIZE {local}"
    found += f"; trainer.devices is {options.devices} and trainer.num_nodes {options.num_nodes}"
    fix = f"--nnodes {options.num_nodes} --nproc-per-node {options.devices}"
    fix = f"take torchrun {fix}, or trainer.devices={local} trainer.num_nodes={max(1, world // local)}"
    raise UsageError(found, "WORLD_SIZE", fix, "E-MACHINE-NODES")


def _check_slurm(options: TrainerOptions) -> None:
    tasks, devices, nodes = os.environ["SLURM_NTASKS"], options.devices, options.num_nodes
    alone = "unset SLURM_NTASKS, and this process starts any others by itself"
    wanted = f"--ntasks-per-node={devices}" if nodes == 1 else f"--nodes={nodes} --ntasks-per-node={devices}"
    if tasks != str(options.processes):
        several = f" on {nodes} nodes" if nodes > 1 else ""
        found = f"SLURM_NTASKS is {tasks}, and trainer.devices is {devices}{several}: each device has its own process"
        fix = f"submit with {wanted} and start it with srun"
        raise UsageError(found, "SLURM_NTASKS", fix if nodes > 1 else f"{fix}; or {alone}", "E-MACHINE-NODES")
    if (present := os.environ.get("SLURM_NNODES", str(nodes))) != str(nodes):
        found = f"SLURM_NNODES is {present}, and trainer.num_nodes is {nodes}"
        raise UsageError(
            found, "SLURM_NNODES", f"submit with --nodes={nodes}, or set trainer.num_nodes", "E-MACHINE-NODES"
        )
    if options.processes == 1:
        _check_mpirun("start them with srun, which knows of each of them")
        return
    if "SLURM_STEP_ID" not in os.environ:
        found = f"SLURM_NTASKS is {tasks}, and srun has not started these processes: this one would wait for the others"
        fix = "start it with srun"
        raise UsageError(found, "SLURM_NTASKS", fix if nodes > 1 else f"{fix}; or {alone}", "E-MACHINE-NODES")
    if (each := os.environ.get("SLURM_NTASKS_PER_NODE")) != str(devices):
        found = f"SLURM_NTASKS_PER_NODE is {each or 'not set'}, and trainer.devices is {devices}"
        raise UsageError(found, "SLURM_NTASKS_PER_NODE", f"submit with {wanted}, not --ntasks", "E-MACHINE-NODES")
    if absent := [name for name in OF_SRUN if name not in os.environ]:
        found = f"srun has not set {' and '.join(absent)}: nobody knows which of the processes this one is"
        raise UsageError(found, absent[0], "start it with srun", "E-MACHINE-NODES")


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


def first_of_node() -> bool:
    """Return whether this is the process that tells what went wrong on its node."""
    return all(os.environ.get(name, "0") == "0" for name in PLACES)


def started_alone() -> bool:
    """Return whether Lightning starts the other processes, if any, rather than torchrun or Slurm, all at once."""
    return os.environ.get("WORLD_SIZE", os.environ.get("SLURM_NTASKS", "1")) == "1"


def environment(precision: Precision, options: TrainerOptions) -> dict[str, Any]:
    """Return what a result may depend on beside its configuration; devices are those of each node."""
    cuda = torch.cuda.is_available()
    return {
        "packages": {name: version(name) for name in PACKAGES} | {"ictconvention": __version__},
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else [],
        "devices": options.devices,
        "nodes": options.num_nodes,
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
