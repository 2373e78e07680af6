"""Photometric labels: which objects have one, and what the objects that have both kinds of label say of it."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SplitError, shorten
from ictconvention.survey.labels.chosen import UNLABELLED
from ictconvention.survey.survey import Survey

PHOTOMETRIC = "photometric"
SECOND = "photometric_class"  # column of a survey: the photometric label of objects whose class is of a better source
PRIOR = 0.5  # objects that each true class is given beforehand, so that what never came is not impossible


def read_weak(survey: Survey) -> NDArray[np.bool_]:
    """Return which objects of a survey (n,) have a photometric label."""
    table = survey.object_table()
    source = np.ma.filled(np.ma.asarray(table["label_source"]), "") if "label_source" in table.colnames else ""
    return np.broadcast_to(np.asarray(source).astype(str) == PHOTOMETRIC, len(table)).copy()


def measure_noise(
    survey: Survey, labels: NDArray[np.int64], names: tuple[str, ...], ids: list[str]
) -> NDArray[np.float64]:
    """Return the shares of the true classes (columns) among objects of each photometric label (rows), (names, names).

    Counted of objects of the training parts that have both labels, a class of another source and the column
    `photometric_class`. A class that is no photometric label of any has a row of its own class alone.

    Parameters
    ----------
    survey : Survey
        With second labels.
    labels : array (n,)
        Class of each object, or -1.
    names : tuple of str
        Names of the classes.
    ids : list of str
        The objects of the training parts.

    Raises
    ------
    SplitError
        The survey has no second labels, or no training object has both.
    """
    table, where = survey.object_table(), f"survey {survey.header.name}"
    fix = "give the survey a column photometric_class, or take learner.weak_labels=given"
    if SECOND not in table.colnames:
        found = "no object has both kinds of label: there is no column photometric_class"
        raise SplitError(found, where, fix, "E-SPLIT-LABELS")
    given = np.ma.filled(np.ma.asarray(table[SECOND]).astype(str), "")
    here = survey.positions(ids)
    second = np.array([names.index(name) if name in names else UNLABELLED for name in given[here]], dtype=np.int64)
    both = (second != UNLABELLED) & (labels[here] != UNLABELLED) & ~read_weak(survey)[here]
    if not both.any():
        found = f"no training object has both kinds of label, as {shorten(ids, 2)}"
        raise SplitError(found, where, fix, "E-SPLIT-LABELS")
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (second[both], labels[here][both]), 1)
    there = counts.any(1)
    counts[there] += PRIOR
    counts[~there] = np.eye(len(names))[~there]
    return np.asarray(counts / counts.sum(1, keepdims=True))


def true_of_labels(
    labels: NDArray[np.int64], weak: NDArray[np.bool_], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the shares of the true classes among objects of each label, w_l P(y | l) + (1 - w_l) (l = y).

    Shares of labels, times it, are those of the true classes P(y), which are what a network learns from labels of known
    noise. Where no label errs it is the unit matrix.

    Parameters
    ----------
    labels : array (n,)
        Label of each training object, or -1.
    weak : array (n,)
        Whether it is photometric; w_l is the share of these among labels l.
    noise : array (classes, classes)
        P(y | l) of photometric labels, a row for each label.
    """
    known = labels != UNLABELLED
    number = np.bincount(labels[known], minlength=len(noise))
    photometric = np.bincount(labels[known & weak], minlength=len(noise)) / np.maximum(number, 1)
    return np.asarray(photometric[:, None] * noise + (1 - photometric)[:, None] * np.eye(len(noise)))


def label_ratio(
    shares: NDArray[np.float64], true: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what a photometric label l says of each true class y, P(y | l) P(l) / P(y), (classes, classes).

    Where no label errs it is the unit matrix.

    Parameters
    ----------
    shares, true : arrays (classes,)
        P(l), shares of the labels in the loss, and P(y), those of the true classes: see `true_of_labels`.
    noise : array (classes, classes)
        P(y | l) of photometric labels, a row for each label.
    """
    return np.asarray(noise * shares[:, None] / np.maximum(true, 1e-12))
