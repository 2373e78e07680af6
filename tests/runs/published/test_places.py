"""A run that is named by a hub or is the demo: fetched once from a server that speaks as a hub does, or refused."""

import errno
import hashlib
import sys
from pathlib import Path

import pytest

from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.runs.published import places
from ictconvention.runs.published.manifest import check_manifest, write_manifest
from ictconvention.runs.published.places import DEMO_DIGEST, DEMO_FOLDER, is_demo, locate_run, pin_run
from ictconvention.runs.run_folder import RunFolder
from tests.hub import FIRST, SECOND, Hub
from tests.refusals import refused

NEEDED = {"README.md": b"# a card\n", "model.safetensors": b"\x00\x01" * 500, "result.json": b"{}\n"}
BESIDES = {"model.onnx": b"onnx" * 500, "optimizer.bin": b"0" * 900}  # the first is in the manifest


@pytest.fixture
def small(tmp_path: Path, hub: Hub) -> Hub:
    """Return the hub with what looks like a published run, and a file that none has."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name, content in (NEEDED | BESIDES).items():
        (folder / name).write_bytes(content)
    write_manifest(
        folder, {"format": "a run"}, [folder / name for name in ("model.safetensors", "result.json", "model.onnx")]
    )
    hub.publish(folder)
    return hub


def test_what_is_needed_of_a_repository_is_fetched_once_and_its_commit_is_said(
    small: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    folder = locate_run("hf://me/small")
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {*NEEDED, "config.json"}
    assert all((folder / name).read_bytes() == content for name, content in NEEDED.items())
    assert sorted(small.asked) == sorted([*NEEDED, "config.json"])
    check_manifest(folder)  # ONNX is for others
    assert folder.name == FIRST
    assert f"hf://me/small: commit {FIRST}" in caplog.messages[0]
    assert locate_run(Path("hf://me/small@v1")) == folder  # as a path, which has lost a stroke
    with refused(UsageError, "E-RUN-MISSING", "v2", where="hf://me/small@v2"):
        locate_run("hf://me/small@v2")
    with refused(UsageError, "E-RUN-MISSING", where="hf://me/other"):
        locate_run("hf://me/other")
    assert len(small.asked) == len(NEEDED) + 1
    small.close()
    assert locate_run("hf://me/small") == folder  # offline, from the cache
    with refused(FileSystemError, "E-SERVER-FAILS", where="hf://me/another"):
        locate_run("hf://me/another")


def test_a_name_with_its_commit_stays_that_of_the_same_run_when_the_branch_moves(small: Hub) -> None:
    pinned = pin_run("hf://me/small")
    assert pinned == f"hf://me/small@{FIRST}"
    assert pin_run("hf://me/small@v1") == pinned
    first = locate_run(pinned)
    small.commits[SECOND] = small.commits[FIRST]
    small.move(SECOND)
    assert locate_run("hf://me/small") != first
    assert locate_run(pinned) == first
    assert pin_run(pinned) == pinned
    assert [pin_run(name) for name in ("demo", "runs/mine")] == ["demo", "runs/mine"]


@pytest.mark.parametrize(
    ("files", "code"), [({"weights.bin": b"0"}, "E-RUN-MISSING"), ({"config.json": b"{}"}, "E-RUN-DAMAGED")]
)
def test_a_repository_of_something_else_is_refused_before_it_is_fetched(
    hub: Hub, files: dict[str, bytes], code: str
) -> None:
    hub.commits[FIRST] = files | {"pytorch_model.bin": b"0" * 1000}
    with refused(UsageError, code):
        locate_run("hf://me/small")
    assert "pytorch_model.bin" not in hub.asked


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "E-FILES-FULL"), (errno.EACCES, "E-FILES-DENIED"), (None, "E-SERVER-FAILS")]
)
def test_a_full_disk_is_not_a_hub_that_does_not_answer(
    small: Hub, monkeypatch: pytest.MonkeyPatch, number: int | None, code: str
) -> None:
    def fails(*arguments: object, **keywords: object) -> str:
        raise OSError(number, "as the system says") if number else ConnectionError("nobody there")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fails)
    with refused(FileSystemError, code, where="hf://me/small"):
        locate_run("hf://me/small")


def test_what_names_no_repository_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hf://small", "hf://", "hf:me", "hf://a/b/c"):
        with refused(UsageError, "E-COMMAND-VALUE"):
            locate_run(name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    places._fetch.cache_clear()
    with refused(UsageError, "E-PACKAGE-MISSING", "hub", where="hf://me/small"):
        locate_run("hf://me/small")
    assert locate_run("runs/mine") == Path("runs/mine")


def test_a_folder_called_demo_wins_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_demo(locate_run("demo"))
    assert not caplog.messages
    (tmp_path / "demo").mkdir()
    assert locate_run("demo") == Path("demo")
    assert str(tmp_path / "demo") in caplog.messages[0]


def test_the_demo_is_the_one_that_this_code_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = locate_run("demo")
    assert hashlib.sha256((folder / "config.json").read_bytes()).hexdigest() == DEMO_DIGEST
    assert RunFolder(folder).last_weights() == folder / "model.safetensors"  # all its files have been compared
    assert sum(path.stat().st_size for path in DEMO_FOLDER.iterdir()) < 2_000_000
    assert "simulated" in (folder / "README.md").read_text()
    monkeypatch.setattr(places, "DEMO_FOLDER", tmp_path)
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path):
        locate_run("demo")
