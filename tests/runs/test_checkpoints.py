"""Weights are saved whole or not at all, and what is not a file of plain tensors is reported, never run."""

import errno
import math
import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from ictconvention.core import atomic
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.runs.checkpoints import WholeCheckpoints, check_weights, load_checkpoint, take_weights
from tests.refusals import refused


def test_a_full_disk_leaves_the_weights_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoints" / "pretrain-last.ckpt"
    WholeCheckpoints().save_checkpoint({"state_dict": {"x": torch.ones(3)}}, path)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic, "sync", full)
    with refused(FileSystemError, "E-FILES-FULL", where=path):
        WholeCheckpoints().save_checkpoint({"state_dict": {"x": torch.zeros(3)}}, path)
    assert torch.equal(load_checkpoint(path)["state_dict"]["x"], torch.ones(3))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pretrain.ckpt"
    torch.save({"state_dict": {"x": torch.ones(1000)}}, path)
    whole = path.read_bytes()
    for content in (b"", b"rubbish", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with refused(UsageError, "E-WEIGHTS-DAMAGED", where=path):
            load_checkpoint(path)
    with refused(FileSystemError, "E-FILES-MISSING", where=tmp_path / "absent.ckpt"):
        load_checkpoint(tmp_path / "absent.ckpt")


def test_a_flipped_bit_is_told_wherever_it_is(tmp_path: Path) -> None:
    path, weights = tmp_path / "pretrain.ckpt", torch.arange(1.0, 1001.0)
    torch.save({"state_dict": {"x": weights}}, path)
    whole = path.read_bytes()
    first = whole.index(weights.numpy().tobytes())
    for place in (first, first + 1777, first + 3999):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with refused(UsageError, "E-WEIGHTS-DAMAGED", where=path):
            load_checkpoint(path)
    path.write_bytes(whole)
    assert torch.equal(load_checkpoint(path)["state_dict"]["x"], weights)


class Malice:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("malice"),))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "more": Malice()}, tmp_path / "one.ckpt")
    (tmp_path / "two.ckpt").write_bytes(pickle.dumps(Malice()))
    torch.save([1, 2], tmp_path / "three.ckpt")
    for name in ("one", "two", "three"):
        with refused(UsageError, "E-WEIGHTS-DAMAGED", where=tmp_path / f"{name}.ckpt"):
            load_checkpoint(tmp_path / f"{name}.ckpt")
    assert not Path("malice").exists()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8])
def test_weights_of_another_type_are_refused_and_named(kind: torch.dtype) -> None:
    """Torch would convert them without a word."""
    layer = torch.nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    take_weights(layer, {"state_dict": state}, "x.ckpt")
    state["bias"] = state["bias"].to(kind)
    name = str(kind).removeprefix("torch.")
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "bias", name, "float32", where="x.ckpt"):
        take_weights(layer, {"state_dict": state}, "x.ckpt")
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("form", ["sparse", "quantised", "on no device"])
def test_weights_of_another_form_are_refused_and_named(tmp_path: Path, form: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch on its sparse and quantised tensors
        odd = {
            "sparse": torch.ones(2, 3).to_sparse(),
            "quantised": torch.quantize_per_tensor(torch.ones(2, 3), 0.1, 0, torch.qint8),
            "on no device": torch.ones(2, 3, device="meta"),
        }[form]
        optimiser = {"state": {0: {"exp_avg": odd}}, "param_groups": []}
        for content, place in (
            ({"state_dict": {"weight": odd}}, "state_dict.weight"),
            ({"state_dict": {}, "optimizer_states": [optimiser]}, "optimizer_states.0.state.0.exp_avg"),
        ):
            torch.save(content, tmp_path / "x.ckpt")
            with refused(UsageError, "E-WEIGHTS-MISMATCH", place, form, where=tmp_path / "x.ckpt"):
                load_checkpoint(tmp_path / "x.ckpt")


def test_counters_stay_whole_numbers() -> None:
    norm = torch.nn.BatchNorm1d(3)
    state = norm.state_dict()
    check_weights(norm.state_dict(), {"state_dict": state}, "x.ckpt")
    state["num_batches_tracked"] = torch.tensor(2.5)
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "num_batches_tracked", "float32", "int64", where="x.ckpt"):
        check_weights(norm.state_dict(), {"state_dict": state}, "x.ckpt")


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_weights_that_are_no_finite_number_are_refused(value: float) -> None:
    """An infinite bias closes the gate of a cell, and leaves all that follows finite."""
    layer = torch.nn.Linear(3, 2)
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    state["weight"][1, 2] = value
    with refused(UsageError, "E-NETWORK-NAN", "weight", where="x.ckpt"):
        take_weights(layer, {"state_dict": state}, "x.ckpt")


def test_the_state_of_an_optimiser_is_checked_too() -> None:
    layer = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    checkpoint = {"state_dict": layer.state_dict(), "optimizer_states": [optimiser.state_dict()]}
    check_weights(layer.state_dict(), checkpoint, "x.ckpt")
    state = optimiser.state_dict()["state"]
    state[0]["exp_avg"] = state[0]["exp_avg"].half()
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "exp_avg", "float16", where="x.ckpt"):
        check_weights(layer.state_dict(), checkpoint | {"optimizer_states": [{"state": state}]}, "x.ckpt")
