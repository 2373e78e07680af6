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

BLOCK = 4096  # objects that lie side by side in a shard
WINDOW = 8  # shards of which the blocks are mixed
MIXED = 8  # blocks whose objects come together, in any order


def class_draws(labels: NDArray[np.int64], classes: int, imbalance: Imbalance, draws: float = 1.0) -> NDArray[np.int64]:
    """Return how many objects of each class (classes,) a training epoch draws, `draws` times as many as have one."""
    counts = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    shares = np.where(counts > 0, np.maximum(counts, 1.0) ** (1 - imbalance.sampling), 0)
    exact = np.cumsum(shares) / max(shares.sum(), 1) * counts.sum() * draws
    return np.asarray(np.diff(np.round(exact), prepend=0), dtype=np.int64)


def unlabelled_draws(labels: NDArray[np.int64], draws: float = 1.0, unlabelled: float | None = None) -> int:
    """Return how many objects without a label a training epoch draws: each once, or so many for one with a label."""
    labelled = int((labels != UNLABELLED).sum())
    if unlabelled is None or labelled == len(labels):
        return len(labels) - labelled
    return round(unlabelled * draws * labelled)


def class_weights(
    labels: NDArray[np.int64], classes: int, imbalance: Imbalance, draws: float = 1.0, unlabelled: float | None = None
) -> NDArray[np.float64]:
    """Return the weight of each class (classes,) in the cross-entropy.

    The mean weight of all that an epoch draws is 1, objects without a label counting as 0. So a loss may be summed and
    divided by the size of its batch, which gives the same with one process and with several.
    """
    counts = np.bincount(labels[labels != UNLABELLED], minlength=classes)
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -imbalance.weighting, 0)
    number = class_draws(labels, classes, imbalance, draws)
    drawn, every = number @ weights, number.sum() + unlabelled_draws(labels, draws, unlabelled)
    return np.asarray(weights * (every / drawn if drawn else 0))


def class_shares(
    labels: NDArray[np.int64], classes: int, imbalance: Imbalance, true_of_labels: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of the classes (classes,) among labelled objects, and those at which logits are trained.

    The latter are the shares in the loss, to the power of 1 - `adjustment`: what the loss adds to the logits is not in
    them. Both are of the true classes where it is known which labels (rows) stand for which of them (columns).
    """
    natural = np.bincount(labels[labels != UNLABELLED], minlength=classes).astype(np.float64)
    trained = loss_shares(labels, classes, imbalance)
    if true_of_labels is not None:
        natural, trained = natural @ true_of_labels, trained @ true_of_labels
    if imbalance.adjustment:
        trained = np.where(trained > 0, trained ** (1 - imbalance.adjustment), 0)
    return natural / natural.sum(), trained / trained.sum()


def loss_shares(labels: NDArray[np.int64], classes: int, imbalance: Imbalance) -> NDArray[np.float64]:
    """Return the shares of the classes (classes,) in the loss: how often they are drawn, times what they weigh."""
    trained = class_draws(labels, classes, imbalance) * class_weights(labels, classes, imbalance)
    return np.asarray(trained / trained.sum())


def domain_weights(labels: NDArray[np.int64]) -> tuple[float, float]:
    """Return the weights of an object with a label and of one without that make both kinds weigh the same; mean 1."""
    labelled = int((labels != UNLABELLED).sum())
    kinds = (labelled, len(labels) - labelled)
    return tuple(len(labels) / (2 * max(kind, 1)) for kind in kinds)  # type: ignore[return-value]


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
    places : array (2, n), optional
        The shard of each object, and its row there. Then an epoch reads block by block: the shards in an order of its
        own, of `WINDOW` of them the blocks of `BLOCK` objects, and of `MIXED` blocks the objects. Each object comes as
        often as without, and no more of the survey than the mixed blocks need to be in memory.
    draws : float
        Objects with a label that an epoch draws, in units of those that have one.
    unlabelled : float, optional
        Objects without a label that it draws for each of them; by default each comes once.

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
        places: NDArray[np.int64] | None = None,
        draws: float = 1.0,
        unlabelled: float | None = None,
    ) -> None:
        if batch_size < 1 or batch_size % processes:
            found = f"trainer.batch_size is {batch_size}, for {pluralize(processes, 'device')}"
            fix = f"take a multiple of {processes}, from {processes}"
            raise UsageError(found, "trainer.batch_size", fix, "E-MACHINE-DEVICES")
        if len(positions) < processes:
            found = f"{pluralize(len(positions), 'object')} to train on, for {pluralize(processes, 'device')}"
            raise UsageError(found, stage, "use fewer devices, or more objects", "E-MACHINE-DEVICES")
        self.positions, self.labels, self.places = positions, labels, places
        self.draws = class_draws(labels, int(labels.max(initial=0)) + 1, imbalance, draws)
        self.unlabelled = None if unlabelled is None else unlabelled_draws(labels, draws, unlabelled)
        self.drawn = int(self.draws.sum()) + unlabelled_draws(labels, draws, unlabelled)
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
        number, repeat = self._drawn()
        shared = len(number) - len(number) % self.num_replicas
        own, again = (x[:shared][self.rank :: self.num_replicas] for x in (self.positions[number], repeat))
        return (_keys(own[part], again[part], self.epoch) for part in self._parts())

    def _parts(self) -> list[NDArray[np.int64]]:
        """Return the places of each batch among this process's objects of an epoch."""
        units = np.arange(self.drawn // self.num_replicas)
        largest = self.batch_size // self.num_replicas * self.accumulate
        steps = np.array_split(units, -(-len(units) // largest))
        return [part for step in steps for part in np.array_split(step, self.accumulate) if len(part)]

    def _drawn(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the objects of the epoch in their order, by number from 0, and how often each came before, (m,)."""
        key = [self.seed, zlib.crc32(self.stage.encode()), self.epoch]
        rng = np.random.default_rng(np.random.SeedSequence(key))
        apart, kinds = np.flatnonzero(self.labels == UNLABELLED), list(enumerate(self.draws.tolist()))
        drawn, times = [apart], [np.zeros_like(apart)]
        if self.unlabelled is not None:
            drawn, times, kinds = [], [], [*kinds, (UNLABELLED, self.unlabelled)]
        for label, number in kinds:
            objects = np.flatnonzero(self.labels == label)
            for repeat in range(-(-number // max(len(objects), 1))):  # all objects come before one comes again
                drawn.append(rng.permutation(objects)[: number - repeat * len(objects)])
                times.append(np.full(len(drawn[-1]), repeat))
        objects, repeats = np.concatenate(drawn), np.concatenate(times)
        order = rng.permutation(len(objects))
        if self.places is not None:
            order = order[np.argsort(_mix_of(self.places[0], self.places[1], rng)[objects[order]], kind="stable")]
        return objects[order], repeats[order]


def _keys(positions: NDArray[np.int64], repeats: NDArray[np.int64], epoch: int) -> list[SampleKey]:
    """Return a batch."""
    both = zip(positions.tolist(), repeats.tolist(), strict=True)
    return [SampleKey(position, epoch, repeat) for position, repeat in both]


def _mix_of(shard: NDArray[np.int64], row: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the number of the mix of blocks that each object (n,) comes in, (n,)."""
    size = int(row.max()) // BLOCK + 1  # blocks of the largest shard
    blocks, block = np.unique(shard * size + row // BLOCK, return_inverse=True)
    window = (rng.permutation(int(shard.max()) + 1) // WINDOW)[blocks // size]
    order = np.lexsort((rng.permutation(len(blocks)), window))  # the blocks of each window in an order of their own
    sizes = np.bincount(window)
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    mix = np.empty(len(order), dtype=np.int64)
    mix[order] = np.cumsum(within % MIXED == 0)
    return np.asarray(mix[block])


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
        self.own = positions[rank::processes]
        self.size = max(1, batch_size // processes)
        self.num_replicas, self.rank, self.epoch = processes, rank, 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.own) // self.size)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Return the batches."""
        for first in range(0, len(self.own), self.size):
            yield [SampleKey(position) for position in self.own[first : first + self.size].tolist()]
