"""Views of a series: what they keep, what they may never do, and how a stamp turns."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.configuration.options import Augmentation
from ictconvention.feeding.views import draw_recipe, even_frames, even_nights, keyed_generator, turn_stamps

PAPER = Augmentation()


def source(x: float, y: float, size: int = 32, width: float = 2.5) -> Tensor:
    """Render a point source at x columns and y rows from the stamp's centre."""
    pixel = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    return torch.exp(-((pixel[None, :] - x) ** 2 + (pixel[:, None] - y) ** 2) / (2 * width**2))


def turn(
    frame: Tensor, angle: float = 0.0, quarters: int = 0, horizontal: bool = False, vertical: bool = False
) -> Tensor:
    flags = torch.tensor([horizontal]), torch.tensor([vertical])
    return turn_stamps(frame[None], torch.tensor([angle], dtype=frame.dtype), torch.tensor([quarters]), *flags)[0]


@pytest.mark.parametrize("angle", [0.1, -0.26, 1.0, 3.0])
@pytest.mark.parametrize("size", [31, 32])
def test_a_rotated_point_source_is_one_rendered_at_the_rotated_place(angle: float, size: int) -> None:
    x, y = 4.3, -2.6
    expected = source(x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle), size)
    found = turn(source(x, y, size), angle)
    assert (found - expected).abs().max() < 0.04  # bilinear interpolation takes a little off the peak
    assert abs(found.sum() / expected.sum() - 1) < 1e-3
    pixel = torch.arange(size, dtype=torch.float64)
    for axis in (0, 1):
        centres = [float((image.sum(1 - axis) * pixel).sum() / image.sum()) for image in (found, expected)]
        assert abs(centres[0] - centres[1]) < 0.01


def test_quarter_turns_and_flips_are_exact_and_turn_the_same_way() -> None:
    stamp = torch.randn(32, 32, dtype=torch.float64)
    for quarters in (1, 2, 3):
        exact = turn(stamp, quarters=quarters)
        assert sorted(exact.flatten().tolist()) == sorted(stamp.flatten().tolist())
        assert torch.allclose(turn(stamp, quarters * np.pi / 2), exact, atol=1e-10)
    assert torch.equal(turn(stamp, horizontal=True), stamp.flip(1))
    assert torch.equal(turn(stamp, vertical=True), stamp.flip(0))
    assert torch.equal(turn(stamp), stamp)


def test_each_frame_of_a_batch_turns_by_itself() -> None:
    frames = torch.randn(4, 16, 16, dtype=torch.float64)
    angle, quarters = torch.tensor([0.0, 0.3, -0.2, 0.0], dtype=torch.float64), torch.tensor([1, 0, 2, 0])
    horizontal, vertical = torch.tensor([True, False, True, False]), torch.tensor([False, True, True, False])
    together = turn_stamps(frames, angle, quarters, horizontal, vertical)
    for i in range(4):
        alone = turn(frames[i], float(angle[i]), int(quarters[i]), bool(horizontal[i]), bool(vertical[i]))
        assert torch.allclose(together[i], alone, atol=1e-14)


@given(frames=st.integers(1, 300), max_frames=st.integers(3, 99), seed=st.integers(0, 2**32), nights=st.booleans())
def test_a_view_has_from_k_to_m_frames_in_time_order(frames: int, max_frames: int, seed: int, nights: bool) -> None:
    rng = np.random.default_rng(seed)
    unit = np.arange(frames)
    if nights:
        unit = np.unique(np.sort(rng.integers(0, max(1, frames // 4), frames)), return_inverse=True)[1]
    view = draw_recipe(unit, max_frames, 3, PAPER, rng)
    assert (np.diff(view.rows) > 0).all()
    assert view.rows[0] >= 0
    assert view.rows[-1] < frames
    assert len(view.rows) <= max_frames
    assert len(view.rows) >= min(3, frames)
    if not nights:
        assert len(view.rows) >= int(0.8 * 0.5 * min(frames, max_frames))


@given(
    sizes=st.lists(st.integers(3, 6), min_size=1, max_size=60), max_frames=st.integers(6, 99), seed=st.integers(0, 9999)
)
def test_views_and_evaluation_by_night_keep_nights_whole(sizes: list[int], max_frames: int, seed: int) -> None:
    night = np.repeat(np.arange(len(sizes)), sizes)
    for rows in (
        draw_recipe(night, max_frames, 3, PAPER, np.random.default_rng(seed)).rows,
        even_nights(night, max_frames, 3),
    ):
        chosen = np.unique(night[rows])
        assert rows.tolist() == np.flatnonzero(np.isin(night, chosen)).tolist()
        assert 3 <= len(rows) <= max_frames


def test_removal_and_window_are_drawn_as_the_paper_says() -> None:
    """120 frames, at most 99: 50 to 99 of them stay, then a window of at least 80 % of those."""
    views = [draw_recipe(np.arange(120), 99, 3, PAPER, np.random.default_rng(seed)) for seed in range(3000)]
    lengths = np.array([len(view.rows) for view in views])
    assert lengths.min() >= 40
    assert lengths.max() <= 99
    kept = np.random.default_rng(0).integers(50, 99, 100_000, endpoint=True)
    window = np.random.default_rng(1).integers(np.ceil(0.8 * kept), kept, endpoint=True)
    assert abs(lengths.mean() - window.mean()) < 1
    assert abs(np.percentile(lengths, 10) - np.percentile(window, 10)) <= 2
    seen = np.bincount(np.concatenate([view.rows for view in views]), minlength=120)
    assert seen[40:80].std() / seen[40:80].mean() < 0.05  # the middle frames are all alike
    assert seen[0] < 0.95 * seen[60]  # the window takes more off the ends, and as much off both
    assert seen[-1] == pytest.approx(seen[0], rel=0.1)
    angles = np.array([view.angle for view in views])
    assert np.abs(angles).max() < np.radians(15)
    assert angles.std() == pytest.approx(np.radians(15) / np.sqrt(3), rel=0.05)
    flips = np.array([[view.horizontal, view.vertical] for view in views])
    assert np.allclose(flips.mean(0), 0.5, atol=0.03)
    assert abs(np.corrcoef(flips.T)[0, 1]) < 0.06


def test_no_augmentation_is_no_change() -> None:
    still = Augmentation(keep=1, window=1, rotation=0, flips=False)
    view = draw_recipe(np.arange(20), 99, 3, still, np.random.default_rng(0))
    assert (view.rows.tolist(), view.angle, view.quarter_turns) == (list(range(20)), 0, 0)
    assert not view.horizontal
    assert not view.vertical


def test_a_draw_depends_on_each_part_of_its_key_and_on_nothing_else() -> None:
    def draw(seed: int, stage: str, epoch: int, id: str, view: int) -> NDArray[np.int64]:
        return draw_recipe(np.arange(90), 60, 3, PAPER, keyed_generator(seed, stage, epoch, id, view)).rows

    key = (0, "pretrain", 3, "1032", 0)
    first = draw(*key)
    draw(5, "finetune", 7, "x", 1)
    assert draw(*key).tolist() == first.tolist()
    others = [
        (1, *key[1:]),
        (0, "finetune", *key[2:]),
        (0, "pretrain", 4, "1032", 0),
        (*key[:3], "1033", 0),
        (*key[:4], 1),
    ]
    assert all(draw(*other).tolist() != first.tolist() for other in others)


def test_evaluation_takes_even_frames_and_even_nights() -> None:
    assert even_frames(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert even_frames(9, 5).tolist() == [0, 2, 4, 6, 8]
    assert even_frames(1, 5).tolist() == [0]
    assert len(even_frames(1000, 99)) == len(set(even_frames(1000, 99).tolist())) == 99
    night = np.repeat(np.arange(7), 5)
    assert even_nights(night, 30, 3).tolist() == np.flatnonzero(np.isin(night, [0, 1, 2, 4, 5, 6])).tolist()
    assert even_nights(night, 99, 3).tolist() == list(range(35))
    assert len(even_nights(np.zeros(50, dtype=np.int64), 30, 3)) == 30  # one night longer than all that fits


def test_a_night_of_one_frame_beside_one_too_long_still_gives_k_frames() -> None:
    night = np.repeat([0, 1], [1, 50])
    assert len(even_nights(night, 30, 3)) == 30
    assert all(len(draw_recipe(night, 30, 3, PAPER, np.random.default_rng(seed)).rows) == 30 for seed in range(20))


def tried_one_by_one(night: NDArray[np.int64], max_frames: int, least_frames: int) -> NDArray[np.int64]:
    """Return the even nights by trying every number of them, from all downwards."""
    nights = int(night[-1]) + 1
    for number in range(min(nights, max_frames), 0, -1):
        rows = np.flatnonzero(np.isin(night, even_frames(nights, number)))
        if min(least_frames, len(night)) <= len(rows) <= max_frames:
            return rows
    return even_frames(len(night), max_frames)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(3, 60), st.integers(1, 3))
def test_even_nights_are_the_most_that_fit(sizes: list[int], max_frames: int, least_frames: int) -> None:
    night = np.repeat(np.arange(len(sizes)), sizes)
    expected = tried_one_by_one(night, max_frames, least_frames)
    assert even_nights(night, max_frames, least_frames).tolist() == expected.tolist()
