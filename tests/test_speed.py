"""What the benchmark of a GPU counts, on a CPU and with steps that are made up."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from experiments.speed import gpu
from experiments.speed.bench import Bench, save
from experiments.speed.gpu import Clock, feeding_rate, timed_pass

CPU = torch.device("cpu")


def bench() -> Bench:
    survey: Any = None
    return Bench(CPU, survey, tiny=True, end=time.perf_counter() + 60)


def test_a_part_that_fails_without_a_word_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    def fail(bench: Bench) -> list[dict[str, Any]]:
        raise KeyError

    made = bench()
    made.measure("first", fail)
    made.measure("second", lambda bench: [{"what": "kept"}])
    assert made.failed.keys() == {"first"}
    assert made.failed["first"].startswith("KeyError: ")
    save(made, {"gpus": [], "processor": "one"}, 1.0, tmp_path / "gpu.md")
    for name in ("gpu.md", "gpu.json"):
        assert {word in (tmp_path / name).read_text() for word in ("KeyError", "kept")} == {True}


def test_an_interruption_leaves_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(bench: Bench) -> list[dict[str, Any]]:
        raise KeyboardInterrupt

    monkeypatch.setattr(gpu, "PARTS", {"first": lambda bench: [{"what": "kept"}], "second": interrupt})
    monkeypatch.setattr("sys.argv", ["gpu.py", "--tiny", "-o", f"{tmp_path}/gpu.md"])
    with pytest.raises(KeyboardInterrupt):
        gpu.main()
    assert "kept" in (tmp_path / "gpu.json").read_text()


def test_operations_and_objects_are_those_of_the_batches_that_are_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bench, "time", lambda bench, work, warm_up: 2.0)  # seconds of a round over the batches
    batches = [(torch.ones(rows, 5),) for rows in (1, 2, 6)]
    learner = SimpleNamespace(logits=lambda views: views @ torch.ones(5, 7), train=lambda on: None)
    one: Any = SimpleNamespace(learner=learner)
    row = timed_pass(bench(), one, batches, "made up", "float32", reached=1.0, train=False)
    assert row["objects a second"] == (1 + 2 + 6) / 2
    assert row["share of the bf16 peak"] == 2 * (1 + 2 + 6) * 5 * 7 / 2


def test_the_clock_of_a_training_stops_at_its_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(bench(), first=2, last=4)
    for step in range(1, 5):
        monkeypatch.setattr(Bench, "now", lambda bench, step=step: 10.0 * step)
        clock.note(SimpleNamespace(global_step=step), None, None, ([0] * 8,), step)
    assert (clock.begin, clock.end, clock.objects) == (20, 40, 16)


def test_feeding_is_timed_over_epochs_and_after_what_was_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: list[int] = []
    read = 0

    class Loader:
        sampler = SimpleNamespace(set_epoch=epochs.append)

        def __iter__(self) -> Any:
            nonlocal read
            for _ in range(3):
                read += 1
                yield (torch.ones(4),)

    monkeypatch.setattr(Bench, "now", lambda bench: float(read))
    rate, views = feeding_rate(bench(), Loader(), ready=5, batches=6)
    assert rate == 4  # objects of a batch, each of which takes a second
    assert (read, epochs, len(views[0])) == (11, [0, 1, 2, 3], 4)
