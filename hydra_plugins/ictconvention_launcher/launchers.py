"""The launchers of sweeps: fresh processes on this machine, the default of `-m`, and jobs on Slurm.

Their options are in conf/hydra/launcher. Hydra imports this file at every start: what is heavy comes later.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from ictconvention.sweeping.sweep import Job


class FreshProcesses(Launcher):
    """Start one fresh process per job.

    Parameters
    ----------
    jobs : int
        Jobs at once, which share the processors and GPUs.
    on_error : "continue" or "stop"
        What becomes of the jobs that have not begun when one fails.
    """

    def __init__(self, jobs: int, on_error: Any) -> None:
        self.jobs, self.on_error = jobs, on_error
        self.config: Any = None
        self.done: list[Any] = []

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the configuration of the sweep."""
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs; those that are finished are not repeated.

        Raises
        ------
        IctConventionError
            A job cannot be, before any begins; or some have failed, after all have ended.
        """
        from ictconvention.core.errors import UsageError
        from ictconvention.sweeping.processes import OnError, run_jobs
        from ictconvention.sweeping.sweep import Sweep, prepare_jobs, with_folders

        if type(self.jobs) is not int or self.jobs < 1:
            raise UsageError(f"jobs is {self.jobs!r}", "jobs", "take a whole number from 1", "E-CONFIG-VALUE")
        if self.on_error not in get_args(OnError):
            raise UsageError(
                f"on_error is {self.on_error!r}", "on_error", f"take {' or '.join(get_args(OnError))}", "E-CONFIG-VALUE"
            )
        if self.config.hydra.sweeper.get("max_batch_size") is not None:
            found = "hydra.sweeper.max_batch_size would stop a sweep after a batch with a failed run"
            raise UsageError(
                found, "hydra.sweeper.max_batch_size", "take jobs=n for the number of runs at once", "E-CONFIG-CONFLICT"
            )
        words = with_folders(job_overrides, self.config.hydra.searchpath)
        sweep = Sweep(Path(self.config.hydra.sweep.dir), prepare_jobs(words, before=self.done))
        run_jobs(sweep, self.jobs, self.on_error)
        sweep.check()
        before, self.done = len(self.done), sweep.jobs
        return [_returned(job) for job in sweep.jobs[before:]]


class Slurm(Launcher):
    """Hand each job to Slurm, by hydra-submitit-launcher.

    Parameters
    ----------
    executor : "slurm" or "local"
        Where submitit runs the jobs; local is for trying it.
    parameters
        Those of hydra-submitit-launcher.
    """

    def __init__(self, executor: str, **parameters: Any) -> None:
        self.executor, self.parameters = executor, parameters
        self.setting: dict[str, Any] = {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Take the configuration of the sweep."""
        self.setting = {"hydra_context": hydra_context, "task_function": task_function, "config": config}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Submit a batch of jobs, and wait for them; errors as of `FreshProcesses.launch`."""
        from ictconvention.sweeping.cluster import load_submitter, submit
        from ictconvention.sweeping.sweep import Sweep, prepare_jobs, with_folders

        launcher = load_submitter(self.executor, self.parameters)
        launcher.setup(**self.setting)
        config = self.setting["config"].hydra
        words = with_folders(job_overrides, config.searchpath)
        sweep = Sweep(Path(config.sweep.dir), prepare_jobs(words, elsewhere=self.executor == "slurm"))
        submit(sweep, launcher, Path(str(self.parameters["submitit_folder"])).parent)
        sweep.check()
        return [_returned(job) for job in sweep.jobs]


def _returned(job: "Job") -> JobReturn:
    """Return what a sweeper that searches may minimise: the balanced validation loss, never a test's."""
    from ictconvention.sweeping.sweep import validation_loss

    returned = JobReturn(status=JobStatus.COMPLETED)
    returned.return_value = validation_loss(job.folder, job.options)
    return returned
