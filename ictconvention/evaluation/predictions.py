"""What models predicted of the same objects, by fold and seed: the rows of a comparison. Knows no model and no file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.prior import Prior

Key = tuple[int, int]  # fold and seed of one training


@dataclass(frozen=True)
class Predictions:
    """What one training predicts of its test part.

    Parameters
    ----------
    ids : array (n,)
        Ids of the objects.
    label : array (n,)
        Their classes, positions in the class names.
    likely, uniform : arrays (n, classes)
        Probabilities, calibrated, at the class shares of the fine-tuning part, and at equal ones.
    """

    ids: NDArray[np.str_]
    label: NDArray[np.int64]
    likely: NDArray[np.float64]
    uniform: NDArray[np.float64]

    def at(self, prior: Prior) -> NDArray[np.float64]:
        """Return the probabilities at a prior."""
        return self.likely if prior == Prior.SURVEY else self.uniform


@dataclass(frozen=True)
class ModelPredictions:
    """One model in a comparison.

    Parameters
    ----------
    name : str
        As it stands in the table.
    predictions : mapping of (fold, seed) to Predictions
        Every seed in every fold.
    parameters : int, optional
        Parameters of its network.
    seconds : mapping of (fold, seed) to float
        Seconds of its training, where they are known.
    """

    name: str
    predictions: Mapping[Key, Predictions]
    parameters: int | None = None
    seconds: Mapping[Key, float] = field(default_factory=dict)

    @property
    def folds(self) -> tuple[int, ...]:
        """Its folds, in order."""
        return tuple(sorted({fold for fold, _ in self.predictions}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Its seeds, in order."""
        return tuple(sorted({seed for _, seed in self.predictions}))


@dataclass(frozen=True)
class Pooled:
    """The predictions of an entry over all folds, each object once.

    Parameters
    ----------
    ids, label : arrays (n,)
        Ids and classes of the objects, sorted by id.
    cell : array (n,)
        Number of the set of folds that test an object: its own fold under the rotating protocol, 0 under the fixed
        one. Objects of a cell are predicted by the same trainings.
    likely, uniform : arrays (seeds, n, classes)
        Probabilities; those of an object that several folds test are averaged over these folds.
    """

    ids: NDArray[np.str_]
    label: NDArray[np.int64]
    cell: NDArray[np.int64]
    likely: NDArray[np.float64]
    uniform: NDArray[np.float64]

    def at(self, prior: Prior) -> NDArray[np.float64]:
        """Return the probabilities at a prior."""
        return self.likely if prior == Prior.SURVEY else self.uniform


def pool(entry: ModelPredictions) -> Pooled:
    """Bring the folds of an entry together."""
    first = {fold: entry.predictions[fold, entry.seeds[0]] for fold in entry.folds}
    ids, place = np.unique(np.concatenate([first[fold].ids for fold in entry.folds]), return_inverse=True)
    fold_of = np.concatenate([np.full(len(first[fold].ids), number) for number, fold in enumerate(entry.folds)])
    tested = np.zeros((len(ids), len(entry.folds)), dtype=bool)
    tested[place, fold_of] = True
    label = np.empty(len(ids), dtype=np.int64)
    label[place] = np.concatenate([first[fold].label for fold in entry.folds])
    classes = first[entry.folds[0]].likely.shape[1]
    mean = np.zeros((2, len(entry.seeds), len(ids), classes))
    for s, seed in enumerate(entry.seeds):
        for fold in entry.folds:
            found = entry.predictions[fold, seed]
            here = np.searchsorted(ids, found.ids)
            mean[0, s, here] += found.likely
            mean[1, s, here] += found.uniform
    mean /= tested.sum(1)[:, None]
    cell = np.unique(tested, axis=0, return_inverse=True)[1].reshape(-1)
    return Pooled(ids, label, cell, mean[0], mean[1])


def ensemble(entry: ModelPredictions, members: int) -> ModelPredictions:
    """Average the probabilities of so many seeds at a time, in each fold; an entry with that many fewer seeds.

    Raises
    ------
    ValueError
        The seeds do not divide into such groups.
    """
    if members < 1 or len(entry.seeds) % members:
        raise ValueError(f"{len(entry.seeds)} seeds do not make ensembles of {members}")
    groups = [entry.seeds[start : start + members] for start in range(0, len(entry.seeds), members)]
    predictions: dict[Key, Predictions] = {}
    seconds: dict[Key, float] = {}
    for number, seeds in enumerate(groups):
        for fold in entry.folds:
            parts = [entry.predictions[fold, seed] for seed in seeds]
            likely, uniform = (np.mean([part.at(prior) for part in parts], axis=0) for prior in Prior)
            predictions[fold, number] = Predictions(parts[0].ids, parts[0].label, likely, uniform)
            if all((fold, seed) in entry.seconds for seed in seeds):
                seconds[fold, number] = sum(entry.seconds[fold, seed] for seed in seeds)
    parameters = None if entry.parameters is None else members * entry.parameters
    return ModelPredictions(entry.name, predictions, parameters, seconds)
