"""From logits of a network trained on balanced draws to probabilities at the sky's own class shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

STEPS = 60  # of the bisection; each halves the interval of log(1 / temperature)
SHARPEST = 1e3  # largest 1 / temperature


@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of a network's outputs; `result.json` keeps it.

    Parameters
    ----------
    temperature : float
        That divides the outputs.
    survey_prior, training_prior : arrays (outputs,)
        Shares of the labels in the last stage's training part, and in the loss; both sum to 1.
    shift : array (outputs,)
        Added to the divided outputs: from the shares of the loss to those of the survey.
    """

    temperature: float
    survey_prior: NDArray[np.float64]
    training_prior: NDArray[np.float64]
    shift: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        outputs: NDArray[np.floating],
        label: NDArray[np.integer],
        survey_prior: NDArray[np.float64],
        training_prior: NDArray[np.float64],
    ) -> Self:
        """Return the calibration by which labels (n,) are likeliest of outputs (n, outputs) of held-out objects."""
        shift = prior_shift(training_prior, survey_prior)
        return cls(fit_temperature(outputs, label, shift), survey_prior, training_prior, shift)

    @classmethod
    def restore(cls, record: Mapping[str, Any], survey_prior: Any, training_prior: Any) -> Self:
        """Return the calibration of a record, see `record`, and its checked shares.

        A version before divided the outputs after they had been moved: its runs go on to predict what they did.

        Raises
        ------
        ValueError
            The temperature or the shift is none.
        """
        if not 0 < (temperature := float(record["temperature"])) < np.inf:
            raise ValueError(f"the temperature is {temperature:g}")
        if "logit_shift" in record:
            shift = np.asarray(record["logit_shift"], dtype=np.float64)
        else:  # of a version before
            shift = prior_shift(training_prior, survey_prior) / temperature
        if shift.shape != survey_prior.shape or not np.isfinite(shift).all():
            raise ValueError(f"the shift of the logits is {shift.tolist()}")
        return cls(temperature, survey_prior, training_prior, shift)

    @property
    def record(self) -> dict[str, Any]:
        """The same in plain values."""
        prior = {"survey": self.survey_prior.tolist(), "training": self.training_prior.tolist()}
        return {"temperature": self.temperature, "logit_shift": self.shift.tolist(), "prior": prior}


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
