"""Answers to a shift on a toy of known densities: no harm where nothing is shifted, a gain where a line is too simple.

A straight line stands for the network: under a shift it is best where it has learned most, which weights and strata
move to the objects that are to be predicted.
"""

import numpy as np
import pytest

from ictconvention.evaluation.redshift.pdf import Floats, crps, widen
from ictconvention.evaluation.shift.neighbours import Neighbours
from ictconvention.evaluation.shift.propensity import ImportanceWeights, fit_propensity
from ictconvention.runs.shift.strata import strata_edges

EDGES = np.linspace(0, 2, 101)
N, NOISE = 1000, 0.03


def toy(shift: float, seed: int) -> tuple[Floats, Floats]:
    """Return what is measured of objects (N, 2), and their redshifts (N,), which rise ever faster with the first."""
    rng = np.random.default_rng(seed)
    measured = rng.normal([shift, 0], 1, (N, 2))
    return measured, 0.5 + 0.1 * measured[:, 0] + 0.02 * measured[:, 0] ** 2 + rng.normal(0, NOISE, N)


def line(measured: Floats, z: Floats, weight: Floats, asked: Floats) -> Floats:
    """Return PDFs of those that are asked for by the weighted straight line, as wide as it errs."""
    known, new = (np.column_stack([np.ones(len(x)), x]) for x in (measured, asked))
    root = np.sqrt(weight)
    slope = np.linalg.lstsq(known * root[:, None], z * root, rcond=None)[0]
    found = new @ slope
    width = np.sqrt(np.average((z - known @ slope) ** 2, weights=weight)) / (1 + z.mean())
    return widen(np.clip(found, 0, None), width, EDGES)


def scores(shift: float) -> dict[str, float]:
    """Return the mean CRPS of each answer of objects that were in no training."""
    (source, z), (target, _), (asked, truth) = toy(0, 1), toy(shift, 2), toy(shift, 3)
    propensity = fit_propensity(source, target, asked)
    weight = ImportanceWeights.of(propensity, 20.0).weight
    own, new = (np.searchsorted(strata_edges(propensity), x) for x in (propensity.source, propensity.others))
    strata = np.zeros((N, len(EDGES) - 1))
    for stratum in range(5):
        here, there = own == stratum, new == stratum
        strata[there] = line(source[here], z[here], np.ones(here.sum()), asked[there])
    half = N // 2
    nearest = Neighbours.fit(source[:half], z[:half], source[half:], z[half:], EDGES)
    pdfs = {
        "none": line(source, z, np.ones(N), asked),
        "weights": line(source, z, weight, asked),
        "strata": strata,
        "latent_knn": nearest.predict(asked),
    }
    return {name: float(crps(pdf, truth, EDGES).mean()) for name, pdf in pdfs.items()}


def test_without_a_shift_every_answer_is_as_good_as_none() -> None:
    found = scores(0.0)
    assert found["weights"] == pytest.approx(found["none"], rel=0.02)
    assert found["strata"] == pytest.approx(found["none"], rel=0.05)
    assert found["latent_knn"] == pytest.approx(found["none"], rel=0.1)


def test_with_a_shift_weights_and_strata_are_better_than_none_where_the_model_is_too_simple() -> None:
    found = scores(1.0)
    assert found["weights"] < 0.9 * found["none"]
    assert found["strata"] < 0.9 * found["none"]
