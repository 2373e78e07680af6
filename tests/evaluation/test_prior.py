"""Probabilities at other class shares, and shares that predictions themselves tell."""

import numpy as np
import pytest

from ictconvention.evaluation import prior
from ictconvention.evaluation.calibration import probabilities
from ictconvention.evaluation.prior import at_shares, estimate_shares, shares_interval

OWN = np.array([0.5, 0.3, 0.2])


def calibrated(shares: np.ndarray, count: int, skill: float, seed: int = 0) -> np.ndarray:
    """Return what a calibrated network, trained at the shares OWN, says of objects that come in other shares.

    Each class gives normal logits of unit variance about its own corner: the likelihood is known, and so is the answer.
    """
    rng = np.random.default_rng(seed)
    label = rng.choice(3, count, p=shares)
    seen = skill * np.eye(3)[label] + rng.normal(size=(count, 3))
    return probabilities(skill * seen + np.log(OWN))


def test_moving_to_other_shares_and_back_changes_nothing() -> None:
    likely = calibrated(OWN, 200, 2.0)
    other = np.array([0.1, 0.1, 0.8])
    np.testing.assert_allclose(at_shares(at_shares(likely, OWN, other), other, OWN), likely)
    np.testing.assert_allclose(at_shares(likely, OWN, OWN), likely)


@pytest.mark.parametrize("shares", [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.9, 0.05, 0.05]])
@pytest.mark.parametrize("skill", [1.5, 4.0])
def test_the_shares_of_a_sky_are_found(shares: list[float], skill: float) -> None:
    likely = calibrated(np.array(shares), 20_000, skill)
    np.testing.assert_allclose(estimate_shares([likely], [OWN]), shares, atol=0.02)


def test_networks_of_other_shares_agree_on_the_sky() -> None:
    shares = np.array([0.2, 0.2, 0.6])
    likely = calibrated(shares, 20_000, 2.0)
    other = np.array([0.2, 0.6, 0.2])
    found = estimate_shares([likely, at_shares(likely, OWN, other)], [OWN, other])
    np.testing.assert_allclose(found, shares, atol=0.02)


def test_a_network_that_knows_nothing_keeps_its_shares() -> None:
    rng = np.random.default_rng(0)
    nothing = probabilities(np.log(OWN) + 1e-4 * rng.normal(size=(500, 3)))
    np.testing.assert_allclose(estimate_shares([nothing], [OWN]), OWN, atol=0.02)


def test_networks_that_remember_an_object_do_not_vote_on_it() -> None:
    """Two networks, each certain and wrong about the half that it was trained on."""
    shares = np.array([0.2, 0.2, 0.6])
    honest = calibrated(shares, 20_000, 2.0)
    first = np.arange(len(honest)) < 10_000
    remembered = np.tile([1.0, 0.0, 0.0], (len(honest), 1)) * 0.999 + 0.001 / 3
    networks = [np.where(half[:, None], remembered, honest) for half in (first, ~first)]
    np.testing.assert_allclose(estimate_shares(networks, [OWN, OWN], np.stack([~first, first])), shares, atol=0.02)
    assert estimate_shares(networks, [OWN, OWN])[0] > 0.4


def test_an_interval_holds_the_shares_of_the_sky(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten skies about as often as it says; without what 60 tested objects tell of the confusion it is narrower."""
    monkeypatch.setattr(prior, "DRAWS", 40)
    shares = np.array([0.2, 0.3, 0.5])
    inside, widths = [], []
    for sky in range(10):
        likely = calibrated(shares, 200, 2.0, 2 * sky)
        label = np.repeat([0, 1, 2], 20)
        logits = 2.0 * (2.0 * np.eye(3)[label] + np.random.default_rng(sky).normal(size=(60, 3)))
        tested = [(np.arange(60).astype(str), label, probabilities(logits + np.log(OWN)))]
        found = estimate_shares([likely], [OWN])
        ends, without = (shares_interval(found, [likely], [OWN], tested=of) for of in (tested, []))
        assert ends.with_confusion
        assert not without.with_confusion
        assert (ends.low <= found).all()
        assert (found <= ends.high).all()
        inside.append(((ends.low <= shares) & (shares <= ends.high)).mean())
        seeds = shares_interval(found, [likely] * 3, [OWN] * 3, tested=tested * 3)  # three copies know no more than one
        np.testing.assert_allclose([seeds.low, seeds.high], [ends.low, ends.high], atol=0.01)
        widths.append((ends.high - ends.low).mean() / (without.high - without.low).mean())
    assert np.mean(inside) > 0.85
    assert np.mean(widths) > 1.3


def test_an_interval_of_a_large_survey_is_as_narrow_as_its_objects_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more objects than one draw takes: the width falls with the root of their number."""
    monkeypatch.setattr(prior, "MOST", 300)
    monkeypatch.setattr(prior, "DRAWS", 100)
    widths = []
    for count in (300, 2700):
        likely = calibrated(np.array([0.2, 0.3, 0.5]), count, 2.0)
        found = estimate_shares([likely], [OWN])
        ends = shares_interval(found, [likely], [OWN])
        widths.append((ends.high - ends.low).mean())
    assert widths[0] / widths[1] == pytest.approx(3, rel=0.3)
