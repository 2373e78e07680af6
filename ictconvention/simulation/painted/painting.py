"""Paint real light curves into stamps: fitted, cut to a season, on a cadence that knows nothing of their class."""

from typing import Any

import numpy as np

from ictconvention.simulation.painted.light_curve_fit import densest_season, fit_light_curve, is_transient
from ictconvention.simulation.painted.light_curve_table import RealCurve
from ictconvention.simulation.sdss import stamps
from ictconvention.simulation.sdss.cadence import observe
from ictconvention.simulation.sdss.population import (
    CADENCE,
    CURVE,
    DECLINATION,
    NATURE,
    PIXELS,
    RIGHT_ASCENSION,
    generator,
)
from ictconvention.simulation.sdss.scene import supernova_host, unrelated
from ictconvention.simulation.sdss.strata import SEASONS, STRATA

SHIFT = 15.0  # [days]; the new season's middle lies within this of the old one's


def paint_light_curve(curve: RealCurve, number: int, seed: int) -> dict[str, Any]:
    """Paint one real light curve: the arguments of `SurveyWriter.add`.

    Its flux is one draw of what the measured points allow, the same in all bands and frames, so that it varies as much
    as the real object and the noise is that of the stamps alone. Frames on which it is too faint to be seen stay. A
    supernova gets the table's host, or one as supernovae of SDSS-II have it.

    Parameters
    ----------
    curve : RealCurve
        What to paint.
    number, seed : int
        Its place in the survey, and the survey's seed: the key of all draws.
    """
    rng = generator(seed, CURVE, number)
    season = int(rng.choice(SEASONS))
    observations = observe(season, generator(seed, CADENCE, number))
    first, last = densest_season(curve)
    fit = fit_light_curve(curve)
    middle = 0.5 * (observations.mjd[0] + observations.mjd[-1])
    shift = 0.5 * (first + last) + rng.uniform(-SHIFT, SHIFT) - middle
    point = np.maximum(fit.draw(observations.mjd + shift, observations.band, rng), 0.0)
    nature = generator(seed, NATURE, number)
    ra, dec = nature.uniform(*RIGHT_ASCENSION) % 360, nature.uniform(*DECLINATION)
    galaxies, stars = unrelated(rng)
    host_r = host_separation = None
    if is_transient(curve.class_name):
        stratum = next(s for s in STRATA if s.label == curve.class_name and s.source == "spectroscopic")
        host, host_r, host_separation = supernova_host(stratum, curve.host_r, curve.host_separation, rng)
        galaxies.append(host)
    noise = generator(seed, PIXELS, number)
    return {
        "id": curve.id,
        **stamps.draw_frames(observations, stamps.camera_column(dec), point, galaxies, stars, noise),
        "class_name": curve.class_name,
        "label_source": None,
        "redshift": curve.redshift,
        "ra": float(ra),
        "dec": float(dec),
        "true_class": curve.class_name,
        "season": season,
        "host_r": host_r,
        "host_separation": host_separation,
    }
