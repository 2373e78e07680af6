"""The survey format on disk: the header, the columns, the names of the files. Knows neither reader nor writer.

A shard is a folder with every file below. A survey is one shard, or a folder of shards with a `survey.json` of its own.

    survey.json       the header: version, bands, classes, scale, unit, provenance, checksums
    frames.npy        (F, H, W) float32 or float16 [flux_unit], the frames of one object contiguous and in time order
    band.npy          (F,) uint8, position in the header's bands
    mjd.npy           (F,) float64 [days]
    psf_fwhm.npy      (F,) float32 [arcsec], NaN where unknown
    sky_sigma.npy     (F,) float32 [flux_unit per pixel], NaN where unknown
    x.npy, y.npy      (F,) float32 [pixels], the object, right of and above the stamp's centre, NaN where unknown
    gain.npy          (F,) float32 [electrons per flux_unit], NaN where unknown
    objects.parquet   one row per object: OBJECT_COLUMNS, then any columns of the survey's own
    masks.npy         (N, H, W) uint8, only where there are masks, see `survey.masks.mask_file`

Version 2 is the usual one. Version 3 is that of a shard with masks, and else the same. Version 4 is that of a survey
that has grown by nights, see `survey.growth.states`; its shards are of version 2 or 3.
Version 1 has no x, y and gain, and does not say how its stamps stand. It opens as before: these are then unknown.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ictconvention.core.errors import SurveyError, did_you_mean, readable_os_errors
from ictconvention.core.output_place import RUN_MARK
from ictconvention.core.partial_file import PARTIAL
from ictconvention.core.plain_file import open_plain, read_plain
from ictconvention.reading.json_file import JsonRecord

FORMAT = "ictconvention survey"
VERSION, VERSION_WITH_MASKS, VERSION_GROWN = 2, 3, 4

HEADER_FILE = "survey.json"
PICTURES = (".png", ".jpg", ".jpeg")  # endings of files that are pictures, and no frames of a survey
FRAMES_FILE = "frames.npy"
OBJECTS_FILE = "objects.parquet"
SHARD_PREFIX = "shard-"

# The per-frame columns, each a file of its own.
FRAME_COLUMNS: dict[str, np.dtype[Any]] = {
    "band": np.dtype("u1"),
    "mjd": np.dtype("<f8"),
    "psf_fwhm": np.dtype("<f4"),
    "sky_sigma": np.dtype("<f4"),
    "x": np.dtype("<f4"),
    "y": np.dtype("<f4"),
    "gain": np.dtype("<f4"),
}
SINCE_VERSION_2 = ("x", "y", "gain")  # of the frame columns
# The per-object columns that every survey has.
OBJECT_COLUMNS: dict[str, pa.DataType] = {
    "id": pa.string(),
    "class": pa.string(),  # null: unlabelled
    "label_source": pa.string(),  # null: neither of LABEL_SOURCES
    "redshift": pa.float64(),  # null: unknown
    "ra": pa.float64(),  # [deg], null: unknown
    "dec": pa.float64(),  # [deg], null: unknown
    "first": pa.int64(),  # the object's first frame in frames.npy
    "length": pa.int32(),  # number of its frames
    "crc32": pa.uint32(),  # of the bytes of its frames
}
STORAGE_COLUMNS = ("first", "length", "crc32")  # how the shard lays an object out; no property of the sky
ORIENTATIONS = ("north up, east left", "as given", "unknown")
LABEL_SOURCES = ("spectroscopic", "photometric")
FRAME_DTYPES = ("float32", "float16")
NANOMAGGY = "nanomaggy"  # the usual flux unit, of AB zero point 22.5
NO_UNIT = "none"  # the flux unit of pixels that are no fluxes, such as stamps of length 1
TABLES = "tables"  # in the provenance: checksums by the names of the tables beside the frames
ORIGIN = "bands selected from"  # in the provenance of a survey of some bands: the hash of the whole survey
PIXEL_SCALE, UNKNOWN_SCALE = "pixel_scale", "unknown"  # in the provenance of pictures, for whose scale 1 arcsec stands


HEADER = JsonRecord(dict[str, Any], SurveyError, "E-SURVEY-FORMAT", "restore it from a copy", "a header of a survey")


@dataclass(frozen=True)
class SurveyHeader:
    """What holds for a survey as a whole.

    Parameters
    ----------
    name : str
        The survey's name, shown on every table and figure.
    bands : tuple of str
        Names of the passbands; a frame's band is a position in it. At most 255.
    classes : tuple of str
        Names of the classes that objects may have.
    pixel_scale : float
        Size of a pixel [arcsec].
    stamp_size : int
        Height and width of a frame [pixels].
    dtype : str
        How frames are stored: 'float32' or 'float16'.
    flux_unit : str
        Unit of a frame's pixels; 'nanomaggy' has the AB zero point 22.5, and 'none' stands for pixels without a unit.
    simulated : bool
        True where the sky did not make it; every table and figure then says so.
    orientation : str
        How stamps stand, row 0 at the bottom: 'north up, east left' (to the nearest quarter turn), 'as given' by their
        source, or 'unknown'.
    provenance : mapping
        How it was made: command, seed, sources. Plain JSON values.
    software : mapping
        Versions it was written with; filled in by the writer.

    Raises
    ------
    SurveyError
        When a value is of the wrong type or out of range.

    Examples
    --------
    >>> header = ict.SurveyHeader(name="mine", bands=("g", "r"), classes=("AGN", "SN Ia"), pixel_scale=0.396)
    >>> header.full_name, header.flux_words
    ('mine', 'nanomaggy')
    """

    name: str
    bands: tuple[str, ...]
    classes: tuple[str, ...]
    pixel_scale: float
    stamp_size: int = 32
    dtype: str = "float32"
    flux_unit: str = "nanomaggy"
    simulated: bool = False
    orientation: str = "unknown"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", _names("bands", self.bands))
        object.__setattr__(self, "classes", _names("classes", self.classes))
        rules = {
            "name": isinstance(self.name, str) and bool(self.name.strip()),
            "bands": 1 <= len(self.bands) <= 255,
            "pixel_scale": _is_number(self.pixel_scale) and 0 < self.pixel_scale < np.inf,
            "stamp_size": type(self.stamp_size) is int and self.stamp_size >= 1,
            "dtype": self.dtype in FRAME_DTYPES,
            "flux_unit": isinstance(self.flux_unit, str) and bool(self.flux_unit),
            "simulated": isinstance(self.simulated, bool),
            "orientation": self.orientation in ORIENTATIONS,
            "provenance": isinstance(self.provenance, Mapping),
            "software": isinstance(self.software, Mapping),
        }
        for name, holds in rules.items():
            if not holds:
                raise _header_error(name, getattr(self, name))
        try:
            json.dumps(dict(self.provenance), allow_nan=False)
        except (TypeError, ValueError) as error:
            found = f"provenance is not plain JSON: {error}"
            raise SurveyError(found, "survey header", "use text and numbers", "E-SURVEY-HEADER") from error

    @property
    def full_name(self) -> str:
        """The survey's name, and whether it is simulated."""
        return full_name(self.name, self.simulated)

    @property
    def flux_words(self) -> str:
        """The flux unit as people read it."""
        return unit_in_words(self.flux_unit)

    @property
    def has_scale(self) -> bool:
        """Whether the size of a pixel is known; of pictures it may not be, and 1 arcsec stands for it."""
        return self.provenance.get(PIXEL_SCALE) != UNKNOWN_SCALE

    @property
    def scale_words(self) -> str:
        """The size of a pixel as people read it."""
        return f"{self.pixel_scale:g} arcsec" if self.has_scale else "unknown size"

    def differences(self, other: "SurveyHeader", free: tuple[str, ...] = ()) -> list[str]:
        """Name the fields in which two shards differ and may not: all but provenance, software and what is `free`."""
        free = ("provenance", "software", *free)
        return [f.name for f in fields(self) if f.name not in free and getattr(self, f.name) != getattr(other, f.name)]


def full_name(name: str, simulated: bool) -> str:
    """Name a survey, and say where it is simulated: so do all figures, tables and lines."""
    return f"{name} (simulated)" if simulated else name


def unit_in_words(flux_unit: str) -> str:
    """Return a flux unit as people read it."""
    return "no unit" if flux_unit == NO_UNIT else flux_unit


def read_header(folder: Path) -> tuple[SurveyHeader, dict[str, Any]]:
    """Read survey.json of a survey or shard.

    Returns
    -------
    header, entries : SurveyHeader, dict
        The header; then objects, frames, checksums or shards, `version`, `intact` (whether the file is as it was
        written) and `hash` (SHA-256 of the file).

    Raises
    ------
    SurveyError
        When the folder is not a survey, the file is damaged, or its version is one that this release does not know.
    """
    path = folder / HEADER_FILE
    if not path.is_file():
        raise _no_survey(folder)
    return read_header_file(path)


def read_header_file(path: Path) -> tuple[SurveyHeader, dict[str, Any]]:
    """Read a file like survey.json, whatever its name; returns and errors as of `read_header`."""
    with readable_os_errors("reading the header", path):
        text = read_plain(path)
    entries = HEADER.parse(text, path)
    if entries.pop("format", None) != FORMAT:
        raise SurveyError(
            f"{path.name} is not that of an ictconvention survey", path, "name a survey folder", "E-SURVEY-FORMAT"
        )
    intact = entries.pop("sha256", None) == _digest({"format": FORMAT, **entries})
    version = entries.pop("version", None)
    if type(version) is not int or version < 1:
        raise SurveyError(f"the format version is {version!r}", path, "restore it from a copy", "E-SURVEY-FORMAT")
    if version > VERSION_GROWN:
        raise SurveyError(
            f"this survey has format version {version}; this release reads up to {VERSION_GROWN}",
            path,
            "upgrade: pip install --upgrade ictconvention",
            "E-SURVEY-VERSION",
        )
    known = {f.name for f in fields(SurveyHeader)}
    missing = sorted({"name", "bands", "classes", "pixel_scale", "stamp_size", "dtype"} - entries.keys())
    if missing:
        raise SurveyError(f"the header lacks {', '.join(missing)}", path, "restore it from a copy", "E-SURVEY-DAMAGED")
    try:
        header = SurveyHeader(**{name: entries.pop(name) for name in known & entries.keys()})
    except SurveyError as error:
        raise SurveyError(error.found, path, error.fix, error.code) from error
    entries["version"] = version
    entries["intact"] = intact
    entries["hash"] = hashlib.sha256(text).hexdigest()
    return header, entries


def write_header(
    path: Path, header: SurveyHeader, entries: Mapping[str, Any], masks: bool = False, grown: bool = False
) -> None:
    """Write survey.json: the header, other entries, and a checksum of it all.

    `masks` says whether there are masks, and `grown` whether nights have been added.
    """
    version = VERSION_GROWN if grown else VERSION_WITH_MASKS if masks else VERSION
    content = {"format": FORMAT, "version": version, **asdict(header), **entries}
    text = json.dumps({**content, "sha256": _digest(content)}, indent=2, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def stored_columns(version: int) -> list[str]:
    """Return the frame columns that a shard of a version of the format has."""
    return [name for name in FRAME_COLUMNS if version > 1 or name not in SINCE_VERSION_2]


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unknown_class(name: object, header: SurveyHeader, where: str | Path) -> SurveyError:
    """Return the error for a class that the header does not name."""
    near = did_you_mean(str(name), header.classes)
    return SurveyError(
        f"class {name!r} is not among the survey's classes {', '.join(header.classes)}{near}",
        where,
        "correct the class, name it in the header's classes, or leave it null for an unlabelled object",
        "E-CLASS-UNKNOWN",
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(key: str, values: object) -> tuple[str, ...]:
    """Check a list of names: texts that are not empty, each once, safe in a file name or a metric's name."""
    if isinstance(values, str) or not isinstance(values, list | tuple):
        raise _header_error(key, values)
    for value in values:
        if not isinstance(value, str) or not re.fullmatch(r"[^\s/\\][^/\\\n\t]*", value):
            raise _header_error(key, value)
    if len(set(values)) != len(values):
        raise SurveyError(
            f"{key} names one twice: {', '.join(values)}", "survey header", "name each once", "E-SURVEY-HEADER"
        )
    return tuple(values)


_HEADER_FIXES = {
    "bands": "give 1 to 255 names, such as ('u', 'g', 'r', 'i', 'z')",
    "classes": "give names without slashes, such as ('AGN', 'SN Ia')",
    "pixel_scale": "give the size of a pixel in arcsec, such as 0.396",
    "stamp_size": "give the height and width of a frame in pixels, such as 32",
    "dtype": "choose float32 or float16",
    "orientation": f"choose {', '.join(ORIENTATIONS)}",
}


def _header_error(key: str, value: object) -> SurveyError:
    fix = _HEADER_FIXES.get(key, "see the docstring of SurveyHeader")
    return SurveyError(f"{key} of the header is {value!r}", "survey header", fix, "E-SURVEY-HEADER")


def _no_survey(folder: Path) -> SurveyError:
    """Say what a path without survey.json is instead."""
    if not folder.exists():
        partial = folder.parent / f".{folder.name}{PARTIAL}"
        if partial.is_dir():
            return SurveyError(
                "this survey was never finished: its writer is still at work, or stopped",
                folder,
                f"wait for it, or write it again (what is left of it in {partial.name} is then replaced)",
                "E-SURVEY-UNFINISHED",
            )
        return SurveyError("no such folder", folder, "check the path", "E-SURVEY-MISSING")
    if not folder.is_dir():
        return SurveyError(
            "this is a file, not a survey folder",
            folder,
            f"name the folder that holds {HEADER_FILE}",
            "E-SURVEY-FORMAT",
        )
    if any(folder.glob(f"{SHARD_PREFIX}*")) or any(folder.glob(f".{SHARD_PREFIX}*{PARTIAL}")):
        return SurveyError(
            f"this folder holds shards, but no {HEADER_FILE} of their own: they were never joined",
            folder,
            "wait for the writers and call join_shards, or write the survey again",
            "E-SURVEY-UNFINISHED",
        )
    fix = ingest_command(folder) if holds_pictures(folder) else "check the path"
    return SurveyError(f"this folder is not a survey: it has no {HEADER_FILE}", folder, fix, "E-SURVEY-FORMAT")


def holds_pictures(folder: Path) -> bool:
    """Return whether a folder, or one in it, holds picture files, which a survey is made of and is not."""
    if (folder / RUN_MARK).exists():  # its figures
        return False
    return any(path.suffix.lower() in PICTURES for pattern in ("*", "*/*") for path in folder.glob(pattern))


def ingest_command(folder: Path, size: int | None = None) -> str:
    """Return what makes a survey of a folder of pictures, to be typed; `size` is the pixels along a side."""
    words = shlex.join(["ictconvention", "ingest", "images", str(folder)])
    return f"make a survey of its pictures: {words} SURVEY --size {'N' if size is None else size}"
