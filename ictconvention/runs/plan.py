"""What a run will be, before it begins: its survey, split, precision, hashes and folder."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ictconvention.configuration.checking.validation import check_network_pixels
from ictconvention.configuration.identity import PLACE, leave_out
from ictconvention.configuration.overrides import command, override
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import labelled_stages, stage_of
from ictconvention.core.errors import IctConventionError, UsageError, pluralize
from ictconvention.measuring.scales import fixed_scales
from ictconvention.runs.assembly.run_data import load_or_draw_split
from ictconvention.runs.assembly.run_hash import run_hash, weight_file
from ictconvention.runs.assembly.run_learner import check_network_survey
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.machine import Precision, check_machine, check_tracker, precision_of
from ictconvention.runs.published.places import locate_run, repository
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift.check import check_shift
from ictconvention.runs.teaching.find import Teachers, find_teachers
from ictconvention.runs.warm_start import check_start, check_weight_file
from ictconvention.survey.growth.states import SHORTEST_HASH
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey

FEW_IN_ALL, FEW_OF_CLASS = 50, 5  # objects; a training part with fewer is tiny


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
    teachers : Teachers
        The runs that teach it.
    """

    survey: Survey
    split: Split
    precision: Precision
    hashes: Mapping[str, str]
    runs: Path
    folder: RunFolder
    teachers: Teachers = field(default_factory=Teachers)


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
        The machine, the tracker, the survey, its stamps, the split, the first weights or the teachers are not what the
        run needs.
    """
    if elsewhere and options.trainer.precision == "auto":
        found = "trainer.precision is auto, and the machine that would choose is another one than this"
        raise UsageError(
            found, "trainer.precision", "take trainer.precision=bf16-mixed or 32-true", "E-MACHINE-PRECISION"
        )
    if not elsewhere:
        check_machine(options.trainer)
        check_tracker(options.logger.kind)
    survey = open_or_simulate(options)
    check_network_pixels(options, (survey.header.stamp_size, survey.header.pixel_scale))
    check_network_survey(options, survey)
    if options.pixels.scaling in ("imagenet", "centred"):
        fixed_scales(options.pixels.scaling, survey.header.bands)
    split = load_or_draw_split(options, survey)
    check_shift(options, survey, split)
    if options.init_from is not None:
        check_start(locate_run(options.init_from), options, split, survey)
    if (file := weight_file(options)) is not None:
        check_weight_file(options, file, survey)
    teachers = find_teachers(options, split, survey)
    precision, told = precision_of(options.trainer), teachers.hashes
    hashes = {part: run_hash(options, survey, split, precision, part, told) for part in ("run", "pretrain")}
    part = f"fold{options.fold.index}" if options.split is None else "split"
    runs = Path(options.runs)
    folder = runs / options.name / f"{part}-seed{options.seed}-{hashes['run'][:8]}"
    return Plan(survey, split, precision, hashes, runs, RunFolder(folder), teachers)


def name_unfinished(options: RunOptions, plan: Plan) -> str:
    """Return what to say of a new run where the same one is unfinished, but for what has changed elsewhere since.

    A run goes on with what it began on: nights that were added since make another run, and so do other weights in the
    repository of a hub that it begins with. An empty text where there is none.
    """
    earlier = {*plan.survey.lineage} - {plan.survey.hash}
    source = repository(options.init_from)
    if plan.folder.is_run or not (earlier or source):
        return ""
    folder, own = plan.folder.path, leave_out(asdict(options), options, PLACE)
    for other in sorted(folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*")):
        run = RunFolder(other)
        if run.is_run and not run.is_finished:
            with suppress(IctConventionError):  # what is damaged is another run's
                known, status = run.read_options(), run.read_status()
                before = status.get("survey_hash")
                if leave_out(asdict(known), known, PLACE) != own:
                    continue
                if before in earlier:
                    state = command([override("survey.state", str(before)[:SHORTEST_HASH])])
                    found = f"{other} is not finished, of the survey before nights were added"
                    return f"{found}: the same command with {state} resumes it; this is a new run, on all nights"
                if before == plan.survey.hash and source and repository(known.init_from) == source:
                    start = command([override("init_from", str(known.init_from))])
                    found = f"{other} is not finished, and began with another commit of {source}"
                    return f"{found}: the same command with {start} resumes it; this is a new run"
    return ""


def warn_of_few(options: RunOptions, split: Split) -> str:
    """Return what to say of a run whose training parts are tiny, with their numbers; an empty text for other runs.

    Tiny is a part of fewer than `FEW_IN_ALL` objects, or of fewer than `FEW_OF_CLASS` of a class.
    """
    counts, stages = split.counts(), labelled_stages(options)
    parts = {stage: counts[f"{stage}_train"] for stage in stages}
    if all(part.total() >= FEW_IN_ALL and min(part.values()) >= FEW_OF_CLASS for part in parts.values()):
        return ""
    said = []
    for stage, part in parts.items():
        classes = ", ".join(f"{name} {number}" for name, number in sorted(part.items(), key=lambda one: str(one[0])))
        epochs = pluralize(stage_of(options, stage).max_epochs, "training epoch")
        said.append(f"{stage} {pluralize(part.total(), 'object')} ({classes}) in {epochs}")
    labelled = sum(name is not None for name in split.classes.values())
    line = f"few objects train: {', '.join(said)}; of {labelled} labelled ones {len(split.parts['test'])} are tested"
    if len(stages) > 1 and options.split is None:
        line += "; for labels that are all equally good fold=single stage.finetune.max_epochs=0 makes one stage of both"
    return line
