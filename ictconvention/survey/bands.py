"""A survey of some bands of another one: the same objects, labels, masks and positions, with fewer frames."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from ictconvention.core.errors import SurveyError, did_you_mean, pluralize, shorten
from ictconvention.survey.format import FRAME_COLUMNS, ORIGIN, TABLES, sha256
from ictconvention.survey.photometry.table import has_photometry, photometry_file
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter

logger = logging.getLogger(__name__)

ORIGIN_STATES = "bands selected from one of"  # entry of the provenance: all states of a survey that has grown
OWN_NAMES = {"class": "class_name"}  # of the table, as the writer calls them
STANDARD = ("id", "class", "label_source", "redshift", "ra", "dec")


def select_bands(survey: Survey, bands: Sequence[str], path: Path) -> Survey:
    """Write the frames of some bands as a survey of their own.

    Objects without a frame in these bands are left out. Photometry beside the frames comes along as it is.

    Parameters
    ----------
    survey : Survey
        The whole survey.
    bands : sequence of str
        Those to keep, in the order that they will have.
    path : Path
        The folder to make.

    Raises
    ------
    SurveyError
        The survey has no such band, one is named twice, or no object has a frame in them.
    """
    check_bands(survey, bands)
    old = np.array([survey.header.bands.index(name) for name in bands])
    place = np.full(len(survey.header.bands), -1)
    place[old] = np.arange(len(bands))
    states = {ORIGIN_STATES: list(survey.lineage)} if len(survey.lineage) > 1 else {}
    header = replace(
        survey.header,
        bands=tuple(bands),
        provenance={**survey.header.provenance, ORIGIN: origin_of(survey), **states},
    )
    without = []
    if not any(np.isin(series.band, old).any() for series in survey):
        raise SurveyError(
            f"no object has a frame in {shorten(bands)}", survey.path, "choose other bands", "E-BAND-EMPTY"
        )
    with ExitStack() as until_written:
        if has_photometry(survey):
            measured = until_written.enter_context(photometry_file(survey))
            tables = {**header.provenance.get(TABLES, {}), measured.name: sha256(measured)}
            header = replace(header, provenance={**header.provenance, TABLES: tables})
        writer = until_written.enter_context(SurveyWriter(path, header, masks=survey.has_masks))
        for series in survey:
            here = np.isin(series.band, old)
            if not here.any():
                without.append(series.id)
                continue
            row = dict(series.metadata)
            columns = {OWN_NAMES.get(name, name): row.pop(name) for name in STANDARD if name in row}
            columns.pop("id", None)
            writer.add(
                series.id,
                series.frames[here],
                band=place[series.band[here]],
                **{name: getattr(series, name)[here] for name in FRAME_COLUMNS if name != "band"},
                mask=series.mask,
                **columns,
                **row,
            )
        if has_photometry(survey):
            writer.copy_beside(measured)
    if without:
        count = pluralize(len(without), "object")
        logger.warning(f"{count} without a frame in {', '.join(bands)}, left out: {shorten(without)}")
    return Survey.open(path)


def check_bands(survey: Survey, bands: Sequence[str]) -> None:
    """Refuse bands that the survey does not have, with a `SurveyError`."""
    for name in bands:
        if name not in survey.header.bands:
            found = f"no band {name!r}{did_you_mean(name, survey.header.bands)}"
            raise SurveyError(
                found, survey.path, f"choose among {', '.join(survey.header.bands)} (survey.bands)", "E-BAND-UNKNOWN"
            )
    if not bands or len(set(bands)) < len(bands):
        raise SurveyError(
            f"bands are {list(bands)}", "survey.bands", "name at least one band, each once", "E-CONFIG-VALUE"
        )


def lineage_of(survey: Survey) -> set[str]:
    """Return the hashes of all states that a survey, or that with all bands, is known to have had."""
    return {origin_of(survey), *survey.lineage, *map(str, survey.header.provenance.get(ORIGIN_STATES, ()))}


def origin_of(survey: Survey) -> str:
    """Return the hash of the survey that has all bands: this one's, unless it was selected from another."""
    return str(survey.header.provenance.get(ORIGIN, survey.hash))
