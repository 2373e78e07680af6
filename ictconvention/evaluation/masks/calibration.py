"""A temperature and biases of classes that bring mean probabilities of pixels to the known shares of pictures."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.evaluation.masks.kl import EPSILON, Floats, normalised

STEPS = 60  # of the optimiser, at most
RIDGE = 1e-4  # holds the bias of a class that validation does not know
FURTHEST = 7.0  # of the logarithm of the temperature from 0, and of a bias
AT_ONCE = 2**21  # logits that are in work at once


def fit_share_calibration(logits: NDArray[np.floating], known: NDArray[np.floating]) -> tuple[float, Floats]:
    """Return the temperature and the biases of the least mean divergence of shares; (1, 0) where none is better.

    The shares of a picture are the mean over its pixels of softmax(logits / temperature + bias), see `divergences`.

    Parameters
    ----------
    logits : array (n, pixels, classes)
        Of pictures that no weight was fitted to: of some of their pixels, or one for the whole picture.
    known : array (n, classes)
        Their known shares, or pixels; those without any are left out.

    Returns
    -------
    float, array (classes,)
        The mean of the biases is 0.
    """
    shares = normalised(known)
    there = np.isfinite(shares).all(1)
    classes = shares.shape[1]
    nothing = np.zeros(classes)
    if not there.any():
        return 1.0, nothing
    y = torch.from_numpy(shares[there])
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(logits[there], 2, 1)))  # a sum over classes is quick so
    found = torch.zeros(1 + classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([found], max_iter=STEPS, history_size=10, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        return _descend(x, y, found)

    with torch.inference_mode(False), torch.enable_grad():
        first = float(_descend(x, y, found))
        optimiser.step(step)  # type: ignore[no-untyped-call]
        found.grad = None
        last = float(_descend(x, y, found))
    if not last < first:
        return 1.0, nothing
    temperature, bias = _bounded(found.detach())
    return float(temperature), (bias - bias.mean()).numpy()


def _bounded(found: Tensor) -> tuple[Tensor, Tensor]:
    """Return the temperature and the biases that unbounded numbers stand for."""
    bounded = FURTHEST * torch.tanh(found / FURTHEST)
    return bounded[0].exp(), bounded[1:]


def _descend(x: Tensor, y: Tensor, found: Tensor) -> Tensor:
    """Return the mean divergence and a small ridge; add their gradient to that of what is sought, piece by piece."""
    pieces = max(1, -(-x.numel() // AT_ONCE))
    total = torch.zeros((), dtype=torch.float64)
    for part, known in zip(x.tensor_split(pieces), y.tensor_split(pieces), strict=True):
        if not len(part):
            continue
        temperature, bias = _bounded(found)
        p = (part.float() / temperature.float() + bias.float()[:, None]).softmax(1).mean(2).double()
        own = known + EPSILON
        loss = (own * (own / (p + EPSILON)).log()).sum() / len(y)
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    ridge = RIDGE * _bounded(found)[1].square().mean()
    ridge.backward()  # type: ignore[no-untyped-call]
    return total + ridge.detach()
