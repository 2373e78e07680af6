"""How much a finished frame transformer relies on each input: its score where that input is exchanged.

    python experiments/frame_transformer/permute.py RUN --part extra_test

Balanced accuracy at equal class shares. What belongs to frames changes places among those of its band of 64 objects
drawn at random, so that an object then has it from many others, and a little of its own; median stamps and numbers of
the light curve are exchanged whole, object for object. Everything else of an object stays its own.
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

from ictconvention.evaluation.prior import at_equal_shares
from ictconvention.feeding.dataset import SampleKey
from ictconvention.networks.frame_transformer import FrameTransformer
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.plan import plan_run
from ictconvention.runs.trained_run import TrainedRun, read_trained

OBJECTS = 64  # drawn at random, among which is exchanged
FRAMES, FLUXES, BAND, DAYS, PHOTOMETRY, CONDITIONS, LENGTHS, MEDIANS, HOST = range(9)
Inputs = list[Tensor]


def within_bands(band: Tensor) -> Tensor:
    """Return for each frame (F,) the place of another, of the same band."""
    places = torch.arange(len(band))
    for one in band.unique():
        own = (band == one).nonzero().squeeze(1)
        places[own] = own[torch.randperm(len(own))]
    return places


def rows(*names: int) -> Callable[[Inputs], None]:
    """Return what exchanges whole inputs of frames."""

    def exchange(inputs: Inputs) -> None:
        places = within_bands(inputs[BAND])
        for name in names:
            inputs[name] = inputs[name][places]

    return exchange


def channel(number: int) -> Callable[[Inputs], None]:
    """Return what exchanges one channel of stamps and of fluxes in circles: 0, direct, or 1, residual."""

    def exchange(inputs: Inputs) -> None:
        places = within_bands(inputs[BAND])
        for name in (FRAMES, FLUXES):
            inputs[name] = inputs[name].clone()
            inputs[name][:, number] = inputs[name][places, number]

    return exchange


def hosts(inputs: Inputs) -> None:
    """Exchange the median stamps of objects."""
    places = torch.randperm(len(inputs[LENGTHS]))
    inputs[MEDIANS], inputs[HOST] = inputs[MEDIANS][places], inputs[HOST][places]


COURSE = "objects: numbers of the light curve"
INPUTS: dict[str, Callable[[Inputs], None]] = {
    "nothing": lambda inputs: None,
    "frames: stamps, both channels, as the CNN sees them": rows(FRAMES),
    "frames: residual channel of stamps and of fluxes in circles": channel(1),
    "frames: direct channel of stamps and of fluxes in circles": channel(0),
    "frames: fluxes in circles, both channels": rows(FLUXES),
    "frames: photometry, of tokens and of the light curve's numbers": rows(PHOTOMETRY),
    "frames: seeing and noise": rows(CONDITIONS),
    "frames: days, of tokens and of the light curve's numbers": rows(DAYS),
    "objects: median stamps, as tokens and in numbers": hosts,
    COURSE: lambda inputs: None,  # by a hook
}


@torch.no_grad()
def permuted_scores(run: TrainedRun, part: str, seed: int) -> dict[str, float]:
    """Return the balanced accuracy at equal shares by what was permuted."""
    network = run.learner.network
    if not isinstance(network, FrameTransformer):
        raise SystemExit(f"{run.folder} is a run of {run.options.model.kind}, not of frame_transformer")
    if network.shape.channels == 1 or not network.host:
        lacking = "without residuals" if network.shape.channels == 1 else "with model.host=false"
        raise SystemExit(
            f"{run.folder} is a run {lacking}: take one of pixels.channels=direct+residual and model.host=true"
        )
    plan = plan_run(run.options)
    data = make_data(run.options, plan.survey, plan.split, run.spec.stage)
    positions = np.random.default_rng(seed).permutation(data.positions(part))
    answers: dict[str, list[int]] = {name: [] for name in INPUTS}
    labels: list[int] = []
    for first in range(0, len(positions), OBJECTS):
        (batch,) = data.evaluation[[SampleKey(int(i)) for i in positions[first : first + OBJECTS]]]
        labels += batch.label.tolist()
        given = list(run.learner.inputs(batch))
        for name, exchange in INPUTS.items():
            torch.manual_seed(seed + first)
            inputs = list(given)
            exchange(inputs)
            hook = None
            if name == COURSE and network.object is not None:
                places = torch.randperm(len(batch))
                hook = network.object.register_forward_pre_hook(
                    lambda _, known, places=places: (*(x[places] for x in known[:3]), *known[3:])
                )
            probability = run.row(network(*inputs).numpy())
            answers[name] += at_equal_shares(probability, run.calibration.survey_prior).argmax(1).tolist()
            if hook is not None:
                hook.remove()
    return {name: float(balanced_accuracy_score(labels, found)) for name, found in answers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("--part", default="extra_test", help="part of the split")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    scores = permuted_scores(read_trained(asked.run), asked.part, asked.seed)
    print("| exchanged | balanced accuracy | lost, points |\n|---|---|---|")
    for name, score in scores.items():
        print(f"| {name} | {score:.3f} | {100 * (scores['nothing'] - score):.1f} |")


if __name__ == "__main__":
    main()
