"""The stamps of fields that are done, kept until the survey is complete, so that a command that was killed resumes."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import readable_os_errors
from ictconvention.files.reading import UnreadableError, npz_arrays
from ictconvention.ingestion.found import Found, FoundFrame, Reject

PIXELS, REJECTS, OF_FRAME = "pixels", "rejects", "frame_"  # names of the arrays; the last begins several
COLUMNS = tuple(one.name for one in fields(FoundFrame) if one.name != PIXELS)


def stamps_path(folder: Path, name: str, asked: Any) -> Path:
    """Return the file of a field's stamps; `asked` is what they depend on, so that another wish has another file."""
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    return folder / f"{name}-{digest[:16]}.npz"


def keep_stamps(path: Path, found: Sequence[Found]) -> None:
    """Write what was found in a field, whole or not at all.

    Raises
    ------
    FileSystemError
        The disk is full, or does not allow it.
    """
    frames = [one for one in found if isinstance(one, FoundFrame)]
    rejects = [asdict(one) for one in found if isinstance(one, Reject)]
    arrays: dict[str, Any] = {OF_FRAME + name: np.array([getattr(one, name) for one in frames]) for name in COLUMNS}
    arrays[PIXELS] = np.array([one.pixels for one in frames], dtype=np.float32)
    arrays[REJECTS] = np.array(json.dumps(rejects))
    with readable_os_errors("making the cache", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "keeping the stamps of a field") as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def kept_stamps(path: Path) -> list[Found] | None:
    """Return what `keep_stamps` wrote; None where there is nothing, or it is damaged."""
    if not path.exists():
        return None
    try:
        arrays = npz_arrays(path)
        rejects: list[Found] = [Reject(**one) for one in json.loads(str(arrays[REJECTS]))]
        columns = {name: arrays[OF_FRAME + name].tolist() for name in COLUMNS}
        rows = (dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns.values(), strict=True))
        return [*rejects, *(FoundFrame(pixels=one, **row) for one, row in zip(arrays[PIXELS], rows, strict=True))]
    except (UnreadableError, KeyError, ValueError, TypeError):
        path.unlink(missing_ok=True)
        return None
