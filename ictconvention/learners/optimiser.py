"""AdamW with warm-up and a cosine schedule, per optimiser step."""

from dataclasses import dataclass
from math import cos, pi

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ictconvention.models.attention import ObjectNorm

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, ObjectNorm)


@dataclass(frozen=True, slots=True)
class OptimiserOptions:
    """How a network is trained.

    Parameters
    ----------
    learning_rate : float
        Its largest value (paper: 2e-3).
    weight_decay : float
        Of AdamW (published code: 0.1339).
    decay_norms_and_biases : bool
        Whether norms and biases decay too (the paper's way).
    amsgrad : bool
        The variant of AdamW (published code: true).
    warm_up : float
        Share of the steps in which the learning rate rises linearly; a cosine to zero follows.
    clip : float, optional
        Largest norm of the gradient.

    Raises
    ------
    ValueError
        A number is out of range.
    """

    learning_rate: float = 2e-3
    weight_decay: float = 0.1339
    decay_norms_and_biases: bool = False
    amsgrad: bool = True
    warm_up: float = 0.1
    clip: float | None = 1.0

    def __post_init__(self) -> None:
        positive = self.learning_rate > 0 and (self.clip is None or self.clip > 0)
        if not (positive and self.weight_decay >= 0 and 0 <= self.warm_up < 1):
            raise ValueError(f"{self}: take positive rates and norms, and a warm_up from 0 to below 1")


def optimiser_for(network: nn.Module, options: OptimiserOptions, steps: int) -> tuple[AdamW, LambdaLR]:
    """Return the optimiser of a network's trainable parameters and its schedule over a number of steps."""
    spared = {
        id(parameter)
        for module in network.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if isinstance(module, NORMS) or name.startswith("bias")
    }
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    decayed = [p for p in trained if options.decay_norms_and_biases or id(p) not in spared]
    kept = [p for p in trained if not options.decay_norms_and_biases and id(p) in spared]
    groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    optimiser = AdamW([group for group in groups if group["params"]], lr=options.learning_rate, amsgrad=options.amsgrad)
    return optimiser, LambdaLR(optimiser, lambda step: share_of_rate(step, steps, options.warm_up))


def share_of_rate(step: int, steps: int, warm_up: float) -> float:
    """Return the share of the largest learning rate at a step, counted from 0, of `steps`."""
    rising = round(warm_up * steps)
    if step < rising:
        return (step + 1) / rising
    return (1 + cos(pi * min((step - rising) / max(steps - rising, 1), 1))) / 2
