"""Pictures: one night of an object, a frame per band. A folder for each class, or one folder and a table of labels."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, pluralize, shorten
from ictconvention.core.parallel import run_parallel
from ictconvention.files.folders import files_below
from ictconvention.files.reading import FITS_ENDINGS, UnreadableError, reason_of
from ictconvention.ingestion.found import Found, FoundFrame, Reject
from ictconvention.ingestion.readers.picture_files import (
    ENDINGS,
    NO_DATE,
    OTHER_ENDINGS,
    Look,
    flaw_of_storage,
    look_at,
    read_picture,
)
from ictconvention.survey.format import NO_UNIT

FILES_AT_ONCE = 64
SAME_SCALE = 0.02  # largest relative difference of pixel scales within a survey
COLOURS = ("R", "G", "B")
GREY = ("grey",)
TIMES = f"middle of the exposure, UTC, by a FITS header; {NO_DATE:.0f} where there is no date"


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How pictures are read; `dtype` and `flux_unit` are those of the survey, and the rest as of `read_picture`."""

    folder: Path
    size: int
    names: tuple[str, ...]
    dtype: str
    hdu: str | None = None
    resizes: bool = True
    flux_unit: str = NO_UNIT


def find_pictures(folder: Path) -> tuple[dict[str, str], list[Reject]]:
    """Return the file of each picture below a folder, by its id: its path there without the ending.

    Raises
    ------
    UsageError
        There is none.
    """
    if not folder.is_dir():
        fix = "give the folder that holds the pictures, or a folder of theirs for each class"
        raise UsageError("there is no such folder", folder, fix, "E-FILES-MISSING")
    names = [name for name in files_below(folder, (*ENDINGS, *OTHER_ENDINGS)) if not _is_hidden(name)]
    if not names:
        fix = f"give the folder that holds the pictures: {', '.join(ENDINGS[:4])} or FITS"
        raise UsageError("no picture is there", folder, fix, "E-INGEST-NOTHING")
    files: dict[str, str] = {}
    rejects = []
    for name in names:
        if (id_ := id_of(name)) in files:
            rejects.append(Reject(id_, name, f"one id for two pictures: that of {files[id_]}, which is taken"))
        else:
            files[id_] = name
    return files, rejects


def id_of(name: str) -> str:
    """Return the id of a picture: its path without the ending; what has no ending of a picture stays."""
    ending = next((one for one in (*FITS_ENDINGS, *ENDINGS, *OTHER_ENDINGS) if name.lower().endswith(one)), "")
    return PurePath(name[: len(name) - len(ending)] or name).as_posix()


def classes_by_folder(folder: Path, ids: Iterable[str]) -> dict[str, str | None]:
    """Return the class of each picture: the name of the folder that it lies in; None right in the given one.

    Raises
    ------
    UsageError
        Folders lie in folders: it is not known which of them name the classes.
    """
    parts = {id_: id_.split("/") for id_ in ids}
    if deep := next((id_ for id_, names in parts.items() if len(names) > 2), None):
        found = f"folders in folders, such as {deep.rpartition('/')[0]}: it is not known which of them name the classes"
        fix = "give a folder whose own folders are the classes, or a table of id and class: --labels TABLE"
        raise UsageError(found, folder, fix, "E-INGEST-LAYOUT")
    return {id_: names[0] if len(names) == 2 else None for id_, names in parts.items()}


def describe_pictures(
    folder: Path, files: Mapping[str, str], labels: Path | None, known: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what is known of each picture, as arguments of `SurveyWriter.add`, and what a user should hear of it.

    Parameters
    ----------
    folder, files : Path, mapping
        Where the pictures are, as of `find_pictures`.
    labels, known : Path or None, mapping
        The table of labels and its objects; ids in it may have the ending of the file. Where it has classes, these
        hold, and the folders name none.

    Raises
    ------
    UsageError
        Two ids of the table are one picture, or folders lie in folders where these name the classes.
    """
    by_id: dict[str, Mapping[str, Any]] = {}
    for name, own in known.items():
        if (id_ := id_of(name)) in by_id:
            fix = "name each picture once"
            raise UsageError(f"two rows for one picture: {id_}", labels or folder, fix, "E-ID-DUPLICATE")
        by_id[id_] = own
    columns = {name: None for own in known.values() for name in own}
    tabled = any(own.get("class_name") is not None for own in known.values())
    of_folder: Mapping[str, str | None] = {} if tabled else classes_by_folder(folder, files)
    objects = {id_: {**columns, **by_id.get(id_, {})} for id_ in files}
    for id_, class_name in of_folder.items():
        objects[id_]["class_name"] = class_name
    unnamed = [id_ for id_ in files if id_ not in by_id]
    remarks = []
    if labels is not None and 0 < len(unnamed) < len(files):
        said = "without a label" if tabled else "known by their folder alone"
        remarks = [f"{pluralize(len(unnamed), 'picture')} not in {labels.name}, {said}: {shorten(unnamed, 3)}"]
    classes = Counter(own["class_name"] for own in objects.values())
    unlabelled = classes.pop(None, 0)
    if not classes:
        remarks.append("no picture has a class: such a survey can be predicted, or pre-train without labels")
    elif len(classes) == 1:
        remarks.append(f"one class alone, {next(iter(classes))}: to train, there must be two")
    if unlabelled and classes and not tabled:
        remarks.append(f"{pluralize(unlabelled, 'picture')} in no folder of a class, without a label")
    return objects, remarks


def look_at_all(
    folder: Path,
    files: Mapping[str, str],
    names: tuple[str, ...] | None,
    hdu: str | None,
    jobs: int,
    progress: Callable[[int, int], object],
) -> dict[str, Look]:
    """Return what the header of each file says, by id; a file that cannot be read is left out here."""
    ids = list(files)
    some = [ids[i : i + FILES_AT_ONCE] for i in range(0, len(ids), FILES_AT_ONCE)]
    looks: dict[str, Look] = {}
    found: dict[int, list[Look | None]] = {}
    task = partial(_look_at_some, folder, names, hdu)
    for number, seen in run_parallel(task, [([files[id_] for id_ in part],) for part in some], jobs, folder):
        found[number] = seen
        progress(sum(map(len, found.values())), len(ids))
    for number, part in enumerate(some):
        looks |= {id_: look for id_, look in zip(part, found[number], strict=True) if look is not None}
    return looks


def _look_at_some(
    folder: Path, names: tuple[str, ...] | None, hdu: str | None, files: Sequence[str]
) -> list[Look | None]:
    return [look_at(folder / name, names, hdu) for name in files]


def name_bands(looks: Mapping[str, Look], files: Mapping[str, str]) -> tuple[str, ...]:
    """Return the bands that most pictures have: R, G, B or grey, and band1 and so on of FITS and of other numbers."""
    if not looks:
        return GREY
    kinds = Counter((look.bands, _is_fits(files[id_])) for id_, look in looks.items())
    (count, fits), _ = kinds.most_common(1)[0]
    usual = {1: GREY, 3: COLOURS}
    return usual[count] if count in usual and not fits else tuple(f"band{n + 1}" for n in range(count))


def choose_size(looks: Mapping[str, Look], folder: Path) -> int:
    """Return the size that most pictures have [pixels].

    Raises
    ------
    UsageError
        None is square.
    """
    sizes = Counter((look.height, look.width) for look in looks.values())
    squares = [height for (height, width), _ in sizes.most_common() if height == width]
    if looks and not squares:
        height, width = sizes.most_common(1)[0][0]
        fix = "--size 96 takes the square in the middle of each, and brings it to that size"
        raise UsageError(f"no picture is square: most are {width} x {height} pixels", folder, fix, "E-VALUE-SHAPE")
    return squares[0] if squares else 1


def choose_scale(looks: Mapping[str, Look], size: int, resizes: bool, folder: Path) -> float | None:
    """Return the size of the survey's pixels by the WCS of the files [arcsec]; None where no file has one.

    Raises
    ------
    UsageError
        They differ.
    """
    known = {id_: look for id_, look in looks.items() if look.pixel_scale is not None}
    scales = {id_: (look.pixel_scale or 0) * (look.side / size if resizes else 1) for id_, look in known.items()}
    if not scales:
        return None
    least, most = min(scales, key=scales.__getitem__), max(scales, key=scales.__getitem__)
    if scales[most] > scales[least] * (1 + SAME_SCALE):
        found = (
            f"pixels of {scales[least]:.4g} arcsec in {least} and of {scales[most]:.4g} arcsec in {most}, by their WCS"
        )
        fix = "make a survey of the pictures of each pixel scale, or say what holds for all: --pixel-scale 0.4"
        raise UsageError(found, folder, fix, "E-COMMAND-CONFLICT")
    return float(np.median(list(scales.values())))


def describe_sizes(looks: Mapping[str, Look], size: int, resizes: bool) -> list[str]:
    """Return a line about pictures that are smaller than the size they are brought to; empty where none is."""
    small = [id_ for id_, look in looks.items() if look.side < size]
    if not small or not resizes:
        return []
    return [f"{pluralize(len(small), 'picture')} enlarged to {size} pixels: {shorten(small, 3)}"]


def read_images(options: ImageOptions, files: Sequence[tuple[str, str]]) -> Iterator[Found]:
    """Yield the frames of pictures, given by id and file, and a reject for each that cannot be read."""
    for id_, name in files:
        try:
            picture = read_picture(options.folder / name, options.size, options.names, options.hdu, options.resizes)
        except (UnreadableError, OSError) as error:
            yield Reject(id_, name, reason_of(error))
            continue
        if options.flux_unit != NO_UNIT:
            if picture.white != 1:
                whole = f"whole numbers, of which {picture.white} would become 1"
                yield Reject(id_, name, f"{whole}, are no {options.flux_unit}: save floats, or leave out --flux-unit")
                continue
            picture = picture.as_fluxes()
        planes = picture.planes
        if len(planes) != len(options.names):
            bands = f"{pluralize(len(planes), 'band')}, and the survey has {', '.join(options.names)}"
            yield Reject(id_, name, f"{bands}: save it as the others are, or ingest such pictures by themselves")
            continue
        if flaw := flaw_of_storage(picture, options.dtype):
            yield Reject(id_, name, flaw)
            continue
        mjd = picture.mjd if np.isfinite(picture.mjd) else NO_DATE
        there: NDArray[np.bool_] = np.asarray(np.isfinite(planes).any(axis=(1, 2)))
        for number, (plane, band) in enumerate(zip(planes, options.names, strict=True)):
            if there[number]:
                yield FoundFrame(id_, plane, band, mjd, name, ra=picture.ra, dec=picture.dec)
            else:
                yield Reject(id_, name, f"no pixel of the band {band!r} is finite: the picture has none", flaw=False)


def _is_fits(name: str) -> bool:
    return name.lower().endswith(FITS_ENDINGS)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePath(name).parts)
