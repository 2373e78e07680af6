"""The kinds of images that become surveys: what each takes beside its source, and what is the same for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import Parameter, signature
from pathlib import Path
from typing import Literal

from ictconvention.core.errors import SurveyError, UsageError, shorten
from ictconvention.ingestion.fitting import CutoutOptions
from ictconvention.ingestion.found import USUAL_BANDS
from ictconvention.ingestion.options import Ingested
from ictconvention.ingestion.request import PathLike, Request, listed
from ictconvention.ingestion.rubin.ingest import ingest_rubin
from ictconvention.ingestion.sdss.stripe82 import ingest_sdss
from ictconvention.survey.format import NO_UNIT, PIXEL_SCALE, UNKNOWN_SCALE, read_header

RESAMPLED = "{} of another pixel scale are interpolated, their flux stays"


def ingest_stamps(
    request: Request,
    source: PathLike,
    *,
    pixel_scale: float | None = None,
    zero_point: float | None = None,
    flux_unit: str = "nanomaggy",
    sky: bool = False,
    resample: bool = False,
) -> Ingested:
    """Take stamps that are cut already, named by a table."""
    from ictconvention.ingestion.readers.stamps import read_stamp_table, read_stamps

    if resample and request.bin_pixels:
        found = "--bin sums pixels of the files, and --resample interpolates them"
        raise UsageError(found, "options of ingest stamps", "leave out --bin", "E-COMMAND-CONFLICT")
    table = Path(source)
    units, objects, scale = read_stamp_table(table, zero_point, flux_unit, pixel_scale, request.columns(), resample)
    how = CutoutOptions(table.parent, request.fitting(sky), zero_point)
    said = {"pixels": RESAMPLED.format("stamps")} if resample else {}
    options = request.options(scale.value, flux_unit=flux_unit, provenance=said)
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
    resample: bool = False,
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
    known = None if request.known is None else request.known.pixel_scale
    scale = pixel_scale or known or first_pixel_scale(folder, images)
    of_all = float("nan") if zero_point is None else zero_point
    names = read_band_names(None if band_names is None else Path(band_names))
    how = CcdOptions(folder, tuple(objects), ra, dec, scale, request.side(), of_all, sky, names, resample)
    said = {"pixels": RESAMPLED.format("images")} if resample else {}
    options = request.options(scale, orientation="north up, east left", times=MEANING, provenance=said)
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
    remark = f"bands named as in the headers: {shorten(unusual)}; --rename-band or --band-names gives them other names"
    return replace(made, remarks=(*made.remarks, remark)) if unusual else made


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
    said = {"cutout": f"{cutout} image"}
    options = request.options(PIXEL_SCALE, orientation=ORIENTATION, times=TIMES, provenance=said)
    table = None if request.objects is None else Path(request.objects)
    known = request.known_objects()
    there = BANDS.values()
    return request.ingest(options, partial(read_ztf, how), units, known, objects_table=table, bands_there=there)


def ingest_images(
    request: Request,
    source: PathLike,
    *,
    size: int | None = None,
    labels: PathLike | None = None,
    bands: str | Sequence[str] | None = None,
    hdu: str | None = None,
    dtype: Literal["float16", "float32"] = "float16",
    pixel_scale: float | None = None,
    flux_unit: str = NO_UNIT,
) -> Ingested:
    """Take pictures, PNG, JPEG, npy or FITS: a frame per band of one night; folders or a table name the classes."""
    from ictconvention.files.joins import check_matched
    from ictconvention.ingestion.readers import images

    if size is not None and size < 1:
        raise UsageError(f"size is {size}", "options of ingest images", "give pixels, such as 96", "E-COMMAND-VALUE")
    folder, names, table = Path(source), listed(bands), None if labels is None else Path(labels)
    files, rejects = images.find_pictures(folder)
    known = replace(request, objects=table).known_objects("--labels")
    remarks = [] if table is None else check_matched(table, [*map(images.id_of, known)], files, "the folder")
    objects, said = images.describe_pictures(folder, files, table, known)
    with request.show("reading headers") as progress:
        looks = images.look_at_all(folder, files, names, hdu, request.processes, progress)
    names = names or images.name_bands(looks, files)
    side = size or images.choose_size(looks, folder)
    scale = pixel_scale or images.choose_scale(looks, side, size is not None, folder)
    for id_, look in looks.items():
        objects[id_] |= {"file_width": look.width, "file_height": look.height}
    fitted = "the square in the middle, resampled by Pillow, bilinear" if size else "as in the files"
    fitted += "; flux per pixel, so that sums stay" if size and flux_unit != NO_UNIT else ""
    provenance = {"pixels": "whole numbers of 8 bits / 255, of 16 bits / 65535; others as they are", "size": fitted}
    provenance |= {} if scale else {PIXEL_SCALE: UNKNOWN_SCALE}
    how = images.ImageOptions(folder, side, names, dtype, hdu, size is not None, flux_unit)
    more = {"bands": names, "size": side, "dtype": dtype, "flux_unit": flux_unit, "orientation": "as given"}
    more |= {"times": images.TIMES, "provenance": provenance, "frames_each": len(names)}
    options = request.options(scale or 1.0, **more)
    listed_files = list(files.items())
    units = [listed_files[i : i + images.FILES_AT_ONCE] for i in range(0, len(files), images.FILES_AT_ONCE)]
    made = request.ingest(options, partial(images.read_images, how), units, objects, rejects=rejects)
    sizes = images.describe_sizes(looks, side, size is not None)
    return replace(made, remarks=(*remarks, *said, *sizes, *made.remarks))


def ingest_chips(
    request: Request,
    source: PathLike,
    *,
    masks: PathLike,
    classes: str | Sequence[str] | None = None,
    bands: str | Sequence[str] = "B,G,R,NIR",
    ignore: str | Sequence[int | str] | int | None = None,
    unlabelled: bool = False,
    scene: str | None = None,
    ids: PathLike | None = None,
    dtype: Literal["float16", "float32"] = "float16",
) -> Ingested:
    """Take chips of scenes and their masks, GeoTIFF or npy: a frame per band, and the class of each pixel."""
    from ictconvention.ingestion.chips import describe
    from ictconvention.ingestion.chips.agreement import agree
    from ictconvention.ingestion.chips.mask_values import parse_mask_values
    from ictconvention.ingestion.chips.pairs import find_chips
    from ictconvention.ingestion.chips.reading import ChipOptions, group, look_at_images, read_chips

    values = parse_mask_values(listed(classes), ignore)
    without = str(masks) == describe.NO_MASKS
    found = find_chips(
        Path(source), None if without else Path(masks), None if ids is None else Path(ids), unlabelled or without
    )
    names, known = listed(bands) or (), request.known_objects()
    with request.show("reading headers") as progress:
        looks = look_at_images(found.images, found.chips, names, request.processes, progress)
    common = agree(looks, names, Path(source))
    table = None if request.objects is None else Path(request.objects)
    objects, remarks = describe.describe_chips(found.chips, looks, known, table, scene)
    remarks += describe.describe_bands(common)
    more = {"bands": names, "size": common.size, "dtype": dtype, "flux_unit": NO_UNIT, "classes": values.classes}
    more |= {"frames_each": len(names), "masks": True, "times": describe.TIMES}
    options = request.options(1.0, provenance=describe.provenance(common, values), **more)
    how = ChipOptions(found.images, found.masks, common, values, dtype)
    made = request.ingest(options, partial(read_chips, how), group(found.chips), objects, rejects=found.rejects)
    counted = [] if made.out is None else describe.describe_shares(made.survey)
    return replace(made, remarks=(*remarks, *made.remarks, *counted))


@dataclass(frozen=True)
class Kind:
    """A kind of images.

    Parameters
    ----------
    ingest : function
        Makes a survey of a `Request` and a source.
    without : tuple of str
        What it cannot be asked of a `Request`; an option of its own may have the name.
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
    "sdss": Kind(ingest_sdss, ("bin_pixels", "objects", "rename_band", "dry_run")),
    "tao": Kind(ingest_tao, ("bands", "rename_band")),
    "ztf": Kind(ingest_ztf),
    "rubin": Kind(ingest_rubin, ("size",)),
    "images": Kind(ingest_images, ("bin_pixels", "objects", "rename_band", "size", "bands")),
    "chips": Kind(ingest_chips, ("bin_pixels", "rename_band", "size", "bands", "classes")),
}
