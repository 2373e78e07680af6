"""Which objects make up each batch: keyed by the training epoch, shared out among processes, balanced by choice."""

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DistributedSampler

from ictconvention.configuration.options import Imbalance
from ictconvention.core.errors import UsageError, pluralize
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.dataset import SampleKey


def class_draws(labels: NDArray[np.int64], classes: int, imbalance: Imbalance) -> NDArray[np.int64]:
    """Return how many objects of each class (classes,) a training epoch draws: as many in all as have a label."""
    counts = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    shares = np.where(counts > 0, np.maximum(counts, 1.0) ** (1 - imbalance.sampling), 0)
    exact = np.cumsum(shares) / max(shares.sum(), 1) * counts.sum()
    return np.asarray(np.diff(np.round(exact), prepend=0), dtype=np.int64)


def class_weights(labels: NDArray[np.int64], classes: int, imbalance: Imbalance) -> NDArray[np.float64]:
    """Return the weight of each class (classes,) in the cross-entropy.

    The mean weight of all that an epoch draws is 1, objects without a label counting as 0. So a loss may be summed and
    divided by the size of its batch, which gives the same with one process and with several.
    """
    counts = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -imbalance.weighting, 0)
    drawn = class_draws(labels, classes, imbalance) @ weights
    return np.asarray(weights * (len(labels) / drawn if drawn else 0))


def class_shares(
    labels: NDArray[np.int64], classes: int, imbalance: Imbalance
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of the classes (classes,) among labelled objects, and in the loss that trains on them."""
    natural = np.bincount(labels[labels != UNLABELLED], minlength=classes).astype(np.float64)
    trained = class_draws(labels, classes, imbalance) * class_weights(labels, classes, imbalance)
    return natural / natural.sum(), trained / trained.sum()


class TrainingSampler(DistributedSampler[list[SampleKey]]):
    """Batches of a training epoch, for one of several processes.

    Every epoch has its own order, drawn from (seed, stage, epoch): it depends neither on the number of processes nor on
    what came before. Batches are of nearly equal size, the last one too, and each process has the same number of
    objects of each: with several processes up to `processes - 1` objects of an epoch are left out. It is a
    DistributedSampler so that Lightning does not share it out a second time.

    Where the gradients of several batches make one optimiser step, an epoch is first divided into steps as it would be
    into batches of that size, and each step into its batches: every step sees the same objects either way, and none is
    short of a batch.

    Parameters
    ----------
    positions : array (n,)
        Where the objects are in the survey.
    labels : array (n,)
        Their classes, or `UNLABELLED`; those without one come once in each epoch.
    imbalance : Imbalance
        How often the classes come.
    batch_size : int
        Largest number of objects in a batch, over all processes.
    seed, stage : int, str
        Seed and stage of the key.
    rank, processes : int
        Which process this is, of how many.
    accumulate : int
        Batches of an optimiser step.

    Raises
    ------
    UsageError
        The batch does not share out among the processes, there are fewer objects than processes, or a step has fewer
        objects than batches.
    """

    def __init__(
        self,
        positions: NDArray[np.int64],
        labels: NDArray[np.int64],
        imbalance: Imbalance,
        batch_size: int,
        seed: int = 0,
        stage: str = "",
        rank: int = 0,
        processes: int = 1,
        accumulate: int = 1,
    ) -> None:
        if batch_size < 1 or batch_size % processes:
            found = f"trainer.batch_size is {batch_size}, for {pluralize(processes, 'device')}"
            fix = f"take a multiple of {processes}, from {processes}"
            raise UsageError(found, "trainer.batch_size", fix, "E-MACHINE-DEVICES")
        if len(positions) < processes:
            found = f"{pluralize(len(positions), 'object')} to train on, for {pluralize(processes, 'device')}"
            raise UsageError(found, stage, "use fewer devices, or more objects", "E-MACHINE-DEVICES")
        self.positions, self.labels = positions, labels
        self.draws = class_draws(labels, int(labels.max(initial=0)) + 1, imbalance)
        self.batch_size, self.accumulate, self.seed, self.stage = batch_size, accumulate, seed, stage
        self.num_replicas, self.rank, self.epoch = processes, rank, 0
        if len(self._parts()) % accumulate:
            found = f"trainer.accumulate is {accumulate}, and a step has fewer objects than batches for each device"
            fix = "take a smaller one, or a larger trainer.batch_size"
            raise UsageError(found, "trainer.accumulate", fix, "E-MACHINE-DEVICES")

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self._parts())

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Return this process's share of each batch of the epoch that `set_epoch` said."""
        draws = self.order()
        shared = draws[: len(draws) - len(draws) % self.num_replicas]
        own = shared[self.rank :: self.num_replicas]
        return (own[part[0] : part[-1] + 1] for part in self._parts())

    def _parts(self) -> list[NDArray[np.int64]]:
        """Return the places of each batch among this process's objects of an epoch."""
        units = np.arange(len(self.positions) // self.num_replicas)
        largest = self.batch_size // self.num_replicas * self.accumulate
        steps = np.array_split(units, -(-len(units) // largest))
        return [part for step in steps for part in np.array_split(step, self.accumulate) if len(part)]

    def order(self) -> list[SampleKey]:
        """Return all objects of the epoch in their order."""
        key = [self.seed, zlib.crc32(self.stage.encode()), self.epoch]
        rng = np.random.default_rng(np.random.SeedSequence(key))
        drawn: list[tuple[int, int]] = [(int(i), 0) for i in self.positions[self.labels == UNLABELLED]]
        for label, number in enumerate(self.draws.tolist()):
            objects = self.positions[self.labels == label]
            for repeat in range(-(-number // max(len(objects), 1))):  # all objects come before one comes again
                chosen = rng.permutation(objects)[: number - repeat * len(objects)]
                drawn += [(int(i), repeat) for i in chosen]
        return [SampleKey(drawn[i][0], self.epoch, drawn[i][1]) for i in rng.permutation(len(drawn))]


class EvaluationSampler(DistributedSampler[list[SampleKey]]):
    """Batches of all objects in their order, each in one of the processes; arguments as of `TrainingSampler`.

    Raises
    ------
    UsageError
        There are fewer objects than processes.
    """

    def __init__(self, positions: NDArray[np.int64], batch_size: int, rank: int = 0, processes: int = 1) -> None:
        if len(positions) < processes:
            found = f"{pluralize(len(positions), 'object')} to evaluate, for {pluralize(processes, 'device')}"
            raise UsageError(found, "split", "use fewer devices, or a larger part", "E-MACHINE-DEVICES")
        self.own = [SampleKey(int(i)) for i in positions[rank::processes]]
        self.size = max(1, batch_size // processes)
        self.num_replicas, self.rank, self.epoch = processes, rank, 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.own) // self.size)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Return the batches."""
        return (self.own[first : first + self.size] for first in range(0, len(self.own), self.size))
