"""Files and folders that appear under their name whole, or not at all."""

import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ictconvention.core.errors import FileSystemError, readable_os_errors
from ictconvention.core.output_place import check_outside, check_place
from ictconvention.core.partial_file import PARTIAL, partial_beside, remove_leftovers

LOCK = ".lock"  # of a folder that exists


@contextmanager
def whole_file(path: Path, doing: str, record: bool = False) -> Iterator[Path]:
    """Yield a hidden path to write to; at the end of the block it takes the place of `path`, after an error it goes.

    What a process that was killed left hidden in the same folder is removed.

    Parameters
    ----------
    path : Path
        The file to make or to replace. Symbolic links are followed: the file behind them is replaced, the links stay.
    doing : str
        Such as "saving the page".
    record : bool
        Whether this is a record that the package itself keeps in a survey, a run or a sweep, where no output of a user
        may go. A symbolic link in its place is replaced, never followed: a record is never shared.

    Raises
    ------
    UsageError
        Without `record`: when the file lies in a survey or a run, see `check_place`.
    FileSystemError
        When the file cannot be written; `doing` says what was tried.
    """
    if not record:
        path = check_place(path, doing)
    elif path.is_dir():
        raise FileSystemError(f"{doing} failed: this is a folder", path, "give a file name", "E-FILES-KIND")
    partial = partial_beside(path)
    remove_leftovers(path.parent)
    with readable_os_errors(doing, path):
        try:
            yield partial
            sync(partial)
            partial.replace(path)
            sync(path.parent)
        finally:
            partial.unlink(missing_ok=True)


class WholeFolder:
    """A new folder, filled under a hidden name and renamed when it is complete.

    Parameters
    ----------
    path : Path
        The folder to make; it must not exist when it is taken.
    shard : bool
        Whether it becomes part of a survey that is there already; any other folder inside a survey or a run is refused.

    Raises
    ------
    FileSystemError
        When the path has no name: it is "/".
    """

    def __init__(self, path: Path, shard: bool = False) -> None:
        self.path = path.absolute()
        if not self.path.name:
            raise FileSystemError("this is the root of all folders", path, "name a folder in it", "E-FILES-EXISTS")
        self.shard = shard
        self.partial = self.path.with_name(f".{self.path.name}{PARTIAL}")
        self._lock: BinaryIO | None = None

    @property
    def taken(self) -> bool:
        """Whether this process is filling the folder."""
        return self._lock is not None

    def take(self, replacing: bool = False) -> None:
        """Reserve the path and make the hidden folder, in place of one that a killed process left.

        Parameters
        ----------
        replacing : bool
            Whether a folder that is there is removed, once the path is reserved: one that nobody counts on.

        Raises
        ------
        UsageError
            When the path lies in a survey or a run.
        FileSystemError
            When the path exists, another process is filling it, or the disk does not allow it.
        """
        if not replacing:
            self.check_free()  # before a folder is made for it
        with readable_os_errors("making the folder", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.partial.with_suffix(".lock"), self.path)
            try:
                if replacing and self.path.is_dir():
                    shutil.rmtree(self.path)
                self.check_free()
                shutil.rmtree(self.partial, ignore_errors=True)
                self.partial.mkdir()
            except BaseException:
                self.discard()
                raise

    def check_free(self) -> None:
        """Refuse a path that exists, with a `FileSystemError`, and one in a survey or a run, with a `UsageError`."""
        if not self.shard:
            check_outside(self.path, "making the folder")
        with readable_os_errors("making the folder", self.path):  # a name that is too long
            there = self.path.exists() or self.path.is_symlink()
        if there:
            self.remove_old_lock()
            raise FileSystemError(
                "this path exists already", self.path, "choose another path, or remove it", "E-FILES-EXISTS"
            )

    def remove_old_lock(self) -> None:
        """Remove the lock of a process that was killed when it had renamed the folder, in its last moment."""
        lock = self.partial.with_suffix(".lock")
        if not self.taken and lock.exists():
            with suppress(OSError, FileSystemError):  # another process holds it, and will remove it
                held = _locked(lock, self.path)
                lock.unlink()
                held.close()

    def complete(self) -> None:
        """Write everything through to the disk and rename the folder to its path; the reservation stays.

        Raises
        ------
        FileSystemError
            When the path was made by somebody else meanwhile.
        """
        for file in self.partial.iterdir():
            sync(file)
        sync(self.partial)
        if self.path.exists():
            raise FileSystemError(
                "another program has made this path meanwhile", self.path, "choose another path", "E-FILES-EXISTS"
            )
        self.partial.rename(self.path)
        sync(self.path.parent)

    def discard(self) -> None:
        """Remove what is left of the hidden folder and give the path free; after `complete`, only the latter."""
        if self._lock is None:
            return
        shutil.rmtree(self.partial, ignore_errors=True)
        Path(self._lock.name).unlink(missing_ok=True)  # while it is still held
        self._lock.close()
        self._lock = None


@contextmanager
def folder_lock(folder: Path, wait: bool = False) -> Iterator[None]:
    """Hold an existing folder for this process alone; a killed process lets go of it by itself.

    Parameters
    ----------
    folder : Path
        To hold.
    wait : bool
        Until the process that holds it lets go.

    Raises
    ------
    FileSystemError
        When another process holds it, or the disk does not allow it.
    """
    path = folder / LOCK
    with readable_os_errors("taking the folder", folder):
        lock = _locked(path, folder, wait)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(lock.fileno())):  # the folder may be another one by now
                path.unlink()  # while it is still held
        lock.close()


def check_exchange(folder: Path) -> None:
    """See that two folders in a folder can be exchanged, on two empty ones that are made for it and removed.

    Raises
    ------
    FileSystemError
        As of `exchange`.
    """
    pair = folder / "one", folder / "other"
    try:
        for one in pair:
            one.mkdir()
        exchange(*pair)
    finally:
        for one in pair:
            if one.is_dir():
                one.rmdir()


def exchange(first: Path, second: Path) -> None:
    """Let two files or folders that exist take each other's place, at once.

    Raises
    ------
    FileSystemError
        The system, or this file system, cannot; nothing has changed then.
    """
    here, flag = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of Linux
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    done = -1 if renameat2 is None else renameat2(here, os.fsencode(first), here, os.fsencode(second), flag)
    if done != 0:
        why = "it is not Linux" if renameat2 is None else os.strerror(ctypes.get_errno())
        found = f"this system cannot exchange two folders at once ({why})"
        fix = "copy the folder to another file system of a Linux machine, such as ext4 or xfs, and do it there"
        raise FileSystemError(found, first, fix, "E-FILES-SYSTEM")
    sync(first.parent)


def _locked(lock: Path, path: Path, wait: bool = False) -> BinaryIO:
    """Hold an exclusive lock on a file for as long as it stays open, here or in a child process.

    A killed process lets go of it by itself; children that it leaves behind may still be writing, and hold on to it.
    """
    file = lock.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if os.fstat(file.fileno()).st_ino != lock.stat().st_ino:  # the last holder removed it in this moment
            raise BlockingIOError
    except (BlockingIOError, FileNotFoundError):
        file.close()
        if wait:
            return _locked(lock, path, wait)
        found = "another process is writing here"
        raise FileSystemError(found, path, "wait for it, or write to another path", "E-FILES-LOCKED") from None
    except OSError:
        file.close()
        raise
    return file


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk, so that a power cut after the rename loses nothing."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
