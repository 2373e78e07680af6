"""Where the time of a training step goes: feeding, views, forward, target, backward, optimiser, following.

    python experiments/speed/step.py [--profile laptop|paper] [--augmentation NAME] [--rounds 15] [--survey PATH]

Steps of ConvEntion and of ICT on batches of a survey (simulated, unless --survey names one), in turns, in one process;
medians in milliseconds an object, and ratios of the same round. Feeding reads in the training process itself
(workers=0), from a warm cache: each learner's batches of an epoch are read once before.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.options import (
    Augmentation,
    ICTOptions,
    Imbalance,
    Select,
    SequenceOptions,
    ViewOptions,
)
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import Learner
from ictconvention.learning.optimiser import optimiser_for
from ictconvention.learning.supervised import Supervised
from ictconvention.learning.target import update_target
from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.simulation.simulate import simulate
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.training.memory import keep_freed_memory

PHASES = ("feed", "views", "forward", "target", "loss", "backward", "optimiser", "follow")


@dataclass(frozen=True)
class Profile:
    """Sizes of a run."""

    max_frames: int
    width: float
    batch: int
    select: Select
    augmentation: str


PROFILES = {
    "laptop": Profile(30, 0.25, 16, "nights", "quarter_turns"),
    "paper": Profile(99, 1.0, 16, "frames", "paper"),
}


@dataclass
class Stepper:
    """One learner with its batches, and the time of each phase of its last step [s]."""

    learner: Learner
    data: SeriesDataModule
    spent: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.optimiser, _ = optimiser_for(self.learner.network, self.learner.optimiser, 10_000)
        self.batches: Iterator[Any] = iter(self.data.train_dataloader())
        list(self.batches)
        self.epoch = 0
        for name, part in (("views", "inputs"), ("forward", "network"), ("target", "target")):
            if (module := getattr(self.learner, part, None)) is not None:
                self._time(module, name)

    def step(self) -> float:
        """Make one training step; return its time an object [s]."""
        self.spent = dict.fromkeys(PHASES, 0.0)
        with self.timed("feed"):
            views = self._next()
        with self.timed("loss"), torch.autocast("cpu", torch.bfloat16):
            loss = self.learner.loss(views)["loss"]
        self.spent["loss"] -= sum(self.spent[part] for part in ("views", "forward", "target"))
        with self.timed("backward"):
            torch.autograd.backward(loss)
        with self.timed("optimiser"):
            torch.nn.utils.clip_grad_norm_(self.learner.network.parameters(), 1.0)
            self.optimiser.step()
            self.optimiser.zero_grad()
        with self.timed("follow"):
            if isinstance(self.learner, ICT) and self.learner.target is not None:
                update_target(self.learner.target, self.learner.network.branch("projection"), 0.99)
        for name in PHASES:
            self.spent[name] /= len(views[0])
        return sum(self.spent.values())

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of the body to a phase."""
        start = time.perf_counter()
        yield
        self.spent[phase] += time.perf_counter() - start

    def _time(self, module: nn.Module, phase: str) -> None:
        starts: list[float] = []
        module.register_forward_pre_hook(lambda *_: starts.append(time.perf_counter()))

        def ended(*_: Any) -> None:
            self.spent[phase] += time.perf_counter() - starts.pop()

        module.register_forward_hook(ended)

    def _next(self) -> Any:
        views = next(self.batches, None)
        if views is None:
            loader = self.data.train_dataloader()
            loader.sampler.set_epoch(self.epoch)
            self.epoch += 1
            self.batches = iter(loader)
            views = next(self.batches)
        return views


def steppers(survey: Survey, profile: Profile) -> dict[str, Stepper]:
    """Return what is compared."""
    split = make_split(survey.object_table())
    sizes: dict[str, Any] = {"max_frames": profile.max_frames, "width": profile.width, "padding": "masked"}

    def feed(views: ViewOptions) -> SeriesDataModule:
        return SeriesDataModule(
            survey,
            split,
            "pretrain",
            sequence=SequenceOptions(profile.max_frames, select=profile.select),
            augmentation=Augmentation(**read_group("augmentation", profile.augmentation)),
            views=views,
            imbalance=Imbalance(sampling=1.0),
            batch_size=profile.batch,
        )

    scaling = Scaling("asinh", *feed(ViewOptions(1)).scales("asinh"))

    def supervised(data: SeriesDataModule) -> Learner:
        return Supervised(ConvEntion(len(survey.header.classes), **sizes), FrameInputs(scaling), data.spec)

    def ict(data: SeriesDataModule, **options: Any) -> Learner:
        return ICT(ConvEntionEncoder(**sizes), FrameInputs(scaling), data.spec, ICTOptions(**options))

    made: dict[str, tuple[Callable[[SeriesDataModule], Learner], ViewOptions]] = {
        "ConvEntion": (supervised, ViewOptions(1)),
        "two-view cross-entropy": (lambda data: ict(data, consistency=0.0), ViewOptions(2)),
        "ICT": (ict, ViewOptions(2)),
        "ICT, online_frames = M/2": (ict, ViewOptions(2, profile.max_frames // 6 * 3)),
    }
    return {name: Stepper(learner(data), data) for name, (learner, views) in made.items() for data in [feed(views)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=PROFILES, default="laptop")
    parser.add_argument("--augmentation", help="of the views, instead of the profile's")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--objects", type=int, default=400, help="of the simulated survey")
    parser.add_argument("--survey", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.threads) < 1:
        parser.error("--rounds and --threads take whole numbers from 1")
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.survey or simulate(Path(folder) / "survey", arguments.objects, seed=0, jobs=2).path
        survey, profile = Survey.open(path), PROFILES[arguments.profile]
        if arguments.augmentation:
            profile = replace(profile, augmentation=arguments.augmentation)
        compared = steppers(survey, profile)
        times: dict[str, list[dict[str, float]]] = {name: [] for name in compared}
        for number in range(arguments.rounds + 2):
            for name in random.Random(number).sample([*compared], len(compared)):  # what ran before leaves its mark
                compared[name].step()
                if number > 1:  # the first two rounds fill the allocator
                    times[name].append(compared[name].spent)

    amx = "AMX" if torch.cpu._is_amx_tile_supported() else "no AMX"
    print(
        f"torch {torch.__version__}, {arguments.threads} threads, {amx}, bfloat16; profile {arguments.profile}: "
        f"at most {profile.max_frames} frames, width {profile.width:g}, batch {profile.batch}, "
        f"augmentation {profile.augmentation}; {survey!r}"
    )
    print(
        f"{'ms an object, median':28}{'whole step':>11}{'x ConvEntion':>14}"
        + "".join(f"{phase:>11}" for phase in PHASES)
    )
    base = [sum(spent.values()) for spent in times["ConvEntion"]]
    for name, steps in times.items():
        whole = [sum(spent.values()) for spent in steps]
        ratio = statistics.median(own / other for own, other in zip(whole, base, strict=True))
        phases = [statistics.median(spent[phase] for spent in steps) for phase in PHASES]
        print(
            f"{name:28}{1e3 * statistics.median(whole):11.2f}{ratio:14.2f}"
            + "".join(f"{1e3 * p:11.3f}" for p in phases)
        )
    for name, steps in times.items():
        fed = statistics.median(sum(spent.values()) / spent["feed"] - 1 for spent in steps)
        turned = statistics.median(spent["views"] / sum(spent.values()) for spent in steps)
        print(f"{name}: feeding is {fed:.0f} times as fast as the rest; turning and scaling take {100 * turned:.1f} %")


if __name__ == "__main__":
    main()
