"""`ictconvention ingest`: a command for each kind of images that people have, all with the same options."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ictconvention.cli.ingesting.command import app as app
from ictconvention.cli.ingesting.command import command


@command("objects")
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


@command("bin_pixels", "objects")
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


@command("bin_pixels", "objects", "rename_band", "dry_run")
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
    AND f.mjd_r BETWEEN 53600 AND 54450; further columns such as calibStatus_r are used where they are there. There is
    no dry run: to check everything is to fetch everything, and --plan says what that takes.
    """


@command("bands", "rename_band")
def tao(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="FITS files, a table of epochs in HDU 1.")],
    band: Annotated[str, typer.Option(help="Name of the one band.")] = "clear",
    zero_point: Annotated[float | None, typer.Option(help="AB magnitude.", show_default="pixels stay counts")] = None,
    pixel_scale: Annotated[float, typer.Option(help="Size of a pixel in arcsec.")] = 2.5,
    sky: Annotated[bool, typer.Option(help="Subtract the median of the pixels far from the centre.")] = True,
) -> None:
    """Take TAO's files: one multi-extension FITS per object, in a folder for each class or with it in the header."""


@command()
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


@command("size")
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


@command("bin_pixels", "objects", "rename_band", "size", "bands")
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


@command("bin_pixels", "rename_band", "size", "bands", "classes")
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
