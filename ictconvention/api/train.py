"""Train a run from Python: the same run, in the same folder, as the command line makes of the same words."""

import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from ictconvention.api.keywords import overrides_of
from ictconvention.api.run import Run
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.survey import Survey

logger = logging.getLogger(__name__)

LAST = 15  # lines of processes that have failed, as the error has them


def train(
    experiment: str | None = None,
    *,
    survey: Survey | str | Path | Mapping[str, Any] | None = None,
    config_dir: str | Path | None = None,
    quiet: bool = False,
    **keywords: Any,
) -> Run:
    """Take one model through pre-train, fine-tune and test on one fold, and return its run.

    What a keyword means is what KEY=VALUE means to `ictconvention train`, with the same checks and messages: the two
    make the same folder, and what one has trained the other finds and does not train again. A stopped run resumes.

    - `seed=1`, `figures=False`: a key.
    - `learner={"tau": 0.9}`, `stage={"pretrain": {"max_epochs": 2}}`: keys within a block.
    - `profile="laptop"`, `model="cnn_gru"`: a choice of a group.
    - `model=("cnn_gru", {"dropout": 0.1})`: a choice, and keys of it.

    Several devices (`trainer={"devices": 2}`) train in processes that are started for it, from a notebook too.

    Parameters
    ----------
    experiment : str, optional
        Such as "ict_sdss".
    survey : Survey, path or mapping, optional
        A whole survey, or its folder; or keys such as {"objects": 400} of the simulated one, {"kind": "hosts"} of
        simulated pictures, or {"path": ..., "bands": ["g"]} of one's own. By default the simulated survey.
    config_dir : path, optional
        A folder with choices of one's own.
    quiet : bool
        Whether it says nothing; by default it prints what the command prints.
    **keywords
        As above.

    Returns
    -------
    Run

    Raises
    ------
    IctConventionError
        A problem that a user can fix, as the command reports it.

    Examples
    --------
    >>> small = {"survey": survey, "profile": "tiny", "trainer": {"batch_size": 16}, "figures": False, "runs": folder}
    >>> run = ict.train("ict_sdss", **small, learner={"tau": 0.9}, seed=1, quiet=True)
    >>> sorted(run.result["test"])[:2]
    ['accuracy', 'auroc_macro']
    """
    overrides = overrides_of(experiment, survey, config_dir, keywords)
    options = compose_run(overrides)
    _check(options)
    with nullcontext() if quiet else lines_on_terminal():
        return Run(_trained(options, overrides))


def _check(options: RunOptions) -> None:
    if options.mode == "test":
        raise UsageError(
            "mode is test, and ict.train trains",
            "mode",
            "test a finished run: ict.load(FOLDER).test()",
            "E-COMMAND-CONFLICT",
        )
    if (nodes := options.trainer.num_nodes) > 1:
        found = f"trainer.num_nodes is {nodes}, and ict.train is on one node"
        raise UsageError(
            found, "trainer.num_nodes", "start train.py on each node with torchrun or srun", "E-MACHINE-NODES"
        )


def _trained(options: RunOptions, overrides: Sequence[str]) -> Path:
    from ictconvention.runs.machine import rank_zero
    from ictconvention.runs.plan import plan_run
    from ictconvention.runs.warm_start import pin_start
    from ictconvention.training.run import run

    if not rank_zero() or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        found = "this is one of several processes, and each would go on with its own copy of the program"
        raise UsageError(
            found,
            "the environment",
            "start train.py with torchrun or srun, and ict.load what it leaves",
            "E-MACHINE-NODES",
        )
    if options.trainer.devices == 1 and options.strategy.kind == "auto":
        return run(options, overrides)
    options, overrides = pin_start(options, overrides)
    folder = plan_run(options).folder  # what cannot be is refused here
    if folder.is_finished:
        return run(options, overrides)  # which says so
    _train_apart(options, overrides, folder.path)
    return folder.path


def _train_apart(options: RunOptions, overrides: Sequence[str], folder: Path) -> None:
    """Let the command line train: what starts the processes of other devices starts its own program again in each.

    Raises
    ------
    UsageError
        It has failed; the error says how.
    """
    from ictconvention.sweeping.job_environment import job_environment
    from ictconvention.sweeping.processes import COMMAND, PATIENCE

    environment = job_environment(1, options.trainer.devices, None)
    if options.model.module is not None:  # it may be where this program has found it
        environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    lines: deque[str] = deque(maxlen=LAST)
    with subprocess.Popen(
        [*COMMAND, *overrides],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C reaches this process alone, which then ends them
    ) as process:
        assert process.stdout is not None  # it is a pipe
        try:
            for line in process.stdout:
                lines.append(line.rstrip())
                logger.info(lines[-1])
        except BaseException:
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, signal.SIGINT)  # gently, so that it keeps its records
                process.wait(PATIENCE)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the processes of its devices
            raise
    if process.returncode or not RunFolder(folder).is_finished:
        found = "the processes that train have failed: " + " | ".join(line for line in lines if line)
        raise UsageError(found, folder, "fix what they say; the same call resumes", "E-SWEEP-FAILED")
