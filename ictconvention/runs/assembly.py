"""From the options of a run to its parts: the survey, the data of a stage, the learner."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ictconvention import __version__
from ictconvention.configuration.identity import CONTENT, LABEL, PLACE, leave_out, leave_out_added
from ictconvention.configuration.options import Imbalance, Stage, ViewOptions
from ictconvention.configuration.registry import find_network, find_task
from ictconvention.configuration.schema import (
    RunOptions,
    labelled_stage,
    labelled_stages,
    learner_in,
    parts_of,
    stage_of,
    stages_of,
)
from ictconvention.configuration.validation import sources_of
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import SplitError, UsageError, pluralize, readable_os_errors, shorten
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.reddening import has_reddening, read_reddening
from ictconvention.feeding.spec import DataSpec
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import Learner, input_shape
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.masks.mask_network import MaskNetwork
from ictconvention.networks.network import Network
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.pictures.picture_network import PictureNetwork
from ictconvention.networks.pictures.weight_file import weight_file_hash
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.bands import check_bands, select_bands
from ictconvention.survey.labels.photometric import measure_noise, read_weak
from ictconvention.survey.labels.targets import SINGLE, STAGES
from ictconvention.survey.labels.ways import too_few
from ictconvention.survey.photometry.table import check_photometry
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split, ways_to_draw
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey
from ictconvention.tasks.mask.task import Masks
from ictconvention.tasks.task import Task

logger = logging.getLogger(__name__)


def open_or_simulate(options: RunOptions) -> Survey:
    """Open the survey of a run; what is simulated, or of some bands, is made where it is not there yet, once for all.

    Raises
    ------
    SurveyError
        It is not a survey, or a requested band or class is missing.
    """
    survey, classes = _open_whole(options), options.survey.classes
    return survey if classes is None else survey.with_classes(classes)


def _open_whole(options: RunOptions) -> Survey:
    """Open the survey of a run with all of its classes."""
    wanted = options.survey
    whole = _simulated(options) if wanted.path is None else Survey.open(wanted.path, state=wanted.state)
    bands = wanted.bands
    if bands is None or bands == whole.header.bands:
        return whole
    check_bands(whole, bands)
    key = digest([whole.hash, bands, __version__])[:8]

    def selected(path: Path) -> object:
        verify_survey(whole, wanted.verify)  # the new survey has checksums of its own
        logger.info(f"taking the frames in {', '.join(bands)} into a survey of their own at {path}, once")
        return select_bands(whole, bands, path)

    return _made_once(Path(options.surveys) / f"{whole.path.name}-bands-{key}", selected)


def _simulated(options: RunOptions) -> Survey:
    """Open the simulated survey of a run."""
    path, many, make = _simulation(options)

    def simulated(path: Path) -> object:
        logger.info(f"simulating {many} at {path}, once; other runs find it there")
        return make(path)

    return _made_once(path, simulated)


def simulated_path(options: RunOptions) -> Path:
    """Return where the simulated survey of a run is, or will be."""
    return _simulation(options)[0]


def _simulation(options: RunOptions) -> tuple[Path, str, Callable[[Path], object]]:
    """Return where the simulated survey of a run is, what it holds in words, and what makes it.

    A survey of images needs nothing of what is imported here.
    """
    from ictconvention.simulation.galaxies import painting
    from ictconvention.simulation.hosts import pictures
    from ictconvention.simulation.scenes import population as land
    from ictconvention.simulation.simulate import (
        PAPER_OBJECTS,
        simulate,
        simulate_galaxies,
        simulate_hosts,
        simulate_scenes,
    )

    wanted, processes = options.survey, os.cpu_count() or 1
    make: Callable[..., object]
    objects, extra = wanted.objects, wanted.extra_test
    match wanted.kind:
        case "hosts":
            objects = pictures.OBJECTS if objects is None else objects
            extra = pictures.extra_tests(objects) if extra is None else extra
            size = wanted.size or pictures.SIZE
            made, name = ["hosts", objects, wanted.seed, extra, size], "hosts"
            make = partial(simulate_hosts, size=size)
        case "galaxies":
            size = wanted.size or painting.SIZE
            own = {name: getattr(wanted, name) for name in ("select", "catalogue", "missing")}
            made = ["galaxies", objects, wanted.seed, extra, size, wanted.band_set, *own.values()]
            name, make = "galaxies", partial(simulate_galaxies, size=size, bands=wanted.band_set, **own)
        case "scenes":
            objects, extra = land.OBJECTS if objects is None else objects, extra or 0
            size, unlabelled = wanted.size or land.SIZE, wanted.unlabelled
            made, name = ["scenes", objects, wanted.seed, extra, size, unlabelled], "scenes"
            make = partial(simulate_scenes, size=size, unlabelled=unlabelled)
        case "sdss":
            objects = PAPER_OBJECTS if objects is None else objects
            extra, name = extra or 0, "simulated"
            made, make = [objects, wanted.seed, extra], partial(simulate, stream=wanted.stream)
            if wanted.stream != "frames":
                made, name = [*made, wanted.stream], wanted.stream
    chosen: dict[str, Any] = {"objects": objects, "extra_test": extra}
    key = digest([*made, __version__])[:8]

    many = "a survey" if objects is None else f"a survey of {objects} labelled objects"
    path = Path(options.surveys) / f"{name}-{key}"
    return path, many, partial(make, seed=wanted.seed, jobs=processes, **chosen)


def _made_once(path: Path, make: Callable[[Path], object]) -> Survey:
    """Open a survey that one process makes for all."""
    if not path.exists():
        with readable_os_errors("making the folder of surveys", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(path.parent, wait=True):  # another run may be at it
            if not path.exists():
                make(path)
    return Survey.open(path)


def load_or_draw_split(options: RunOptions, survey: Survey) -> Split:
    """Read the split of a run, or draw it, and see that it has what the run needs.

    Raises
    ------
    SplitError
        A part that the run needs is empty, or a class has no object to train on.
    """
    task, stages, rule = make_task(options, survey), labelled_stages(options), asdict(options.fold)
    table = task.split_table(survey)
    if options.split is None:
        split = make_split(table, **rule, stages=stages)
    else:
        split = Split.load(options.split, table, stages)
        _say_unused(options, split)
    needed = [f"{stages[-1]}_validation", "test", *(f"{stage}_train" for stage in stages)]
    choosing = [stage for stage in stages_of(options) if stage_of(options, stage).keep == "best"]
    needed += [f"{labelled_stage(options, stage)}_validation" for stage in choosing]
    for part in dict.fromkeys(needed):
        if not split.parts[part]:
            found, where = f"the part {part} is empty", f"split of survey {survey.header.name}"
            if options.split is None:
                raise too_few(found, where, ways_to_draw(table, rule, stages), stages, "E-SPLIT-EMPTY")
            fix = "give it objects"
            fix += "; a stage with keep=last needs no validation" if part == "pretrain_validation" else ""
            raise SplitError(found, where, fix, "E-SPLIT-EMPTY")
    task.check_split(survey, split, stages[-1])
    return split


def _say_unused(options: RunOptions, split: Split) -> None:
    """Warn of labelled parts of a file that no stage of the run learns from."""
    labelled = [f"{stage}_{part}" for stage in STAGES for part in ("train", "validation")]
    if unused := [part for part in labelled if part not in parts_of(options) and split.parts[part]]:
        number = pluralize(sum(len(split.parts[part]) for part in unused), "object")
        why = f"train nothing, since this run has no such stage; `split --protocol {SINGLE}` has all in one stage"
        logger.warning(f"split: {number} of {shorten(unused)} {why}")


def make_task(options: RunOptions, survey: Survey) -> Task:
    """Return what the options of a run learn of a survey.

    Raises
    ------
    UsageError
        The survey cannot teach it.
    """
    kind: type[Task] = find_task(options.task.kind)
    return kind.begin(survey, options.task)


def make_data(
    options: RunOptions, survey: Survey, split: Split, stage: Stage, weights: NDArray[np.float64] | None = None
) -> SeriesDataModule:
    """Return the data of a stage; weights (n,) are those of the survey's objects in the loss."""
    ict = options.learner.kind == "ict"
    takes: type[Inputs] = find_network(options.model.kind, options.model.module).network.takes
    reddening = read_reddening(survey) if takes_reddening(options, survey) else None
    task, learner = make_task(options, survey), learner_in(options, stage)
    label_free = ict and learner.classification == 0
    labels, count = task.read_labels(survey), options.views.count if ict else 1
    weak, noise = judge_labels(options, survey, split, stage, labels)
    return SeriesDataModule(
        survey,
        split,
        stage,
        sequence=options.sequence,
        augmentation=options.augmentation,
        views=ViewOptions(count, options.views.online_frames, options.views.target_share),
        imbalance=Imbalance() if label_free else options.imbalance,
        contents=takes.contents_with(options.pixels.channels, options.sequence.photometry),
        batch_size=options.trainer.batch_size,
        unlabelled=options.learner.unlabelled,
        seed=options.seed,
        workers=options.trainer.workers,
        accumulate=options.trainer.accumulate,
        names=task.names,
        labels=labels,
        truth=task.read_truth(survey) if task.learns_truth else None,
        reddening=reddening,
        parts_of=labelled_stage(options, stage),
        label_free=label_free,
        flux_of=f"{labelled_stages(options)[0]}_train" if options.learner.flux else None,
        weights=weights,
        pixels=task.count_pixels(survey),
        domains=options.shift.kind == "adversarial" and stage == stages_of(options)[-1],
        order=options.sampler.order,
        draws=stage_of(options, stage).draws,
        unlabelled_draws=options.sampler.unlabelled,
        weak=weak,
        noise=noise,
    )


def judge_labels(
    options: RunOptions, survey: Survey, split: Split, stage: Stage, labels: NDArray[np.int64]
) -> tuple[NDArray[np.bool_] | None, NDArray[np.float64] | None]:
    """Return which objects have a photometric label, and the noise of these; none where the stage learns as given.

    Raises
    ------
    SplitError
        The noise of photometric labels is asked for, and no training object has both kinds of label.
    """
    parts = [f"{one}_train" for one in labelled_stages(options)]
    weak = read_weak(survey) if options.learner.weak_labels != "given" else np.zeros(0, dtype=bool)
    if not weak.any() or not weak[survey.positions(split.parts[f"{labelled_stage(options, stage)}_train"])].any():
        return None, None
    trained = [id_ for part in parts for id_ in split.parts[part]]
    return weak, measure_noise(survey, labels, survey.header.classes, trained)


def takes_reddening(options: RunOptions, survey: Survey) -> bool:
    """Return whether the network of a run takes E(B-V), and the survey has it."""
    takes: type[Inputs] = find_network(options.model.kind, options.model.module).network.takes
    return takes.takes_reddening and bool(getattr(options.model, "reddening", True)) and has_reddening(survey)


def check_network_survey(options: RunOptions, survey: Survey) -> None:
    """Refuse a network whose options ask for what a survey has not, such as a band.

    Raises
    ------
    UsageError
        They do not fit, or the run reads photometry that is not there.
    SurveyError
        The network takes E(B-V), and the survey does not know it of every object.
    """
    network = find_network(options.model.kind, options.model.module).network
    try:
        if check := getattr(network, "check_survey", None):  # a class that is registered need not extend Network
            check(options.model, survey_shape(options, survey))
    except ValueError as error:
        found, _, fix = str(error).partition(": ")
        raise UsageError(
            found, f"model {options.model.kind}", fix or "change one of them", "E-CONFIG-CONFLICT"
        ) from None
    if takes_reddening(options, survey):
        read_reddening(survey)
    if options.sequence.photometry:
        check_photometry(survey)


def survey_shape(options: RunOptions, survey: Survey) -> InputShape:
    """Return what the network of a run is built for, on a survey."""
    header, sequence = survey.header, options.sequence
    sizes = (header.stamp_size, sequence.max_frames, sequence.frames_per_group)
    channels = 2 if options.pixels.channels == "direct+residual" else 1
    known = takes_reddening(options, survey), options.sequence.photometry
    return InputShape(header.bands, *sizes, channels, header.pixel_scale, *known)


def make_learner(options: RunOptions, data: SeriesDataModule, before: Learner | None = None) -> Learner:
    """Return the learner of a stage, with new weights, or going on with those of the stage before."""
    torch.manual_seed(options.seed)
    scaling = before.inputs.scaling if before else Scaling(options.pixels.scaling, *data.scales(options.pixels.scaling))
    learner = new_learner(options, scaling, data.spec)
    if before is not None:
        learner.load_state_dict(before.state_dict())
    return learner


def new_learner(options: RunOptions, scaling: Scaling, spec: DataSpec) -> Learner:
    """Return the learner that the options of a run make for such data, with new weights.

    Raises
    ------
    UsageError
        Nothing that was imported has registered the network, or it cannot be built for such data.
    """
    model, optimiser = options.model, stage_of(options, spec.stage).optimiser
    of_run = replace(spec, frames_per_group=options.sequence.frames_per_group)
    kind = find_network(model.kind, model.module).network
    try:
        network: Network = kind.make(model, input_shape(of_run))
    except ValueError as error:
        fix = "take another network or other options of it, or a survey that fits"
        raise UsageError(str(error), f"model {model.kind}", fix, "E-CONFIG-CONFLICT") from error
    if isinstance(network, PictureNetwork) and getattr(model, "freeze", "none") == "encoder":
        network.freeze()
    inputs = network.takes(scaling)
    task: Task = find_task(options.task.kind).restore(spec.classes, options.task)
    masks = isinstance(task, Masks) and task.pixels
    if isinstance(task, Masks) and isinstance(network, MaskNetwork):
        network.shares = task.options.shares
    if options.learner.kind == "ict":
        of_stage, consistency = learner_in(options, spec.stage), stage_of(options, spec.stage).consistency
        head: Any = network.make_head(task.outputs, model) if masks else None
        return ICT(network.trunk, inputs, spec, of_stage, optimiser, model.dropout, task, consistency, head)
    network.head = network.make_head(task.outputs, model)
    learner = Supervised(network, inputs, spec, optimiser, task, options.learner.flux)
    (last,) = learner.output_layers
    if (outputs := learner.get_parameter(f"{last}.weight").shape[0]) != task.outputs:
        found = f"the last layer of the head is {last}, with {pluralize(outputs, 'output')} for {task.outputs}"
        fix = "let make_head end in the layer that gives the outputs"
        raise UsageError(found, type(network).__name__, fix, "E-MODULE-RESULT")
    return learner


def weight_file(options: RunOptions) -> str | None:
    """Return the file of weights that a run begins with, if it has one: `model.weights`."""
    file: str | None = getattr(options.model, "weights", None)
    return file


def digest(content: object) -> str:
    """Return the SHA-256 of plain values, in hexadecimal."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def run_hash(
    options: RunOptions, survey: Survey, split: Split, precision: str, part: Literal["run", "pretrain"] = "run"
) -> str:
    """Return the hash of all that decides a run's result, or its pre-training: not its name, folders or workers."""
    content = leave_out_added(leave_out(asdict(options), options, LABEL | CONTENT | PLACE), options)
    if sources := sources_of(options):
        content["sources"] = sources
    content["trainer"]["precision"] = precision
    start = None if options.init_from is None else RunFolder(locate_run(options.init_from)).last_weights()
    content["init_from"] = None if start is None else weights_hash(start)
    if (file := weight_file(options)) is not None:
        content["weights"] = weight_file_hash(file)
    if part == "pretrain":
        content["stage"].pop("finetune")
        if stages_of(options)[-1] != "pretrain":
            content.pop("shift", None)  # an answer to a shift is of the last stage
    return digest([content, survey.hash, split.hash, __version__])
