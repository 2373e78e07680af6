"""A small survey of chips with masks: land in parcels, now and then a rare class, chips of one scene in a row."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter

CHIPS = SurveyHeader(
    "chips", ("B", "G", "R", "NIR"), ("water", "fields", "forest", "snow"), 1.0, 8, flux_unit="none", simulated=True
)
WATER, FIELDS, FOREST, SNOW, IGNORED = 0, 1, 2, 3, 255


def mask_of(number: int, size: int = 8) -> NDArray[np.uint8]:
    """Return the mask of a chip: fields and forest; in every 4th water, in every 20th snow; every 25th is unknown."""
    rng = np.random.default_rng(number)
    mask = np.full((size, size), FOREST, dtype=np.uint8)
    mask[:, : int(rng.integers(1, size))] = FIELDS
    if number % 4 == 0:
        mask[0, :2] = WATER
    if number % 20 == 3:
        mask[-1, -1] = SNOW
    mask[rng.random(mask.shape) < 0.1] = IGNORED
    return np.full_like(mask, IGNORED) if number % 25 == 7 else mask


def chip(number: int, header: SurveyHeader = CHIPS, in_scene: int = 2, **known: Any) -> dict[str, Any]:
    """Return the arguments of `SurveyWriter.add` for a chip; so many in a row are of one scene."""
    bands, size = len(header.bands), header.stamp_size
    given = {
        "id": f"c{number:03d}",
        "frames": np.random.default_rng(number).random((bands, size, size)),
        "band": np.arange(bands),
        "mjd": np.full(bands, 58000.0),
        "mask": mask_of(number, size),
        "scene": f"scene {number // in_scene}",
    }
    return given | known


def write_chips(path: Path, chips: list[dict[str, Any]], header: SurveyHeader = CHIPS) -> Survey:
    with SurveyWriter(path, header, masks=True) as writer:
        for one in chips:
            writer.add(**one)
    return Survey.open(path)
