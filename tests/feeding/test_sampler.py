"""Each epoch's batches: who comes how often, in which order, and in which process."""

import zlib
from collections import Counter
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.options import Imbalance
from ictconvention.core.errors import UsageError
from ictconvention.feeding.batch import UNLABELLED
from ictconvention.feeding.dataset import SampleKey
from ictconvention.feeding.sampler import EvaluationSampler, TrainingSampler, class_weights
from tests.refusals import refused

LABELS = np.repeat([0, 1, 2, 3], [90, 362, 322, 26])
POSITIONS = np.arange(len(LABELS)) + 1000


def sampler(
    imbalance: str = "none", batch_size: int = 16, labels: np.ndarray = LABELS, **keywords: Any
) -> TrainingSampler:
    positions = np.arange(len(labels)) + 1000
    return TrainingSampler(
        positions, labels, Imbalance(**read_group("imbalance", imbalance)), batch_size, 0, "pretrain", **keywords
    )


def drawn(sampler: TrainingSampler, epoch: int = 0) -> list[list[SampleKey]]:
    sampler.set_epoch(epoch)
    return list(sampler)


@given(n=st.integers(1, 300), share=st.integers(1, 40), processes=st.integers(1, 4), epoch=st.integers(0, 5))
def test_every_object_comes_once_in_batches_of_nearly_equal_size(
    n: int, share: int, processes: int, epoch: int
) -> None:
    n = max(n, processes)
    labels = np.zeros(n, dtype=np.int64)
    samplers = [
        sampler(labels=labels, batch_size=share * processes, rank=rank, processes=processes)
        for rank in range(processes)
    ]
    shares = [drawn(one, epoch) for one in samplers]
    for parts in zip(*shares, strict=True):
        assert len({len(part) for part in parts}) == 1  # each process does as much
    sizes = [len(batch) for batch in shares[0]]
    assert max(sizes) <= share
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == len(samplers[0])
    counts = Counter(draw.position for batches in shares for batch in batches for draw in batch)
    assert set(counts.values()) == {1}
    assert len(counts) == n - n % processes


@given(
    n=st.integers(1, 300),
    share=st.integers(1, 20),
    processes=st.integers(1, 4),
    accumulate=st.integers(1, 5),
)
def test_accumulated_batches_are_the_steps_of_the_large_batch(
    n: int, share: int, processes: int, accumulate: int
) -> None:
    labels = np.zeros(max(n, processes), dtype=np.int64)
    for rank in range(processes):
        place: dict[str, Any] = {"labels": labels, "rank": rank, "processes": processes}
        large = drawn(sampler(batch_size=share * processes * accumulate, **place))
        try:
            accumulated = sampler(batch_size=share * processes, accumulate=accumulate, **place)
        except UsageError:  # a step has fewer objects than batches
            assert min(map(len, large)) < accumulate
            continue
        small = drawn(accumulated)
        assert len(accumulated) == len(small)
        assert 0 < min(map(len, small)) <= max(map(len, small)) <= share
        steps = [[*chain(*small[first : first + accumulate])] for first in range(0, len(small), accumulate)]
        assert steps == large
        assert len(steps) == len(large)
        assert [*chain(*small)] == [*chain(*large)]


def test_two_processes_share_the_batches_of_one() -> None:
    one = drawn(sampler("oversample", 16), 3)
    both = [drawn(sampler("oversample", 16, rank=rank, processes=2), 3) for rank in range(2)]
    assert [sorted(batch) for batch in one] == [sorted(a + b) for a, b in zip(*both, strict=True)]


def test_an_epoch_has_its_own_order_whatever_came_before() -> None:
    fresh, used = sampler(), sampler()
    for epoch in range(4):
        drawn(used, epoch)
    assert drawn(used, 2) == drawn(fresh, 2)
    positions = [[draw.position for batch in drawn(used, epoch) for draw in batch] for epoch in (2, 3)]
    assert positions[0] != positions[1]
    assert sorted(positions[0]) == sorted(positions[1])
    assert {draw.epoch for batch in drawn(used, 7) for draw in batch} == {7}
    other = TrainingSampler(POSITIONS, LABELS, Imbalance(), 16, 1, "pretrain")
    assert drawn(other, 2) != [[*batch] for batch in drawn(fresh, 2)]
    other = TrainingSampler(POSITIONS, LABELS, Imbalance(), 16, 0, "finetune")
    assert drawn(other, 2) != drawn(fresh, 2)


@pytest.mark.parametrize(
    ("name", "draws", "weight_ratio"),
    [
        ("none", [90, 362, 322, 26], 1.0),
        ("oversample", [200, 200, 200, 200], 1.0),
        ("weighted", [90, 362, 322, 26], 362 / 26),
        ("both", None, (362 / 26) ** 0.5),
        ("focal", [200, 200, 200, 200], 1.0),
    ],
)
def test_how_often_classes_come_and_what_they_weigh(name: str, draws: list[int] | None, weight_ratio: float) -> None:
    imbalance = Imbalance(**read_group("imbalance", name))
    batches = drawn(sampler(name))
    found = np.bincount([LABELS[draw.position - 1000] for batch in batches for draw in batch])
    assert found.sum() == len(LABELS)
    expected = draws or 800 * np.sqrt(np.bincount(LABELS)) / np.sqrt(np.bincount(LABELS)).sum()
    assert np.allclose(found, expected, atol=1)
    weights = class_weights(LABELS, 4, imbalance)
    assert weights[3] / weights[1] == pytest.approx(weight_ratio)
    assert found @ weights == pytest.approx(len(LABELS))  # an object weighs 1 on average
    if name != "none":
        assert np.ptp(found * weights) / (found * weights).mean() < 0.05  # all classes count the same
    assert imbalance.focal == (2 if name == "focal" else 0)


def test_an_oversampled_object_comes_as_often_as_others_of_its_class_and_each_time_anew() -> None:
    draws = [draw for batch in drawn(sampler("oversample")) for draw in batch]
    of_class = [draw for draw in draws if LABELS[draw.position - 1000] == 3]
    times = Counter(draw.position for draw in of_class)
    assert set(times.values()) == {7, 8}  # 200 draws of 26 objects
    assert len(set(of_class)) == len(of_class)
    assert {draw.repeat for draw in of_class} == set(range(8))


def plain_order(labels: np.ndarray, draws: np.ndarray, epoch: int) -> list[SampleKey]:
    """Draw an epoch object by object, as the first version did."""
    rng = np.random.default_rng(np.random.SeedSequence([0, zlib.crc32(b"pretrain"), epoch]))
    positions = np.arange(len(labels)) + 1000
    drawn = [(int(i), 0) for i in positions[labels == -1]]
    for label, number in enumerate(draws.tolist()):
        objects = positions[labels == label]
        for repeat in range(-(-number // max(len(objects), 1))):
            drawn += [(int(i), repeat) for i in rng.permutation(objects)[: number - repeat * len(objects)]]
    return [SampleKey(drawn[i][0], epoch, drawn[i][1]) for i in rng.permutation(len(drawn))]


def test_an_order_is_that_of_the_first_version() -> None:
    labels = np.concatenate([LABELS, np.full(70, -1)])
    one = sampler("oversample", labels=labels)
    assert [*chain(*drawn(one, 3))] == plain_order(labels, one.draws, 3)


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=20),
    processes=st.integers(1, 3),
    imbalance=st.sampled_from(["none", "oversample"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_hold_the_same_objects_for_any_number_of_processes(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], processes: int, imbalance: str, seed: int
) -> None:
    monkeypatch.setattr("ictconvention.feeding.sampler.BLOCK", 5)
    rng = np.random.default_rng(seed)
    places = np.array([(shard, row) for shard, size in enumerate(sizes) for row in range(size)]).T
    places = places[:, rng.permutation(places.shape[1])][:, : max(places.shape[1] * 2 // 3, processes)]
    labels: np.ndarray = np.asarray(rng.integers(-1, 2, places.shape[1]))
    if len(labels) < processes:
        return
    shares = [
        drawn(sampler(imbalance, 6, labels, places=places, rank=rank, processes=processes), 2)
        for rank in range(processes)
    ]
    together = [draw for parts in zip(*shares, strict=True) for draw in interleave(*parts)]
    objects = [*chain(*drawn(sampler(imbalance, 6, labels), 2))]
    left_out = len(objects) % processes
    assert len(together) == len(objects) - left_out
    assert len(set(together) - set(objects)) == 0
    assert len(set(together)) == len(together)  # an object that comes twice comes with another number
    number = {int(position): row for row, position in enumerate(np.arange(len(labels)) + 1000)}
    blocks = [(int(places[0, row]), int(places[1, row]) // 5) for row in (number[draw.position] for draw in together)]
    last = {block: at for at, block in enumerate(blocks)}
    first = {block: blocks.index(block) for block in last}
    for at in range(len(blocks)):
        assert sum(first[block] <= at <= last[block] for block in last) <= 8


def interleave(*parts: list[SampleKey]) -> list[SampleKey]:
    return [draw for row in zip(*parts, strict=True) for draw in row]


def test_the_blocks_of_an_epoch_follow_seed_and_epoch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ictconvention.feeding.sampler.BLOCK", 8)
    places = np.stack([np.arange(800) // 50, np.arange(800) % 50])
    one, resumed = sampler(places=places), sampler(places=places)
    for epoch in range(3):
        drawn(one, epoch)
    assert drawn(one, 3) == drawn(resumed, 3)
    orders = [[draw.position for draw in chain(*drawn(one, epoch))] for epoch in (3, 4)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == POSITIONS.tolist()
    other = TrainingSampler(POSITIONS, LABELS, Imbalance(), 16, 1, "pretrain", places=places)
    assert [draw.position for draw in chain(*drawn(other, 3))] != orders[0]
    of_first_mix = {(at - 1000) // 50 for at in orders[0][: 8 * 8]}
    assert 1 < len(of_first_mix) <= 8  # shards


def test_a_class_without_objects_is_not_drawn() -> None:
    labels = np.repeat([0, 2], [30, 10])
    for name in ("none", "oversample", "weighted", "both"):
        found = Counter(labels[draw.position - 1000] for batch in drawn(sampler(name, labels=labels)) for draw in batch)
        assert set(found) == {0, 2}
        weights = class_weights(labels, 4, Imbalance(**read_group("imbalance", name)))
        assert np.isfinite(weights).all()
        assert weights[1] == weights[3] == 0


def test_objects_without_a_label_come_once_and_the_others_weigh_more_for_it() -> None:
    labels = np.concatenate([LABELS, np.full(200, -1)])
    draws = [draw for batch in drawn(sampler("oversample", labels=labels)) for draw in batch]
    found = Counter(int(labels[draw.position - 1000]) for draw in draws)
    assert found == {-1: 200, 0: 200, 1: 200, 2: 200, 3: 200}
    weights = class_weights(labels, 4, Imbalance(sampling=1))
    assert np.allclose(weights, 1000 / 800)


def test_evaluation_takes_every_object_once_in_one_of_the_processes() -> None:
    alone = list(EvaluationSampler(POSITIONS, 16))
    assert [draw.position for batch in alone for draw in batch] == POSITIONS.tolist()
    assert len(alone) == len(EvaluationSampler(POSITIONS, 16)) == 50
    shares = [list(EvaluationSampler(POSITIONS[:799], 16, rank, 2)) for rank in range(2)]
    assert sorted(draw.position for share in shares for batch in share for draw in batch) == POSITIONS[:799].tolist()
    assert all(len(batch) <= 8 for share in shares for batch in share)


def test_batches_that_do_not_share_out_are_refused() -> None:
    with refused(UsageError, "E-MACHINE-DEVICES", "15", "2 devices", where="trainer.batch_size"):
        sampler(batch_size=15, processes=2)
    with refused(UsageError, "E-MACHINE-DEVICES", "1 object", "2 devices", where="pretrain"):
        sampler(labels=np.zeros(1, dtype=np.int64), processes=2)
    with refused(UsageError, "E-MACHINE-DEVICES", "1 object", "2 devices", where="split"):
        EvaluationSampler(POSITIONS[:1], 16, processes=2)


@pytest.mark.parametrize(("objects", "batch", "processes", "accumulate"), [(89, 4, 4, 8), (47, 64, 1, 64)])
def test_a_step_with_fewer_objects_than_batches_is_refused(
    objects: int, batch: int, processes: int, accumulate: int
) -> None:
    """Its batches would be counted to the next step, and its gradient divided by too many."""
    positions, labels = np.arange(objects), np.zeros(objects, dtype=np.int64)
    with pytest.raises(UsageError) as caught:
        TrainingSampler(positions, labels, Imbalance(), batch, processes=processes, accumulate=accumulate)
    assert caught.value.where == "trainer.accumulate"
    assert len(TrainingSampler(positions, labels, Imbalance(), batch, processes=processes, accumulate=2)) % 2 == 0


@pytest.mark.parametrize(("draws", "unlabelled"), [(0.5, None), (1.3, 2.0), (3.0, 0.25)])
def test_an_epoch_may_be_a_part_of_a_pass_or_several(draws: float, unlabelled: float | None) -> None:
    """Labelled objects in units of those there are, and for each so many of the others; weights of mean 1."""
    labels = np.append(LABELS, np.full(300, UNLABELLED))
    imbalance = Imbalance(sampling=1.0)
    one = TrainingSampler(np.arange(len(labels)), labels, imbalance, 64, draws=draws, unlabelled=unlabelled)
    batches = drawn(one)
    found = np.array([labels[draw.position] for batch in batches for draw in batch])
    counts = np.bincount(found[found != UNLABELLED], minlength=4)
    assert np.allclose(counts, draws * len(LABELS) / 4, atol=1)
    apart = (found == UNLABELLED).sum()
    assert apart == (300 if unlabelled is None else round(unlabelled * draws * len(LABELS)))
    assert len(batches) == len(one) == -(-len(found) // 64)
    objects = [(draw.position, draw.repeat) for batch in batches for draw in batch]
    assert len(set(objects)) == len(objects)  # what comes again is drawn anew
    weights = class_weights(labels, 4, imbalance, draws, unlabelled)
    assert counts @ weights == pytest.approx(len(found))
