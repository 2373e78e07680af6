"""Only plain files are opened: a pipe would wait for ever, and a device never end."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ictconvention.core.errors import FileSystemError, lacks_memory, readable_os_errors, report_errors
from ictconvention.core.plain_file import open_plain, read_plain
from tests.refusals import refused


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail instead of waiting for ever."""

    def late(*_: Any) -> None:
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def make_odd(folder: Path, kind: str) -> Path:
    """Make what is no plain file."""
    path = folder / kind.replace(" ", "_")
    match kind:
        case "a folder":
            path.mkdir()
        case "a pipe":
            os.mkfifo(path)
        case "a link to a device":
            path.symlink_to("/dev/zero")
        case "a link to nowhere":
            path.symlink_to(folder / "nowhere")
        case "a link in a circle":
            path.symlink_to(path)
        case "a socket":
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(str(path))
    return path


ODD = ["a folder", "a pipe", "a link to a device", "a link to nowhere", "a link in a circle"]


@pytest.mark.parametrize("kind", [*ODD, "a socket"])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = make_odd(Path(), kind)
    code = "E-FILES-MISSING" if kind == "a link to nowhere" else "E-FILES-KIND"
    with within(5), refused(FileSystemError, code, where=path), readable_os_errors("reading it", path):
        open_plain(path)


def test_a_link_to_a_plain_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_plain(tmp_path / "link") == b"content"


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    code = "E-FILES-KIND" if "\0" in name else "E-FILES-SYSTEM"
    with refused(FileSystemError, code), readable_os_errors("reading it", name):
        read_plain(tmp_path / name)
    with refused(FileSystemError, "E-FILES-SYSTEM"), readable_os_errors("making it", name):
        (tmp_path / name).mkdir()


@pytest.mark.parametrize("said", ["embedded null byte", "mkdir: embedded null character in path"])
def test_the_character_nul_is_refused_in_the_words_of_every_python(said: str) -> None:
    with refused(FileSystemError, "E-FILES-SYSTEM"), readable_os_errors("making it", "a"):
        raise ValueError(said)
    with pytest.raises(ValueError, match="of another kind"), readable_os_errors("making it", "a"):
        raise ValueError("of another kind")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 8. EiB"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_a_lack_of_memory_is_told_as_one(error: Exception) -> None:
    assert lacks_memory(error)
    with refused(FileSystemError, "E-MACHINE-MEMORY", "memory", where="run"), readable_os_errors("the run", "run"):
        raise error


def test_other_errors_of_a_general_type_come_through() -> None:
    for error in (RuntimeError("a bug"), ValueError("another")):
        with pytest.raises(type(error), match=str(error)), readable_os_errors("the run", "run"):
            raise error


@pytest.mark.parametrize("error", [OSError(36, "File name too long", "xxx"), MemoryError()])
def test_what_no_door_has_met_ends_a_command_in_words(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, report_errors():
        raise error
    assert ended.value.code == 2
    assert "  fix:   " in capsys.readouterr().err
