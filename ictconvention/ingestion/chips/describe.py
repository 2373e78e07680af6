"""What a survey of chips, and the command that makes it, say of them: columns, provenance, and lines for the user."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ictconvention.core.errors import UsageError, pluralize, shorten
from ictconvention.files.joins import check_matched
from ictconvention.ingestion.chips.agreement import Agreement
from ictconvention.ingestion.chips.mask_values import MaskValues
from ictconvention.ingestion.chips.pairs import Chip, find_scenes
from ictconvention.ingestion.chips.rasters import RasterLook
from ictconvention.ingestion.readers.picture_files import NO_DATE
from ictconvention.survey.format import PIXEL_SCALE, UNKNOWN_SCALE
from ictconvention.survey.survey import Survey

NO_MASKS = "none"  # in the place of the masks' folder
TIMES = f"unknown, {NO_DATE:.0f} stands for it"


def describe_chips(
    chips: Sequence[Chip],
    looks: Mapping[str, RasterLook],
    known: Mapping[str, Mapping[str, Any]],
    table: Path | None,
    pattern: str | None,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what is known of each chip, as arguments of `SurveyWriter.add`, and what a user should hear of it.

    Parameters
    ----------
    chips : sequence of Chip
        The chips.
    looks : mapping
        What the header of each image says, by id.
    known, table : mapping, Path or None
        The objects of the user's table, by id, and the table.
    pattern : str, optional
        See `find_scenes`; where the table has a column scene, that holds.

    Raises
    ------
    UsageError
        The table names classes, none of its ids is a chip, or the pattern is of no use.
    """
    if classed := [id_ for id_, own in known.items() if own.get("class_name") is not None]:
        found = f"the table has classes, such as of {classed[0]}, and the class of each pixel is in the masks"
        raise UsageError(
            found, table or "", "leave the column class out, or give it another name", "E-COMMAND-CONFLICT"
        )
    ids = [chip.id for chip in chips]
    remarks = [] if table is None else check_matched(table, [*known], ids, "the images")
    columns: dict[str, Any] = {name: None for own in known.values() for name in own}
    places = _place_columns(looks)
    objects = {id_: {**columns, **known.get(id_, {}), **places.get(id_, {})} for id_ in ids}
    if "scene" in columns:
        if pattern is not None:
            found = "--scene names the scenes, and so does the column scene of the table"
            raise UsageError(found, table or "", "leave one of them out", "E-COMMAND-CONFLICT")
    else:
        for id_, scene in find_scenes(chips, pattern).items():
            objects[id_]["scene"] = scene
    scenes = {own["scene"] for own in objects.values()}
    alone = [id_ for id_, own in objects.items() if own["scene"] is None]
    if scenes == {None}:
        for own in objects.values():
            del own["scene"]
        remarks.append(
            "scenes unknown, so that neighbouring chips may be split: --scene, or a column scene, names them"
        )
    else:
        remarks.append(pluralize(len(scenes - {None}), "scene"))
        remarks += [f"{pluralize(len(alone), 'chip')} of no scene: {shorten(alone, 3)}"] if alone else []
    return objects, remarks


def _place_columns(looks: Mapping[str, RasterLook]) -> dict[str, dict[str, str | None]]:
    """Return the columns crs and transform by id; none of which no file says anything."""
    places = {id_: look.georeference.columns for id_, look in looks.items() if look.georeference is not None}
    known = [name for name in ("crs", "transform") if any(place[name] is not None for place in places.values())]
    empty: dict[str, str | None] = dict.fromkeys(known)
    return {id_: {name: places.get(id_, empty)[name] for name in known} for id_ in looks}


def describe_bands(common: Agreement) -> list[str]:
    """Return lines about the bands, in the order of the files, and about their numbers and pixels on the ground."""
    order = f"bands, in the order of the files: {', '.join(common.bands)}; numbers of {common.dtype}"
    lines = [f"{order}; {common.ground}" if common.ground else order]
    if common.names and [one.casefold() for one in common.names] != [one.casefold() for one in common.bands]:
        named = ", ".join(f"{own} is {theirs!r}" for own, theirs in zip(common.bands, common.names, strict=True))
        lines.append(f"bands by the files' own names: {named}; --bands gives others")
    return lines


def provenance(common: Agreement, values: MaskValues) -> dict[str, Any]:
    """Return what a survey of chips says of how it was made."""
    return {
        "pixels": f"numbers as in the files, of {common.dtype}; NaN where a file says that there are no data",
        "bands": f"in the order of the files: {', '.join(common.bands)}",
        "mask values": values.said,
        "masks": "ignored too where the mask has no data, or no band has a pixel",
        "ground pixel": common.ground or "unknown",
        PIXEL_SCALE: UNKNOWN_SCALE,
    }


def describe_shares(survey: Survey) -> list[str]:
    """Return a line about the share of each class among the known pixels, and one about chips without any."""
    counts = survey.count_pixels()
    total, size = counts.sum(), survey.header.stamp_size
    lines = []
    if total:
        shares = (
            f"{name} {count / total:.2%}" for name, count in zip(survey.header.classes, counts.sum(0), strict=True)
        )
        lines.append(f"pixels by class: {', '.join(shares)}; {1 - total / (len(counts) * size * size):.2%} are ignored")
    if empty := int((counts.sum(1) == 0).sum()):
        lines.append(f"{pluralize(empty, 'chip')} without a known pixel: no label, and of use to learn without labels")
    return lines
