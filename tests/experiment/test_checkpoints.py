"""Weights are saved whole or not at all, and what is no file of plain tensors is told, never run."""

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from ictconvention import atomic
from ictconvention.errors import FileSystemError, UsageError
from ictconvention.experiment.checkpoints import WholeCheckpoints, load_checkpoint


def test_a_full_disk_leaves_the_weights_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoints" / "pretrain-last.ckpt"
    WholeCheckpoints().save_checkpoint({"state_dict": {"x": torch.ones(3)}}, path)

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(atomic, "_sync", full)
    with pytest.raises(FileSystemError, match="saving the weights failed: No space left on device") as caught:
        WholeCheckpoints().save_checkpoint({"state_dict": {"x": torch.zeros(3)}}, path)
    assert "free some space" in caught.value.mend
    assert torch.equal(load_checkpoint(path)["state_dict"]["x"], torch.ones(3))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pretrain.ckpt"
    torch.save({"state_dict": {"x": torch.ones(1000)}}, path)
    whole = path.read_bytes()
    for content in (b"", b"rubbish", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="damaged") as caught:
            load_checkpoint(path)
        assert "remove this file" in caught.value.mend
    with pytest.raises(FileSystemError, match="reading the weights failed"):
        load_checkpoint(tmp_path / "absent.ckpt")


class Malice:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("malice"),))


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "more": Malice()}, tmp_path / "one.ckpt")
    (tmp_path / "two.ckpt").write_bytes(pickle.dumps(Malice()))
    torch.save([1, 2], tmp_path / "three.ckpt")
    for name in ("one", "two", "three"):
        with pytest.raises(UsageError):
            load_checkpoint(tmp_path / f"{name}.ckpt")
    assert not Path("malice").exists()
