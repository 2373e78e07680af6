"""A learner over the batches of some objects, on one device: logits, and what its last layer sees."""

from collections.abc import Callable, Generator, Iterable, Mapping
from queue import Queue
from threading import Thread
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.learning.learner import Learner
from ictconvention.runs.machine import Precision
from ictconvention.tasks.task import Reduce

Item = TypeVar("Item")
AHEAD = 2  # batches that are read while the network is at work


class Inferred(NamedTuple):
    """What a network makes of n objects.

    Parameters
    ----------
    position : array (n,)
        Positions of the objects in the survey.
    logits : array (n, classes)
        That predict; (n, 0) where they were reduced.
    features : array (n, features)
        What the last layer sees.
    frames : array (n,)
        How many frames of each were used.
    reduced : mapping of str to array (n, ...)
        What was kept of the logits in their place.
    """

    position: NDArray[np.int64]
    logits: NDArray[np.float64]
    features: NDArray[np.float32]
    frames: NDArray[np.int64]
    reduced: Mapping[str, NDArray[Any]] = MappingProxyType({})

    @property
    def outputs(self) -> Any:
        """What a task decides by: the logits, or what was kept of them."""
        return self.reduced or self.logits


def infer(
    learner: Learner,
    batches: Iterable[tuple[SeriesBatch, ...]],
    precision: Precision,
    device: torch.device | str | None = None,
    progress: Callable[[int], object] = lambda objects: None,
    reduce: Reduce | None = None,
) -> Inferred:
    """Let a learner predict, in eval mode and without gradients.

    Parameters
    ----------
    learner : Learner
        Is moved to the device, and back to the CPU.
    batches : iterable
        Batches of an evaluation: the first view counts. At least one.
    precision : "32-true" or "bf16-mixed"
        As in training.
    device : device, optional
        By default a GPU if there is one.
    progress : function
        Called with the number of objects of each batch that is done.
    reduce : function, optional
        What makes of the logits of a batch all that is kept of them, see `Task.reduce_with`; by default they are kept.

    Raises
    ------
    UsageError
        A logit or a feature is NaN or infinite.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    training = learner.training
    learner.eval().to(device)
    columns: list[list[Any]] = [[], [], [], [], []]
    reduced: dict[str, list[Any]] = {}
    bf16 = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
    try:
        with torch.inference_mode(), bf16:
            # A GPU is fed by a thread meanwhile; on a CPU it would only take the processors from the network.
            for views in batches if device.type == "cpu" else read_ahead(batches):
                batch = views[0].to(device)
                features, outputs = learner.features_and_logits(batch)
                logits = learner.task.logits(outputs.float())
                index, lengths = batch.index.cpu().numpy(), batch.lengths.numpy()
                features = features.float()
                sound = logits.isfinite().flatten(1).all(1) & features.isfinite().all(1)
                if reduce is not None:
                    for name, kept in reduce(logits, batch).items():
                        reduced.setdefault(name, []).append(kept.cpu().numpy())
                    logits = logits.new_empty(len(batch), 0)
                values = index, logits.double().cpu().numpy(), features.cpu().numpy(), lengths, sound.cpu().numpy()
                for column, value in zip(columns, values, strict=True):
                    column.append(value)
                progress(len(batch))
    finally:
        learner.train(training).to("cpu")
    position, all_logits, all_features, frames, finite = (np.concatenate(column) for column in columns)
    if not finite.all():
        count = pluralize(int((~finite).sum()), "object")
        fix = "run `ictconvention check` on it; if it is sound, the weights have diverged: take another run"
        where = f"the object at position {position[~finite][0]} of the survey, counted from 0"
        raise UsageError(f"the network gives no number (NaN, or infinite) for {count}", where, fix, "E-NETWORK-NAN")
    kept_of_all = {name: np.concatenate(parts) for name, parts in reduced.items()}
    return Inferred(position, all_logits, all_features, frames, kept_of_all)


def read_ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yield items that a thread reads meanwhile; what it raises is raised here."""
    queue: Queue[tuple[Item | None, BaseException | None]] = Queue(AHEAD)
    stopped = False

    def read() -> None:
        try:
            for item in items:
                if stopped:
                    return
                queue.put((item, None))
            queue.put((None, None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are used
            queue.put((None, error))

    thread = Thread(target=read, daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if error is not None:
                raise error
            if item is None:
                return
            yield item
    finally:
        stopped = True
        while thread.is_alive():  # it may wait for room
            while not queue.empty():
                queue.get()
            thread.join(0.01)
