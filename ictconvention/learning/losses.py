"""The terms that ICT compares views by, one value per object; how they are weighed and added is the learners' part."""

from torch import Tensor
from torch.nn import functional as F


def consistency(prediction: Tensor, target: Tensor) -> Tensor:
    """Return eq. 1 of ICT-ConvEntion, || z/|z| - z'/|z'| ||^2 = 2 - 2 cos, (B,) from 0 to 4.

    Parameters
    ----------
    prediction, target : tensors (B, D)
        z of one view through the online network, z' of the other through the target network.
    """
    return (F.normalize(prediction, dim=1) - F.normalize(target, dim=1)).square().sum(1)


def divergence(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of the online probabilities from the target's (B,), as a mean teacher.

    Parameters
    ----------
    logits, target : tensors (B, classes)
        Logits of one view through the online network, of the other through the target network.
    """
    expected = target.log_softmax(1)
    return F.kl_div(logits.log_softmax(1), expected, reduction="none", log_target=True).sum(1)


def spread_floor(projection: Tensor) -> Tensor:
    """Return by how much the normalised projections (B, D) spread less than on a whole sphere; a scalar from 0 to 1.

    The standard deviation of each dimension over the batch, in units of the sphere's 1/sqrt(D), is held above 1 by a
    hinge, as the variance term of VICReg does.
    """
    z = F.normalize(projection, dim=1)
    deviation = (z.var(0, correction=0) * z.shape[1] + 1e-4).sqrt()
    return F.relu(1 - deviation).mean()
