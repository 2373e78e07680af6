"""What a forest sees of an object: numbers of its light curve and of its points, and of its host in median stamps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.identity import leave_out_added
from ictconvention.configuration.options import SequenceOptions, WhichPoints
from ictconvention.evaluation import forest
from ictconvention.evaluation.forest import BAND_FEATURES, NIGHT_FEATURES, light_curve_features
from ictconvention.feeding.dataset import whole_view
from ictconvention.measuring import host
from ictconvention.measuring.host import HOST_FEATURES, host_features
from ictconvention.measuring.measured_cache import median_frames
from ictconvention.measuring.photometry import PhotometryRecipe, measure_photometry, photometry_recipe
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.photometry.points import Points
from ictconvention.survey.series import ImageSeries

SEEN: Mapping[WhichPoints, str] = {True: "all", "all": "all, of frames too"}  # as forests record it
POINT_FEATURES = 2  # beside the light curve of points: how many there are, and how many of them are limits


def photometric_features(
    series: ImageSeries, photometry: NDArray[np.floating], rows: NDArray[np.int64] | slice, bands: int
) -> NDArray[np.float64]:
    """Return `light_curve_features` of some frames of an object, by the photometry (n, 2) of all."""
    flux, error = photometry[rows].astype(np.float64).T
    return light_curve_features(flux, error, series.band[rows], series.mjd[rows], bands)


@dataclass(frozen=True)
class FeatureRecipe:
    """How the numbers are made that a forest sees: those of the light curve, those of the host, and those of points.

    Parameters
    ----------
    bands : int
        Number of bands.
    photometry : PhotometryRecipe
        How fluxes are measured.
    sequence : SequenceOptions, optional
        Light curves have the frames that a network is tested on; by default all. A host has all in either case.
    points : bool or "all"
        Whether it sees the light curve of the points without pixels too, and how many are limits; with "all" also
        those of the frames' exposures. It sees more than `max_frames` of them.
    """

    bands: int
    photometry: PhotometryRecipe
    sequence: SequenceOptions | None = None
    points: WhichPoints = False

    @classmethod
    def of(
        cls, header: SurveyHeader, where: str | Path, sequence: SequenceOptions | None, points: WhichPoints = False
    ) -> "FeatureRecipe":
        """Return that of a survey, which is at `where`; a `SurveyError` says that its stamps are too small."""
        recipe = photometry_recipe(header.pixel_scale, header.stamp_size, where)
        return cls(len(header.bands), recipe, sequence, points)

    @property
    def count(self) -> int:
        """How many numbers an object has."""
        bands = self.bands
        light_curve = BAND_FEATURES * bands + bands * (bands - 1) + NIGHT_FEATURES
        return light_curve + HOST_FEATURES * bands + (light_curve + POINT_FEATURES) * bool(self.points)

    def as_dict(self) -> dict[str, Any]:
        """Return all that decides the numbers, in plain values."""
        sequence = self.sequence and replace(self.sequence, photometry=False)  # points are all seen
        return {
            "bands": self.bands,
            "light_curve": forest.VERSION,
            "host": host.VERSION,
            "frames": "all" if sequence is None else leave_out_added(asdict(sequence), sequence),
            "photometry": self.photometry.as_dict(),
            **({"points": SEEN[self.points]} if self.points else {}),
        }

    def measure(
        self,
        series: ImageSeries,
        photometry: NDArray[np.floating] | None = None,
        median: NDArray[np.floating] | None = None,
        points: Points | None = None,
    ) -> NDArray[np.float64]:
        """Return the numbers of one object (count,); NaN where unknown.

        Parameters
        ----------
        series : ImageSeries
            The object, with one frame at least.
        photometry, median : arrays (n, 2), (bands, H, W), optional
            As a survey keeps them; measured where they are not given.
        points : Points, optional
            Those of the object, where the recipe has points.
        """
        if photometry is None:
            photometry = measure_photometry(series, self.photometry).astype(np.float32)  # as it is kept
        if median is None:
            median = median_frames(series, self.bands)
        rows = slice(None) if self.sequence is None else whole_view(series, self.sequence).rows
        with np.errstate(all="ignore"):  # of fluxes without errors or frames at one time, numbers are unknown
            light_curve = photometric_features(series, photometry, rows, self.bands)
            numbers = [light_curve, host_features(median, self.photometry.pixel_scale)]
            if self.points and points is not None:
                flux, error = points.photometry.astype(np.float64).T
                numbers.append(light_curve_features(flux, error, points.band, points.mjd, self.bands))
                numbers.append(np.array([len(points), points.is_limit.sum()], dtype=np.float64))
            return np.concatenate(numbers)
