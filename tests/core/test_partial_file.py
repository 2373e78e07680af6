"""What a killed process leaves half-written goes when somebody writes there again; a living one keeps its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ictconvention.core.atomic import whole_file
from ictconvention.core.partial_file import FORGOTTEN, partial_beside

WRITER = """
import os, signal, sys
from pathlib import Path
from ictconvention.core.atomic import whole_file
with whole_file(Path(sys.argv[1]), "saving") as partial:
    partial.write_text("half")
    print(partial, flush=True)
    os.kill(os.getpid(), int(sys.argv[2])) if int(sys.argv[2]) else sys.stdin.read()
"""


def test_a_file_is_on_the_disk_before_it_takes_its_name_and_its_name_before_anything_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "status.json", list[tuple[int, bool]]()
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_ino, path.exists())))
    with whole_file(path, "saving") as partial:
        partial.write_text("{}")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def start(path: Path, number: int) -> "subprocess.Popen[str]":
    """Begin to write a file in a process that strikes itself in the middle, or waits there."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, path, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def listed(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_next_file_written_there_takes_away_what_a_killed_process_left(tmp_path: Path) -> None:
    with start(tmp_path / "weights.ckpt", signal.SIGKILL) as killed:
        left = Path(killed.communicate()[0].strip())
    assert killed.returncode == -signal.SIGKILL
    assert listed(tmp_path) == {left.name}
    with whole_file(tmp_path / "status.json", "saving") as partial:
        partial.write_text("{}")
    assert listed(tmp_path) == {"status.json"}


def test_what_a_living_process_is_writing_stays(tmp_path: Path) -> None:
    with start(tmp_path / "weights.ckpt", 0) as other:
        assert other.stdout is not None
        left = Path(other.stdout.readline().strip())
        os.utime(left, (0, 0))
        with whole_file(tmp_path / "status.json", "saving") as partial:
            partial.write_text("{}")
        assert listed(tmp_path) == {left.name, "status.json"}
        other.communicate()
    assert listed(tmp_path) == {"weights.ckpt", "status.json"}
    assert (tmp_path / "weights.ckpt").read_text() == "half"


@pytest.mark.parametrize("name", [".a.00000000-1-0123456789ab.partial.ckpt", f".a.{'0' * 32}.partial"])
@pytest.mark.parametrize("age", [0.0, FORGOTTEN + 60])
def test_what_another_machine_left_is_removed_when_it_is_old(tmp_path: Path, name: str, age: float) -> None:
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (time.time() - age,) * 2)
    (tmp_path / ".mine.partial.txt").touch()  # not one of ours
    os.utime(tmp_path / ".mine.partial.txt", (0, 0))
    with whole_file(tmp_path / "b", "saving") as partial:
        partial.touch()
    assert listed(tmp_path) == {"b", ".mine.partial.txt"} | ({name} if age == 0 else set())


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.csv"
    with whole_file(path, "saving") as partial:
        partial.touch()
    assert path.exists()
    assert partial_beside(path).suffix == ".csv"
