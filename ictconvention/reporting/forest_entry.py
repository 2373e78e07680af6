"""The forests of redshifts that were trained beside runs, as one entry of a comparison."""

from ictconvention.applying.forests.redshifts import FOREST, read_photometric_forest
from ictconvention.evaluation.predictions import Key, ModelPredictions, Predictions
from ictconvention.runs.collection import Collection
from ictconvention.runs.run_folder import RunFolder


def forest_entries(collection: Collection, part: str = "test") -> list[ModelPredictions]:
    """Return an entry of the forests beside runs, where every fold has one of a same seed; else none.

    Errors as of `read_photometric_forest`.
    """
    predictions: dict[Key, Predictions] = {}
    spent: dict[Key, float] = {}
    for of in collection.runs.values():
        for key, run in of.items():
            if key not in predictions and (found := read_photometric_forest(RunFolder(run.folder), part)) is not None:
                predictions[key], spent[key] = found
    folds = {fold for of in collection.runs.values() for fold, _ in of}
    seeds = set.intersection(*({seed for there, seed in predictions if there == fold} for fold in folds))
    kept = {key: of for key, of in predictions.items() if key[1] in seeds}
    return [ModelPredictions(FOREST, kept, core_seconds={key: spent[key] for key in kept})] if kept else []
