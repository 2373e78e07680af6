"""A finished pre-training is put beside the runs once and whole, and any run of its hash takes it or trains its own."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.pretrained import Pretraining
from ictconvention.runs.run_folder import RunFolder
from tests.refusals import refused


def trained(runs: Path, name: str) -> RunFolder:
    """Return the folder of a run whose pre-training has ended."""
    run = RunFolder(runs / name / "fold0")
    run.checkpoints.mkdir(parents=True)
    torch.save({"state_dict": {"x": torch.arange(4.0)}}, run.weights("pretrain"))
    metrics = run.open_metrics()
    metrics.add("pretrain", 1, {"pretrain/train/loss": 2.0})
    metrics.add("finetune", 1, {"finetune/train/loss": 1.0})
    return run


@pytest.fixture
def shared(tmp_path: Path) -> Pretraining:
    shared = Pretraining(tmp_path, "ab12")
    shared.keep(trained(tmp_path, "first"))
    return shared


def test_a_run_takes_the_weights_and_the_rows_of_that_stage(tmp_path: Path, shared: Pretraining) -> None:
    assert shared.folder.path == tmp_path / "pretrained" / "ab12"
    own = RunFolder(tmp_path / "second" / "fold0")
    own.path.mkdir(parents=True)
    assert Pretraining(tmp_path, "other").take(own, own.open_metrics()) is None
    assert shared.take(own, own.open_metrics()) == "first/fold0"
    assert load_checkpoint(own.weights("pretrain"))["state_dict"]["x"].tolist() == [0, 1, 2, 3]
    assert own.open_metrics().rows == {("pretrain", 1): {"pretrain/train/loss": "2.0"}}
    assert shared.take(own, own.open_metrics()) is None  # it has its own by now


def test_the_first_one_stays(tmp_path: Path, shared: Pretraining) -> None:
    shared.keep(trained(tmp_path, "later"))
    own = RunFolder(tmp_path / "own")
    own.path.mkdir()
    assert shared.take(own, own.open_metrics()) == "first/fold0"


def test_the_lock_of_a_killed_process_goes_with_the_next_run(tmp_path: Path, shared: Pretraining) -> None:
    lock = shared.folder.path.with_name(".ab12.lock")
    lock.touch()
    shared.keep(trained(tmp_path, "later"))
    assert not lock.exists()


def test_it_takes_no_room_beside_the_run_and_outlives_it(tmp_path: Path, shared: Pretraining) -> None:
    first, own = RunFolder(tmp_path / "first" / "fold0"), RunFolder(tmp_path / "own")
    assert first.weights("pretrain").samefile(shared.folder.weights("pretrain"))
    shutil.rmtree(first.path)
    own.path.mkdir()
    assert shared.take(own, own.open_metrics()) is not None


@pytest.mark.parametrize(
    ("damage", "code", "place"),
    [
        ("weights", "E-WEIGHTS-DAMAGED", "/ab12/checkpoints/pretrain.ckpt"),
        ("other weights", "E-RUN-DAMAGED", "/ab12/checkpoints/pretrain.ckpt"),
        ("metrics", "E-RUN-DAMAGED", "/ab12/metrics.csv"),
        ("record", "E-RUN-DAMAGED", "/ab12"),
    ],
)
def test_what_is_damaged_is_named_and_gives_nothing(
    tmp_path: Path, shared: Pretraining, damage: str, code: str, place: str
) -> None:
    own = RunFolder(tmp_path / "own")
    own.path.mkdir()
    match damage:
        case "weights":
            shared.folder.weights("pretrain").write_text("?")
        case "other weights":
            torch.save({"state_dict": {"x": torch.arange(4.0) + 1}}, shared.folder.weights("pretrain"))
        case "metrics":
            shared.folder.metrics.write_text("?")
        case "record":
            next(shared.folder.path.glob("*.json")).unlink()
    with refused(UsageError, code, where=place):
        shared.take(own, own.open_metrics())
    assert not list(own.path.iterdir())


def test_what_fails_on_its_way_leaves_nothing(tmp_path: Path) -> None:
    run, shared = trained(tmp_path, "first"), Pretraining(tmp_path, "ab12")
    weights = run.weights("pretrain").rename(tmp_path / "elsewhere")
    with refused(FileSystemError, "E-FILES-MISSING", where=tmp_path / "pretrained/ab12"):
        shared.keep(run)
    assert not list((tmp_path / "pretrained").iterdir())
    weights.rename(run.weights("pretrain"))
    shared.keep(run)
    assert shared.folder.path.exists()


def test_two_runs_at_once_do_not_write_into_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = trained(tmp_path, "first"), trained(tmp_path, "second")
    link, tries = os.link, []

    def meanwhile(*paths: Path) -> None:
        tries.append(paths)
        with refused(FileSystemError, "E-FILES-LOCKED", where=tmp_path / "pretrained/ab12"):
            Pretraining(tmp_path, "ab12").keep(second)
        link(*paths)

    monkeypatch.setattr(os, "link", meanwhile)
    Pretraining(tmp_path, "ab12").keep(first)
    assert len(tries) == 1
    own = RunFolder(tmp_path / "own")
    own.path.mkdir()
    assert Pretraining(tmp_path, "ab12").take(own, own.open_metrics()) == "first/fold0"


def test_a_disk_without_second_names_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*paths: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", forbidden)
    shared = Pretraining(tmp_path, "ab12")
    shared.keep(run := trained(tmp_path, "first"))
    assert shared.folder.weights("pretrain").read_bytes() == run.weights("pretrain").read_bytes()


def test_it_is_no_run(tmp_path: Path, shared: Pretraining) -> None:
    with refused(UsageError, "E-RUN-UNFINISHED", where=tmp_path) as caught:
        find_runs(tmp_path)
    assert "pretrained" not in caught.value.found  # it is no run that could not be read
    with refused(UsageError, "E-RUN-MISSING", where=tmp_path / "pretrained/ab12"):
        RunFolder(shared.folder.path).read_options()
