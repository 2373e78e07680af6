"""The hidden files that are written before they take their name: whose each is, and which of them were left behind."""

import hashlib
import os
import platform
import re
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

PARTIAL = ".partial"
LONGEST_STEM = 60  # letters of the final name that the hidden one repeats
OURS = re.compile(r"\..*\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{12}\.partial(\..*)?", re.DOTALL)
BEFORE = re.compile(r"\..*\.[0-9a-f]{32}\.partial(\..*)?", re.DOTALL)  # of versions that named no process
FORGOTTEN = 7 * 86_400.0  # [s] for which a file that nobody can ask about has not been touched


def partial_beside(path: Path) -> Path:
    """Return a hidden path beside a file, with its ending, that names this process."""
    owner = f"{_machine()}-{os.getpid()}-{uuid4().hex[:12]}"
    return path.with_name(f".{path.stem[:LONGEST_STEM]}.{owner}{PARTIAL}{path.suffix}")


def remove_leftovers(folder: Path) -> None:
    """Remove the hidden files that killed processes left in a folder, and none of a process that may be alive.

    A process of this machine is asked for; of another machine, or another container, a file counts as left behind when
    nobody has touched it for `FORGOTTEN` seconds.
    """
    with suppress(OSError):  # to tidy up is no task of a command
        for entry in os.scandir(folder):
            if entry.name.startswith(".") and PARTIAL in entry.name and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    if _is_left(entry):
                        Path(entry.path).unlink()


def _is_left(entry: "os.DirEntry[str]") -> bool:
    match = OURS.fullmatch(entry.name)
    if match is not None and match["machine"] == _machine():
        return not _is_alive(int(match["process"]))
    if match is None and BEFORE.fullmatch(entry.name) is None:
        return False
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > FORGOTTEN


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


@cache
def _machine() -> str:
    """Return a name for where numbers of processes mean the same: this machine since it started, and this container."""
    known = [platform.node()]
    with suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256(" ".join(known).encode()).hexdigest()[:8]
