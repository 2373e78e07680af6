"""What commands make, read so that two outputs can be compared, and checked by themselves."""

import csv
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from astropy.table import Table

from experiments.faults.kinds import matches, matching
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER

COMPARED = ("made.*", "a.png", "runs/*/predictions.parquet", "runs/*/result.json", "out/*.npy", "out/*.parquet")
OF_RESULT = ("test", "test_uniform", "temperature", "prior", "split", "task", "parameters", "survey")
VARYING = re.compile(r"\d+(\.\d+)?&nbsp;s\b|\d+ s\b|\d\d:\d\d|Created .*|<dc:date>.*")
FrameKey = tuple[str, str, str, str, float]


def contents(folder: Path, patterns: Sequence[str], but: str = "") -> dict[str, Any]:
    """Return what a command has made, by file but one, without what differs from time to time."""
    found: dict[str, Any] = {}
    for name in matching(folder, patterns):
        if name == but or not matches(name, COMPARED):
            continue
        path = folder / name
        if path.name == "result.json":
            content = json.loads(path.read_text(encoding="utf-8"))
            found[name] = {key: content.get(key) for key in OF_RESULT}
        elif path.suffix in (".parquet", ".fits", ".ecsv") and name.startswith("made."):
            found[name] = _cells(path)
        elif path.suffix == ".html":
            found[name] = VARYING.sub("", path.read_text(encoding="utf-8"))
        elif path.suffix in (".pt2", ".onnx"):
            found[name] = path.stat().st_size
        else:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _cells(path: Path) -> list[list[str]]:
    """Return the values of a table as text, by column."""
    if path.suffix == ".parquet":
        return [list(map(str, values)) for values in pq.read_table(path).to_pydict().values()]
    return [list(map(str, column)) for column in Table.read(path).itercols()]


def flaws_of(folder: Path, patterns: Sequence[str], but: str = "") -> str:
    """Return what is wrong with the outputs of a command by themselves, but one; empty where nothing is."""
    for name in matching(folder, patterns):
        path = folder / name
        if name == but or not path.resolve().is_file():
            continue
        if path.name == "predictions.parquet" and path.parent.joinpath("result.json").exists():
            table = pq.read_table(path)
            classes = [one for one in table.column_names if one not in ("id", "fold", "label")]
            shares = np.column_stack([table.column(one).to_numpy() for one in classes])
            if not np.isfinite(shares).all() or abs(shares.sum(1) - 1).max() > 1e-4:
                return f"{name} holds no probabilities"
        predicted = matches(name, ("made.parquet", "made.ecsv", "made.csv", "made.fits"))
        if predicted and (wrong := _wrong_probabilities(path)):
            return f"{name}: {wrong}"
    for survey in ("out", "made"):
        if matches(f"{survey}/survey.json", patterns) and (folder / survey).is_dir():
            report = audit_survey(folder / survey)
            if report.flaws:
                return f"the survey has flaws: {report.flaws[0]}"
    return ""


def _wrong_probabilities(path: Path) -> str:
    """Return what is wrong with a table of predictions; empty where nothing is."""
    if path.suffix == ".parquet":
        table = {name: np.asarray(values) for name, values in pq.read_table(path).to_pydict().items()}
    else:
        read = Table.read(path, format="ascii.csv") if path.suffix == ".csv" else Table.read(path)
        table = {name: np.asarray(read[name]) for name in read.colnames}
    shares = [values for name, values in table.items() if name in HEADER.classes]
    if len(shares) != len(HEADER.classes):
        return f"columns {list(table)}"
    whole = np.sum(shares, axis=0)
    return "" if np.isfinite(whole).all() and abs(whole - 1).max() < 1e-4 else "these are no probabilities"


def ingest_flaws(folder: Path, expected: Path, target: str) -> str:
    """Return what is wrong with a survey of damaged files, beside one of undamaged ones; empty where nothing is.

    What comes from other files must be as before, and what is lost must be named among the rejects.
    """
    here, there = frames_of(folder / "out"), frames_of(expected / "out")
    rejects = rejects_of(folder)
    files, ids = _touched(folder, expected, target)
    mine, before = (Survey.open(one / "out").header for one in (folder, expected))
    if files is not None and (mine.pixel_scale, mine.flux_unit) != (before.pixel_scale, before.flux_unit):
        return f"pixel scale {mine.pixel_scale} {mine.flux_unit}, before {before.pixel_scale} {before.flux_unit}"
    for key, pixels in there.items():
        touched = files is None or any(one in key[1] for one in files) or key[0] in ids
        if key not in here:
            named = any(_names(reject, key) for reject in rejects)
            same_file = [other for other in here if other[1] == key[1]]
            if files is None or named or (touched and (same_file or _is_gone(folder / target, expected / target, key))):
                continue
            if any(_is_repeat(other, key) and here[other] == pixels for other in here):
                continue
            return f"lost without a reject: {key}"
        if not touched and here[key] != pixels:
            return f"another frame, of a file that was not damaged: {key}"
    for key in here.keys() - there.keys():
        if files is not None and not any(one in key[1] for one in files) and key[0] not in ids:
            return f"a frame that was not there, of a file that was not damaged: {key}"
    return ""


def _is_repeat(one: FrameKey, other: FrameKey) -> bool:
    """Return whether two frames are of one object, band and time: the first of equal ones is kept, with its file."""
    return (one[0], *one[3:]) == (other[0], *other[3:])


def _is_gone(path: Path, before: Path, key: FrameKey) -> bool:
    """Return whether nothing of a frame is left in a damaged file, so that nobody can miss it."""
    if not path.is_file():
        return not path.is_symlink()
    if path.name.startswith("frames") and path.suffix == ".csv":  # a table without the whole row
        lines, all_lines = (one.read_text(encoding="utf-8", errors="replace").splitlines() for one in (path, before))
        rows = [line.split(",") for line in lines]
        named = any(key[1] in row[1:2] for row in rows)
        return not named and (set(lines) <= set(all_lines) or not any(row[0] == key[0] for row in rows))
    others = [other for other in path.parent.iterdir() if other != path and other.is_file()]
    return any(other.read_bytes() == path.read_bytes() for other in others)  # another file in its place


def _touched(folder: Path, expected: Path, target: str) -> tuple[list[str] | None, set[str]]:
    """Return the files whose frames a damage may change, None for all, and the objects that it may."""
    path = folder / target
    if path.name in ("objects.csv", "labels.csv") or path.suffix in (".ecsv",) or "frames" in path.name != "frames.csv":
        return None, set()
    if path.name.startswith("frames"):
        if path.suffix != ".csv":
            return None, set()
        after, before = (
            one.read_text(encoding="utf-8", errors="replace").splitlines() for one in (path, expected / target)
        )
        if not after or after[0] != before[0]:
            return None, set()
        changed = [line.split(",") for line in set(after) ^ set(before)]
        changed += [line.split(",") for line in after if after.count(line) != before.count(line)]
        return [line[1] for line in changed if len(line) > 1 and line[1]], {line[0] for line in changed}
    if path.name == "i0_ood.fits":
        return ["i0_ooi.fits"], set()
    return [path.name], set()


def frames_of(survey: Path) -> dict[FrameKey, str]:
    """Return a hash of the pixels of each frame, by object, file, HDU, band and time."""
    opened = Survey.open(survey)
    table = pq.read_table(survey / "frame_sources.parquet").to_pydict()
    places = zip(table["file"], table["hdu"], strict=True)
    found = {}
    for series in opened:
        for frame, band, mjd in zip(series.frames, series.band, series.mjd, strict=True):
            file, hdu = next(places)
            key = (series.id, str(file), str(hdu), opened.header.bands[band], float(mjd))
            found[key] = hashlib.md5(np.nan_to_num(frame).tobytes(), usedforsecurity=False).hexdigest()
    return found


def rejects_of(folder: Path) -> list[Mapping[str, str]]:
    path = folder / "out-rejects.csv"
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _names(reject: Mapping[str, str], key: FrameKey) -> bool:
    return reject["object"] == key[0] or Path(key[1]).name in reject["file"] or reject["file"] in key[1]
