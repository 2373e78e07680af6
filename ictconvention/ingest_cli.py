"""`ictconvention ingest`: a command for each kind of images that people have, all with the same options."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ictconvention.errors import SurveyError, UsageError, shortened
from ictconvention.progress import shown_progress

if TYPE_CHECKING:
    from ictconvention.data.sources.found import Reject
    from ictconvention.data.sources.ingestion import IngestOptions

app = typer.Typer(
    help="Make a survey of images that you have. The last line says how much is in it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Out = Annotated[Path, typer.Argument(metavar="SURVEY", help="Folder to make.", show_default=False)]
Name = Annotated[str | None, typer.Option(help="Name of the survey.", show_default="that of its folder")]
Size = Annotated[int, typer.Option(help="Height and width of the stamps in pixels.")]
Bands = Annotated[
    str | None, typer.Option(metavar="g,r", help="Bands to take, in this order.", show_default="all that are found")
]
Classes = Annotated[
    str | None,
    typer.Option(metavar="'AGN,SN Ia'", help="Names of the classes, in this order.", show_default="all that are found"),
]
Objects = Annotated[
    Path | None,
    typer.Option(help="Table of objects: id, and class, label_source, redshift, ra, dec or columns of your own."),
]
Jobs = Annotated[int | None, typer.Option(help="Processes.", show_default="all processors")]
MaxRejects = Annotated[float, typer.Option(help="Largest share of frames that may be left out.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="The sky did not make these images; every table says so.")]
Bin = Annotated[bool, typer.Option("--bin", help="Sum 2 x 2 pixels before the stamp is cut.")]


@app.command()
def stamps(
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="A row per frame: id, file, band, mjd ...")],
    out: Out,
    pixel_scale: Annotated[float, typer.Option(help="Size of a pixel of the files in arcsec.")],
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude, of rows without one.", show_default="pixels are nanomaggies")
    ] = None,
    flux_unit: Annotated[
        str, typer.Option(help="Unit of pixels without a zero point; none, where they were normalised.")
    ] = "nanomaggy",
    sky: Annotated[bool, typer.Option("--sky", help="Subtract the median of the pixels far from the centre.")] = False,
    bin_pixels: Bin = False,
    name: Name = None,
    size: Size = 32,
    bands: Bands = None,
    classes: Classes = None,
    jobs: Jobs = None,
    max_rejects: MaxRejects = 0.5,
    dry_run: DryRun = False,
    simulated: Simulated = False,
) -> None:
    """Take stamps that are cut already: FITS cubes, a FITS file per epoch, or npz, named by a table."""
    from functools import partial

    from ictconvention.data.sources.fitting import Fitting
    from ictconvention.data.sources.stamps import StampOptions, read_stamp_table, read_stamps

    units, objects = read_stamp_table(source, zero_point, flux_unit, pixel_scale)
    how = StampOptions(source.parent, Fitting(size, "bin" if bin_pixels else "crop", sky, simulated), zero_point)
    common = _common(
        out,
        pixel_scale * (2 if bin_pixels else 1),
        name,
        size,
        bands,
        classes,
        jobs,
        max_rejects,
        dry_run,
        simulated,
        flux_unit,
    )
    _ingest(common, partial(read_stamps, how), units, objects)


@app.command()
def ccd(
    source: Annotated[Path, typer.Argument(metavar="IMAGES", help="Folder of FITS images, or a table of them.")],
    out: Out,
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
    name: Name = None,
    size: Size = 32,
    bands: Bands = None,
    classes: Classes = None,
    jobs: Jobs = None,
    max_rejects: MaxRejects = 0.5,
    dry_run: DryRun = False,
    simulated: Simulated = False,
) -> None:
    """Cut stamps from calibrated CCD images about a list of positions; north up, east left, no pixel interpolated."""
    from functools import partial

    from ictconvention.data.sources.band_names import read_band_names
    from ictconvention.data.sources.ccd import CcdOptions, nearest_miss, read_ccd, read_positions
    from ictconvention.data.sources.ccd_images import find_images, first_pixel_scale
    from ictconvention.data.sources.dates import MEANING

    if masks is not None and (masks.count("=") != 1 or masks.startswith("=")):
        raise UsageError(f"--masks is {masks!r}", "options of ingest ccd", "give OLD=NEW, such as --masks ooi=ood")
    old, _, new = (masks or "").partition("=")
    folder, images, rejects = find_images(source, (old, new) if masks else None, hdu)
    objects, ra, dec = read_positions(positions)
    scale = pixel_scale or first_pixel_scale(folder, images)
    of_all = float("nan") if zero_point is None else zero_point
    how = CcdOptions(folder, tuple(objects), ra, dec, scale, size, of_all, sky, read_band_names(band_names))
    common = _common(out, scale, name, size, bands, classes, jobs, max_rejects, dry_run, simulated)
    common = replace(common, orientation="north up, east left", times=MEANING)
    try:
        _ingest(common, partial(read_ccd, how), images, objects, rejects, everything_listed=True)
    except SurveyError as error:
        if miss := nearest_miss(how, images):
            mend = "check that ra and dec are in degrees, and that these are the images"
            raise UsageError(miss, positions, mend) from error
        raise
    if bands is None and not dry_run:
        _say_unusual_bands(out)


@app.command()
def tao(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="FITS files, a table of epochs in HDU 1.")],
    out: Out,
    band: Annotated[str, typer.Option(help="Name of the one band.")] = "clear",
    zero_point: Annotated[float | None, typer.Option(help="AB magnitude.", show_default="pixels stay counts")] = None,
    pixel_scale: Annotated[float, typer.Option(help="Size of a pixel in arcsec.")] = 2.5,
    sky: Annotated[bool, typer.Option(help="Subtract the median of the pixels far from the centre.")] = True,
    bin_pixels: Bin = False,
    objects: Objects = None,
    name: Name = None,
    size: Size = 32,
    classes: Classes = None,
    jobs: Jobs = None,
    max_rejects: MaxRejects = 0.5,
    dry_run: DryRun = False,
    simulated: Simulated = False,
) -> None:
    """Take TAO's files: one multi-extension FITS per object, in a folder for each class or with it in the header."""
    from functools import partial

    from ictconvention.data.sources.fitting import Fitting
    from ictconvention.data.sources.joins import check_matched
    from ictconvention.data.sources.tao import TaoOptions, find_files, read_objects, read_tao

    names = find_files(source)
    with shown_progress("reading headers") as progress:
        files, own, rejects = read_objects(source, names, progress)
    known = _objects(objects)
    remarks = check_matched(objects, known, own, "the files") if objects is not None and own else []
    own = {
        id_: row | {name: value for name, value in known.get(id_, {}).items() if value is not None}
        for id_, row in own.items()
    }
    how = TaoOptions(source, band, Fitting(size, "bin" if bin_pixels else "crop", sky, simulated), zero_point)
    common = _common(
        out,
        pixel_scale * (2 if bin_pixels else 1),
        name,
        size,
        band,
        classes,
        jobs,
        max_rejects,
        dry_run,
        simulated,
        "nanomaggy" if zero_point is not None else "count",
    )
    _ingest(common, partial(read_tao, how), list(files.items()), own, rejects, remarks=remarks)


@app.command()
def ztf(
    source: Annotated[Path, typer.Argument(metavar="ALERTS", help="File or folder: .avro, .tar.gz of such, .parquet.")],
    out: Out,
    cutout: Annotated[Literal["science", "difference"], typer.Option(help="Which cutout.")] = "science",
    sky: Annotated[
        bool | None,
        typer.Option(
            "--sky/--no-sky", help="Subtract the median of the pixels far from the centre.", show_default="of science"
        ),
    ] = None,
    bin_pixels: Bin = False,
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude, of alerts without magzpsci.", show_default=False)
    ] = None,
    objects: Objects = None,
    name: Name = None,
    size: Size = 32,
    bands: Bands = None,
    classes: Classes = None,
    jobs: Jobs = None,
    max_rejects: MaxRejects = 0.5,
    dry_run: DryRun = False,
    simulated: Simulated = False,
) -> None:
    """Take ZTF alerts: those of one objectId become a sequence; earlier photometry is kept as a table beside it."""
    from dataclasses import replace
    from functools import partial

    from ictconvention.data.sources.alert_files import find_alerts
    from ictconvention.data.sources.fitting import Fitting
    from ictconvention.data.sources.ztf import ORIENTATION, TIMES, ZtfOptions, read_ztf

    folder, units = find_alerts(source)
    subtract = cutout == "science" if sky is None else sky
    how = ZtfOptions(folder, cutout, Fitting(size, "bin" if bin_pixels else "crop", subtract, simulated), zero_point)
    common = _common(out, how.pixel_scale, name, size, bands, classes, jobs, max_rejects, dry_run, simulated)
    common = replace(common, orientation=ORIENTATION, times=TIMES)
    _ingest(common, partial(read_ztf, how), units, _objects(objects), objects_table=objects)


def _common(
    out: Path,
    pixel_scale: float,
    name: str | None,
    size: int,
    bands: str | None,
    classes: str | None,
    jobs: int | None,
    max_rejects: float,
    dry_run: bool,
    simulated: bool,
    flux_unit: str = "nanomaggy",
) -> "IngestOptions":
    from ictconvention.data.sources.ingestion import IngestOptions

    def listed(text: str | None) -> tuple[str, ...] | None:
        return None if text is None else tuple(part.strip() for part in text.split(","))

    return IngestOptions(
        out,
        f"ictconvention {shlex.join(sys.argv[1:])}",
        pixel_scale,
        name,
        size,
        listed(bands),
        listed(classes),
        flux_unit,
        simulated,
        jobs=(os.cpu_count() or 1) if jobs is None else jobs,
        max_rejects=max_rejects,
        dry_run=dry_run,
    )


def _say_unusual_bands(out: Path) -> None:
    """Say which names of bands are as the headers have them."""
    from ictconvention.data.sources.found import USUAL_BANDS
    from ictconvention.data.survey_format import read_header

    header, _ = read_header(out)
    if unusual := [name for name in header.bands if name not in USUAL_BANDS]:
        typer.echo(f"bands named as in the headers: {shortened(unusual)}; --band-names TABLE gives them other names")


def _objects(table: Path | None) -> dict[str, dict[str, Any]]:
    from ictconvention.data.sources.user_table import objects_of, read_user_table

    if table is None:
        return {}
    read = read_user_table(table, ("id",), ("class", "label_source", "redshift", "ra", "dec"))
    return objects_of((read.where(number), row) for number, row in enumerate(read.rows))


def _ingest(
    options: "IngestOptions",
    read: Callable[[Any], Any],
    units: Sequence[Any],
    objects: Mapping[str, Mapping[str, Any]],
    rejects: Sequence["Reject"] = (),
    everything_listed: bool = False,
    objects_table: Path | None = None,
    remarks: Sequence[str] = (),
) -> None:
    """Make the survey, and say what became of it all."""
    from ictconvention.data.sources.ingestion import ingest
    from ictconvention.data.sources.rejects import reasons

    with shown_progress("reading") as progress:
        result = ingest(options, read, units, objects, progress, rejects, everything_listed, objects_table)
    for line in reasons(result.rejects):
        typer.echo(f"rejected: {line}")
    if result.rejects_file is not None:
        typer.echo(f"all rejects: {result.rejects_file}")
    for line in (*remarks, *result.remarks):
        typer.echo(line)
    typer.echo("dry run: nothing was written" if options.dry_run else f"survey: {options.out}")
    typer.echo(str(result))
