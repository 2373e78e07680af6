"""What a run will be, before it begins: its survey, split, precision, hashes and folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs.assembly import load_or_draw_split, open_or_simulate, run_hash
from ictconvention.runs.machine import Precision, check_machine, precision_of
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.warm_start import check_start
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey


@dataclass(frozen=True)
class Plan:
    """What decides the folder of a run.

    Parameters
    ----------
    survey : Survey
    split : Split
    precision : "32-true" or "bf16-mixed"
    hashes : mapping
        Hashes of the run, and of its pre-training.
    runs : Path
        Folder of all runs.
    folder : RunFolder
        Where it is, or will be.
    """

    survey: Survey
    split: Split
    precision: Precision
    hashes: Mapping[str, str]
    runs: Path
    folder: RunFolder


def plan_run(options: RunOptions, elsewhere: bool = False) -> Plan:
    """Plan a run, and refuse it where it could not be.

    A simulated survey is made where it is not there yet; nothing else is written.

    Parameters
    ----------
    options : RunOptions
        Options of the run.
    elsewhere : bool
        Whether another machine trains, whose devices and precision nobody knows here.

    Raises
    ------
    IctConventionError
        The machine, the survey, the split or the first weights are not what the run needs.
    """
    if elsewhere and options.trainer.precision == "auto":
        found = "trainer.precision is auto, and the machine that would choose is another one than this"
        raise UsageError(
            found, "trainer.precision", "take trainer.precision=bf16-mixed or 32-true", "E-MACHINE-PRECISION"
        )
    if not elsewhere:
        check_machine(options.trainer)
    survey = open_or_simulate(options)
    split = load_or_draw_split(options, survey)
    if options.init_from is not None:
        check_start(options.init_from, options, split, survey)
    precision = precision_of(options.trainer)
    hashes = {part: run_hash(options, survey, split, precision, part) for part in ("run", "pretrain")}
    part = f"fold{options.fold.index}" if options.split is None else "split"
    runs = Path(options.runs)
    folder = runs / options.name / f"{part}-seed{options.seed}-{hashes['run'][:8]}"
    return Plan(survey, split, precision, hashes, runs, RunFolder(folder))
