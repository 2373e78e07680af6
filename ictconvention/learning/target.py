"""The target network's weights: an exponential moving average of the online ones, and what its norms do meanwhile.

It knows neither losses nor views; the learner calls it once after each optimiser step.
"""

from math import cos, pi

import torch
from torch import Tensor, nn

from ictconvention.configuration.functions import find_function
from ictconvention.configuration.learner_options import TargetNorms
from ictconvention.core.errors import UsageError
from ictconvention.networks.heads import Branch
from ictconvention.networks.pictures.picture_network import PictureNetwork


def tau_at(step: int, steps: int, tau: float, schedule: str) -> float:
    """Return the weight of the target's past at an optimiser step.

    Parameters
    ----------
    step, steps : int
        The optimiser step, counted from 0, and how many there will be.
    tau : float
        The weight, in [0, 1]; of a cosine schedule, the one it starts from (it ends at 1, as in BYOL).
    schedule : str
        "constant" (the paper's), "cosine", or a registered one.

    Raises
    ------
    UsageError
        Nothing has registered the schedule, or it gives no weight in [0, 1].
    """
    match schedule:
        case "constant":
            return tau
        case "cosine":
            return 1 - (1 - tau) * (cos(pi * min(step / steps, 1)) + 1) / 2
    value = float(find_function("learner.tau_schedule", schedule)(step, steps, tau))
    if not 0 <= value <= 1:
        found = f"learner.tau_schedule={schedule} gives {value:g} at step {step} of {steps}"
        raise UsageError(
            found, "learner.tau_schedule", "let the function return a weight from 0 to 1", "E-MODULE-RESULT"
        )
    return value


@torch.no_grad()
def update_target(target: Branch, online: Branch, tau: float) -> None:
    """Move the target: xi <- tau xi + (1 - tau) theta for all that is floating point; integers are copied.

    Parameters and buffers alike, so that the batch norms' running statistics are averages too.

    Parameters
    ----------
    target : Branch
        A copy of a branch of the online network.
    online : Branch
        That branch itself.
    tau : float
        Weight of the target's past, in [0, 1]: 0 copies, 1 stays.
    """
    theta = online.state_dict()
    floats: tuple[list[Tensor], list[Tensor]] = [], []
    seen: set[int] = set()  # a tensor that layers share has a name for each, and moves once
    for name, xi in target.state_dict().items():
        if xi.numel() and xi.data_ptr() in seen:
            continue
        seen.add(xi.data_ptr())
        if xi.is_floating_point():
            floats[0].append(xi)
            floats[1].append(theta[name])
        else:
            xi.copy_(theta[name])
    torch._foreach_lerp_(*floats, weight=1 - tau)


def set_target_mode(target: nn.Module, norms: TargetNorms, dropout: bool) -> None:
    """Choose what the target's batch norms and dropouts do in training.

    Parameters
    ----------
    target : Module
        The network to set.
    norms : "batch" or "running"
        Norm with the statistics of the batch, as the online network does, or with the averaged ones. In either case
        the running statistics only follow the online network's: no forward pass of the target changes them.
    dropout : bool
        Whether the target drops at random as the online network does.
    """
    target.train(norms == "batch")  # all of it: the parts around a batch norm choose by their mode what it sees
    for module in target.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.momentum = 0.0
        elif isinstance(module, nn.RNNBase | nn.MultiheadAttention):  # with a dropout of their own
            module.train()
            module.dropout = module.dropout if dropout else 0.0
        elif isinstance(module, nn.modules.dropout._DropoutNd):
            module.train()
            module.p = module.p if dropout else 0.0
    for module in target.modules():
        if isinstance(module, PictureNetwork) and module.frozen:  # as the online network does, it drops nothing
            module.freeze()
