"""Names that should match, of objects, bands and classes: none that does is an error, some that do not are a line."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from ictconvention.core.errors import UsageError, did_you_mean, pluralize, shorten


def check_matched(table: Path, listed: Collection[str], present: Collection[str], images: str) -> list[str]:
    """Compare the ids of a table with those of images.

    Parameters
    ----------
    table : Path
        The table, for messages.
    listed, present : collections of str
        Ids in the table, and of the images.
    images : str
        What has the ids `present`, such as "the alerts".

    Returns
    -------
    list of str
        A line about ids of the table that have no image; empty where all have.

    Raises
    ------
    UsageError
        No id matches; three of each side are named.
    """
    without = [id_ for id_ in listed if id_ not in present]
    if len(without) == len(listed):
        there = shorten(sorted(present), 3)
        found = f"none of {pluralize(len(listed), 'id')} is in {images}: the table has {shorten(listed, 3)}"
        fix = "write ids as they are there, to the letter, or give the table of these objects"
        raise UsageError(f"{found}; {images} have {there}", table, fix, "E-INGEST-MISMATCH")
    if not without:
        return []
    of = f"{len(without)} of {pluralize(len(listed), 'id')}"
    return [f"{of} in {table.name} {'is' if len(without) == 1 else 'are'} not in {images}: {shorten(without, 3)}"]


def check_renamed_bands(renamed: Collection[str], known: Collection[str], where: str) -> None:
    """Refuse to rename bands of which none can be in the images, before these are read.

    Parameters
    ----------
    renamed, known : collections of str
        Names of bands in the images: those that shall be renamed, and those that there may be.
    where : str
        The command, for messages.

    Raises
    ------
    UsageError
        None of them can be there: each band would keep its name.
    """
    if renamed and known and not set(renamed) & set(known):
        said = _no_frame_in([*renamed], known)
        fix = f"write OURS=THEIRS, with the name that it has in the images: {shorten(sorted(known))}"
        raise UsageError(said, where, fix, "E-INGEST-MISMATCH")


def report_renamed_bands(renamed: Collection[str], found: Collection[str]) -> list[str]:
    """Return a line about the bands of --rename-band that no frame was in; empty where there were frames in all."""
    absent = [name for name in renamed if name not in found]
    if not absent or not found:
        return []
    return [f"{_no_frame_in(absent, found)}: the images have {shorten(sorted(found))}"]


def _no_frame_in(absent: list[str], found: Collection[str]) -> str:
    return f"no frame is in the band {shorten(absent)}, which --rename-band names{did_you_mean(absent[0], found)}"


def report_unused_names(
    bands: Iterable[str] | None,
    found_bands: Collection[str],
    classes: Iterable[str] | None,
    ids: Iterable[str],
    objects: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Return a line for the bands, and one for the classes, that were asked for and that nothing has.

    Parameters
    ----------
    bands, classes : iterables of str, optional
        Those that were asked for.
    found_bands : collection of str
        Bands of the frames.
    ids : iterable of str
        Ids of the objects that have frames.
    objects : mapping
        What is known of objects by id, with `class_name`.
    """
    labels = {objects[id_].get("class_name") for id_ in ids if id_ in objects}
    lines = []
    if absent := [name for name in bands or () if name not in found_bands]:
        lines.append(f"no frame in the band {shorten(absent)}, which --bands names")
    if absent := [name for name in classes or () if name not in labels]:
        lines.append(f"no object of the class {shorten(absent)}, which --classes names")
    return lines
