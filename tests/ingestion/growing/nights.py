"""Nights of a made-up survey: what a reader finds in each, and the survey that they make."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ictconvention.ingestion.found import Found, FoundFrame, Measurement
from ictconvention.ingestion.options import Ingested, IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.survey.format import FRAME_COLUMNS
from ictconvention.survey.survey import Survey

NIGHTS = 10
TABLE: dict[str, dict[str, Any]] = {  # in an order of its own; o11 is not seen in the first night
    f"o{number:02d}": {"class_name": ("AGN", "SN Ia")[number % 2], "label_source": "spectroscopic", "mine": number}
    for number in (4, 11, 3)
}


def found(night: int) -> Iterator[Found]:
    """Read a night: two frames of about half of twelve objects, with the photometry of four days before each."""
    rng = np.random.default_rng(night)
    for number in range(12):
        if rng.random() < 0.5 and night:
            continue
        if number == 11 and not night:
            continue
        id_, time = f"o{number:02d}", 58000 + night + 0.01 * number
        for band in "rg":
            yield FoundFrame(
                id_,
                rng.normal(size=(8, 8)).astype(np.float32),
                band,
                time,
                f"{night}.avro",
                psf_fwhm=rng.uniform(1, 2),
                ra=10 + number + rng.normal() * 1e-5,
                dec=5 + rng.normal() * 1e-5,
                first_detection=time - rng.uniform(0, 3),
                reliability=rng.uniform(),
            )
        for back in range(1, 5):
            kind = ("forced", "detection")[back % 2]
            yield Measurement(id_, time - back, "g", float(back), 0.1, np.nan, kind)
    for step in (0, 9e-7 if night == 2 else -9e-7 if night == 4 else 0):  # one exposure, at times not quite the same
        pixels = np.arange(64, dtype=np.float32).reshape(8, 8) + night
        yield FoundFrame("again", pixels, "g", 58000.5 + step, f"{night}.avro")


def options(out: Path, **own: Any) -> IngestOptions:
    return IngestOptions(out, "a test", 1.0, name="nights", size=8, **own)


def add_night(out: Path, *nights: int, objects: dict[str, dict[str, Any]] = TABLE, **own: Any) -> Ingested:
    """Make a survey of some nights, or add them to one that there is."""
    return ingest(options(out, into=out.exists(), **own), found, nights, objects)


def content(survey: Survey) -> list[Any]:
    """Return all that a survey says of its objects and frames, NaN as any other value."""
    said: list[Any] = [survey.header.bands, survey.header.classes, tuple(survey.ids), survey.checksums.tolist()]
    for series in survey:
        said += [series.frames.tobytes(), repr(dict(series.metadata))]
        said += [getattr(series, name).tobytes() for name in FRAME_COLUMNS]
    return said
