"""Write a simulated survey: all processors at once, the same bytes whatever their number, whole or not at all."""

import shutil
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.core.atomic import WholeFolder
from ictconvention.core.errors import UsageError
from ictconvention.core.parallel import run_parallel
from ictconvention.simulation.galaxies import painting
from ictconvention.simulation.galaxies.catalogue import read_kcorrect
from ictconvention.simulation.galaxies.painting import GalaxySurvey, paint_galaxy
from ictconvention.simulation.galaxies.selection import Select
from ictconvention.simulation.hosts import pictures
from ictconvention.simulation.hosts.pictures import Hosts, paint_host
from ictconvention.simulation.painted.light_curve_table import RealCurve, read_light_curves
from ictconvention.simulation.painted.painting import paint_light_curve
from ictconvention.simulation.scenes import population as land
from ictconvention.simulation.scenes import spectra
from ictconvention.simulation.scenes.painting import paint_chip
from ictconvention.simulation.sdss.alerts import POINTS, observe_alerts
from ictconvention.simulation.sdss.passbands import BANDS
from ictconvention.simulation.sdss.population import LAYOUT, Population, generator
from ictconvention.simulation.sdss.scene import observe_object
from ictconvention.simulation.sdss.stamps import PIXEL_SCALE, SIZE
from ictconvention.simulation.sdss.strata import CLASSES, LABELLED, STRATA
from ictconvention.survey.format import NO_UNIT, TABLES, UNKNOWN_SCALE, SurveyHeader, sha256
from ictconvention.survey.format import PIXEL_SCALE as SCALE_ENTRY
from ictconvention.survey.photometry.table import MEASUREMENTS, PHOTOMETRY_FILE
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter, join_shards, shard_name

PAPER_OBJECTS = LABELLED
Stream = Literal["frames", "alerts"]
SHARD_OBJECTS = 256  # objects of a shard, whatever the number of jobs


def simulate(
    path: str | Path,
    objects: int,
    seed: int = 0,
    jobs: int = 1,
    extra_test: int = 0,
    progress: Callable[[int, int], object] = lambda done, total: None,
    stream: Stream = "frames",
) -> Survey:
    """Simulate an SDSS-II-like survey.

    Parameters
    ----------
    path : str or Path
        The folder to make; it must not exist.
    objects : int
        Labelled objects, at least 100; 8 208 are the paper's. The unlabelled come on top, in their real proportion.
    seed : int
        The same seed gives the same bytes.
    jobs : int
        Processes to work with.
    extra_test : int
        Additional test objects, the same number of each class, marked in the column `extra_test`.
    progress : callable
        Called with the number of objects written and their total.
    stream : "frames" or "alerts"
        Whether the survey has every frame, or those of alerts and forced photometry, see `observe_alerts`.

    Raises
    ------
    UsageError
        When an argument is out of range.
    FileSystemError
        When the folder exists or cannot be written; nothing is then left.
    """
    _check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(extra_test, 0))
    population = Population(objects, seed, extra_test)
    truths = {f"{s.label or 'unlabelled'}, {s.source or 'no source'}": dict(s.truths) for s in STRATA}
    made_by = f" --objects {objects} --seed {seed} --extra-test {extra_test}"
    sources: dict[str, Any] = {"true classes by label (assumed)": truths}
    if stream == "alerts":
        sources["cutout"] = "science image, of detections above 5 sigma"
        header = _header("SDSS-II-like alerts", f"{made_by} --stream alerts", sources)
        return _write(Path(path), header, partial(observe_alerts, population), len(population), jobs, progress)
    header = _header("SDSS-II-like", made_by, sources)
    return _write(Path(path), header, partial(observe_object, population), len(population), jobs, progress)


def simulate_hosts(
    path: str | Path,
    objects: int = pictures.OBJECTS,
    seed: int = 0,
    jobs: int = 1,
    extra_test: int | None = None,
    size: int = pictures.SIZE,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Survey:
    """Simulate pictures of galaxies with and without a supernova: one night of each in i, r and g.

    Of the galaxies 28.1 % have a supernova, and so have the additional test objects: 270 of 960.

    Parameters
    ----------
    path, seed, jobs, progress
        As in `simulate`.
    objects : int
        Galaxies, at least 100; by default 3 375, of which a fold of five trains or validates 2 700.
    extra_test : int, optional
        Additional test objects, marked in the column `extra_test`; by default as many, relative to the others, as 960
        are to 3 375.
    size : int
        Pixels along a side of a picture, at least 42.

    Raises
    ------
    UsageError, FileSystemError
        As in `simulate`.
    """
    tested = pictures.extra_tests(objects) if extra_test is None else extra_test
    _check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(tested, 0))
    hosts = Hosts(objects, seed, tested, size)
    made_by = f" --kind hosts --objects {objects} --seed {seed} --extra-test {tested} --size {size}"
    of_kind: dict[str, Any] = {"bands": pictures.PICTURE_BANDS, "classes": pictures.CLASSES, "stamp_size": size}
    chosen = {"least flux of a supernova over its host's in r (chosen)": pictures.LEAST_CONTRAST}
    header = _header("hosts", made_by, chosen, **of_kind)
    return _write(Path(path), header, partial(paint_host, hosts), len(hosts), jobs, progress)


def simulate_galaxies(
    path: str | Path,
    objects: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    extra_test: int | None = None,
    size: int = painting.SIZE,
    bands: int = 5,
    select: Select = "magnitude",
    catalogue: str | None = None,
    missing: float = 0.0,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Survey:
    """Simulate galaxies of one night, a frame per band, with redshifts of those that are selected.

    Parameters
    ----------
    path, seed, jobs, progress
        As in `simulate`.
    objects, extra_test, size, bands, select, missing
        As in `GalaxySurvey`.
    catalogue : str, optional
        'kcorrect': real fluxes, errors and redshifts of the galaxies that this package ships, in simulated shapes.

    Raises
    ------
    UsageError, FileSystemError
        As in `simulate`, and where the package of the catalogue is not installed.
    """
    _check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(extra_test or 0, 0))
    real = None if catalogue is None else read_kcorrect()
    galaxies = GalaxySurvey(objects, seed, extra_test, select, bands, size, missing, real)
    made_by = f" --kind galaxies --bands {bands} --select {select} --objects {galaxies.objects} --seed {seed}"
    made_by += f" --extra-test {galaxies.extra_test} --size {size} --missing {missing:g}"
    made_by += f" --catalogue {catalogue}" if catalogue else ""
    name = "galaxies, real ugriz and redshifts in painted shapes" if catalogue else "galaxies"
    of_kind: dict[str, Any] = {"bands": galaxies.band_set.names, "classes": (), "stamp_size": size}
    said = {"passbands": galaxies.band_set.filters, "redshift_range": list(galaxies.redshift_range)}
    header = _header(name, made_by, said, **of_kind)
    return _write(Path(path), header, partial(paint_galaxy, galaxies), len(galaxies), jobs, progress)


def simulate_scenes(
    path: str | Path,
    objects: int = land.OBJECTS,
    seed: int = 0,
    jobs: int = 1,
    extra_test: int = 0,
    size: int = land.SIZE,
    unlabelled: float = 0.0,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Survey:
    """Simulate chips of land seen by a satellite in B, G, R and NIR, each with a mask of the class of every pixel.

    Parameters
    ----------
    path, seed, jobs, progress
        As in `simulate`.
    objects, extra_test, size, unlabelled
        As in `land.Scenes`.

    Raises
    ------
    UsageError, FileSystemError
        As in `simulate`.
    """
    _check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(extra_test, 0))
    scenes = land.Scenes(objects, seed, extra_test, size, unlabelled)
    made_by = f" --kind scenes --objects {objects} --seed {seed} --extra-test {extra_test} --size {size}"
    made_by += f" --unlabelled {unlabelled:g}"
    of_kind: dict[str, Any] = {"bands": spectra.BANDS, "classes": land.CLASSES, "stamp_size": size}
    of_kind |= {"pixel_scale": 1.0, "flux_unit": NO_UNIT, "orientation": "unknown"}
    said = {
        "pixels": "reflectances [1e-4]",
        "mask": "the class of each pixel; 255 under clouds, beside an image, and where it is not known",
        "not real": "roads, terrain, seasons, the shapes of rivers and parcels",
        SCALE_ENTRY: UNKNOWN_SCALE,
    }
    header = _header("scenes", made_by, said, ("scipy",), **of_kind)
    return _write(Path(path), header, partial(paint_chip, scenes), len(scenes), jobs, progress, masks=True)


def paint_light_curves(
    path: str | Path,
    sources: Sequence[str],
    objects: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Survey:
    """Make a survey of real light curves painted into simulated stamps.

    Parameters
    ----------
    path, seed, jobs, progress
        As in `simulate`.
    sources : sequence of str
        Files of light curves, as in `read_light_curves`.
    objects : int, optional
        How many of them, drawn at random; all by default. None is painted twice.

    Raises
    ------
    UsageError, SurveyError, FileSystemError
        As in `simulate` and `read_light_curves`.
    """
    curves = read_light_curves(sources)
    count = len(curves) if objects is None else objects
    if not 1 <= count <= len(curves):
        fix = f"give 1 to {len(curves)}: no light curve is painted twice, since copies would leak between parts"
        raise UsageError(
            f"{count} objects of {len(curves)} light curves", "the number of objects", fix, "E-COMMAND-VALUE"
        )
    _check_least(seed=(seed, 0), jobs=(jobs, 1))
    order = generator(seed, LAYOUT).permutation(len(curves))
    chosen = [curves[i] for i in np.sort(order[:count])]
    files = [Path(source.rpartition("=")[2]) for source in sources]
    hashes = {file.name: sha256(file) for file in files}
    header = _header("painted", f", real light curves painted, seed {seed}", {"light curves": hashes})
    return _write(Path(path), header, partial(_paint_one, chosen, seed), count, jobs, progress)


def _paint_one(curves: list[RealCurve], seed: int, number: int) -> dict[str, Any]:
    return paint_light_curve(curves[number], number, seed)


def _write(
    path: Path,
    header: SurveyHeader,
    make: Callable[[int], dict[str, Any]],
    count: int,
    jobs: int,
    progress: Callable[[int, int], object],
    masks: bool = False,
) -> Survey:
    """Write `count` objects in shards of a fixed size, many at once; the whole folder appears at the end."""
    shards = -(-count // SHARD_OBJECTS)
    folder = WholeFolder(path)
    folder.take()
    try:
        done = 0
        task = partial(_write_shard, folder.partial, header, make, count, masks)  # holds what is known of all objects
        for _, written in run_parallel(task, [(number,) for number in range(shards)], jobs, path):
            done += written
            progress(done, count)
        join_shards(folder.partial, count=shards, more=_join_photometry(folder.partial))
        folder.complete()
    finally:
        folder.discard()
    return Survey.open(path)


def _check_least(**given: tuple[int, int]) -> None:
    """Refuse a number, given with the least that it may be."""
    for name, (value, least) in given.items():
        if value < least:
            raise UsageError(f"{name} is {value}", "simulate", f"give {least} or more", "E-COMMAND-VALUE")


def _header(
    name: str,
    how: str,
    sources: dict[str, Any],
    packages: Sequence[str] = ("galsim", "sncosmo", "speclite", "extinction", "scipy"),
    **of_kind: Any,
) -> SurveyHeader:
    """Return the header of a simulated survey: what it is, and how it can be made again."""
    software = {package: version(package) for package in packages}
    usual = {"bands": BANDS, "classes": CLASSES, "stamp_size": SIZE, "pixel_scale": PIXEL_SCALE}
    return SurveyHeader(
        **{"name": name, **usual, "orientation": "north up, east left", **of_kind},
        simulated=True,
        provenance={"made by": f"ictconvention simulate{how}", **sources, "software": software},
    )


def _write_shard(
    folder: Path, header: SurveyHeader, make: Callable[[int], dict[str, Any]], count: int, masks: bool, number: int
) -> int:
    """Write one shard; return its number of objects."""
    chosen = range(number * SHARD_OBJECTS, min((number + 1) * SHARD_OBJECTS, count))
    points: list[pa.Table] = []
    shutil.rmtree(folder / shard_name(number), ignore_errors=True)  # of a worker that was lost, whole or in part
    with SurveyWriter(folder / shard_name(number), header, masks) as writer:
        for i in chosen:
            row = make(i)
            points += [row.pop(POINTS)] if POINTS in row else []
            writer.add(**row)
    if points:
        pq.write_table(pa.concat_tables(points), folder / f"{POINTS}-{number:05d}.parquet")
    return len(chosen)


def _join_photometry(folder: Path) -> dict[str, Any]:
    """Make one table of photometry of those of the shards; return what the provenance says of it."""
    parts = sorted(folder.glob(f"{POINTS}-*.parquet"), key=lambda part: (len(part.name), part.name))  # by their numbers
    if not parts:
        return {}
    with pq.ParquetWriter(folder / PHOTOMETRY_FILE, MEASUREMENTS) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))
            part.unlink()
    return {TABLES: {PHOTOMETRY_FILE: sha256(folder / PHOTOMETRY_FILE)}}
