"""A survey of galaxies in miniature: a night in a few bands, whose colours say the redshift; without any class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter

UNKNOWN = 10  # one of so many objects has no redshift
SIZE = 16


def write_galaxies(
    path: Path,
    number: int = 100,
    bands: str = "gri",
    redshifts: Mapping[int, float] | None = None,
    seed: int = 0,
    ebv: bool = False,
    **provenance: Any,
) -> Survey:
    """Write galaxies; some redshifts can be given by their place; `ebv` adds E(B-V)."""
    header = SurveyHeader("galaxies", tuple(bands), (), 0.396, SIZE, simulated=True, provenance=provenance)
    rng, pixel, count = np.random.default_rng(seed), np.arange(SIZE) - (SIZE - 1) / 2, len(bands)
    source = np.exp(-(pixel[:, None] ** 2 + pixel**2) / 6)
    with SurveyWriter(path, header) as writer:
        for place in range(number):
            z = float(rng.gamma(3, 0.05))
            flux = 3 * np.linspace(1 - 2 * z, 1 + 2 * z, count) * rng.uniform(0.8, 1.2)
            frames = flux[:, None, None] * source + rng.normal(0, 0.05, (count, SIZE, SIZE))
            known = (redshifts or {}).get(place, None if place % UNKNOWN == UNKNOWN - 1 else z)
            place_on_sky = float(rng.uniform(0, 360)), float(rng.uniform(-60, 60))
            own: dict[str, Any] = {"ebv": float(rng.uniform(0, 0.3))} if ebv else {}
            writer.add(
                f"g{place:04d}",
                frames.astype(np.float32),
                band=np.arange(count),
                mjd=55000 + 1e-3 * np.arange(count),
                psf_fwhm=np.full(count, 1.2),
                sky_sigma=np.full(count, 0.05),
                redshift=known,
                ra=place_on_sky[0],
                dec=place_on_sky[1],
                true_redshift=z,
                **own,
            )
    return Survey.open(path)
