"""The manifest of a published run, `config.json`: what the model is, and the SHA-256 of every other file."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError, readable_os_errors, shorten
from ictconvention.core.plain_file import read_plain
from ictconvention.reading.json_file import JsonRecord, Shape

MANIFEST = "config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"  # may be edited: it is not in the manifest
ONNX = "model.onnx"  # for others: nothing here reads it, so that it may be absent
ANEW = "get the folder again from where it was published"


class ManifestShape(Shape):
    """The types of what a manifest says; of the model it says more."""

    format: str
    files: dict[str, str]


RECORD = JsonRecord(ManifestShape, UsageError, "E-RUN-DAMAGED", ANEW, "a manifest of a published run")


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_manifest(folder: Path, known: Mapping[str, Any], files: Iterable[Path]) -> None:
    """Write the manifest of a folder: what is known of the model, and the digests of files in it."""
    sums = {path.relative_to(folder).as_posix(): digest(read_plain(path)) for path in sorted(files)}
    with whole_file(folder / MANIFEST, "saving the manifest", record=True) as partial:
        text = json.dumps({**known, "files": sums}, indent=1, allow_nan=False)
        partial.write_text(text + "\n", encoding="utf-8")


def needed_files(folder: Path) -> list[str]:
    """Return the files without which a published run does not predict; errors as of `check_manifest`."""
    return [name for name in _sums(folder) if name != ONNX]


def read_title(folder: Path) -> str:
    """Return the title that a run was published with; errors as of `check_manifest`."""
    return str(RECORD.read(folder / MANIFEST).get("title", folder.name))


def check_manifest(folder: Path) -> None:
    """Refuse a published run of which a file is not the one that was published.

    Raises
    ------
    UsageError
        One is lost or has another digest, or the manifest is damaged.
    FileSystemError
        One cannot be read.
    """
    sums = {name: sum_ for name, sum_ in _sums(folder).items() if name != ONNX or (folder / name).exists()}
    if lost := [name for name in sums if not (folder / name).exists()]:
        raise UsageError(f"this published run has lost {shorten(lost)}", folder, ANEW, "E-RUN-DAMAGED")
    with readable_os_errors("reading a published run", folder):
        others = [name for name, sum_ in sums.items() if digest(read_plain(folder / name)) != sum_]
    if others:
        found = f"this published run has another {shorten(others)} than its {MANIFEST} names"
        raise UsageError(found, folder, ANEW, "E-RUN-EDITED")


def _sums(folder: Path) -> dict[str, str]:
    """Return the digest of each file that the manifest names."""
    sums: dict[str, str] = RECORD.read(folder / MANIFEST)["files"]
    outside = [name for name in sums if Path(name).is_absolute() or ".." in Path(name).parts]
    if outside or WEIGHTS not in sums:
        found = f"this manifest names {shorten(outside)}" if outside else f"this manifest does not name {WEIGHTS}"
        raise UsageError(found, folder / MANIFEST, ANEW, "E-RUN-DAMAGED")
    return sums
