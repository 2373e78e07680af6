"""Several processes train as one does, with every option."""

import json
import socket
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from ictconvention.survey.survey import Survey
from tests.forked import prepared_processes
from tests.learning.test_ict import OPTIONS
from tests.learning.two_processes import train, train_in_rank


@pytest.fixture(scope="module")
def trained(miniature: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_processes")
    with warnings.catch_warnings():
        train(miniature.path, folder, 1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = prepared_processes()
    arguments = [(rank, port, miniature.path, folder) for rank in range(2)]
    both = [context.Process(target=train_in_rank, args=words, daemon=True) for words in arguments]
    for process in both:
        process.start()
    for process in both:
        process.join(300)
    assert [process.exitcode for process in both] == [0, 0]
    return folder


def weights(trained: Path, name: str) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(trained / f"{name}.pt", weights_only=True)
    return stored


@pytest.mark.slow
def test_two_processes_end_where_one_with_the_double_batch_does(trained: Path) -> None:
    alone, first, second = (weights(trained, name) for name in ("1-0", "2-0", "2-1"))
    assert all(torch.allclose(x, alone[name], rtol=1e-7, atol=1e-10) for name, x in first.items())
    assert all(torch.equal(x, second[name]) for name, x in first.items())
    moved = [
        name
        for name in alone
        if name.startswith("target.")
        and not torch.equal(
            alone[name], alone[name.replace("target.head", "network.projector").replace("target.", "network.")]
        )
    ]
    assert moved  # the target is on its way, not a copy


@pytest.mark.slow
def test_two_processes_train_against_one_head_on_domains(trained: Path) -> None:
    alone, first, second = (weights(trained, f"domains-{name}") for name in ("1-0", "2-0", "2-1"))
    assert "domain.layers.0.weight" in alone
    assert all(torch.allclose(x, alone[name], rtol=1e-7, atol=1e-10) for name, x in first.items())
    assert all(torch.equal(x, second[name]) for name, x in first.items())


@pytest.mark.slow
def test_scores_are_those_of_all_processes(trained: Path) -> None:
    alone, *both = (json.loads((trained / f"{name}.json").read_text()) for name in ("1-0", "2-0", "2-1"))
    names = [name for name in alone if "/val/" in name or "/train/" in name]
    assert {"pretrain/train/loss", "pretrain/val/f1_macro", "pretrain/val/collapse/cosine"} <= set(names)
    for found in both:
        assert [found[name] for name in names] == pytest.approx([alone[name] for name in names], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(OPTIONS)))
def test_every_option_keeps_the_processes_together(trained: Path, number: int) -> None:
    first, second = (weights(trained, f"option{number}-{rank}") for rank in (0, 1))
    assert [name for name, x in first.items() if not torch.equal(x, second[name])] == []  # statistics too: one network
