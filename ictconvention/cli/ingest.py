"""`ictconvention ingest`: a command for each kind of images that people have, all with the same options."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, update_wrapper
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ictconvention.core.errors import SurveyError, UsageError, shorten
from ictconvention.core.progress import show_progress

if TYPE_CHECKING:
    from ictconvention.ingestion.fitting import Fitting
    from ictconvention.ingestion.pipeline import IngestOptions

app = typer.Typer(
    help="Make a survey of images that you have. The last line says how much is in it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True)
class Shared:
    """The options that commands share, declared once: `_command` adds them to each."""

    out: Annotated[Path, typer.Argument(metavar="SURVEY", help="Folder to make.", show_default=False)]
    bin_pixels: Annotated[bool, typer.Option("--bin", help="Sum 2 x 2 pixels before the stamp is cut.")] = False
    objects: Annotated[
        Path | None,
        typer.Option(help="Table of objects: id, and class, label_source, redshift, ra, dec or columns of your own."),
    ] = None
    name: Annotated[str | None, typer.Option(help="Name of the survey.", show_default="that of its folder")] = None
    size: Annotated[int, typer.Option(help="Height and width of the stamps in pixels.")] = 32
    bands: Annotated[
        str | None,
        typer.Option(metavar="g,r", help="Bands to take, in this order.", show_default="all that are found"),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="'AGN,SN Ia'", help="Names of the classes, in this order.", show_default="all that are found"
        ),
    ] = None
    jobs: Annotated[int | None, typer.Option(help="Processes.", show_default="all processors")] = None
    max_rejects: Annotated[float, typer.Option(help="Largest share of frames that may be left out.")] = 0.5
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")] = False
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The sky did not make these images; every table says so.")
    ] = False

    def fitting(self, sky: bool) -> "Fitting":
        """Return how cutouts come to stamps; `sky` says whether it is subtracted."""
        from ictconvention.ingestion.fitting import Fitting

        return Fitting(self.size, "bin" if self.bin_pixels else "crop", sky, self.simulated)

    def options(self, pixel_scale: float, **more: Any) -> "IngestOptions":
        """Return what holds for every source, from the size of a pixel of the files [arcsec] and what else is known."""
        from ictconvention.ingestion.pipeline import IngestOptions

        given = {"bands": _listed(self.bands), "classes": _listed(self.classes), **more}
        return IngestOptions(
            self.out,
            f"ictconvention {shlex.join(sys.argv[1:])}",
            pixel_scale * (2 if self.bin_pixels else 1),
            self.name,
            self.size,
            simulated=self.simulated,
            jobs=(os.cpu_count() or 1) if self.jobs is None else self.jobs,
            max_rejects=self.max_rejects,
            dry_run=self.dry_run,
            **given,
        )

    def known_objects(self) -> dict[str, dict[str, Any]]:
        """Return what the table of objects says; nothing where there is none."""
        from ictconvention.files.user_table import read_objects, read_user_table

        if self.objects is None:
            return {}
        columns = ("class", "label_source", "redshift", "ra", "dec")
        return read_objects(read_user_table(self.objects, ("id",), columns).located)


def _command(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a command, which takes `Shared` and its source first, and the shared options but for some beside its own."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        shared = {name: one for name, one in signature(Shared).parameters.items() if name not in without}
        _, source, *own = signature(command).parameters.values()

        def run(**given: Any) -> None:
            command(Shared(**{name: given.pop(name) for name in shared}), **given)

        update_wrapper(run, command)
        rest = (one for name, one in shared.items() if name != "out")
        listed = (source, shared["out"], *own, *rest)
        run.__dict__["__signature__"] = Signature([one.replace(kind=Parameter.KEYWORD_ONLY) for one in listed])
        return app.command()(run)

    return add


def _listed(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(","))


@_command("objects")
def stamps(
    shared: Shared,
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="A row per frame: id, file, band, mjd ...")],
    pixel_scale: Annotated[float, typer.Option(help="Size of a pixel of the files in arcsec.")],
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude, of rows without one.", show_default="pixels are nanomaggies")
    ] = None,
    flux_unit: Annotated[
        str, typer.Option(help="Unit of pixels without a zero point; none, where they were normalised.")
    ] = "nanomaggy",
    sky: Annotated[bool, typer.Option("--sky", help="Subtract the median of the pixels far from the centre.")] = False,
) -> None:
    """Take stamps that are cut already: FITS cubes, a FITS file per epoch, or npz, named by a table."""
    from ictconvention.ingestion.fitting import CutoutOptions
    from ictconvention.ingestion.readers.stamps import read_stamp_table, read_stamps

    units, objects = read_stamp_table(source, zero_point, flux_unit, pixel_scale)
    how = CutoutOptions(source.parent, shared.fitting(sky), zero_point)
    _ingest(shared.options(pixel_scale, flux_unit=flux_unit), partial(read_stamps, how), units, objects)


@_command("bin_pixels", "objects")
def ccd(
    shared: Shared,
    source: Annotated[Path, typer.Argument(metavar="IMAGES", help="Folder of FITS images, or a table of them.")],
    positions: Annotated[Path, typer.Option(help="Table of objects: id, ra and dec in degrees, class where known.")],
    masks: Annotated[
        str | None,
        typer.Option(metavar="OLD=NEW", help="A mask has the name of its image, with OLD replaced by NEW."),
    ] = None,
    hdu: Annotated[
        str | None, typer.Option(help="Name or number of the HDU with the image.", show_default="all that hold one")
    ] = None,
    zero_point: Annotated[float | None, typer.Option(help="AB magnitude, of images whose header has none.")] = None,
    sky: Annotated[bool, typer.Option(help="Measure the sky of each image and subtract it.")] = True,
    pixel_scale: Annotated[
        float | None, typer.Option(help="Size of a pixel in arcsec.", show_default="the first image's")
    ] = None,
    band_names: Annotated[
        Path | None, typer.Option(help="Table of names in headers and their band: alias, band; before the usual ones.")
    ] = None,
) -> None:
    """Cut stamps from calibrated CCD images about a list of positions; north up, east left, no pixel interpolated."""
    from ictconvention.ingestion.headers.band_names import read_band_names
    from ictconvention.ingestion.headers.dates import MEANING
    from ictconvention.ingestion.readers.ccd import CcdOptions, nearest_miss, read_ccd, read_positions
    from ictconvention.ingestion.readers.ccd_images import find_images, first_pixel_scale

    if masks is not None and (masks.count("=") != 1 or masks.startswith("=")):
        raise UsageError(f"--masks is {masks!r}", "options of ingest ccd", "give OLD=NEW, such as --masks ooi=ood")
    old, _, new = (masks or "").partition("=")
    folder, images, rejects = find_images(source, (old, new) if masks else None, hdu)
    objects, ra, dec = read_positions(positions)
    scale = pixel_scale or first_pixel_scale(folder, images)
    of_all = float("nan") if zero_point is None else zero_point
    how = CcdOptions(folder, tuple(objects), ra, dec, scale, shared.size, of_all, sky, read_band_names(band_names))
    options = shared.options(scale, orientation="north up, east left", times=MEANING)
    try:
        _ingest(options, partial(read_ccd, how), images, objects, rejects=rejects, everything_listed=True)
    except SurveyError as error:
        if miss := nearest_miss(how, images):
            fix = "check that ra and dec are in degrees, and that these are the images"
            raise UsageError(miss, positions, fix) from error
        raise
    if shared.bands is None and not shared.dry_run:
        _say_unusual_bands(shared.out)


@_command("bands")
def tao(
    shared: Shared,
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="FITS files, a table of epochs in HDU 1.")],
    band: Annotated[str, typer.Option(help="Name of the one band.")] = "clear",
    zero_point: Annotated[float | None, typer.Option(help="AB magnitude.", show_default="pixels stay counts")] = None,
    pixel_scale: Annotated[float, typer.Option(help="Size of a pixel in arcsec.")] = 2.5,
    sky: Annotated[bool, typer.Option(help="Subtract the median of the pixels far from the centre.")] = True,
) -> None:
    """Take TAO's files: one multi-extension FITS per object, in a folder for each class or with it in the header."""
    from ictconvention.files.joins import check_matched
    from ictconvention.ingestion.readers.tao import TaoOptions, find_files, read_objects, read_tao

    names = find_files(source)
    with show_progress("reading headers") as progress:
        files, own, rejects = read_objects(source, names, progress)
    known = shared.known_objects()
    remarks = check_matched(shared.objects, known, own, "the files") if shared.objects is not None and own else []
    own = {
        id_: row | {name: value for name, value in known.get(id_, {}).items() if value is not None}
        for id_, row in own.items()
    }
    how = TaoOptions(source, shared.fitting(sky), zero_point, band)
    flux_unit = "nanomaggy" if zero_point is not None else "count"
    options = shared.options(pixel_scale, flux_unit=flux_unit, bands=(band,))
    _ingest(options, partial(read_tao, how), list(files.items()), own, remarks, rejects=rejects)


@_command()
def ztf(
    shared: Shared,
    source: Annotated[Path, typer.Argument(metavar="ALERTS", help="File or folder: .avro, .tar.gz of such, .parquet.")],
    cutout: Annotated[Literal["science", "difference"], typer.Option(help="Which cutout.")] = "science",
    sky: Annotated[
        bool | None,
        typer.Option(
            "--sky/--no-sky", help="Subtract the median of the pixels far from the centre.", show_default="of science"
        ),
    ] = None,
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude, of alerts without magzpsci.", show_default=False)
    ] = None,
) -> None:
    """Take ZTF alerts: those of one objectId become a sequence; earlier photometry is kept as a table beside it."""
    from ictconvention.ingestion.readers.alert_files import find_alerts
    from ictconvention.ingestion.readers.ztf import ORIENTATION, PIXEL_SCALE, TIMES, ZtfOptions, read_ztf

    folder, units = find_alerts(source)
    subtract = cutout == "science" if sky is None else sky
    how = ZtfOptions(folder, shared.fitting(subtract), zero_point, cutout)
    options = shared.options(PIXEL_SCALE, orientation=ORIENTATION, times=TIMES)
    _ingest(options, partial(read_ztf, how), units, shared.known_objects(), objects_table=shared.objects)


def _say_unusual_bands(out: Path) -> None:
    """Say which names of bands are as the headers have them."""
    from ictconvention.ingestion.found import USUAL_BANDS
    from ictconvention.survey.format import read_header

    header, _ = read_header(out)
    if unusual := [name for name in header.bands if name not in USUAL_BANDS]:
        typer.echo(f"bands named as in the headers: {shorten(unusual)}; --band-names TABLE gives them other names")


def _ingest(
    options: "IngestOptions",
    read: Callable[[Any], Any],
    units: Sequence[Any],
    objects: Mapping[str, Mapping[str, Any]],
    remarks: Sequence[str] = (),
    **more: Any,
) -> None:
    """Make the survey, and say what became of it all; the further arguments are those of `ingest`."""
    from ictconvention.ingestion.pipeline import ingest
    from ictconvention.ingestion.rejects import reasons

    with show_progress("reading") as progress:
        result = ingest(options, read, units, objects, progress, **more)
    lines = [f"rejected: {line}" for line in reasons(result.rejects)]
    lines += [f"all rejects: {result.rejects_file}"] if result.rejects_file is not None else []
    lines += [*remarks, *result.remarks]
    lines.append("dry run: nothing was written" if options.dry_run else f"survey: {options.out}")
    typer.echo("\n".join([*lines, str(result)]))
