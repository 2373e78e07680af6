"""How far ICT's projections spread in its first steps, in the paper's form and in guarded ones.

    python experiments/collapse/spread.py [--steps 60] [--seeds 3] [--survey PATH]

Laptop sizes on the pre-training part of a survey (simulated, unless --survey names one); the validation part measures.
Norms use the statistics of the batch, where a new network's projections do differ from object to object, and nothing
is dropped. Medians over the seeds of the weights.
"""

import argparse
import copy
import statistics
import tempfile
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.options import Augmentation, Imbalance, OptimiserOptions, SequenceOptions, ViewOptions
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.collapse import CollapseMonitor
from ictconvention.learning.ict import ICT
from ictconvention.learning.optimiser import optimiser_for
from ictconvention.learning.target import update_target
from ictconvention.networks.heads import PROJECTED
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.simulation.simulate import simulate
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.training.memory import keep_freed_memory

FORMS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "projection=shared": {"projection": "shared"},
    "projection=trunk": {"projection": "trunk"},
    "predictor": {"predictor": True},
    "shared, predictor": {"projection": "shared", "predictor": True},
    "variance=1": {"variance": 1.0},
}


def measured(learner: ICT, data: SeriesDataModule) -> dict[str, float]:
    """Return the monitor's statistics of the validation part."""
    network = copy.deepcopy(learner.network).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    monitor = CollapseMonitor(len(learner.spec.classes), network.encoder.feature_size, PROJECTED)
    with torch.no_grad():
        for (view,) in data.val_dataloader():
            output = network(*learner.inputs(view))
            monitor.update(output.projection, output.features, view.label)
    return {name: float(value) for name, value in monitor.compute().items()}


def batches(data: SeriesDataModule) -> Iterator[tuple[SeriesBatch, ...]]:
    """Return the training batches of one epoch after the other."""
    for epoch in count():
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        yield from loader


def course(data: SeriesDataModule, options: ICTOptions, seed: int, steps: int, every: int) -> list[dict[str, float]]:
    """Train for some steps and measure before, in between and after."""
    torch.manual_seed(seed)
    encoder = ConvEntionEncoder(max_frames=30, width=0.25, padding="masked")
    inputs = FrameInputs(Scaling("asinh", *data.scales("asinh")))
    learner = ICT(encoder, inputs, data.spec, options, OptimiserOptions(1e-3, 0.05))
    network = learner.network
    optimiser, schedule = optimiser_for(network, learner.optimiser, steps)
    seen = [measured(learner, data)]
    for step, views in enumerate(islice(batches(data), steps), start=1):
        with torch.autocast("cpu", torch.bfloat16):
            loss = learner.loss(views)["loss"]
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        if learner.target is not None:
            update_target(learner.target, network.branch("projection"), options.tau)
        if step % every == 0:
            seen.append(measured(learner, data))
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--survey", type=Path)
    arguments = parser.parse_args()
    if arguments.steps < 3 or arguments.seeds < 1:
        parser.error("--steps takes a whole number from 3, --seeds from 1")
    keep_freed_memory()
    every = arguments.steps // 3
    with tempfile.TemporaryDirectory() as folder:
        survey = Survey.open(arguments.survey or simulate(Path(folder) / "survey", 400, seed=0, jobs=2).path)
        data = SeriesDataModule(
            survey,
            make_split(survey.object_table()),
            "pretrain",
            sequence=SequenceOptions(30, select="nights"),
            augmentation=Augmentation(**read_group("augmentation", "quarter_turns")),
            views=ViewOptions(2),
            imbalance=Imbalance(sampling=1.0),
            batch_size=16,
        )
        print(f"torch {torch.__version__}; {survey!r}; {arguments.seeds} seeds; a sphere has a spread of 0.088")
        print(f"{'form':20}{'steps':>6}{'spread':>10}{'cosine':>10}{'effective rank':>16}")
        for name, options in FORMS.items():
            runs = [
                course(data, ICTOptions(**options), seed, arguments.steps, every) for seed in range(arguments.seeds)
            ]
            for number, moment in enumerate(zip(*runs, strict=True)):
                spread, cosine, rank = (
                    statistics.median(one[key] for one in moment) for key in ("spread", "cosine", "effective_rank")
                )
                print(f"{name:20}{number * every:6}{spread:10.4f}{cosine:10.3f}{rank:16.1f}", flush=True)


if __name__ == "__main__":
    main()
