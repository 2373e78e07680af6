"""A survey as a stream of alerts shows it: stamps of detections alone, and forced photometry of every visit."""

from typing import Any

import numpy as np
import pyarrow as pa

from ictconvention.simulation.sdss import stamps
from ictconvention.simulation.sdss.passbands import BANDS
from ictconvention.simulation.sdss.population import FORCED, Population, generator
from ictconvention.simulation.sdss.scene import DETECTION, DIFFERENCE_NOISE, change_of, paint_scene, scene
from ictconvention.survey.photometry.points import SIGMAS
from ictconvention.survey.photometry.table import MEASUREMENTS

HISTORY = 30.0  # [days] before the first detection of which an alert knows forced fluxes
POINTS = "points"  # what is no argument of `SurveyWriter.add`: the rows of the table of photometry


def observe_alerts(population: Population, number: int) -> dict[str, Any]:
    """Observe one object of a population by alerts: the arguments of `SurveyWriter.add`, and its `points`.

    In each frame the flux of science minus reference is measured, with the noise that the survey's depth was set by;
    the reference has no supernova, and of others the median of the season. What is above 5 sigma, up or down, is an
    alert, and its frame is kept; of an object that no single frame detects, the one that comes nearest. Forced fluxes
    are those of all frames since 30 days before the first alert. The noise of a forced flux is not that of the pixels.
    """
    drawn = scene(population, number)
    row = paint_scene(population.seed, drawn, number)
    noise = DIFFERENCE_NOISE * stamps.point_noise(drawn.observations, drawn.column)
    rng = generator(population.seed, FORCED, number)
    flux = change_of(drawn.sky_object, drawn.point, drawn.observations) + noise * rng.standard_normal(len(noise))
    ratio = np.abs(flux) / noise
    kept = ratio > DETECTION
    kept[ratio.argmax()] = True
    mjd, band = drawn.observations.mjd, drawn.observations.band
    first = float(mjd[kept][0])
    known = mjd >= first - HISTORY
    size = int(known.sum())
    columns = {
        "id": [row["id"]] * size,
        "band": np.array(BANDS)[band[known]],
        "kind": ["forced"] * size,
        "flag": [""] * size,
        "mjd": mjd[known],
        "flux": flux[known],
        "error": noise[known],
        "limit": SIGMAS * noise[known],
    }
    of_frames = ("frames", "band", "mjd", "psf_fwhm", "sky_sigma", "x", "y", "gain")
    row |= {name: row[name][kept] for name in of_frames}
    return {**row, "first_detection": first, POINTS: pa.table(columns, MEASUREMENTS)}
