"""Sampling by the rarest class of a picture, and weights by numbers of pixels."""

import numpy as np

from ictconvention.configuration.options import Imbalance
from ictconvention.feeding.pixel_counts import (
    drawn_pixels,
    known_shares,
    pixel_shares,
    pixel_weights,
)
from ictconvention.survey.masks.strata import rarest_classes

PIXELS = np.array([[90, 10, 0], [50, 49, 1], [100, 0, 0], [0, 0, 0], [60, 40, 0]])


def test_shares_are_of_known_pixels() -> None:
    shares = known_shares(PIXELS)
    assert shares[1].tolist() == [0.5, 0.49, 0.01]
    assert np.isnan(shares[3]).all()


def test_weighting_of_one_weighs_a_class_by_one_over_its_pixels() -> None:
    labels = rarest_classes(PIXELS)
    weights = pixel_weights(PIXELS, labels, Imbalance(weighting=1.0))
    assert np.allclose(weights * PIXELS.sum(0), (weights * PIXELS.sum(0))[0])
    assert np.isclose(weights @ PIXELS.sum(0), PIXELS.sum())
    _, loss = pixel_shares(PIXELS, labels, Imbalance(weighting=1.0))
    assert np.allclose(loss, 1 / 3)


def test_without_imbalance_every_pixel_weighs_the_same() -> None:
    labels = rarest_classes(PIXELS)
    assert np.allclose(pixel_weights(PIXELS, labels, Imbalance()), 1)
    natural, loss = pixel_shares(PIXELS, labels, Imbalance())
    assert np.allclose(natural, PIXELS.sum(0) / PIXELS.sum())
    assert np.allclose(loss, natural)


def test_sampling_draws_more_pixels_of_rare_classes() -> None:
    pixels = np.repeat(PIXELS, [20, 3, 40, 5, 20], axis=0)
    labels = rarest_classes(pixels)
    natural, drawn = (drawn_pixels(pixels, labels, Imbalance(sampling=x)) for x in (0.0, 1.0))
    assert np.allclose(natural, pixels.sum(0))
    assert drawn[2] / drawn.sum() > natural[2] / natural.sum()
    weights = pixel_weights(pixels, labels, Imbalance(sampling=1.0, weighting=0.5))
    assert np.isclose(weights @ drawn, drawn.sum())


def test_a_class_without_a_pixel_weighs_nothing() -> None:
    pixels = np.array([[5, 0, 3], [2, 0, 0]])
    assert pixel_weights(pixels, rarest_classes(pixels), Imbalance(weighting=1.0))[1] == 0
