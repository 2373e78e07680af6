"""How objects of a survey were observed: frames, nights, seeing and depth of each. No pixel is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.core.magnitudes import magnitude
from ictconvention.measuring.photometry import photometry_recipe, point_source_error
from ictconvention.measuring.robust import finite_median
from ictconvention.survey.format import NANOMAGGY
from ictconvention.survey.series import night_index
from ictconvention.survey.survey import Survey

Floats = NDArray[np.float64]
STEP = 0.02  # [arcsec]; a depth is that of the seeing rounded so


@dataclass(frozen=True, eq=False)
class ObservingConditions:
    """How n objects were observed in some bands; a number that is not known is NaN.

    Parameters
    ----------
    frames, seeing, depth : arrays (n, bands)
        Frames of each band; the median of their seeing [arcsec]; and the 5 sigma depth for a point source of the median
        frame [AB mag], known where pixels are in nanomaggies.
    nights, span, gap : arrays (n,)
        Nights on which there is a frame, from the first to the last frame, and the median from a night to the next
        [days].
    """

    frames: Floats
    seeing: Floats
    depth: Floats
    nights: Floats
    span: Floats
    gap: Floats

    def __len__(self) -> int:
        return len(self.nights)

    def __getitem__(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Self:
        """Return the same of some of the objects."""
        return type(self)(*(getattr(self, one.name)[rows] for one in fields(self)))

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the objects of several, one after the other."""
        return cls(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)))

    def named(self, bands: Sequence[str]) -> Iterator[tuple[str, str, Floats]]:
        """Yield of each quantity its name, its unit and its values (n,)."""
        yield "frames", "", self.frames.sum(1)
        yield "nights", "", self.nights
        yield "first to last frame", "days", self.span
        yield "night to night", "days", self.gap
        for name, unit, values in (
            ("frames", "", self.frames),
            ("seeing", "arcsec", self.seeing),
            ("5 sigma depth", "AB mag", self.depth),
        ):
            yield from ((f"{name} in {band}", unit, values[:, b]) for b, band in enumerate(bands))


def measure_conditions(
    survey: Survey, positions: NDArray[np.integer], places: NDArray[np.integer] | None = None
) -> ObservingConditions:
    """Return how some objects of a survey were observed.

    Parameters
    ----------
    survey : Survey
        The survey.
    positions : array (n,)
        Which objects.
    places : array (bands,), optional
        The place of each of the survey's bands among those of the answer; by default its own.
    """
    header = survey.header
    places = np.arange(len(header.bands)) if places is None else places
    n, bands = len(positions), int(places.max()) + 1
    frames, (seeing, sky) = np.zeros((n, bands)), np.full((2, n, bands), np.nan)
    nights, span, gap = np.zeros(n), np.full(n, np.nan), np.full(n, np.nan)
    for row, position in enumerate(positions.tolist()):
        series = survey[position]
        if not len(series):
            continue
        begin = np.unique(night_index(series.mjd), return_index=True)[1]
        nights[row], span[row] = len(begin), series.mjd[-1] - series.mjd[0]
        gap[row] = np.median(np.diff(series.mjd[begin])) if len(begin) > 1 else np.nan
        for b, place in enumerate(places.tolist()):
            here = series.band == b
            frames[row, place] = np.count_nonzero(here)
            seeing[row, place] = finite_median(series.psf_fwhm[here])
            sky[row, place] = finite_median(series.sky_sigma[here])
    return ObservingConditions(frames, seeing, _depth(survey, seeing, sky), nights, span, gap)


def _depth(survey: Survey, seeing: Floats, sky: Floats) -> Floats:
    """Return the 5 sigma depth [AB mag] of frames of some seeing and sky noise, NaN where it is not known."""
    header, depth = survey.header, np.full(seeing.shape, np.nan)
    if header.flux_unit != NANOMAGGY:
        return depth
    try:
        recipe = photometry_recipe(header.pixel_scale, header.stamp_size, survey.path)
    except SurveyError:  # its stamps are too small for photometry
        return depth
    known = np.isfinite(seeing) & np.isfinite(sky) & (sky > 0)
    steps, own = np.unique(np.round(seeing[known] / STEP), return_inverse=True)
    of_step = [point_source_error(float(step * STEP), 1.0, header.stamp_size, recipe) for step in steps]
    error = np.asarray(of_step, dtype=np.float64)[own] * sky[known] if len(steps) else np.zeros(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        depth[known] = np.where(error > 0, magnitude(5 * error), np.nan)
    return depth
