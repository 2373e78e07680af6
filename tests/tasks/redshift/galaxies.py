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
    cut: float | None = None,
    **provenance: Any,
) -> Survey:
    """Write galaxies; some redshifts can be given by their place; `ebv` adds E(B-V).

    With a cut those below it are selected, and have a redshift; of the others each third is an additional test object.
    """
    header = SurveyHeader("galaxies", tuple(bands), (), 0.396, SIZE, simulated=True, provenance=provenance)
    rng, pixel, count = np.random.default_rng(seed), np.arange(SIZE) - (SIZE - 1) / 2, len(bands)
    source = np.exp(-(pixel[:, None] ** 2 + pixel**2) / 6)
    with SurveyWriter(path, header) as writer:
        for place in range(number):
            z = float(rng.gamma(3, 0.05))
            flux = 3 * np.linspace(1 - 2 * z, 1 + 2 * z, count) * rng.uniform(0.8, 1.2)
            frames = flux[:, None, None] * source + rng.normal(0, 0.05, (count, SIZE, SIZE))
            own: dict[str, Any] = (
                {} if cut is None else {"selected": z < cut, "extra_test": z >= cut and place % 3 == 0}
            )
            usual = z if cut is not None else None if place % UNKNOWN == UNKNOWN - 1 else z
            usual = usual if cut is None or any(own.values()) else None
            own |= {"ebv": float(rng.uniform(0, 0.3))} if ebv else {}
            known = (redshifts or {}).get(place, usual)
            writer.add(
                f"g{place:04d}",
                frames.astype(np.float32),
                band=np.arange(count),
                mjd=55000 + 1e-3 * np.arange(count),
                psf_fwhm=np.full(count, 1.2),
                sky_sigma=np.full(count, 0.05),
                redshift=known,
                ra=float(rng.uniform(0, 360)),
                dec=float(rng.uniform(-60, 60)),
                true_redshift=z,
                **own,
            )
    return Survey.open(path)
