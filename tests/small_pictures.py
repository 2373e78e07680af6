"""A small survey of pictures: one night, a frame per band; in one of its two classes a source is painted."""

from pathlib import Path
from typing import Any

import numpy as np

from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from tests.conftest import write_survey

PLAIN, SOURCE = "plain", "source"


def picture_header(bands: tuple[str, ...] = ("R", "G", "B"), size: int = 32) -> SurveyHeader:
    return SurveyHeader("pictures", bands, (PLAIN, SOURCE), 0.4, stamp_size=size, flux_unit="none", simulated=True)


def picture(number: int, header: SurveyHeader, place: tuple[float, float] | None = None) -> dict[str, Any]:
    """Return the arguments of `SurveyWriter.add` for a picture with values from 0 to 1; every third has a source."""
    rng = np.random.default_rng(number)
    bands, size = len(header.bands), header.stamp_size
    pixels = 0.3 + 0.05 * rng.normal(size=(bands, size, size))
    row, column = rng.uniform(6, size - 6, 2) if place is None else place
    if number % 3 == 0:
        rows, columns = np.ogrid[:size, :size]
        pixels += 0.6 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
    return {
        "id": f"p{number:04d}",
        "frames": np.clip(pixels, 0, 1).astype(header.dtype),
        "band": np.arange(bands),
        "mjd": np.full(bands, 60000.0) + 1e-4 * np.arange(bands),
        "class_name": SOURCE if number % 3 == 0 else PLAIN,
        "label_source": "spectroscopic",
        "ra": (number * 0.1) % 360,
        "dec": 0.0,
    }


def write_pictures(
    path: Path, objects: int = 60, bands: tuple[str, ...] = ("R", "G", "B"), size: int = 32, brightness: float = 1.0
) -> Survey:
    header = picture_header(bands, size)
    pictures = [picture(number, header) for number in range(objects)]
    return write_survey(path, [one | {"frames": brightness * one["frames"]} for one in pictures], header)


def places(folder: Path) -> list[str]:
    """Return the overrides of a run of a second on the survey `pictures` in a folder."""
    survey = ["survey=path", f"survey.path={folder}/pictures", f"runs={folder}/runs"]
    return [
        *survey,
        "profile=tiny",
        "trainer.batch_size=16",
        "figures=false",
        "augmentation=pictures",
    ]
