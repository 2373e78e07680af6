"""From logits of a network trained on balanced draws to probabilities at the sky's own class shares."""

import numpy as np
from numpy.typing import NDArray

STEPS = 60  # of the bisection; each halves the interval of log(1 / temperature)
SHARPEST = 1e3  # largest 1 / temperature


def prior_shift(trained: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return what moves logits from the class shares that training saw to others (Bayes' rule; Saerens et al. 2002).

    It is added to calibrated logits, after a temperature has divided them: Bayes' rule holds for probabilities.

    Parameters
    ----------
    trained, wanted : arrays (classes,)
        Shares of the classes in the training's loss, and where the predictions are used; both sum to 1. A class that
        training never saw keeps its logit.

    Returns
    -------
    array (classes,)
    """
    with np.errstate(divide="ignore"):
        return np.where(trained > 0, np.log(np.maximum(wanted, 1e-12)) - np.log(trained), 0.0)


def fit_temperature(
    logits: NDArray[np.floating], labels: NDArray[np.integer], shift: NDArray[np.floating] | float = 0.0
) -> float:
    """Return the temperature whose division of the logits gives the labels the largest likelihood (Guo et al. 2017).

    The negative log-likelihood is convex in 1 / temperature, so its slope is bisected.

    Parameters
    ----------
    logits : array (n, classes)
        Logits of objects that no weight was fitted to.
    labels : array (n,)
        Their classes.
    shift : array (classes,), optional
        Added to the logits after they were divided, see `prior_shift`.

    Returns
    -------
    float
        From 1 / `SHARPEST` (every label has the largest logit) to `SHARPEST` (the logits say nothing).
    """
    logits = np.asarray(logits, dtype=np.float64)
    own = logits[np.arange(len(labels)), labels]
    low, high = -np.log(SHARPEST), np.log(SHARPEST)
    for _ in range(STEPS):
        middle = (low + high) / 2
        mean = (probabilities(logits, np.exp(-middle), shift) * logits).sum(1)
        if (mean - own).mean() > 0:  # the slope by 1 / temperature
            high = middle
        else:
            low = middle
    return float(np.exp(-(low + high) / 2))


def probabilities(
    logits: NDArray[np.floating], temperature: float = 1.0, shift: NDArray[np.floating] | float = 0.0
) -> NDArray[np.float64]:
    """Return the probabilities (n, classes) of logits that a temperature divides, and a shift (classes,) moves then."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature + shift
    weight = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(weight / weight.sum(1, keepdims=True))
