"""The jobs of a sweep on Slurm, through hydra-submitit-launcher; each is a fresh process there too."""

import logging
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ictconvention.configuration.composing.folders import names_folder
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.sweeping.job_environment import job_environment
from ictconvention.sweeping.processes import COMMAND
from ictconvention.sweeping.sweep import State, Sweep, add_group, is_finished, with_folders

logger = logging.getLogger(__name__)

SUBMITTED = "*_submitted.pkl"  # what submitit leaves of each job that it has handed over
OF_SLURM = (
    *("partition", "account", "qos", "constraint", "array_parallelism", "additional_parameters", "signal_delay_s"),
    "setup",
)


def load_submitter(executor: str, parameters: Mapping[str, Any]) -> Any:
    """Return the launcher of hydra-submitit-launcher.

    Parameters
    ----------
    executor : "slurm" or "local"
        Where the jobs run.
    parameters : mapping
        Parameters of hydra-submitit-launcher.

    Raises
    ------
    UsageError
        There is no such executor, or hydra-submitit-launcher is not installed.
    """
    try:
        from hydra_plugins.hydra_submitit_launcher import submitit_launcher
    except ImportError:
        fix = "install the extra: pip install -c constraints.txt '.[slurm]'"
        raise UsageError(
            "the package hydra-submitit-launcher is not installed", "hydra/launcher=slurm", fix, "E-PACKAGE-MISSING"
        ) from None
    match executor:
        case "slurm":
            return submitit_launcher.SlurmLauncher(**parameters)
        case "local":
            return submitit_launcher.LocalLauncher(**{k: v for k, v in parameters.items() if k not in OF_SLURM})
    raise UsageError(
        f"hydra.launcher.executor is {executor!r}", "hydra.launcher.executor", "take slurm or local", "E-CONFIG-VALUE"
    )


def submit(sweep: Sweep, launcher: Any, logs: Path) -> None:
    """Submit the jobs that have no result yet, and wait for them.

    A job that reaches its time limit, or is pre-empted, is requeued and resumes after its last training epoch.

    Parameters
    ----------
    sweep : Sweep
        The jobs.
    launcher : Launcher
        As `load_submitter` returns it, set up by Hydra's setting.
    logs : Path
        Where it keeps what the jobs say.

    Raises
    ------
    UsageError
        No job could be submitted.
    """
    with folder_lock(sweep.folder):
        waiting = sweep.begin()
        logger.info(f"{pluralize(len(sweep.jobs), 'job')}, {len(waiting)} of them to submit; record in {sweep.folder}")
        for job in waiting:
            job.state, job.log = "running", logs
        sweep.save()
        before = set(logs.rglob(SUBMITTED))
        try:
            if waiting:
                words = [add_group(job, sweep.folder) for job in waiting]
                launcher.launch([[word for word in own if not names_folder(word)] for own in words], 0)
        except KeyboardInterrupt:
            logger.info(
                "the jobs stay where they are (scancel ends them); when they have ended, the same command resumes"
            )
            raise
        except (RuntimeError, ValueError, TypeError, NameError) as error:  # submitit's own are RuntimeErrors
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            if set(logs.rglob(SUBMITTED)) == before:
                for job in waiting:
                    job.state, job.log = "waiting", None
                sweep.save()
                fix = "run it where jobs are submitted, correct hydra.launcher, or try hydra.launcher.executor=local"
                raise UsageError(
                    f"submitting failed: {reason}", "hydra/launcher=slurm", fix, "E-SWEEP-SUBMIT"
                ) from error
            logger.warning(f"submitit: {reason}")
            logger.warning(
                "it awaits no other job now, and some may still be at work (squeue): start again when they have ended"
            )
            ended: State = "running"
        else:
            ended = "failed"
        for job in waiting:
            job.state = "finished" if is_finished(job) else ended
        sweep.save()


def run_job(config: DictConfig) -> None:
    """Run one job where submitit has brought it, in a process of its own.

    Raises
    ------
    RuntimeError
        It has failed; it has said why.
    """
    from hydra.core.hydra_config import HydraConfig

    (words,) = with_folders([HydraConfig.get().overrides.task], HydraConfig.get().searchpath)
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
    environment = job_environment(1, int(config.trainer.devices), gpus)
    process = subprocess.Popen([*COMMAND, *words], env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait()
    finally:  # a requeue leaves by SystemExit, and the job that resumes needs the folder
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code:
        raise RuntimeError(f"exit code {code}")
