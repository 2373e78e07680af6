"""Read a whole survey: find every flaw, and measure what a person wants to know before using it."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import IctConventionError, SplitError, SurveyError, readable_os_errors
from ictconvention.core.magnitudes import magnitude
from ictconvention.measuring.photometry import photometry_recipe, point_source_error
from ictconvention.measuring.pictures import FileSizes, find_conflicts, sizes_by_class
from ictconvention.measuring.robust import finite_median
from ictconvention.survey.format import (
    FRAME_COLUMNS,
    FRAMES_FILE,
    NANOMAGGY,
    NO_UNIT,
    OBJECTS_FILE,
    SHARD_PREFIX,
    SurveyHeader,
)
from ictconvention.survey.labels.groups import SCENE, count_groups
from ictconvention.survey.labels.redshifts import RedshiftFacts, find_facts
from ictconvention.survey.labels.strata import has_classes, usual_protocol
from ictconvention.survey.labels.ways import TooFewError
from ictconvention.survey.masks.mask_check import find_mask_flaws
from ictconvention.survey.masks.mask_facts import MaskFacts
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.masks.strata import stratify_chips
from ictconvention.survey.neighbours import linking_length, sky_groups
from ictconvention.survey.photometry.table import SurveyPoints, has_photometry
from ictconvention.survey.series import ImageSeries, night_index
from ictconvention.survey.shard import Shard, edited_header_error
from ictconvention.survey.split import classes_of
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.survey.validate import check_finite, check_frame_columns, check_object
from ictconvention.survey.verify import changed_files, changed_frames, changed_nights, changed_tables

MOST_FLAWS = 20  # listed one by one; the others are counted


@dataclass
class BandStatistics:
    """What the frames of one band look like."""

    frames: int = 0
    pixels: int = 0  # finite ones
    total: float = 0.0
    squares: float = 0.0
    lowest: float = np.inf  # [flux_unit]
    highest: float = -np.inf  # [flux_unit]
    nights: int = 0  # nights on which the band was observed
    nights_missed: int = 0  # nights on which the object was observed, but not in this band
    psf_fwhm: float = np.nan  # median [arcsec]
    sky_sigma: float = np.nan  # median [flux_unit]
    depth: float = np.nan  # 5 sigma, of a point source in the median frame [AB mag]

    @property
    def mean(self) -> float:
        """Mean of the finite pixels [flux_unit]."""
        return self.total / self.pixels if self.pixels else np.nan

    @property
    def std(self) -> float:
        """Standard deviation of the finite pixels [flux_unit]."""
        return float(np.sqrt(max(self.squares / self.pixels - self.mean**2, 0.0))) if self.pixels else np.nan


@dataclass
class SurveyAudit:
    """Everything `ictconvention check` prints."""

    path: Path
    header: SurveyHeader
    shards: int
    lineage: tuple[str, ...]  # hashes of all states that it has had, the oldest first
    frames: int
    lengths: NDArray[np.int32]  # (n,) frames per object
    span: NDArray[np.float64]  # (n,) days from an object's first to its last frame
    nonfinite: float  # share of all pixels
    bands: dict[str, BandStatistics]
    classes: Counter[tuple[str | None, str | None]]  # (class, label_source)
    same_frames: list[list[str]]  # ids with identical frames
    label_conflicts: dict[int, str]  # those of them whose classes differ, in words, by their place
    pictures: bool  # whether every object is one picture: of one night, a frame per band
    sizes: dict[str | None, FileSizes]  # of the files that the pictures of each class came from
    same_times: list[str]  # ids with two frames of one band at one time
    unjoined: list[str]  # shards in the folder that are no part of the survey
    linking_length: float  # [arcsec]
    neighbours: Counter[int]  # sky groups of two and more, by size
    without_position: int
    groups: int  # values of the survey's column `group`
    redshifts: RedshiftFacts
    scenes: int  # values of its column `scene`, where there are masks
    masks: MaskFacts | None = None  # None where there are none
    flaws: list[SurveyError] = field(default_factory=list)
    more_flaws: int = 0  # beyond those listed
    no_depth: str = ""  # why no depth can be said
    too_few: TooFewError | None = None  # why the folds of a run cannot be drawn

    @property
    def photographs(self) -> bool:
        """Whether all objects are pictures of no place in the sky, in no unit: without neighbours, seeing or depth."""
        nowhere = self.without_position == len(self.lengths)
        return self.pictures and nowhere and self.header.flux_unit == NO_UNIT

    def add(self, flaw: SurveyError) -> None:
        """List a flaw, or count it once there are `MOST_FLAWS`."""
        if len(self.flaws) < MOST_FLAWS:
            self.flaws.append(flaw)
        else:
            self.more_flaws += 1


def audit_survey(path: str | Path, progress: Callable[[int, int], object] = lambda done, total: None) -> SurveyAudit:
    """Open a survey, read every byte of it, and report.

    Parameters
    ----------
    path : str or Path
        The survey's folder.
    progress : callable
        Called with the number of objects read and their total.

    Raises
    ------
    SurveyError
        When the survey does not open at all; flaws found in reading are in the report.
    """
    survey = Survey.open(path, edited=True)
    header, shards = survey.header, survey.shards
    table = survey.object_table()
    length = linking_length(header.stamp_size, header.pixel_scale)
    ra, dec = np.asarray(table["ra"]), np.asarray(table["dec"])
    sizes = np.bincount(sky_groups(ra, dec, length))
    report = SurveyAudit(
        path=survey.path,
        header=header,
        shards=len(shards),
        lineage=survey.lineage,
        frames=int(survey.lengths.sum()),
        lengths=survey.lengths,
        span=np.array([series.mjd[-1] - series.mjd[0] for series in survey]),
        nonfinite=0.0,
        bands={name: BandStatistics() for name in header.bands},
        classes=Counter(zip(table["class"].tolist(), table["label_source"].tolist(), strict=True)),
        same_frames=[],
        label_conflicts={},
        pictures=True,
        sizes=sizes_by_class(table),
        same_times=[],
        unjoined=sorted(
            {f.name for f in survey.path.glob(f"{SHARD_PREFIX}*")}
            - {shard.folder.name for shard in shards if shard.folder.parent == survey.path}
        ),
        linking_length=length,
        neighbours=Counter(sizes[sizes > 1].tolist()),
        without_position=int(np.count_nonzero(~np.isfinite(ra + dec))),
        groups=count_groups(table),
        redshifts=find_facts(table),
        scenes=count_groups(table, SCENE),
    )
    if not survey.has_masks or has_classes(table):
        _try_folds(table, report)
    flawed_tables = [*changed_nights(survey.files), *changed_tables(survey)]
    for flaw in flawed_tables:
        report.add(flaw)
    for shard in shards:
        with readable_os_errors("reading the survey", shard.folder):
            _check_files(shard, report)
    twins: dict[int, list[str]] = defaultdict(list)
    pixels = np.zeros((len(survey), len(header.classes) if survey.has_masks else 0), dtype=np.int64)
    places = survey.places
    checksums = survey.checksums
    finite = 0
    for i, series in enumerate(survey):
        twins[int(checksums[i])].append(series.id)
        finite += _check_series(series, int(checksums[i]), survey.folder_of(i), report)
        if series.mask is not None:
            pixels[i] = _check_mask(shards[places[0, i]], int(places[1, i]), series.mask, report)
        progress(i + 1, len(survey))
    report.nonfinite = 1.0 - finite / (report.frames * header.stamp_size**2)
    report.same_frames = [same for ids in twins.values() if len(ids) > 1 for same in _equal_frames(survey, ids)]
    report.label_conflicts = find_conflicts(report.same_frames, classes_of(table))
    _measure_quality(survey, report)
    if has_photometry(survey) and header.flux_unit == NANOMAGGY and not flawed_tables:
        try:
            SurveyPoints(survey)
        except IctConventionError as flaw:
            report.add(SurveyError(flaw.found, flaw.where, flaw.fix, flaw.code))
    if survey.has_masks:
        report.masks = MaskFacts.of(pixels, header.classes, header.stamp_size)
        if not has_classes(table):
            _try_folds(stratify_chips(table, pixels, header.classes), report)
    return report


def _try_folds(objects: Table, report: SurveyAudit) -> None:
    """See whether the usual folds can be drawn of objects."""
    try:
        make_split(objects, protocol=usual_protocol(objects))
    except TooFewError as error:
        report.too_few = error
    except SurveyError as flaw:
        if (
            report.redshifts.refusal is not None
        ):  # else a redshift is below 0, which a survey that is predicted may have
            report.add(flaw)
    except SplitError:  # no labels, or ids that stand twice
        pass


def _check_mask(shard: Shard, row: int, mask: NDArray[np.uint8], report: SurveyAudit) -> NDArray[np.int64]:
    """Check the mask of an object; return its known pixels of each class (classes,)."""
    for flaw in find_mask_flaws(shard, row):
        report.add(flaw)
    return np.bincount(mask.ravel(), minlength=IGNORED + 1)[: len(report.header.classes)]


def _equal_frames(survey: Survey, ids: list[str]) -> list[list[str]]:
    """Group the ids whose frames are equal to the last bit, out of some with equal checksums."""
    groups: dict[bytes, list[str]] = defaultdict(list)
    for id_ in ids:
        groups[survey[id_].frames.tobytes()].append(id_)
    return [same for same in groups.values() if len(same) > 1]


def _check_files(shard: Shard, report: SurveyAudit) -> None:
    """Compare the checksums of all files but the frames, whose checksums are per object."""
    if not shard.intact:
        report.add(edited_header_error(shard.folder))
    for flaw in changed_files(shard):
        report.add(flaw)


def _check_series(series: ImageSeries, crc32: int, folder: Path, report: SurveyAudit) -> int:
    """Check one object and add it to the statistics; return its number of finite pixels."""
    where = f"{folder / FRAMES_FILE}, object {series.id}"
    if (changed := changed_frames(series.frames, crc32, where)) is not None:
        report.add(changed)
    columns = {name: getattr(series, name) for name in FRAME_COLUMNS}
    try:
        check_object(report.header, f"{folder / OBJECTS_FILE}, object {series.id}", series.metadata)
        check_frame_columns(report.header, columns, f"{folder}, object {series.id}")
        check_finite(series.frames, where)
    except SurveyError as flaw:
        report.add(flaw)
    if len(set(zip(series.mjd.tolist(), series.band.tolist(), strict=True))) < len(series):
        report.same_times.append(series.id)
    report.pictures &= series.is_picture
    flat = series.frames.reshape(len(series), -1)
    night = night_index(series.mjd)
    nights = int(night[-1]) + 1
    finite = 0
    for b, name in enumerate(report.header.bands):
        here = series.band == b
        statistics = report.bands[name]
        observed = len(np.unique(night[here]))
        statistics.nights += observed
        statistics.nights_missed += nights - observed
        statistics.frames += int(np.count_nonzero(here))
        pixels = flat[here].ravel()
        with np.errstate(invalid="ignore"):  # inf - inf
            total = pixels.sum(dtype=np.float64)
        if not np.isfinite(total):
            pixels = pixels[np.isfinite(pixels)]
            total = pixels.sum(dtype=np.float64)
        if not pixels.size:
            continue
        finite += pixels.size
        statistics.pixels += pixels.size
        statistics.total += float(total)
        statistics.squares += float(np.einsum("i,i->", pixels, pixels, dtype=np.float64))
        statistics.lowest = min(statistics.lowest, float(pixels.min()))
        statistics.highest = max(statistics.highest, float(pixels.max()))
    return finite


def _measure_quality(survey: Survey, report: SurveyAudit) -> None:
    """Take the median seeing and sky noise of each band, and the depth of such a frame."""
    used = [np.ones(len(shard.frames), dtype=bool) for shard in survey.shards]
    if survey.files.deltas:  # a frame may be no part of the survey any more: an earlier one of its exposure came
        used = [np.zeros(len(shard.frames), dtype=bool) for shard in survey.shards]
        for position in range(len(survey)):
            for number, row in zip(*survey.frame_places(position), strict=True):
                used[number][row] = True
    for b, name in enumerate(report.header.bands):
        for column in ("psf_fwhm", "sky_sigma"):
            values = np.concatenate(
                [
                    getattr(shard, column)[(shard.band == b) & here]
                    for shard, here in zip(survey.shards, used, strict=True)
                ]
            )
            setattr(report.bands[name], column, finite_median(values))
    if report.header.flux_unit != NANOMAGGY:
        unit = report.header.flux_unit
        report.no_depth = "pixels have no unit" if unit == NO_UNIT else f"pixels are {unit}"
        return
    try:
        recipe = photometry_recipe(report.header.pixel_scale, report.header.stamp_size, report.path)
    except SurveyError as refusal:
        report.no_depth = refusal.found
        return
    for band in report.bands.values():
        error = point_source_error(band.psf_fwhm, band.sky_sigma, report.header.stamp_size, recipe)
        band.depth = magnitude(5 * error) if error > 0 else np.nan
