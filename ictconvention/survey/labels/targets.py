"""How many objects of each class a fold tests and a stage takes, and so how few are too few. Knows no object."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
STAGES = ("pretrain", "finetune")
PRETRAIN, FINETUNE = 0, 1
SINGLE, ROTATING = "single", "rotating"  # the protocols of one stage, and of two with another test part in each fold


def count_tested(protocol: str, total: Ints, weak: Ints, count: int) -> Ints:
    """Return how many objects of each class each fold tests, (count, C).

    Parameters
    ----------
    protocol : str
        'single' tests a `count`-th in every fold; of the others fold 0 is Table 1 of the paper.
    total, weak : arrays (C,)
        Objects of each class whose label may be tested against, and those whose label is photometric.
    count : int
        Number of folds.
    """
    targets = np.zeros((count, len(total)), dtype=np.int64)
    first = 0
    if protocol != SINGLE:
        share = total * (count - 1) // (2 * count)  # of a class without weak labels, in pre-train and in fine-tune
        targets[0] = np.where(weak > 0, total // count, np.minimum(total - 2 * share, total - count + 1))
        first = 1
    rest, more = np.divmod(total - targets[0], count - first)
    targets[first:] = rest + (np.arange(count - first)[:, None] < more)
    return targets


def count_trained(total: Ints, weak: Ints, two_label: NDArray[np.bool_]) -> Ints:
    """Return how many objects of each class pre-train and fine-tune, (2, C).

    Parameters
    ----------
    total, weak : arrays (C,)
        Objects of each class that are not tested, and those of them whose label is photometric.
    two_label : boolean array (C,)
        Classes that have photometric labels.
    """
    targets = np.zeros((2, len(total)), dtype=np.int64)
    targets[PRETRAIN] = np.where(two_label, weak, total // 2)
    targets[FINETUNE] = total - targets[PRETRAIN]
    return targets


def least_objects(protocol: str, count: int, stages: Sequence[str] = STAGES) -> int:
    """Return the least number of objects of a class without photometric labels, each alone in its sky group.

    With so many, every fold has one to test and one to train in each stage.

    Parameters
    ----------
    protocol : str
        'rotating', 'fixed' or 'single'.
    count : int
        Number of folds.
    stages : sequence of str
        Stages that train.
    """
    number = count
    while True:
        total, none = np.array([number]), np.zeros(1, dtype=np.int64)
        tested = count_tested(protocol, total, none, count)
        left = total - (tested[:1] if protocol == "fixed" else tested)
        taken = np.column_stack([count_trained(rest, none, none > 0).T for rest in left]).reshape(len(left), 2)
        taken = left if protocol == SINGLE else taken[:, [STAGES.index(stage) for stage in stages]]
        if (tested > 0).all() and (taken > 0).all():
            return number
        number += 1
