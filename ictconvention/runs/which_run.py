"""Which run folder was meant, where another path was given: a pattern, a file of a run, a folder of runs."""

import glob
from collections.abc import Sequence
from pathlib import Path

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.core.output_place import RUN_MARK, SWEEP_MARK

MARKS = (RUN_MARK, SWEEP_MARK)
LISTED = 8
HOLDS = f"give a folder that holds {RUN_MARK} and checkpoints"


def no_run(given: str | Path) -> UsageError:
    """Return the error about what is not a folder of a run; it names the runs that may have been meant."""
    path = Path(given)
    if glob.has_magic(str(given)):
        root = Path(path.anchor)
        return several_runs(list(root.glob(str(path.relative_to(root)))), given)
    if path.is_file():
        above = next((parent for parent in path.parents if _is_run(parent)), None)
        fix = f"give the run's folder: {above}" if above else HOLDS
        return UsageError("this is a file, and a run is a folder", given, fix, "E-RUN-MISSING")
    around = path if path.is_dir() else path.parent
    if runs := [one for pattern in ("*", "*/*") for one in sorted(around.glob(pattern)) if _is_run(one)]:
        found = "this is not a folder of a run" if path.is_dir() else "there is no such folder"
        return UsageError(found, given, f"name a run: {_listed(runs)}", "E-RUN-MISSING")
    found = "this is not a folder of a run" if path.exists() else "there is no such folder"
    return UsageError(found, given, HOLDS, "E-RUN-MISSING")


def several_runs(paths: Sequence[Path], given: str | Path) -> UsageError:
    """Return the error about a pattern such as fold0-seed0-*, by the paths that it matches."""
    runs = sorted(path for path in paths if _is_run(path))
    if not runs:
        fix = "give the whole name of a run's folder: " + _beside(Path(given))
        return UsageError("no run matches this pattern", given, fix, "E-RUN-MISSING")
    if len(runs) == 1:
        return UsageError(
            "this is a pattern, and it has reached the program as it stands",
            given,
            f"name it: {runs[0]}",
            "E-COMMAND-ARGUMENTS",
        )
    number = "two" if len(runs) == 2 else str(len(runs))
    return UsageError(f"{number} runs match", given, f"name one: {_listed(runs)}", "E-COMMAND-ARGUMENTS")


def check_one_run(words: Sequence[str | Path], arguments: int) -> None:
    """Refuse more arguments than a command takes: the shell makes several of a pattern that matches several runs.

    Parameters
    ----------
    words : sequence of str or Path
        The arguments that stand beside each other.
    arguments : int
        How many the command takes.

    Raises
    ------
    UsageError
        There are more.
    """
    if len(words) <= arguments:
        return
    runs = [Path(word) for word in words if _is_run(Path(word))]
    if len(runs) > 1:
        raise several_runs(runs, " ".join(map(str, runs[:LISTED])))
    found = f"{pluralize(len(words), 'argument')} where the command takes {arguments}"
    raise UsageError(
        found,
        str(words[arguments]),
        "leave out what is too much, or quote a name that has a space",
        "E-COMMAND-ARGUMENTS",
    )


def _is_run(path: Path) -> bool:
    return any((path / mark).is_file() for mark in MARKS)


def _listed(runs: Sequence[Path]) -> str:
    rest = len(runs) - LISTED
    return ", ".join(map(str, runs[:LISTED])) + (f" and {rest} more" if rest > 0 else "")


def _beside(pattern: Path) -> str:
    parent = next((one for one in pattern.parents if not glob.has_magic(str(one))), Path())
    runs = [one for depth in ("*", "*/*") for one in sorted(parent.glob(depth)) if _is_run(one)]
    return _listed(runs) if runs else f"there is none in {parent}"
