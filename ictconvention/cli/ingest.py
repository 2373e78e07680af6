"""`ictconvention ingest`: a command for each kind of images that people have, all with the same options."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.models import ArgumentInfo

from ictconvention.cli.next_command import suggest
from ictconvention.core.errors import UsageError
from ictconvention.core.progress import show_progress

app = typer.Typer(
    help="Make a survey of images that you have. The last line says how much is in it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True)
class Shared:
    """The options that commands share, declared once: `_command` adds them to each."""

    out: Annotated[
        Path | None, typer.Argument(metavar="[SURVEY]", help="Folder to make; or --into SURVEY.", show_default=False)
    ] = None
    into: Annotated[
        Path | None,
        typer.Option(metavar="SURVEY", help="Add what is read, such as a night, to a survey that there is."),
    ] = None
    relabel: Annotated[
        bool,
        typer.Option("--relabel", help="With --into: the table of objects is right where the survey says otherwise."),
    ] = False
    bin_pixels: Annotated[bool, typer.Option("--bin", help="Sum 2 x 2 pixels before the stamp is cut.")] = False
    objects: Annotated[
        Path | None,
        typer.Option(help="Table of objects: id, and class, label_source, redshift, ra, dec or columns of your own."),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="A column of your tables by your name: id=objid. Repeatable."),
    ] = None
    rename_band: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="A band by its name in the images: g=sdss_g. Repeatable."),
    ] = None
    name: Annotated[str | None, typer.Option(help="Name of the survey.", show_default="that of its folder")] = None
    size: Annotated[
        int | None,
        typer.Option(help="Height and width of the stamps in pixels.", show_default="32; with --into the survey's"),
    ] = None
    bands: Annotated[
        str | None,
        typer.Option(metavar="g,r", help="Bands to take, in this order.", show_default="all that are found"),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="'AGN,SN Ia'",
            help="Names of the classes, in this order; objects of others are unlabelled.",
            show_default="all that are found",
        ),
    ] = None
    jobs: Annotated[int | None, typer.Option(help="Processes.", show_default="all processors")] = None
    max_rejects: Annotated[float, typer.Option(help="Largest share of frames that may be left out.")] = 0.5
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")] = False
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The sky did not make these images; every table says so.")
    ] = False


def _command(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the command of a kind, whose function only declares: its source, its own options, and no work.

    The options of `Shared` come after its own, but for those without which this kind is. What does the work is of the
    same name in `ingestion.kinds`.
    """

    def add(declared: Callable[..., None]) -> Callable[..., None]:
        shared = {name: one for name, one in signature(Shared).parameters.items() if name not in without}
        source, *own = signature(declared).parameters.values()

        def run(source: Path, **given: Any) -> None:
            from ictconvention.ingestion.kinds import KINDS
            from ictconvention.ingestion.request import Request

            asked = {name: given.pop(name) for name in shared}
            asked |= _place(asked)
            request = Request(**asked, made_by=f"ictconvention {shlex.join(sys.argv[1:])}", show=show_progress)
            made = KINDS[declared.__name__].ingest(request, source, **given)
            typer.echo("\n".join(made.said))
            if made.out is None:
                suggest(*(word for word in sys.argv[1:] if word not in ("--dry-run", "--plan")))
            else:
                suggest("check", made.out)

        update_wrapper(run, declared)
        rest = (one for name, one in shared.items() if name != "out")
        arguments = [one for one in own if _is_argument(one)]  # of the source too: they come before the survey
        listed = (source, *arguments, shared["out"], *(one for one in own if one not in arguments), *rest)
        run.__dict__["__signature__"] = Signature([one.replace(kind=Parameter.KEYWORD_ONLY) for one in listed])
        return app.command()(run)

    return add


def _place(given: dict[str, Any]) -> dict[str, Any]:
    """Return the folder of the survey, and whether it is there already, out of the two ways to name it."""
    out, into = given["out"], given["into"]
    if (out is None) == (into is None):
        found = "no survey is named" if out is None else f"two surveys are named, {out} and {into}"
        fix = "give SURVEY to make a new one, or --into SURVEY to add to one that there is"
        raise UsageError(found, "ictconvention ingest", fix, "E-COMMAND-CONFLICT")
    if into is None and given["relabel"]:
        fix = "give it with --into, or leave it out"
        raise UsageError("--relabel is of a night that is added", "--relabel", fix, "E-COMMAND-CONFLICT")
    return {"out": into if out is None else out, "into": into is not None}


def _is_argument(parameter: Parameter) -> bool:
    return any(isinstance(one, ArgumentInfo) for one in getattr(parameter.annotation, "__metadata__", ()))


@_command("objects")
def stamps(
    source: Annotated[Path, typer.Argument(metavar="TABLE", help="A row per frame: id, file, band, mjd ...")],
    pixel_scale: Annotated[
        float | None,
        typer.Option(
            help="Size of a pixel in arcsec: of the files, or with --resample of the survey.",
            show_default="the table's pixel_scale, or the WCS of the files",
        ),
    ] = None,
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude, of rows without one.", show_default="pixels are nanomaggies")
    ] = None,
    flux_unit: Annotated[
        str, typer.Option(help="Unit of pixels without a zero point; none, where they were normalised.")
    ] = "nanomaggy",
    sky: Annotated[bool, typer.Option("--sky", help="Subtract the median of the pixels far from the centre.")] = False,
    resample: Annotated[
        bool, typer.Option("--resample", help="Interpolate stamps of another pixel scale; else they are refused.")
    ] = False,
) -> None:
    """Take stamps that are cut already: FITS cubes, a FITS file per epoch, or npz, named by a table."""


@_command("bin_pixels", "objects")
def ccd(
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
    resample: Annotated[
        bool, typer.Option("--resample", help="Interpolate images of another pixel scale; else they are rejected.")
    ] = False,
) -> None:
    """Cut stamps from calibrated CCD images about a list of positions; north up, east left, no pixel interpolated."""


@_command("bin_pixels", "objects", "rename_band")
def sdss(
    source: Annotated[
        Path, typer.Argument(metavar="OBJECTS", help="Table: id, ra, dec, class; or SNID, SNTYPE, RA, DECL.")
    ],
    fields: Annotated[
        Path, typer.Option(help="Table of fields: run, camcol, field, ramin, ramax, decmin, decmax, as SkyServer's.")
    ],
    plan: Annotated[bool, typer.Option("--plan", help="Print objects, frames, gigabytes and hours, and stop.")] = False,
    server: Annotated[
        str, typer.Option(help="Address of the archive's files.")
    ] = "https://data.sdss.org/sas/dr17/eboss",
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of frames and of what is done.", show_default="SURVEY-frames, beside the survey"),
    ] = None,
    cache_size: Annotated[
        float, typer.Option(help="Gigabytes of frames to keep after their stamps are cut, the youngest.")
    ] = 0.0,
    connections: Annotated[int, typer.Option(help="Files that are fetched at once, at most.")] = 4,
    delay: Annotated[float, typer.Option(help="Pause after each file, in seconds.")] = 0.2,
    timeout: Annotated[float, typer.Option(help="Wait for an answer, in seconds.")] = 60.0,
    tries: Annotated[int, typer.Option(help="How often a file is asked for, with growing waits.")] = 5,
    checksums: Annotated[
        Path | None, typer.Option(help="File of checksums and names, as sha1sum writes it.", show_default=False)
    ] = None,
    psf: Annotated[bool, typer.Option(help="Fetch the psField files: seeing, gain and noise of each field.")] = True,
    masks: Annotated[
        bool, typer.Option("--masks", help="Fetch the fpM files: what is saturated or interpolated is missing.")
    ] = False,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Bring nights that were not clear to a clear one, by the field's stars.")
    ] = False,
) -> None:
    """Fetch SDSS frames of Stripe 82 field by field and cut stamps about a list of positions; a killed command resumes.

    The table of fields is what https://skyserver.sdss.org/dr17 (CasJobs) gives for: SELECT f.run, f.rerun, f.camcol,
    f.field, f.raMin, f.raMax, f.decMin, f.decMax, f.score FROM Field f JOIN Run r ON r.run = f.run WHERE r.stripe = 82
    AND f.mjd_r BETWEEN 53600 AND 54450; further columns such as calibStatus_r are used where they are there.
    """


@_command("bands", "rename_band")
def tao(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="FITS files, a table of epochs in HDU 1.")],
    band: Annotated[str, typer.Option(help="Name of the one band.")] = "clear",
    zero_point: Annotated[float | None, typer.Option(help="AB magnitude.", show_default="pixels stay counts")] = None,
    pixel_scale: Annotated[float, typer.Option(help="Size of a pixel in arcsec.")] = 2.5,
    sky: Annotated[bool, typer.Option(help="Subtract the median of the pixels far from the centre.")] = True,
) -> None:
    """Take TAO's files: one multi-extension FITS per object, in a folder for each class or with it in the header."""


@_command()
def ztf(
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


@_command("size")
def rubin(
    source: Annotated[Path, typer.Argument(metavar="ALERTS", help="File or folder: .avro, .tar.gz of such, .parquet.")],
    size: Annotated[
        int | None,
        typer.Option(
            help="Height and width of the stamps in pixels; larger ones lack pixels that fluxes need.",
            show_default="26; with --into the survey's",
        ),
    ] = None,
    cutout: Annotated[Literal["science", "difference"], typer.Option(help="Which cutout.")] = "science",
    sky: Annotated[
        bool, typer.Option("--sky", help="Subtract the median of the pixels far from the centre; Rubin did already.")
    ] = False,
    rotate: Annotated[
        bool, typer.Option("--rotate/--no-rotate", help="Rotate each cutout, which stands as its visit, to north up.")
    ] = True,
    min_reliability: Annotated[float, typer.Option(help="Leave out detections that Rubin finds less reliable.")] = 0.0,
    schema: Annotated[
        Path | None,
        typer.Option(help="Avro schema, where the .avro files are single messages of a broker.", show_default=False),
    ] = None,
) -> None:
    """Take Rubin alerts: those of one diaObjectId become a sequence; their photometry is kept as a table beside it."""


@_command("bin_pixels", "objects", "rename_band", "size", "bands")
def images(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="Pictures, in a folder for each class or in one.")],
    size: Annotated[
        int | None,
        typer.Option(
            help="Height and width to bring the square in the middle of each to, in pixels; smaller ones are enlarged.",
            show_default="as they are, all of one size",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="Table of pictures: id, the path without its ending, and class, group, redshift, ra, dec."),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="g,r,i", help="Names of the planes, in their order.", show_default="R,G,B, grey, or band1,band2"
        ),
    ] = None,
    hdu: Annotated[
        str | None, typer.Option(help="Name or number of the HDU with the picture.", show_default="the one with pixels")
    ] = None,
    dtype: Annotated[Literal["float16", "float32"], typer.Option(help="How pixels are stored.")] = "float16",
    pixel_scale: Annotated[
        float | None,
        typer.Option(help="Size of a pixel in arcsec, after --size.", show_default="by the WCS, or unknown"),
    ] = None,
    flux_unit: Annotated[str, typer.Option(help="Unit of the pixels.")] = "none",
) -> None:
    """Take pictures, PNG, JPEG, npy or FITS: a frame per band of one night; their folders or a table name the classes.

    Whole numbers of 8 and 16 bits become 0 to 1. What is not read rightly is left out: transparency, CMYK, animations.
    """


@_command("bin_pixels", "rename_band", "size", "bands", "classes")
def chips(
    source: Annotated[Path, typer.Argument(metavar="IMAGES", help="Folder of GeoTIFF or npy, or an array of all.")],
    masks: Annotated[
        Path, typer.Argument(metavar="MASKS", help="The same of the masks, by the names of the images; or: none.")
    ],
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="bare,forest,water",
            help="Names of the values 0, 1, 2 and so on of masks, or VALUE=NAME of each: 10=trees,20=water.",
            show_default="the ten of Preligens' challenge",
        ),
    ] = None,
    bands: Annotated[
        str, typer.Option(metavar="B,G,R,NIR", help="Names of the bands, in the order of the files.")
    ] = "B,G,R,NIR",
    ignore: Annotated[
        str | None,
        typer.Option(
            metavar="0,255", help="Values of masks that are no class.", show_default="0,1; none with --classes"
        ),
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Keep images without a mask, to learn from without labels.")
    ] = False,
    scene: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="The first group in a chip's id is its scene: '(.+)_[0-9]+_[0-9]+'.",
            show_default="its folder, or the column scene of --objects",
        ),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option(help="Of an array of all chips: a table with the column id, or an npy of texts.")
    ] = None,
    dtype: Annotated[Literal["float16", "float32"], typer.Option(help="How pixels are stored.")] = "float16",
) -> None:
    """Take chips of scenes and their masks: a frame per band, and the class of each pixel.

    What is not said is as in Preligens' challenge: the values 0 to 9 of masks are no_data, clouds, artificial,
    cultivated, broadleaf, coniferous, herbaceous, natural, snow and water, and the first two are ignored.
    """
