"""What models predicted of the same objects, by fold and seed: the rows of a comparison. Knows no task and no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Key = tuple[int, int]  # fold and seed of one training
LEAST = 1e-12  # probability whose logarithm stands for those of smaller ones


@dataclass(frozen=True)
class Predictions:
    """What one training predicts of some objects.

    Parameters
    ----------
    ids : array (n,)
        Ids of the objects.
    label : array (n, ...)
        What the survey says of them, as their task scores it: of classes, their positions in the class names.
    rows : mapping of str to arrays (n, ...)
        What is predicted, by name, which can be averaged over trainings: of classes, the calibrated probabilities at
        each `Prior`.
    """

    ids: NDArray[np.str_]
    label: NDArray[Any]
    rows: Mapping[str, NDArray[np.float64]]

    def at(self, name: str) -> NDArray[np.float64]:
        """Return the rows of a name."""
        return self.rows[name]

    @property
    def pooled(self) -> "Pooled":
        """The same as those of a model of one fold and one seed."""
        cell = np.zeros(len(self.ids), dtype=np.int64)
        return Pooled(self.ids, self.label, cell, {name: values[None] for name, values in self.rows.items()})


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
    core_seconds : mapping of (fold, seed) to float
        The CPU time of the same, where it is known.
    passes : str
        Training epochs of each stage, such as 2+2, or 4-9+2 where patience ended some runs; empty where nothing is
        trained in them.
    """

    name: str
    predictions: Mapping[Key, Predictions]
    parameters: int | None = None
    seconds: Mapping[Key, float] = field(default_factory=dict)
    core_seconds: Mapping[Key, float] = field(default_factory=dict)
    passes: str = ""

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
    ids : array (n,)
        Ids of the objects, sorted.
    label : array (n, ...)
        What the survey says of them.
    cell : array (n,)
        Number of the set of folds that test an object: its own fold under the rotating protocol, 0 under the fixed
        one. Objects of a cell are predicted by the same trainings.
    rows : mapping of str to arrays (seeds, n, ...)
        Predictions; those of an object that several folds test are averaged over these folds.
    """

    ids: NDArray[np.str_]
    label: NDArray[Any]
    cell: NDArray[np.int64]
    rows: Mapping[str, NDArray[np.float64]]

    def at(self, name: str) -> NDArray[np.float64]:
        """Return the rows of a name, (seeds, n, ...)."""
        return self.rows[name]

    def of_seed(self, number: int) -> dict[str, NDArray[np.float64]]:
        """Return the rows of one seed by name, (n, ...)."""
        return {name: values[number] for name, values in self.rows.items()}

    @property
    def seeds(self) -> int:
        """How many seeds there are."""
        return len(next(iter(self.rows.values())))

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return int(self.cell.max()) + 1

    def is_of_objects_of(self, other: "Pooled") -> bool:
        """Return whether both are of the same objects, of which the survey says the same."""
        numeric = self.label.dtype.kind == "f"  # in which nothing known is NaN
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.label, other.label, equal_nan=numeric)


def pool(entry: ModelPredictions) -> Pooled:
    """Bring the folds of an entry together."""
    first = {fold: entry.predictions[fold, entry.seeds[0]] for fold in entry.folds}
    any_of = first[entry.folds[0]]
    ids, place = np.unique(np.concatenate([first[fold].ids for fold in entry.folds]), return_inverse=True)
    fold_of = np.concatenate([np.full(len(first[fold].ids), number) for number, fold in enumerate(entry.folds)])
    tested = np.zeros((len(ids), len(entry.folds)), dtype=bool)
    tested[place, fold_of] = True
    label = np.empty((len(ids), *any_of.label.shape[1:]), dtype=any_of.label.dtype)
    label[place] = np.concatenate([first[fold].label for fold in entry.folds])
    rows = {}
    for name, values in any_of.rows.items():
        mean = np.zeros((len(entry.seeds), len(ids), *values.shape[1:]))
        for s, seed in enumerate(entry.seeds):
            for fold in entry.folds:
                found = entry.predictions[fold, seed]
                mean[s, np.searchsorted(ids, found.ids)] += found.at(name)
        rows[name] = mean / tested.sum(1).reshape(-1, *np.ones(values.ndim - 1, dtype=int))
    cell = np.unique(tested, axis=0, return_inverse=True)[1].reshape(-1)
    return Pooled(ids, label, cell, rows)


def ensemble(entry: ModelPredictions, members: int, alone: Sequence[str] = ()) -> ModelPredictions:
    """Average the predictions of so many seeds at a time, in each fold; an entry with that many fewer seeds.

    Parameters
    ----------
    entry : ModelPredictions
        The model.
    members : int
        Seeds of an ensemble.
    alone : sequence of str
        Rows that an ensemble of several has not, see `Measures.alone`.

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
    core_seconds: dict[Key, float] = {}
    for number, seeds in enumerate(groups):
        for fold in entry.folds:
            parts = [entry.predictions[fold, seed] for seed in seeds]
            names = [name for name in parts[0].rows if members == 1 or name not in alone]
            rows = {name: np.mean([part.at(name) for part in parts], axis=0) for name in names}
            predictions[fold, number] = Predictions(parts[0].ids, parts[0].label, rows)
            for spent, total in ((entry.seconds, seconds), (entry.core_seconds, core_seconds)):
                if all((fold, seed) in spent for seed in seeds):
                    total[fold, number] = sum(spent[fold, seed] for seed in seeds)
    parameters = None if entry.parameters is None else members * entry.parameters
    return ModelPredictions(entry.name, predictions, parameters, seconds, core_seconds, entry.passes)


def geometric_mean(rows: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Average the logarithms of several probabilities (n, classes) of the same objects; rows sum to 1."""
    mean = np.exp(np.mean([np.log(np.maximum(row, LEAST)) for row in rows], axis=0))
    return np.asarray(mean / mean.sum(1, keepdims=True))


def mean_of_logarithms(name: str, entries: Sequence[ModelPredictions]) -> ModelPredictions:
    """Average the logarithms of what several models predict, of probabilities: their geometric mean, which sums to 1.

    A model of one seed in each fold, such as a forest, joins every seed of the others.

    Raises
    ------
    ValueError
        They have other folds, seeds or objects.
    """
    most = max(entries, key=lambda entry: len(entry.seeds))
    predictions: dict[Key, Predictions] = {}
    core_seconds: dict[Key, float] = {}
    for key in most.predictions:
        keys = [(key[0], entry.seeds[0]) if len(entry.seeds) == 1 else key for entry in entries]
        if any(own not in entry.predictions for own, entry in zip(keys, entries, strict=True)):
            raise ValueError(f"not every model has fold {key[0]}, seed {key[1]}")
        parts = [entry.predictions[own] for own, entry in zip(keys, entries, strict=True)]
        if any(not np.array_equal(part.ids, parts[0].ids) for part in parts):
            raise ValueError(f"the models predict other objects of fold {key[0]}")
        rows = {row: geometric_mean([part.at(row) for part in parts]) for row in parts[0].rows}
        predictions[key] = Predictions(parts[0].ids, parts[0].label, rows)
        if all(own in entry.core_seconds for own, entry in zip(keys, entries, strict=True)):
            core_seconds[key] = sum(entry.core_seconds[own] for own, entry in zip(keys, entries, strict=True))
    return ModelPredictions(name, predictions, core_seconds=core_seconds)
