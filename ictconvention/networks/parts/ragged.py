"""Ragged batches: rows of all objects, one object after the other, and how many belong to each.

Where rows go is worked out on the CPU and sent to the device behind what it still has to do: nothing waits for it.
"""

import torch
from torch import Tensor


def check_lengths(lengths: Tensor, rows: int, longest: int | None = None) -> Tensor:
    """Return the lengths (B,) on the CPU.

    Parameters
    ----------
    lengths : integer tensor (B,)
        Number of rows of each object; a list will do.
    rows : int
        The rows there are.
    longest : int, optional
        The most that an object may have.

    Raises
    ------
    ValueError
        They are no whole numbers, there are none, one is out of range, or their sum is not `rows`.
    """
    lengths = torch.as_tensor(lengths, device="cpu")
    if lengths.ndim != 1 or lengths.is_floating_point() or len(lengths) == 0:
        raise ValueError(
            f"lengths are {lengths.dtype} of shape {tuple(lengths.shape)}; take a whole number for each object (B,)"
        )
    lengths = lengths.long()
    wrong = (lengths < 1) | (lengths > (longest or rows))
    if wrong.any():
        first = int(wrong.int().argmax())
        raise ValueError(f"object {first} of the batch has length {lengths[first]}; take 1 to {longest or rows}")
    if lengths.sum() != rows:
        raise ValueError(f"the lengths sum up to {lengths.sum()}, but {rows} rows were given")
    return lengths


def check_padding(lengths: Tensor, objects: int, steps: int) -> None:
    """Raise ValueError if the lengths (B,) of padded arrays are not 1 to `steps` for each of the objects."""
    if torch.compiler.is_exporting():  # a graph cannot refuse its input
        return
    if tuple(lengths.shape) != (objects,) or lengths.min() < 1 or lengths.max() > steps:
        raise ValueError(f"lengths {lengths.tolist()} were given for {objects} objects; take 1 to {steps} for each")


def pad(rows: Tensor, lengths: Tensor) -> Tensor:
    """Put rows (S, ...) of the objects into (B, longest, ...), zero after the last of each; lengths on the CPU."""
    present = (torch.arange(int(lengths.max())) < lengths[:, None]).flatten()
    slot = present.nonzero().squeeze(1).to(rows.device, non_blocking=True)
    slots = rows.new_zeros(len(present), *rows.shape[1:]).index_copy(0, slot, rows)
    return slots.unflatten(0, (len(lengths), -1))


def pad_some(rows: Tensor, lengths: Tensor) -> Tensor:
    """Put rows into (B, longest, ...) as `pad` does, where objects may have none; there is one column at least."""
    if not len(rows):
        return rows.new_zeros(len(lengths), 1, *rows.shape[1:])
    return pad(rows, lengths)


def pad_given(lengths: Tensor | None, *rows: Tensor | None) -> list[Tensor]:
    """Pad each of some rows as `pad_some` does; nothing where one of them, or the lengths, are not given."""
    given = [x for x in rows if x is not None]
    return [] if lengths is None or len(given) < len(rows) else [pad_some(x, lengths) for x in given]


def group_frames(rows: Tensor, lengths: Tensor, size: int) -> Tensor:
    """Put rows (F, ...) of the objects into groups (G, size, ...), none of two objects; lengths on the CPU.

    The last group of an object is filled up with zeros.
    """
    groups = (lengths + size - 1) // size
    groups_before, rows_before = groups.cumsum(0) - groups, lengths.cumsum(0) - lengths  # of the earlier objects
    shift = (size * groups_before - rows_before).repeat_interleave(lengths)
    place = (torch.arange(len(rows)) + shift).to(rows.device, non_blocking=True)
    slots = rows.new_zeros(size * int(groups.sum()), *rows.shape[1:]).index_copy(0, place, rows)
    return slots.unflatten(0, (-1, size))
