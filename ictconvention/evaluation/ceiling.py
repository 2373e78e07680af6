"""What label noise allows: how well a classifier that knows the truth would do against the labels it is tested on."""

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey


def print_ceiling(survey: Survey, console: Console) -> None:
    """Print the scores of the true classes against the labels of the test part (fold 0, `rotating`)."""
    objects = survey.object_table()
    here = np.isin(np.asarray(objects["id"]), make_split(objects).parts["test"])
    scores = label_ceiling(np.asarray(objects["class"][here]), np.asarray(objects["true_class"][here]))
    text = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
    console.print(
        f"ceiling set by the labels of the {here.sum()} test objects: {text}", soft_wrap=True, highlight=False
    )


def label_ceiling(label: NDArray[np.str_], truth: NDArray[np.str_]) -> dict[str, float]:
    """Score the truth as if it were a prediction of the labels.

    Parameters
    ----------
    label, truth : arrays (n,)
        Names of classes.

    Returns
    -------
    dict of str to float
        accuracy, macro F1 and balanced accuracy.
    """
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    return {
        "accuracy": float(accuracy_score(label, truth)),
        "macro F1": float(f1_score(label, truth, average="macro")),
        "balanced accuracy": float(balanced_accuracy_score(label, truth)),
    }
