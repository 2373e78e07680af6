"""Optimisers, and the learning rate of each of their steps: a rise, then a cosine or a constant."""

from math import cos, pi

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from ictconvention.configuration.options import OptimiserOptions, Schedule
from ictconvention.networks.parts.attention import ObjectNorm

SPARED = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, ObjectNorm, nn.PReLU)


def optimiser_for(network: nn.Module, options: OptimiserOptions, steps: int) -> tuple[Optimizer, LambdaLR]:
    """Return the optimiser of a network's trainable parameters and its schedule over a number of steps."""
    spared = {
        id(parameter)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if isinstance(module, SPARED) or name.startswith("bias")
    }
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    decayed = [p for p in trained if options.decay_norms_and_biases or id(p) not in spared]
    kept = [p for p in trained if not options.decay_norms_and_biases and id(p) in spared]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    given, rate = [group for group in groups if group["params"]], options.learning_rate
    optimiser: Optimizer
    match options.kind:
        case "adamw":
            optimiser = AdamW(given, lr=rate, amsgrad=options.amsgrad)
        case "adam":
            optimiser = Adam(given, lr=rate, amsgrad=options.amsgrad)
        case "sgd":
            optimiser = SGD(given, lr=rate, momentum=options.momentum)
    return optimiser, LambdaLR(optimiser, lambda step: share_of_rate(step, steps, options.warm_up, options.schedule))


def share_of_rate(step: int, steps: int, warm_up: float, schedule: Schedule = "cosine") -> float:
    """Return the share of the largest learning rate at a step, counted from 0, of `steps`."""
    rising = round(warm_up * steps)
    if step < rising:
        return (step + 1) / rising
    if schedule == "constant":
        return 1.0
    return (1 + cos(pi * min((step - rising) / max(steps - rising, 1), 1))) / 2
