"""Random forests as rows of comparison: one on light curves, one that sees no pixel at all.

The first says what photometry of the same stamps holds without a network; the second bounds what the cadence leaks.
"""

from collections.abc import Iterable

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from ictconvention.measuring.host import RADII, survey_host_features
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey

TREES = 500
BAND_FEATURES = 10
NIGHT_FEATURES = 11
SOFTENING = 0.1  # [flux_unit], of the logarithm of a flux
PRETRAIN_WEIGHT = 0.3  # of pre-training objects, whose labels may be photometric


def light_curve_features(
    flux: NDArray[np.float64],
    error: NDArray[np.float64],
    band: NDArray[np.uint8],
    mjd: NDArray[np.float64],
    bands: int,
) -> NDArray[np.float64]:
    """Summarise one object's light curve, without any absolute time.

    Parameters
    ----------
    flux, error : arrays (n,)
        Fluxes and their errors [flux_unit]; NaN where unknown.
    band : array (n,)
        Position of each frame's band.
    mjd : array (n,)
        Times [days].
    bands : int
        Number of bands.

    Returns
    -------
    array (BAND_FEATURES * bands + bands * (bands - 1) + NIGHT_FEATURES,)
        Per band its brightness and change; colours of the brightness and of the change; the course of all bands
        together from night to night. NaN where unknown.
    """
    rows = []
    deviation = np.full(len(flux), np.nan)
    for b in range(bands):
        here = np.flatnonzero((band == b) & np.isfinite(flux) & np.isfinite(error))
        rows.append(_band_features(flux[here], error[here], mjd[here]))
        if len(here):
            deviation[here] = (flux[here] - np.median(flux[here])) / error[here]
    brightness, change = np.array(rows)[:, 0], np.array(rows)[:, 9]
    pairs = [(i, j) for i in range(bands) for j in range(i + 1, bands)]
    colours = [values[i] - values[j] for values in (brightness, change) for i, j in pairs]
    return np.concatenate([*rows, colours, _night_features(deviation, mjd)])


def _band_features(
    flux: NDArray[np.float64], error: NDArray[np.float64], mjd: NDArray[np.float64]
) -> NDArray[np.float64]:
    if len(flux) < 3:
        return np.full(BAND_FEATURES, np.nan)
    low, middle, high = np.percentile(flux, [10, 50, 90])
    scatter = flux.std() + 1e-12
    deviation = (flux - middle) / error
    return np.array(
        [
            np.arcsinh(flux.mean() / SOFTENING),
            np.arcsinh((scatter**2 - np.mean(error**2)) / np.mean(error) ** 2),
            np.arcsinh(np.sqrt(max(scatter**2 - np.mean(error**2), 0.0)) / SOFTENING),
            np.arcsinh(deviation.max()),
            np.arcsinh(deviation.min()),
            (high - middle) / (high - low + 1e-12),
            np.mean(((flux - flux.mean()) / scatter) ** 3),
            np.mean(np.diff(flux) ** 2) / scatter**2,
            np.corrcoef(mjd - mjd[0], flux)[0, 1] if np.ptp(flux) > 0 else 0.0,
            np.arcsinh((flux.max() - low) / SOFTENING),
        ]
    )


def _night_features(deviation: NDArray[np.float64], mjd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Summarise the course of all bands together: one mean deviation a night, in units of its error."""
    known = np.isfinite(deviation)
    night, member, size = np.unique(np.floor(mjd[known]), return_inverse=True, return_counts=True)
    if len(night) < 3:
        return np.full(NIGHT_FEATURES, np.nan)
    course = np.bincount(member, weights=deviation[known]) / np.sqrt(size)
    span = max(night[-1] - night[0], 1.0)
    top = int(course.argmax())
    smooth = np.convolve(np.pad(course, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    above = course > 0.5 * course[top]
    first, last = top, top
    while first > 0 and above[first - 1]:
        first -= 1
    while last < len(course) - 1 and above[last + 1]:
        last += 1
    outside = np.delete(course, np.arange(max(first - 1, 0), min(last + 2, len(course))))
    return np.array(
        [
            (night[top] - night[0]) / span,
            night[last] - night[first],
            (night[top] - night[first]) / span,
            (night[last] - night[top]) / span,
            np.count_nonzero(above) / len(course),
            np.count_nonzero(np.diff(np.signbit(course))) / len(course),
            np.mean(np.diff(course) ** 2) / (np.var(course) + 1e-12),
            np.var(smooth) / (np.var(course) + 1e-12),
            np.arcsinh(outside.std()) if len(outside) > 2 else np.nan,
            np.arcsinh(smooth.max()),
            np.arcsinh(smooth.min()),
        ]
    )


def cadence_features(
    psf_fwhm: NDArray[np.float32],
    sky_sigma: NDArray[np.float32],
    band: NDArray[np.uint8],
    mjd: NDArray[np.floating],
    bands: int,
) -> NDArray[np.float64]:
    """Summarise what is known of an object without a pixel: counts, gaps, span, seeing, sky noise, and the season.

    Parameters
    ----------
    psf_fwhm, sky_sigma, band, mjd : arrays (n,)
        As in an `ImageSeries`.
    bands : int
        Number of bands.

    Returns
    -------
    array (bands + 12,)
    """
    gaps = np.diff(np.unique(np.floor(mjd)))
    gaps = gaps if len(gaps) else np.zeros(1)
    quality = [np.mean(psf_fwhm), np.std(psf_fwhm), np.max(psf_fwhm), np.mean(sky_sigma)]
    times = [np.ptp(mjd), mjd[0], mjd[-1]]
    counts = np.bincount(band, minlength=bands)
    return np.array([len(mjd), *counts, *np.percentile(gaps, [10, 50, 90]), gaps.max(), *quality, *times])


def forest_probabilities(
    train: NDArray[np.float64],
    labels: Iterable[str],
    test: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
    seed: int = 0,
    jobs: int | None = None,
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Train a balanced random forest and predict.

    Parameters
    ----------
    train, test : arrays (n, f), (m, f)
        Features; NaN where unknown.
    labels : n names
        Classes of the training objects.
    weights : array (n,), optional
        Weights of the training objects within their class; every class weighs the same.
    seed : int
        Seed of the trees.
    jobs : int, optional
        Threads; all by default.

    Returns
    -------
    classes, probabilities : arrays (c,), (m, c)
        Names in alphabetical order, and the probability of each.
    """
    names = np.array(list(labels))
    weights = np.ones(len(names)) if weights is None else np.asarray(weights, dtype=float)
    total = {name: weights[names == name].sum() for name in np.unique(names)}
    balanced = weights / np.array([total[name] for name in names])
    model = RandomForestClassifier(TREES, min_samples_leaf=3, random_state=seed, n_jobs=jobs or -1)
    model.fit(train, names, sample_weight=balanced)
    return np.asarray(model.classes_), np.asarray(model.predict_proba(test))


def photometry_features(survey: Survey) -> NDArray[np.float64]:
    """Return `light_curve_features` of the photometry of every object of a survey, (len(survey), f)."""
    header = survey.header
    recipe = photometry_recipe(header.pixel_scale, header.stamp_size, survey.path)
    rows = []
    for s in survey:
        flux, error = measure_photometry(s, recipe).T
        rows.append(light_curve_features(flux, error, s.band, s.mjd, len(header.bands)))
    return np.array(rows)


def aperture_features(survey: Survey) -> NDArray[np.float64]:
    """Return what apertures measure in the pictures of every object of a survey, (len(survey), f).

    `host_features` of each band, and the colours of neighbouring bands in each of the circles.
    """
    measured, bands = survey_host_features(survey), len(survey.header.bands)
    flux = measured.reshape(len(measured), bands, -1)[:, :, : len(RADII)]
    return np.hstack([measured, (flux[:, :-1] - flux[:, 1:]).reshape(len(measured), -1)])


def pixel_free_features(survey: Survey) -> NDArray[np.float64]:
    """Return `cadence_features` of every object of a survey, (len(survey), f)."""
    bands = len(survey.header.bands)
    return np.array([cadence_features(s.psf_fwhm, s.sky_sigma, s.band, s.mjd, bands) for s in survey])


def forest_on_split(
    features: NDArray[np.float64], objects: Table, split: Split, part: str = "test", seed: int = 0
) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """Train a forest on the pre-train and fine-tune parts of a split, and predict another part.

    Parameters
    ----------
    features : array (n, f)
        One row per object of the table.
    objects : Table
        Columns id and class.
    split : Split
        Split of these objects. Validation objects train too: nothing is chosen by them here.
    part : str
        What to predict.
    seed : int
        Seed of the trees.

    Returns
    -------
    classes, probabilities : arrays (c,), (m, c)
        Names in alphabetical order; probabilities of the part's objects, in the table's order.
    """
    ids = np.asarray(objects["id"])
    stages = [
        np.isin(ids, [*split.parts[f"{s}_train"], *split.parts[f"{s}_validation"]]) for s in ("pretrain", "finetune")
    ]
    train = stages[0] | stages[1]
    weights = np.where(stages[1], 1.0, PRETRAIN_WEIGHT)[train]
    labels = np.asarray(objects["class"][train])
    return forest_probabilities(features[train], labels, features[np.isin(ids, split.parts[part])], weights, seed)
