"""The jobs of a sweep on Slurm, through hydra-submitit-launcher; each is a fresh process there too."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ictconvention.atomic import held
from ictconvention.errors import UsageError, counted
from ictconvention.experiment.processes import COMMAND, job_environment
from ictconvention.experiment.sweep import Sweep, finished, grouped

OF_SLURM = ("partition", "account", "qos", "constraint", "array_parallelism", "additional_parameters", "signal_delay_s")


def submit(
    sweep: Sweep,
    executor: str,
    parameters: Mapping[str, Any],
    setting: Mapping[str, Any],
    say: Callable[[str], object] = print,
) -> None:
    """Submit the jobs that have no result yet, and wait for them.

    A job that reaches its time limit, or is pre-empted, is requeued and goes on behind its last training epoch.

    Parameters
    ----------
    sweep : Sweep
        The jobs.
    executor : "slurm" or "local"
        Where the jobs run.
    parameters : mapping
        Of hydra-submitit-launcher.
    setting : mapping
        What Hydra gives to a launcher.
    say : function
        Told what happens, a line at a time.

    Raises
    ------
    UsageError
        hydra-submitit-launcher or Slurm is not there, or a parameter is none of its own.
    """
    try:
        from hydra_plugins.hydra_submitit_launcher import submitit_launcher
    except ImportError:
        mend = "install the extra: pip install -c constraints.txt '.[slurm]'"
        raise UsageError("the package hydra-submitit-launcher is not installed", "hydra/launcher=slurm", mend) from None
    match executor:
        case "slurm":
            launcher = submitit_launcher.SlurmLauncher(**parameters)
        case "local":
            launcher = submitit_launcher.LocalLauncher(**{k: v for k, v in parameters.items() if k not in OF_SLURM})
        case other:
            raise UsageError(f"hydra.launcher.executor is {other!r}", "hydra.launcher.executor", "take slurm or local")
    launcher.setup(**setting)
    with held(sweep.folder):
        for job in sweep.jobs:
            job.state = "finished" if finished(job) else "waiting"
        waiting = [job for job in sweep.jobs if job.state == "waiting"]
        say(f"{counted(len(sweep.jobs), 'job')}, {len(waiting)} of them submitted; record in {sweep.folder}")
        if not waiting:
            sweep.save()
            return
        for job in waiting:
            job.state = "running"
        sweep.save()
        lost = ""
        try:
            launcher.launch([grouped(job, sweep.folder) for job in waiting], 0)
        except (RuntimeError, ValueError, TypeError, NameError) as error:  # submitit has no class of its own for some
            lost = (str(error).strip() or type(error).__name__).splitlines()[0]
        finally:
            for job in waiting:
                job.state = "finished" if finished(job) else "failed"
                job.log = Path(str(parameters["submitit_folder"])).parent
            sweep.save()
    if lost:
        say(f"submitit: {lost}")


def submitted(config: DictConfig) -> None:
    """Run one job where submitit has brought it, in a process of its own.

    Raises
    ------
    RuntimeError
        It has failed; it has said why.
    """
    from hydra.core.hydra_config import HydraConfig

    command = [*COMMAND, *HydraConfig.get().overrides.task]
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
    environment = job_environment(1, int(config.trainer.devices), gpus)
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait()
    finally:  # a requeue leaves by SystemExit, and the job that goes on needs the folder
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
    if code:
        raise RuntimeError(f"exit code {code}")
