"""Where the time of a training step goes: feeding, views, forward, target, backward, optimiser, following.

    python experiments/speed/step.py [--network NAME] [--profile laptop|paper] [--rounds 15] [--survey PATH] [WORDS]

Steps of supervised learning and of ICT on batches of a survey (simulated, unless --survey names one), in turns, in one
process; medians in milliseconds an object, and ratios of the same round. All as a run of that profile has it, in the
precision that it would choose here, but for batches of 16; WORDS are further overrides: trainer.precision=bf16-mixed.
Feeding reads in the training process itself, from a warm cache: each learner's batches are read once before. "All
frames" removes none, and so sees what the target of the asymmetric form sees; in "half" the target sees half of the
objects.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.configuration.schema import RunOptions
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import Learner, Views
from ictconvention.learning.optimiser import optimiser_for
from ictconvention.learning.target import update_target
from ictconvention.runs.assembly.run_data import load_or_draw_split, make_data
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.machine import Precision, precision_of
from ictconvention.simulation.simulate import simulate
from ictconvention.survey.survey import Survey
from ictconvention.training.memory import keep_freed_memory

PHASES = ("feed", "views", "forward", "target", "loss", "backward", "optimiser", "follow")
NETWORKS = ("convention", "frame_transformer")
SUPERVISED, ALL_FRAMES = "supervised", "supervised, all frames"
LEARNERS = {
    SUPERVISED: ["learner=supervised"],
    ALL_FRAMES: ["learner=supervised", "augmentation.keep=1", "augmentation.window=1"],
    "two-view cross-entropy": ["learner=ict", "learner.consistency=0"],
    "ICT": ["learner=ict"],
    "ICT, asymmetric": ["experiment=ict_fast", "views.target_share=1"],
    "ICT, asymmetric, half": ["experiment=ict_fast", "views.target_share=0.5"],
}


@dataclass
class Stepper:
    """One learner with its batches, and the time of each phase of its last step [s].

    Parameters
    ----------
    learner : Learner
    data : SeriesDataModule
    precision : "32-true" or "bf16-mixed"
    device : device
        Where it trains; there the end of each phase is waited for, where `phases` is set.
    phases : bool
        Whether phases are timed.
    """

    learner: Learner
    data: SeriesDataModule
    precision: Precision = "32-true"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    phases: bool = True
    spent: dict[str, float] = field(default_factory=dict)
    frames: list[float] = field(default_factory=list)  # of each view of the last step, an object

    def __post_init__(self) -> None:
        self.learner.train().to(self.device)
        self.optimiser, _ = optimiser_for(self.learner.network, self.learner.optimiser, 10_000)
        self.batches: Iterator[Any] = iter(())
        self.epoch = 0
        for name, part in (("views", "inputs"), ("forward", "network"), ("target", "target")):
            if (module := getattr(self.learner, part, None)) is not None:
                self._time(module, name)

    def warm_up(self, batches: int) -> None:
        """Read the first batches of an epoch once, so that they are in the cache."""
        for _ in islice(self.data.train_dataloader(), batches):
            pass

    def step(self) -> float:
        """Feed and make one training step; return its time an object [s], where phases are timed."""
        self.spent = dict.fromkeys(PHASES, 0.0)
        with self.timed("feed"):
            views = self.next_views()
        self.train(views)
        for name in PHASES:
            self.spent[name] /= len(views[0])
        self.frames = [int(view.lengths.sum()) / len(view) for view in views]
        return sum(self.spent.values())

    def train(self, views: Views) -> None:
        """Make a training step of a batch on the device, as Lightning does."""
        bf16 = self.precision == "bf16-mixed"
        with self.timed("loss"), torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            loss = self.learner.loss(views)["loss"]
        if self.phases:
            self.spent["loss"] -= sum(self.spent[part] for part in ("views", "forward", "target"))
        with self.timed("backward"):
            torch.autograd.backward(loss)
        with self.timed("optimiser"):
            torch.nn.utils.clip_grad_norm_(self.learner.network.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
        with self.timed("follow"):
            if isinstance(self.learner, ICT) and self.learner.target is not None:
                update_target(self.learner.target, self.learner.network.branch(self.learner.options.compared), 0.99)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of the body to a phase."""
        if not self.phases:
            yield
            return
        start = self._now()
        yield
        self.spent[phase] += self._now() - start

    def next_views(self) -> Views:
        """Return the next batch, on the device."""
        views = next(self.batches, None)
        if views is None:
            loader = self.data.train_dataloader()
            loader.sampler.set_epoch(self.epoch)
            self.epoch += 1
            self.batches = iter(loader)
            views = next(self.batches)
        return tuple(view.to(self.device) for view in views)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _time(self, module: nn.Module, phase: str) -> None:
        starts: list[float] = []

        def begun(*_: Any) -> None:
            if self.phases:
                starts.append(self._now())

        def ended(*_: Any) -> None:
            if self.phases:
                self.spent[phase] += self._now() - starts.pop()

        module.register_forward_pre_hook(begun)
        module.register_forward_hook(ended)


def options_of(network: str, learner: str, profile: str, survey: Survey, words: Sequence[str] = ()) -> RunOptions:
    """Return the options of a run that is compared."""
    place = ["survey=path", override("survey.path", str(survey.path)), "trainer.batch_size=16"]
    return compose_run([*LEARNERS[learner], f"model={network}", f"profile={profile}", *place, *words])


def stepper(options: RunOptions, survey: Survey, **how: Any) -> Stepper:
    """Return a run in pre-training, ready to step."""
    data = make_data(options, survey, load_or_draw_split(options, survey), "pretrain")
    return Stepper(make_learner(options, data), data, precision_of(options.trainer), **how)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="convention")
    parser.add_argument("--profile", choices=("laptop", "paper"), default="laptop")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--objects", type=int, default=400, help="of the simulated survey")
    parser.add_argument("--survey", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("words", nargs="*", help="further overrides of all that is compared")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.threads) < 1:
        parser.error("--rounds and --threads take whole numbers from 1")
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        survey = Survey.open(arguments.survey or simulate(Path(folder) / "survey", arguments.objects, 0, 2).path)
        options = [options_of(arguments.network, name, arguments.profile, survey, arguments.words) for name in LEARNERS]
        compared = {name: stepper(one, survey) for name, one in zip(LEARNERS, options, strict=True)}
        times: dict[str, list[dict[str, float]]] = {name: [] for name in compared}
        frames: dict[str, list[list[float]]] = {name: [] for name in compared}
        for one in compared.values():
            one.warm_up(arguments.rounds + 2)
        for number in range(arguments.rounds + 2):
            for name in random.Random(number).sample([*compared], len(compared)):  # what ran before leaves its mark
                compared[name].step()
                if number > 1:  # the first two rounds fill the allocator
                    times[name].append(compared[name].spent)
                    frames[name].append(compared[name].frames)

    amx = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    print(
        f"torch {torch.__version__}, {arguments.threads} threads, {amx}, {compared[SUPERVISED].precision}; "
        f"{arguments.network}, profile {arguments.profile}: at most {options[0].sequence.max_frames} frames, "
        f"batch {options[0].trainer.batch_size}; "
        f"{arguments.rounds} rounds; {survey!r}"
    )
    print(
        f"{'ms an object, median':28}{'whole step':>11}{'x supervised':>14}{'x all frames':>14}"
        + "".join(f"{phase:>11}" for phase in PHASES)
        + "  frames of each view"
    )
    whole = {name: [sum(spent.values()) for spent in steps] for name, steps in times.items()}
    for name, steps in times.items():
        ratios = [
            statistics.median(own / other for own, other in zip(whole[name], whole[base], strict=True))
            for base in (SUPERVISED, ALL_FRAMES)
        ]
        phases = [statistics.median(spent[phase] for spent in steps) for phase in PHASES]
        seen = [statistics.mean(view) for view in zip(*frames[name], strict=True)]
        print(
            f"{name:28}{1e3 * statistics.median(whole[name]):11.2f}"
            + "".join(f"{ratio:14.2f}" for ratio in ratios)
            + "".join(f"{1e3 * p:11.3f}" for p in phases)
            + f"  {', '.join(f'{mean:.1f}' for mean in seen)}"
        )
    for name, steps in times.items():
        fed = statistics.median(sum(spent.values()) / spent["feed"] - 1 for spent in steps)
        turned = statistics.median(spent["views"] / sum(spent.values()) for spent in steps)
        print(f"{name}: feeding is {fed:.0f} times as fast as the rest; turning and scaling take {100 * turned:.1f} %")


if __name__ == "__main__":
    main()
