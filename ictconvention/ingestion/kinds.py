"""The kinds of images that become surveys: what each takes beside its source, and what is the same for all."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, Literal

from ictconvention.core.errors import SurveyError, UsageError, find_repeated, shorten
from ictconvention.core.progress import Show, show_nothing
from ictconvention.ingestion.fitting import CutoutOptions, Fitting
from ictconvention.ingestion.found import USUAL_BANDS
from ictconvention.ingestion.pipeline import Ingested, IngestOptions, ingest
from ictconvention.survey.format import read_header

PathLike = str | Path
Renamed = Mapping[str, str] | Sequence[str] | None


@dataclass(frozen=True)
class Request:
    """What every kind may be asked; see `IngestOptions` for what has no comment.

    Parameters
    ----------
    out : path
        The survey's folder to make.
    made_by : str
        The command or call, kept in the survey's provenance.
    bin_pixels : bool
        Sum 2 x 2 pixels before the stamp is cut.
    objects : path, optional
        Table of objects: id, and class, label_source, redshift, ra, dec or columns of one's own.
    column, rename_band : mapping, or texts OURS=THEIRS
        Names that columns have in the user's tables, and bands in the images, by the names that are wanted here.
    name, size, bands, classes, jobs, max_rejects, dry_run, simulated
        Of `bands` and `classes` a text is a list with commas; `jobs` is by default the number of processors.
    show : function
        Shows the progress of a named step.
    """

    out: PathLike
    made_by: str
    bin_pixels: bool = False
    objects: PathLike | None = None
    column: Renamed = None
    rename_band: Renamed = None
    name: str | None = None
    size: int = 32
    bands: str | Sequence[str] | None = None
    classes: str | Sequence[str] | None = None
    jobs: int | None = None
    max_rejects: float = 0.5
    dry_run: bool = False
    simulated: bool = False
    show: Show = show_nothing

    def fitting(self, sky: bool) -> Fitting:
        """Return how cutouts come to stamps; `sky` says whether it is subtracted."""
        return Fitting(self.size, "bin" if self.bin_pixels else "crop", sky, self.simulated)

    def options(self, pixel_scale: float, **more: Any) -> IngestOptions:
        """Return what holds for every source, from the size of a pixel of the files [arcsec] and what else is known."""
        given = {"bands": _listed(self.bands), "classes": _listed(self.classes), **more}
        renamed = {theirs: own for own, theirs in _pairs(self.rename_band, "--rename-band", "g=sdss_g")}
        return IngestOptions(
            Path(self.out),
            self.made_by,
            pixel_scale * (2 if self.bin_pixels else 1),
            self.name,
            self.size,
            simulated=self.simulated,
            jobs=(os.cpu_count() or 1) if self.jobs is None else self.jobs,
            max_rejects=self.max_rejects,
            dry_run=self.dry_run,
            rename_band=renamed,
            **given,
        )

    def columns(self) -> dict[str, str]:
        """Return the names that columns have in the user's tables, by ours."""
        pairs = _pairs(self.column, "--column", "id=objid")
        if twice := find_repeated(own for own, _ in pairs):
            found = f"two columns shall be {shorten(twice)}"
            raise UsageError(found, "--column", "give each name one column", "E-COMMAND-CONFLICT")
        return dict(pairs)

    def known_objects(self) -> dict[str, dict[str, Any]]:
        """Return what the table of objects says; nothing where there is none."""
        from ictconvention.files.user_table import read_objects, read_user_table

        renamed = self.columns()
        if self.objects is None:
            if renamed:
                found = f"--column names the column {next(iter(renamed.values()))}, and there is no table of objects"
                raise UsageError(found, "--column", "give --objects TABLE, or leave it out", "E-COMMAND-CONFLICT")
            return {}
        columns = ("class", "label_source", "redshift", "ra", "dec")
        return read_objects(read_user_table(Path(self.objects), ("id",), columns, renamed).located)

    def ingest(
        self,
        options: IngestOptions,
        read: Callable[[Any], Any],
        units: Sequence[Any],
        objects: Mapping[str, Mapping[str, Any]],
        **more: Any,
    ) -> Ingested:
        """Make the survey; the arguments are those of `pipeline.ingest`."""
        with self.show("reading") as progress:
            return ingest(options, read, units, objects, progress, **more)


def ingest_stamps(
    request: Request,
    source: PathLike,
    *,
    pixel_scale: float | None = None,
    zero_point: float | None = None,
    flux_unit: str = "nanomaggy",
    sky: bool = False,
) -> Ingested:
    """Take stamps that are cut already, named by a table."""
    from ictconvention.ingestion.readers.stamps import read_stamp_table, read_stamps

    table = Path(source)
    units, objects, scale = read_stamp_table(table, zero_point, flux_unit, pixel_scale, request.columns())
    how = CutoutOptions(table.parent, request.fitting(sky), zero_point)
    options = request.options(scale.value, flux_unit=flux_unit)
    bands = {row.band for unit in units for row in unit if row.band}
    made = request.ingest(options, partial(read_stamps, how, scale), units, objects, bands_there=bands)
    if pixel_scale is not None:
        return made
    return replace(made, remarks=(*made.remarks, f"pixels of {scale.value:g} arcsec, by {scale.said_by}"))


def ingest_ccd(
    request: Request,
    source: PathLike,
    *,
    positions: PathLike,
    masks: str | None = None,
    hdu: str | None = None,
    zero_point: float | None = None,
    sky: bool = True,
    pixel_scale: float | None = None,
    band_names: PathLike | None = None,
) -> Ingested:
    """Cut stamps from calibrated CCD images about a list of positions."""
    from ictconvention.ingestion.headers.band_names import read_band_names
    from ictconvention.ingestion.headers.dates import MEANING
    from ictconvention.ingestion.readers.ccd import CcdOptions, nearest_miss, read_ccd, read_positions
    from ictconvention.ingestion.readers.ccd_images import IMAGE_COLUMNS, find_images, first_pixel_scale

    if masks is not None and (masks.count("=") != 1 or masks.startswith("=")):
        raise UsageError(
            f"--masks is {masks!r}", "options of ingest ccd", "give OLD=NEW, such as --masks ooi=ood", "E-COMMAND-VALUE"
        )
    old, _, new = (masks or "").partition("=")
    renamed = request.columns()
    of_images = {own: theirs for own, theirs in renamed.items() if own in IMAGE_COLUMNS}
    folder, images, rejects = find_images(Path(source), (old, new) if masks else None, hdu, of_images)
    of_objects = {own: theirs for own, theirs in renamed.items() if own not in IMAGE_COLUMNS}
    objects, ra, dec = read_positions(Path(positions), of_objects)
    scale = pixel_scale or first_pixel_scale(folder, images)
    of_all = float("nan") if zero_point is None else zero_point
    names = read_band_names(None if band_names is None else Path(band_names))
    how = CcdOptions(folder, tuple(objects), ra, dec, scale, request.size, of_all, sky, names)
    options = request.options(scale, orientation="north up, east left", times=MEANING)
    listed = {image.band for image in images}
    bands = {band for band in listed if band is not None} if None not in listed else set()
    more = {"rejects": rejects, "everything_listed": True, "bands_there": bands}
    try:
        made = request.ingest(options, partial(read_ccd, how), images, objects, **more)
    except SurveyError as error:
        if miss := nearest_miss(how, images):
            fix = "check that ra and dec are in degrees, and that these are the images"
            raise UsageError(miss, positions, fix, "E-INGEST-MISMATCH") from error
        raise
    if request.bands is not None or request.dry_run:
        return made
    header, _ = read_header(options.out)
    unusual = [name for name in header.bands if name not in USUAL_BANDS]
    said = f"bands named as in the headers: {shorten(unusual)}; --rename-band or --band-names gives them other names"
    return replace(made, remarks=(*made.remarks, said)) if unusual else made


def ingest_tao(
    request: Request,
    source: PathLike,
    *,
    band: str = "clear",
    zero_point: float | None = None,
    pixel_scale: float = 2.5,
    sky: bool = True,
) -> Ingested:
    """Take TAO's files: one multi-extension FITS per object."""
    from ictconvention.files.joins import check_matched
    from ictconvention.ingestion.readers.tao import TaoOptions, find_files, read_objects, read_tao

    folder = Path(source)
    names = find_files(folder)
    with request.show("reading headers") as progress:
        files, own, rejects = read_objects(folder, names, progress)
    known, table = request.known_objects(), request.objects
    remarks = check_matched(Path(table), known, own, "the files") if table is not None and own else []
    own = {
        id_: row | {name: value for name, value in known.get(id_, {}).items() if value is not None}
        for id_, row in own.items()
    }
    how = TaoOptions(folder, request.fitting(sky), zero_point, band)
    flux_unit = "nanomaggy" if zero_point is not None else "count"
    options = request.options(pixel_scale, flux_unit=flux_unit, bands=(band,))
    made = request.ingest(options, partial(read_tao, how), list(files.items()), own, rejects=rejects)
    return replace(made, remarks=(*remarks, *made.remarks))


def ingest_ztf(
    request: Request,
    source: PathLike,
    *,
    cutout: Literal["science", "difference"] = "science",
    sky: bool | None = None,
    zero_point: float | None = None,
) -> Ingested:
    """Take ZTF alerts: those of one objectId become a sequence."""
    from ictconvention.ingestion.readers.alert_files import find_alerts
    from ictconvention.ingestion.readers.ztf import BANDS, ORIENTATION, PIXEL_SCALE, TIMES, ZtfOptions, read_ztf

    if cutout not in ("science", "difference"):
        raise UsageError(
            f"cutout is {cutout!r}", "options of ingest ztf", "take science or difference", "E-COMMAND-VALUE"
        )
    folder, units = find_alerts(Path(source))
    how = ZtfOptions(folder, request.fitting(cutout == "science" if sky is None else sky), zero_point, cutout)
    options = request.options(PIXEL_SCALE, orientation=ORIENTATION, times=TIMES)
    table = None if request.objects is None else Path(request.objects)
    known = request.known_objects()
    there = BANDS.values()
    return request.ingest(options, partial(read_ztf, how), units, known, objects_table=table, bands_there=there)


@dataclass(frozen=True)
class Kind:
    """A kind of images.

    Parameters
    ----------
    ingest : function
        Makes a survey of a `Request` and a source.
    without : tuple of str
        What it cannot be asked of a `Request`.
    """

    ingest: Callable[..., Ingested]
    without: tuple[str, ...] = ()

    @property
    def own(self) -> list[str]:
        """The options that it has beside those of a `Request`."""
        return list(signature(self.ingest).parameters)[2:]

    @property
    def needed(self) -> list[str]:
        """Those of its own that must be given."""
        parameters = signature(self.ingest).parameters
        return [name for name in self.own if parameters[name].default is Parameter.empty]


KINDS = {
    "stamps": Kind(ingest_stamps, ("objects",)),
    "ccd": Kind(ingest_ccd, ("bin_pixels", "objects")),
    "tao": Kind(ingest_tao, ("bands", "rename_band")),
    "ztf": Kind(ingest_ztf),
}


def _listed(names: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if names is None:
        return None
    return tuple(part.strip() for part in names.split(",")) if isinstance(names, str) else tuple(names)


def _pairs(given: Renamed, option: str, example: str) -> list[tuple[str, str]]:
    """Return pairs of the name that is wanted and the name that there is.

    Raises
    ------
    UsageError
        A text is no OURS=THEIRS, or two names are wanted of one.
    """
    if isinstance(given, Mapping):
        pairs = [(str(own), str(theirs)) for own, theirs in given.items()]
    else:
        texts = [given] if isinstance(given, str) else given or ()
        pairs = [(own.strip(), theirs.strip()) for own, _, theirs in (text.partition("=") for text in texts)]
    for own, theirs in pairs:
        if not own or not theirs:
            found = f"{option} is {own}={theirs}" if theirs else f"{option} is {own}"
            raise UsageError(found, option, f"give OURS=THEIRS, such as {option} {example}", "E-COMMAND-VALUE")
    if twice := find_repeated(theirs for _, theirs in pairs):
        raise UsageError(f"{shorten(twice)} shall have two names", option, "give it one", "E-COMMAND-CONFLICT")
    return pairs
