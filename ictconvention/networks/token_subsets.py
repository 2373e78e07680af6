"""Random subsets of the tokens of each object, which take the place of views where a network has tokens."""

from typing import NamedTuple

import torch
from torch import Tensor


class Subsets(NamedTuple):
    """Subsets of the F rows of B objects.

    Parameters
    ----------
    rows : integer tensor (sum of lengths,)
        The chosen rows, increasing within an object: all objects of the first subset, then of the second.
    lengths : integer tensor (times * B,)
        How many of them each object has in each subset; on the CPU.
    times : int
        How many subsets there are, V.
    """

    rows: Tensor
    lengths: Tensor
    times: int


def draw_subsets(lengths: Tensor, times: int, share: float, least: int) -> Subsets:
    """Draw subsets of each object's tokens, without replacement, each independent of the others.

    An object of n tokens keeps max(ceil(share n), least) of them in each subset, and no more than n. The draws are
    those of torch's generator on the CPU.

    Parameters
    ----------
    lengths : integer tensor (B,)
        Number of tokens of each object; on the CPU.
    times : int
        How many subsets, V.
    share : float
        Share of the tokens that is kept.
    least : int
        Smallest number of tokens.

    Examples
    --------
    >>> from ictconvention.networks.token_subsets import draw_subsets
    >>> draw_subsets(torch.tensor([8, 3]), times=2, share=0.5, least=3).lengths
    tensor([4, 3, 4, 3])
    """
    owner = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    place = torch.arange(len(owner)) - (lengths.cumsum(0) - lengths)[owner]
    kept = torch.minimum((share * lengths).ceil().long().clamp(min=least), lengths)
    first = place < kept[owner]  # of the rows in a random order within each object
    drawn = [(owner + torch.rand(len(owner), dtype=torch.float64)).argsort()[first].sort().values for _ in range(times)]
    return Subsets(torch.cat(drawn), kept.repeat(times), times)
