"""The errors a user can fix: each says what was found, where, and how to fix it, and has a stable code."""

import difflib
import errno
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ictconvention.core.plain_file import NotPlainError

NUL_IN_PATH = ("embedded null byte", "embedded null character")  # in what Python says; 3.13: "mkdir: ... in path"
SHORT = 12  # letters of a hash in a message
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")  # what torch says


class IctConventionError(Exception):
    """A problem in what came in: a file, a config, an option.

    The command line prints it without a traceback and ends with exit code 2.

    Parameters
    ----------
    found : str
        What was found, in one sentence.
    where : str or Path
        The file, object or config key it was found in.
    fix : str
        What to do about it.
    code : str
        What kind of problem it is, for scripts: one of `error_codes.CODES`, such as E-SURVEY-HASH. It stays the same
        from release to release; the sentences may be reworded.

    Examples
    --------
    >>> try:
    ...     ict.open("nowhere")
    ... except ict.IctConventionError as error:
    ...     print(type(error).__name__, error.where)  # doctest: +ELLIPSIS
    SurveyError ...nowhere
    """

    def __init__(self, found: str, where: str | Path, fix: str, code: str) -> None:
        super().__init__(found, where, fix, code)  # all four in args, so that it pickles across processes
        self.found = found
        self.where = where
        self.fix = fix
        self.code = code

    def __str__(self) -> str:
        return f"{self.found}\n  where: {self.where}\n  fix:   {self.fix}\n  code:  {self.code}"


class FileSystemError(IctConventionError):
    """The disk is full, read-only, a path is not what it should be, or a server does not answer.

    Examples
    --------
    >>> try:
    ...     ict.split(survey).save(folder / "no such folder" / "split.json")
    ... except ict.FileSystemError as error:
    ...     print(error.found)
    saving the split failed: there is no such folder
    """


class SurveyError(IctConventionError):
    """A survey, or an object on its way into one, breaks the format.

    Examples
    --------
    >>> try:
    ...     survey["sn00033"]
    ... except ict.SurveyError as error:
    ...     print(error.found)
    no object has the id 'sn00033' (did you mean sn0033?)
    """


class SplitError(IctConventionError):
    """A split leaks, does not fit its survey, or cannot be drawn.

    Examples
    --------
    >>> try:
    ...     ict.split(survey, count=30)
    ... except ict.SplitError as error:
    ...     print(error.fix)
    take fold.count=10, or take fold=single stage.finetune.max_epochs=0 fold.count=10, or label more objects
    """


class UsageError(IctConventionError):
    """A command was asked for something that does not exist.

    Examples
    --------
    >>> try:
    ...     ict.train("ict_sdss", lerner={"tau": 0.9})
    ... except ict.UsageError as error:
    ...     print(error.found)
    unknown key 'lerner.tau' (did you mean learner.tau?)
    """


MORE_MEMORY = "there is too little memory for it: end other programs, ask for less at once, or raise `ulimit -v`"
_FIXES = {
    errno.ENOSPC: "free some space or write to another disk, then run it again",
    errno.EDQUOT: "your disk quota is used up: free some space or write elsewhere, then run it again",
    errno.EFBIG: "the file system or a limit (ulimit -f) allows no larger file: write elsewhere or raise it",
    errno.EACCES: "choose a folder that you may write in, or ask its owner",
    errno.EPERM: "choose a folder that you may write in, or ask its owner",
    errno.EROFS: "this file system is read-only: choose another folder",
    errno.EMFILE: "too many files are open: raise `ulimit -n`",
    errno.EEXIST: "a file is in the way: move it, or choose another path",
    errno.ENOENT: "check the path: the file, or a folder in it, does not exist",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ENOTDIR: "a part of the path is a file, not a folder: check the path",
    errno.EISDIR: "this is a folder: give a file name",
    errno.ELOOP: "these symbolic links lead in a circle: give the file itself",
    errno.ENOMEM: MORE_MEMORY,
}
_CODES = {
    errno.ENOSPC: "E-FILES-FULL",
    errno.EDQUOT: "E-FILES-FULL",
    errno.EFBIG: "E-FILES-FULL",
    errno.EACCES: "E-FILES-DENIED",
    errno.EPERM: "E-FILES-DENIED",
    errno.EROFS: "E-FILES-DENIED",
    errno.EEXIST: "E-FILES-EXISTS",
    errno.ENOENT: "E-FILES-MISSING",
    errno.ENOTDIR: "E-FILES-KIND",
    errno.EISDIR: "E-FILES-KIND",
    errno.ELOOP: "E-FILES-KIND",
    errno.ENOMEM: "E-MACHINE-MEMORY",
}


def is_file_error(error: BaseException) -> bool:
    """Return whether an error is of files, such as a full disk; an `OSError` may also be of the network."""
    return isinstance(error, OSError) and error.errno in _CODES


@contextmanager
def readable_os_errors(doing: str, where: str | Path) -> Iterator[None]:
    """Turn an `OSError` of the body into a `FileSystemError` that says what was being done, where, and the fix."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        fix = _FIXES.get(error.errno or 0, "fix what the system says, then run it again")
        code = _CODES.get(error.errno or 0, "E-FILES-SYSTEM")
        if isinstance(error, NotPlainError):
            fix, code = "give a plain file: save what comes through it in one", "E-FILES-KIND"
        raise FileSystemError(f"{doing} failed: {reason}", where, fix, code) from error
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise FileSystemError(
            f"{doing} failed: {_first_line(error)}", where, MORE_MEMORY, "E-MACHINE-MEMORY"
        ) from error
    except ValueError as error:
        if not any(words in str(error) for words in NUL_IN_PATH):
            raise
        found = f"{doing} failed: a path with the character NUL"
        raise FileSystemError(found, repr(str(where)), "give a path without it", "E-FILES-SYSTEM") from error


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of this machine, or of its GPU, is used up."""
    if isinstance(error, RuntimeError):  # torch has no type of its own for that of the processor
        return any(words in str(error) for words in NO_MEMORY)
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "out of memory").splitlines()[0]


@contextmanager
def report_errors() -> Iterator[None]:
    """End a command whose body fails by something a user can fix: one message, exit code 2, no traceback.

    With ICTCONVENTION_DEBUG=1 the traceback comes through. Ctrl-C ends it with "stopped" and exit code 130.
    """
    try:
        yield
    except IctConventionError as error:
        if os.environ.get("ICTCONVENTION_DEBUG") == "1":
            raise
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except (OSError, MemoryError) as error:  # what no door has met: the system's own words, and where
        if isinstance(error, BrokenPipeError) or os.environ.get("ICTCONVENTION_DEBUG") == "1":
            raise
        try:
            with readable_os_errors("the command", getattr(error, "filename", None) or "this machine"):
                raise error
        except IctConventionError as readable:
            sys.stderr.write(f"error: {readable}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(130)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ' (did you mean X?)' for the nearest known name, or an empty string where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def near_names(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Return the known names that may have been meant: those that end in it after a path or zeros, then near ones."""
    listed = list(known)
    same = [one for one in listed if one.endswith(f"/{name}") or (name and one.lstrip("0") == name.lstrip("0"))]
    return list(dict.fromkeys([*same[:most], *difflib.get_close_matches(name, listed, n=most)]))[:most]


def pluralize(number: int, noun: str) -> str:
    """Return '1 object' or '3 objects'."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shorten(names: Iterable[str], most: int = 5) -> str:
    """List the first few names and count the rest: 'a, b, c and 4 more'."""
    listed = list(names)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")


def short_hash(hash_: object) -> str:
    """Return the beginning of a hash, by which two things of one name are told apart; "unknown" of none."""
    return str(hash_)[:SHORT] if hash_ else "unknown"


def find_repeated(names: Iterable[str]) -> list[str]:
    """Return the names that stand more than once, each once, in their order."""
    return [name for name, number in Counter(names).items() if number > 1]
