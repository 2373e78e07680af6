"""Where an output may go: not into a survey or a run, not onto an input, and not onto what is not a plain file.

Knows folders by the files that mark them.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from ictconvention.core.errors import FileSystemError, UsageError, readable_os_errors
from ictconvention.core.plain_file import open_plain

SURVEY_MARK = "survey.json"  # of a survey, and of each of its shards
SURVEY_WORDS = b"ictconvention survey"  # near its beginning
RUN_MARK, RUN_STATES = "config.yaml", ("status.json", "result.json")  # a run has the first and one of the others
SWEEP_MARK = "sweep.json"
SWEEP_RECORDS = (SWEEP_MARK, "multirun.yaml", "baselines.parquet", "logs")  # a page or figure may lie beside them


def check_place(output: Path, doing: str, inputs: Iterable[Path | None] = ()) -> Path:
    """Return the file that an output makes or replaces, behind symbolic links; call it before any work is done.

    Parameters
    ----------
    output : Path
        The file that a user wants written.
    doing : str
        Such as "saving the page"; a message begins with it.
    inputs : iterable of Path or None
        Files that the same command reads.

    Raises
    ------
    UsageError
        It lies in a survey or a run, or is a record of a sweep, or one of the inputs.
    FileSystemError
        It is a folder, a device, a pipe or a socket, or its folder does not exist.
    """
    target = Path(os.path.realpath(output))
    with readable_os_errors(doing, output):  # a name that is too long
        is_folder = target.is_dir()
        target.exists()
    if not output.name or is_folder:
        raise FileSystemError(f"{doing} failed: this is a folder", output, "give a file name", "E-FILES-KIND")
    if target.is_symlink():  # realpath stops at a circle
        raise FileSystemError(
            f"{doing} failed: these symbolic links lead in a circle", output, "give another file name", "E-FILES-KIND"
        )
    if target.exists() and not target.is_file():
        found = f"{doing} failed: this is a device, a pipe or a socket, not a plain file"
        raise FileSystemError(found, output, "give the name of a new or a plain file", "E-FILES-KIND")
    if not target.parent.is_dir():
        raise FileSystemError(
            f"{doing} failed: there is no such folder", target.parent, "make it, or name another", "E-FILES-MISSING"
        )
    check_outside(target, doing)
    for given in inputs:
        if given is not None and given.exists() and target.exists() and target.samefile(given):
            raise UsageError(
                f"{doing} would replace the file {given.name}, which is read",
                output,
                "give another name",
                "E-FILES-PROTECTED",
            )
    return target


def check_outside(path: Path, doing: str) -> None:
    """Refuse a path at any depth inside a survey or a run, and the records of a sweep, with a `UsageError`."""
    real = Path(os.path.realpath(path))
    for folder in real.parents:
        kind = "a survey" if _is_survey(folder) else "a run" if _is_run(folder) else None
        if kind is not None:
            found = f"{doing} would write into {kind}, whose files are its record"
            raise UsageError(found, path, f"give a path outside of {folder}", "E-FILES-PROTECTED")
        inside = real.relative_to(folder).parts[0]
        if inside in SWEEP_RECORDS and _marks(folder, SWEEP_MARK):
            found = f"{doing} would write over {inside}, a record of a sweep"
            raise UsageError(found, path, "give another name", "E-FILES-PROTECTED")


def _is_survey(folder: Path) -> bool:
    """Return whether a folder holds the header of a survey, and not just a file of its name."""
    try:
        with open_plain(folder / SURVEY_MARK) as file:
            return SURVEY_WORDS in file.read(65_536)
    except FileNotFoundError:
        return False
    except OSError:  # it cannot be read, and may be one
        return _marks(folder, SURVEY_MARK)


def _is_run(folder: Path) -> bool:
    return _marks(folder, RUN_MARK) and any(_marks(folder, name) for name in RUN_STATES)


def _marks(folder: Path, name: str) -> bool:
    return os.path.lexists(folder / name)
