"""What each input of a finished frame transformer is worth: its score where that input is another object's.

    python experiments/frame_transformer/permute.py RUN --part extra_test

Balanced accuracy at equal class shares. Frames change places with others of their band, host and light curve with those
of other objects, all among 64 objects drawn at random; everything else of an object stays its own.
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
from ictconvention.runs.assembly import make_data
from ictconvention.runs.plan import plan_run
from ictconvention.runs.trained_run import TrainedRun, read_trained

OBJECTS = 64  # that change places with each other
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
    """Return what exchanges one channel of the stamps: 0, direct, or 1, residual."""

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


INPUTS: dict[str, Callable[[Inputs], None]] = {
    "nothing": lambda inputs: None,
    "stamps, as the CNN sees them": rows(FRAMES),
    "residual channel": channel(1),
    "direct channel": channel(0),
    "fluxes in circles": rows(FLUXES),
    "photometry, of tokens and light curve": rows(PHOTOMETRY),
    "seeing and noise": rows(CONDITIONS),
    "days": rows(DAYS),
    "median stamps": hosts,
    "numbers of the light curve": lambda inputs: None,  # by a hook
}


@torch.no_grad()
def permuted_scores(run: TrainedRun, part: str, seed: int) -> dict[str, float]:
    """Return the balanced accuracy at equal shares by what was permuted."""
    network = run.learner.network
    if not isinstance(network, FrameTransformer):
        raise SystemExit(f"{run.folder} is a run of {run.options.model.kind}, not of frame_transformer")
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
            if name == "numbers of the light curve" and network.object is not None:
                places = torch.randperm(len(batch))
                hook = network.object.register_forward_pre_hook(
                    lambda _, known, places=places: (*(x[places] for x in known[:3]), *known[3:])
                )
            probability = run.row(network(*inputs).numpy())
            answers[name] += at_equal_shares(probability, run.survey_prior).argmax(1).tolist()
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
    print("| of another object | balanced accuracy | lost, points |\n|---|---|---|")
    for name, score in scores.items():
        print(f"| {name} | {score:.3f} | {100 * (scores['nothing'] - score):.1f} |")


if __name__ == "__main__":
    main()
