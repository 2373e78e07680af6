"""What each job of a sweep may use of a machine: its environment, its share of the threads, its GPUs."""

import os

from ictconvention.core.errors import UsageError
from ictconvention.runs.machine import processors
from ictconvention.sweeping.sweep import Job

DISTRIBUTED = (  # what torchrun and Lightning tell a process of several
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "ROLE_RANK"),
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
)
LAUNCHERS = (
    "SLURM_",
    "TORCHELASTIC_",
    "OMPI_COMM_WORLD_",
    "MV2_COMM_WORLD_",
    "PMI_",
    "PMIX_",
    "SUBMITIT_",
)  # beginnings of their variables
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def job_environment(at_once: int, devices: int, gpus: str | None) -> dict[str, str]:
    """Return the environment of a job: without what tells a process that it is one of several, and with its share.

    Parameters
    ----------
    at_once : int
        Jobs side by side.
    devices : int
        Devices of the job, each a process of its own.
    gpus : str, optional
        Those that it may use; none where the machine has none.
    """
    own = {
        name: value for name, value in os.environ.items() if name not in DISTRIBUTED and not name.startswith(LAUNCHERS)
    }
    own["PYTHONUNBUFFERED"] = "1"
    if gpus is not None:
        own["CUDA_VISIBLE_DEVICES"] = gpus
    share = max(1, processors() // (at_once * devices))
    return dict.fromkeys(THREADS, own.get(THREADS[0], str(share))) | own  # where they are set, they stand


def divide_gpus(jobs: list[Job], at_once: int) -> list[str | None]:
    """Return the GPUs of each place in which a job may run; None on a machine without."""
    import torch

    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not present or at_once == 1:
        return [None] * at_once
    each = max((job.options.trainer.devices for job in jobs), default=1)
    if each * at_once > present:
        found = f"{at_once} jobs at once with trainer.devices={each} need {each * at_once} GPUs, and {present} are here"
        raise UsageError(found, "jobs", f"take jobs={max(1, present // each)}", "E-MACHINE-DEVICES")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = visible.split(",") if visible else [str(gpu) for gpu in range(present)]
    return [",".join(names[slot * each : (slot + 1) * each]) for slot in range(at_once)]
