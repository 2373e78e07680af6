"""One flux for each band of each object, on a scale that an auxiliary head can learn. Knows no network."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.measuring.measured_cache import CachedPhotometry
from ictconvention.measuring.scales import photometry_scales
from ictconvention.survey.survey import Survey


def asinh_fluxes(survey: Survey, training: Survey) -> NDArray[np.float32]:
    """Return asinh(flux / scale) of every object in each band (n, bands), NaN where it has no flux.

    Parameters
    ----------
    survey : Survey
        The whole survey, whose stamps are measured as they are: see `measure_photometry`. Of several frames of a band
        the mean is taken.
    training : Survey
        Those of its objects that give the scale of each band, three times the median error.

    Raises
    ------
    SurveyError
        The stamps are too small for photometry, or a band has no flux in the training part.
    """
    photometry = CachedPhotometry(survey)
    scale = photometry_scales(training, photometry, "asinh").scale
    flux = np.stack([_means(series.band, photometry[series.id][:, 0], len(scale)) for series in survey])
    return np.asarray(np.arcsinh(flux / scale), dtype=np.float32)


def _means(band: NDArray[np.uint8], flux: NDArray[np.floating], bands: int) -> NDArray[np.float64]:
    """Return the mean of the known fluxes (n,) of each band (bands,), NaN where there is none."""
    known = np.isfinite(flux)
    count, total = (np.bincount(band[known], weights, bands) for weights in (None, flux[known].astype(np.float64)))
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count)
