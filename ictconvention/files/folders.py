"""The files of a source that is a folder: in folders that links lead to as well, and links that lead nowhere."""

import os
from collections.abc import Sequence
from pathlib import Path


def files_below(folder: Path, endings: Sequence[str]) -> list[str]:
    """Return the files below a folder that have one of the endings, relative to it and sorted; hidden ones are none.

    A link that leads nowhere counts as a file, so that its reader reports it: with such an ending, or with none, since
    it may have led to a folder. So does a pipe or a device with such an ending. Folders that links lead to are gone
    through once each.

    Parameters
    ----------
    folder : Path
        To look in.
    endings : sequence of str
        In small letters.
    """
    found: list[str] = []
    seen: set[Path] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := Path(place).resolve()) in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [str(path.relative_to(folder)) for name in names if _is_wanted(path := Path(place, name), endings)]
    return sorted(found)


def _is_wanted(path: Path, endings: Sequence[str]) -> bool:
    if path.name.startswith("."):
        return False
    ends = path.name.lower().endswith(tuple(endings))
    return path.is_symlink() and (ends or not path.suffix) if not path.exists() else ends
