"""From a survey to batches of views: which frames each view sees. Knows neither parts of a split nor networks."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice, zip_longest
from math import ceil
from typing import Any, NamedTuple, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from ictconvention.configuration.functions import find_function
from ictconvention.configuration.options import Augmentation, SequenceOptions, ViewOptions, check_online_frames
from ictconvention.core.errors import UsageError, shorten
from ictconvention.feeding.another_night import observe_again
from ictconvention.feeding.batch import UNLABELLED, SeriesBatch, SeriesView, collate
from ictconvention.feeding.points import draw_points, see_points
from ictconvention.feeding.spec import Contents, points_in
from ictconvention.feeding.views import ViewRecipe, draw_recipe, drop_bands, even_frames, even_nights, keyed_generator
from ictconvention.measuring.dust import band_extinction
from ictconvention.measuring.measured_cache import CachedMedianFrames, CachedPhotometry
from ictconvention.measuring.photometry import sky_noise
from ictconvention.survey.photometry.points import Points
from ictconvention.survey.photometry.table import SurveyPoints
from ictconvention.survey.series import ImageSeries, night_index
from ictconvention.survey.split import classes_of
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import check_present


class SampleKey(NamedTuple):
    """An object that a batch asks for: its position in the survey, the training epoch, and how often it came before."""

    position: int
    epoch: int = 0
    repeat: int = 0


class SeriesDataset(Dataset[tuple[SeriesBatch, ...]]):
    """Views of the objects of a survey; indexed by a list of `SampleKey`, a batch.

    Each random draw is keyed by (seed, stage, epoch, object, view), so that a batch depends on nothing but its list.

    Parameters
    ----------
    survey : Survey
    sequence : SequenceOptions
    augmentation : Augmentation, optional
        How far views stray. Without it each object has one view, evenly chosen and never turned: the evaluation.
    views : ViewOptions
        How many views an augmented object has.
    contents : Contents
        What is read of each frame.
    seed, stage : int, str
        Seed and stage of the key.
    labels : array (n,), optional
        What is learned of each object, as a task reads it; by default its class.
    truth : array (n,), optional
        The number that each label stands for, where a task learns from it.
    reddening : array (n,), optional
        E(B-V) of each object [mag], where the network takes it.
    flux : array (n, bands), optional
        What an auxiliary head learns of each object, see `asinh_fluxes`.
    weights : array (n,), optional
        How much each object counts in the loss of training; by default all count the same.
    masks : bool
        Whether the mask of each object is read, of a survey that has them.
    weak : array (n,), optional
        Which objects have a photometric label, where the loss asks for it.

    Raises
    ------
    UsageError
        The augmentation reddens bands that nobody knows.
    """

    def __init__(
        self,
        survey: Survey,
        sequence: SequenceOptions = SequenceOptions(),
        augmentation: Augmentation | None = None,
        views: ViewOptions = ViewOptions(),
        contents: Contents = "direct",
        seed: int = 0,
        stage: str = "",
        labels: NDArray[np.int64] | None = None,
        truth: NDArray[np.floating] | None = None,
        reddening: NDArray[np.floating] | None = None,
        flux: NDArray[np.float32] | None = None,
        weights: NDArray[np.floating] | None = None,
        masks: bool = False,
        weak: NDArray[np.bool_] | None = None,
    ) -> None:
        if contents not in get_args(Contents):
            raise ValueError(f"contents is {contents!r}; take {', '.join(get_args(Contents))}")
        check_online_frames(views.online_frames, sequence, "online_frames")
        self.survey, self.sequence, self.augmentation, self.views = survey, sequence, augmentation, views
        self.contents, self.seed, self.stage, self.masks = contents, seed, stage, masks
        self.labels = class_labels(survey) if labels is None else labels
        numbers = {"truth": truth, "reddening": reddening, "flux": flux, "weight": weights, "weak": weak}
        self.numbers = {name: torch.from_numpy(x.astype(np.float32)) for name, x in numbers.items() if x is not None}
        reddens = augmentation is not None and augmentation.reddening > 0
        self.extinction = band_extinction(survey.header.bands) if reddens else np.zeros(len(survey.header.bands))
        self.medians = CachedMedianFrames(survey) if "residual" in contents else None
        self.photometry = CachedPhotometry(survey) if "photometry" in contents else None
        read = points_in(contents)
        self.points = SurveyPoints(survey, of_frames=read == "all") if read else None

    def for_evaluation(self) -> Self:
        """Return the same data without augmentation, one view of each object."""
        evaluation = copy.copy(self)
        evaluation.augmentation, evaluation.views = None, ViewOptions()
        evaluation.numbers = {name: x for name, x in self.numbers.items() if name not in ("weight", "weak")}
        return evaluation

    def hide_labels(self, positions: NDArray[np.int64]) -> None:
        """Let some objects be as if they had no label, whatever the survey says of them."""
        known = positions[self.labels[positions] != UNLABELLED]
        if not len(known):
            return
        self.labels = self.labels.copy()
        self.labels[known] = UNLABELLED
        if (truth := self.numbers.get("truth")) is not None:
            truth[known] = torch.nan

    def __len__(self) -> int:
        return len(self.survey)

    def __getitem__(self, draws: Sequence[SampleKey]) -> tuple[SeriesBatch, ...]:
        """Return the batch of each view: one, two, or three with `online_frames`, the third of the first objects."""
        full = ceil(self.views.target_share * len(draws))
        objects = [self.views_of(draw, whole=number < full) for number, draw in enumerate(draws)]
        views = zip_longest(*objects)
        return tuple(self._with_numbers([view for view in of_objects if view is not None]) for of_objects in views)

    def _with_numbers(self, views: Sequence[SeriesView]) -> SeriesBatch:
        """Return a batch of views, with the numbers of their objects; dust that a view adds is in its E(B-V) too."""
        batch = collate(views)
        numbers = {name: x[batch.index] for name, x in self.numbers.items()}
        if (before := numbers.get("reddening")) is not None:
            numbers["reddening"] = before + torch.tensor([seen.view.reddening for seen in views])
        return replace(batch, **numbers)

    def views_of(self, draw: SampleKey, whole: bool = True) -> tuple[SeriesView, ...]:
        """Return the views of one object; where it is not seen as a whole, without the target's."""
        series, own = self.survey[draw.position], None
        points = None if self.points is None else self.points.of(series)
        if self.augmentation is None:
            view = whole_view(series, self.sequence)
            view = view if points is None else see_points(view, points, self.sequence.max_frames)
            return (self._seen(series, view, draw.position, points),)
        if self.augmentation.function is not None:
            own = find_function("augmentation.function", self.augmentation.function)
        views = []
        drawn = self._drawn(series, draw, self.augmentation, points)
        for view, rng in islice(drawn, None if whole else self.views.count):
            seen = self._observe_again(series, self._seen(series, view, draw.position, points), rng)
            views.append(seen if own is None else self._checked(own(seen, rng), seen, series.id))
        return tuple(views)

    def _drawn(
        self, series: ImageSeries, draw: SampleKey, augmentation: Augmentation, points: Points | None
    ) -> Iterator[tuple[ViewRecipe, np.random.Generator]]:
        """Yield what each view takes, and the generator that drew it."""
        sequence = self.sequence
        unit = night_index(series.mjd) if sequence.select == "nights" else np.arange(len(series))
        plan = [(augmentation, self.views.most_online(len(series), sequence))] * self.views.count
        if self.views.online_frames:
            plan.append((replace(augmentation, keep=1.0, window=1.0, bands=0.0), sequence.max_frames))
        for number, (strays, most) in enumerate(plan, start=draw.repeat * len(plan)):
            rng = keyed_generator(self.seed, self.stage, draw.epoch, series.id, number)
            drawn = draw_recipe(unit, most, sequence.frames_per_group, strays, rng)
            view = drop_bands(drawn, series.band, strays.bands, rng)
            left_out = np.setdiff1d(series.band[drawn.rows], series.band[view.rows])
            yield view if points is None else draw_points(view, points, series, strays, most, rng, left_out), rng

    def _checked(self, view: SeriesView, drawn: SeriesView, id_: str) -> SeriesView:
        """Refuse what a user's augmentation has made of a view where no network can take it."""
        where = f"augmentation.function={self.augmentation.function if self.augmentation else None}"
        if not isinstance(view, SeriesView):
            raise UsageError(
                f"it returns a {type(view).__name__}", where, "let it return a SeriesView", "E-MODULE-RESULT"
            )
        read = (view.frames, view.seen, view.photometry, view.conditions)
        lengths = {len(x) for x in (view.band, view.mjd, *read) if x is not None}
        if len(lengths) > 1 or not 1 <= len(view.band) <= self.sequence.max_frames:
            found = f"it makes a view of {shorten(map(str, sorted(lengths)))} frames of object {id_}"
            fix = f"let it return 1 to {self.sequence.max_frames} frames, the same number in each array"
            raise UsageError(found, where, fix, "E-MODULE-RESULT")
        if not np.isfinite(view.mjd).all() or (np.diff(view.mjd) < 0).any():
            found = f"the times of object {id_} are not finite, or not in order"
            raise UsageError(found, where, "let it return the frames in time order", "E-MODULE-RESULT")
        if (view.points is None) != (drawn.points is None):
            fix = "let it return the points of the view, or fewer"
            raise UsageError(f"it takes the points of object {id_}, or adds some", where, fix, "E-MODULE-RESULT")
        if drawn.mask is not None and (view.mask is None or view.mask.shape != drawn.mask.shape):
            fix = "let it return the mask of what it shows, of the same size"
            raise UsageError(f"it takes the mask of object {id_}, or its size", where, fix, "E-MODULE-RESULT")
        if (view.label, view.index) != (drawn.label, drawn.index) or view.band.max() >= len(self.survey.header.bands):
            found = f"it changes the class or the place of object {id_}, or names a band that the survey has not"
            raise UsageError(found, where, "let it change frames, fluxes, times and turns alone", "E-MODULE-RESULT")
        return view

    def _observe_again(self, series: ImageSeries, seen: SeriesView, rng: np.random.Generator) -> SeriesView:
        """Return a view with its stamps as another night would show them."""
        frames = seen.frames
        if frames is None:
            return seen
        rows, scale = seen.view.rows, self.survey.header.pixel_scale
        extinction = self.extinction[seen.band]
        again = observe_again(
            frames, seen.view, extinction, lambda: sky_noise(series.frames[rows], series.sky_sigma[rows], scale), rng
        )
        return seen if again is frames else replace(seen, frames=again)

    def _seen(self, series: ImageSeries, view: ViewRecipe, position: int, points: Points | None) -> SeriesView:
        median = self.medians[series.id] if self.medians is not None else None
        photometry = self.photometry[series.id] if self.photometry is not None else None
        stamps = "direct" in self.contents
        seen = apply_view(series, view, int(self.labels[position]), position, median, photometry, stamps, points)
        return replace(seen, mask=series.mask) if self.masks else seen


def whole_view(series: ImageSeries, sequence: SequenceOptions) -> ViewRecipe:
    """Return the view of evaluation: at most `max_frames` evenly spaced frames, or whole nights, never turned."""
    if sequence.select == "nights":
        return ViewRecipe(even_nights(night_index(series.mjd), sequence.max_frames, sequence.frames_per_group))
    return ViewRecipe(even_frames(len(series), sequence.max_frames))


def apply_view(
    series: ImageSeries,
    view: ViewRecipe,
    label: int,
    index: int,
    median: NDArray[np.float32] | None = None,
    photometry: NDArray[np.floating] | None = None,
    stamps: bool = True,
    points: Points | None = None,
) -> SeriesView:
    """Return what a view takes from a series.

    Parameters
    ----------
    series : ImageSeries
        Series of n frames.
    view : ViewRecipe
        Which of them, and how they turn.
    label, index : int
        Class and position of the object.
    median : array (bands, H, W), optional
        The object's median frames, NaN where nothing is known, for which networks get zero; a missing pixel has their
        value, and so no residual.
    photometry : array (n, 2), optional
        Flux and error of every frame.
    stamps : bool
        Whether it takes the stamps.
    points : Points, optional
        All points of the object, of which the view says which it takes.

    Raises
    ------
    SurveyError
        A frame that it takes has no finite pixel.
    """
    read: dict[str, Any] = {}
    if photometry is not None:
        read["photometry"] = photometry[view.rows]
    if points is not None:
        read["points"] = points if view.points is None else points[view.points]
    if stamps:
        check_present(series, view.rows)
        read["frames"] = series.frames[view.rows]
    if stamps and photometry is not None:
        read["conditions"] = np.stack([series.psf_fwhm[view.rows], series.sky_sigma[view.rows]], axis=1)
    if median is not None:
        read["median"] = median = np.where(np.isfinite(median), median, np.float32(0))
        seen = np.isfinite(read["frames"])
        if not seen.all():
            read["seen"] = seen
            read["frames"] = np.where(seen, read["frames"], median[series.band[view.rows]])
    return SeriesView(view, series.band[view.rows], series.mjd[view.rows], **read, label=label, index=index)


def class_labels(survey: Survey, classes: Sequence[str] | None = None) -> NDArray[np.int64]:
    """Return the class of every object as its position among some, by default the survey's; or `UNLABELLED`."""
    number = {name: i for i, name in enumerate(survey.header.classes if classes is None else classes)}
    of = classes_of(survey.object_table())
    places = np.array([*(number.get(name, UNLABELLED) for name in of.names), UNLABELLED], dtype=np.int64)
    return np.asarray(places[of.codes])
