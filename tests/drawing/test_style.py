"""The looks of models are told apart by everybody: in the eyes of the colour-blind, and by a marker each."""

import numpy as np
import pytest

from ictconvention.drawing.style import COLOURS, MARKERS, style_of

SEEN = {  # of linear RGB, by those who lack a kind of cones (Machado et al. 2009, severity 1)
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
JUST_NOTICED = 2.3  # [Lab]


def linear(colours: tuple[str, ...]) -> np.ndarray:
    srgb = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIE L*a*b* of linear RGB (n, 3), under daylight."""
    t = np.clip(rgb, 0, 1) @ XYZ.T / np.array([0.95047, 1, 1.08883])
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


@pytest.mark.parametrize("eyes", SEEN)
def test_any_two_of_nine_models_are_ten_times_as_far_apart_as_is_just_noticed(eyes: str) -> None:
    seen = lab(linear(COLOURS) @ np.asarray(SEEN[eyes]).T)
    apart = np.linalg.norm(seen[:, None] - seen, axis=2)[np.triu_indices(len(COLOURS), 1)]
    assert apart.min() > 10 * JUST_NOTICED


def test_each_colour_stands_out_from_the_paper() -> None:
    luminance = linear(COLOURS) @ XYZ[1]
    assert (1.05 / (luminance + 0.05)).min() >= 3  # WCAG 2.1 of graphics


def test_nine_models_have_nine_markers_on_the_page_too() -> None:
    looks = [style_of(number) for number in range(len(COLOURS))]
    assert len({look.marker for look in looks}) == len({look.outline for look in looks}) == len(COLOURS) == len(MARKERS)
