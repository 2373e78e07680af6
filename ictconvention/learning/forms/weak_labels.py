"""Losses of photometric labels, which err: the target network as their referee, and the forward correction.

Both know R = P(y | l) P(l) / P(y), see `label_ratio`: what a photometric label l says of each true class y, in units of
the shares of the classes at which probabilities are trained. Other labels are learned as they are.
"""

import torch
from torch import Tensor


def referee_loss(logits: Tensor, target: Tensor, label: Tensor, ratio: Tensor) -> Tensor:
    """Return the cross-entropy of each object (n,) with q(y) ~ P(y | label) p_target(y) / P(y), the label judged.

    Parameters
    ----------
    logits, target : tensors (n, classes)
        Logits of the online network and of the target network, at the shares of the loss.
    label : integer tensor (n,)
        Photometric labels, none of them missing.
    ratio : tensor (classes, classes)
        R, rows the labels.
    """
    judged = (target.detach().log_softmax(1) + ratio[label].clamp(min=1e-12).log()).softmax(1)
    log_p = logits.log_softmax(1).masked_fill(judged == 0, 0)  # of a class that training lacks it is -inf
    return -(judged * log_p).sum(1)


def forward_loss(logits: Tensor, label: Tensor, ratio: Tensor) -> Tensor:
    """Return -log sum_y R_ly p(y) of each object (n,): of the label, by what the noise makes of the probabilities.

    This is the forward correction -log P(label) of Patrini et al. (2017), as P(l | y) = R_ly, up to a constant of l
    where photometric labels are mixed with others. Arguments as of `referee_loss`.
    """
    return -torch.logsumexp(logits.log_softmax(1) + ratio[label].clamp(min=1e-12).log(), 1)
