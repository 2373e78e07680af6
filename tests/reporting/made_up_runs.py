"""Runs that never trained: networks with random weights, made-up scales and class shares, in no folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ictconvention.configuration.learner_options import LearnerOptions
from ictconvention.configuration.options import SequenceOptions
from ictconvention.configuration.registry import find_network
from ictconvention.configuration.run_groups import PixelOptions
from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.calibration import Calibration, prior_shift
from ictconvention.feeding.spec import Contents, DataSpec
from ictconvention.learning.exportable import Exportable
from ictconvention.learning.learner import Learner
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.runs.assembly.run_learner import new_learner
from ictconvention.runs.trained_run import TrainedRun
from tests.networks.conftest import random_statistics

BANDS, CLASSES, MAX_FRAMES = ("g", "r", "i"), ("AGN", "SN Ia", "Variable", "SN Other"), 6
OFFSET, SCALE = [0.1, -0.2, 0.3], [0.5, 1.0, 2.0]
EVERY_KIND = [  # learner, model, pixels.channels
    ("ict", "convention", "direct"),
    ("ict", "convention", "direct+residual"),
    ("supervised", "convention", "direct"),
    ("supervised", "cnn_gru", "direct"),
    ("supervised", "cnn_gru", "direct+residual"),
    ("supervised", "cnn_lstm", "direct"),
    ("supervised", "light_curve", "direct"),
    ("supervised", "frame_transformer", "direct+residual"),
    ("ict", "frame_transformer", "direct+residual"),
    ("supervised", "light_curve_transformer", "direct"),
]


def made_up_run(
    learner: Any = "ict",
    model: Any = "convention",
    channels: Any = "direct",
    scaling: Any = "asinh",
    points: Any = False,
    **sizes: Any,
) -> TrainedRun:
    """Return a run of small networks, fed points without pixels or not; `sizes` are options of the model."""
    small: dict[str, Any] = {"width": 1 / 16, "padding": "masked"} if model == "convention" else {}
    options = RunOptions(
        model=find_network(model).options(model, **small | sizes),
        learner=replace(LearnerOptions(), kind=learner),
        sequence=SequenceOptions(MAX_FRAMES, photometry=bool(points)),
        pixels=PixelOptions(channels, scaling),
    )
    contents: Contents = find_network(model).network.takes.contents_with(channels, bool(points))
    views = 2 if learner == "ict" else 1
    spec = DataSpec("finetune", CLASSES, BANDS, (1.0,) * 4, max_frames=MAX_FRAMES, contents=contents, views=views)
    spec = replace(spec, pixel_scale=0.396)
    torch.manual_seed(0)
    made = new_learner(options, Scaling(scaling, OFFSET, SCALE), spec)
    random_statistics(made)
    _spread(made.eval())
    survey = {"name": "tiny", "simulated": True, "bands": BANDS, "pixel_scale": 0.396, "flux_unit": "nanomaggy"}
    survey_prior, training_prior = np.array([0.5, 0.25, 0.15, 0.1]), np.full(4, 0.25)
    calibration = Calibration(1.7, survey_prior, training_prior, prior_shift(training_prior, survey_prior))
    return TrainedRun(Path("nowhere"), options, made, "32-true", calibration, survey, {}, "0123abcd")


@torch.no_grad()
def _spread(learner: Learner) -> None:
    """Let the last layer tell objects apart, which all look alike to new weights."""
    model = Exportable(learner, 1.0, torch.zeros(len(CLASSES)))
    logits = model(*model.sequences(20, torch.Generator().manual_seed(0)).values())["logits"]
    last = [layer for layer in learner.network.modules() if isinstance(layer, nn.Linear)][-1]
    spread = 2 * logits.std(0)
    last.weight /= spread[:, None]
    last.bias.copy_((last.bias - logits.mean(0)) / spread)
