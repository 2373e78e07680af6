"""The network of a run in its learner: what it is built for, and whether the survey has that."""

from dataclasses import replace
from typing import Any

import torch

from ictconvention.configuration.registry import find_network, find_task
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import learner_in, stage_of
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.feeding.reddening import read_reddening
from ictconvention.feeding.spec import DataSpec
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import Learner, input_shape
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.masks.mask_network import MaskNetwork
from ictconvention.networks.network import Network
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.pictures.picture_network import PictureNetwork
from ictconvention.runs.assembly.run_data import takes_reddening
from ictconvention.survey.photometry.table import check_photometry
from ictconvention.survey.survey import Survey
from ictconvention.tasks.mask.task import Masks
from ictconvention.tasks.task import Task


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
    known = takes_reddening(options, survey), bool(options.sequence.photometry)
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
    taught = options.learner.teacher is not None
    learner = Supervised(network, inputs, spec, optimiser, task, options.learner.flux, taught)
    (last,) = learner.output_layers
    if (outputs := learner.get_parameter(f"{last}.weight").shape[0]) != task.outputs:
        found = f"the last layer of the head is {last}, with {pluralize(outputs, 'output')} for {task.outputs}"
        fix = "let make_head end in the layer that gives the outputs"
        raise UsageError(found, type(network).__name__, fix, "E-MODULE-RESULT")
    return learner
