"""Open what is read: a plain file, and nothing that would wait, never end or lead nowhere."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


class NotPlainError(OSError):
    """A path is a pipe, a device or a socket where a plain file is needed, or cannot be a path at all."""


def open_plain(path: str | Path) -> BufferedReader:
    """Open a plain file to read its bytes; symbolic links to one are followed.

    A pipe may wait for ever and a device may never end, so neither is opened.

    Raises
    ------
    OSError
        It is a folder, a pipe, a device or a socket, a link that leads nowhere or in a circle, or cannot be read.
    """
    path = Path(path)
    check_plain(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe may have come meanwhile
    try:
        _refuse(os.fstat(descriptor), path)
        return open(descriptor, "rb")  # noqa: PTH123 - a descriptor
    except BaseException:
        os.close(descriptor)
        raise


def read_plain(path: str | Path) -> bytes:
    """Return the bytes of a plain file; errors as of `open_plain`."""
    with open_plain(path) as file:
        return file.read()


def check_plain(path: str | Path) -> None:
    """Refuse what is no plain file, with the `OSError` that `open_plain` raises."""
    path = Path(path)
    try:
        found = path.stat()
    except FileNotFoundError as error:
        if path.is_symlink():
            leads = f"a symbolic link to {path.readlink()}, which does not exist"
            raise FileNotFoundError(errno.ENOENT, leads, str(path)) from None
        raise error
    except ValueError:  # NUL
        raise NotPlainError(errno.EINVAL, "a path with the character NUL", repr(str(path))) from None
    _refuse(found, path)


def _refuse(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "this is a folder, not a file", str(path))
    if not stat.S_ISREG(found.st_mode):
        kind = "a pipe" if stat.S_ISFIFO(found.st_mode) else "a socket" if stat.S_ISSOCK(found.st_mode) else "a device"
        raise NotPlainError(errno.EINVAL, f"this is {kind}, not a plain file", str(path))
