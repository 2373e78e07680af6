"""Simulate a survey: of each kind what is drawn, how its objects are made, and what its header says."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ictconvention.core.errors import UsageError
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
from ictconvention.simulation.sdss.alerts import observe_alerts
from ictconvention.simulation.sdss.population import LAYOUT, Population, generator
from ictconvention.simulation.sdss.scene import observe_object
from ictconvention.simulation.sdss.strata import LABELLED, STRATA
from ictconvention.simulation.writing import check_least, header_of, write_simulated
from ictconvention.survey.format import NO_UNIT, UNKNOWN_SCALE, sha256
from ictconvention.survey.format import PIXEL_SCALE as SCALE_ENTRY
from ictconvention.survey.survey import Survey

PAPER_OBJECTS = LABELLED
Stream = Literal["frames", "alerts"]


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
    check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(extra_test, 0))
    population = Population(objects, seed, extra_test)
    truths = {f"{s.label or 'unlabelled'}, {s.source or 'no source'}": dict(s.truths) for s in STRATA}
    made_by = f" --objects {objects} --seed {seed} --extra-test {extra_test}"
    sources: dict[str, Any] = {"true classes by label (assumed)": truths}
    if stream == "alerts":
        sources["cutout"] = "science image, of detections above 5 sigma"
        header = header_of("SDSS-II-like alerts", f"{made_by} --stream alerts", sources)
        return write_simulated(Path(path), header, partial(observe_alerts, population), len(population), jobs, progress)
    header = header_of("SDSS-II-like", made_by, sources)
    return write_simulated(Path(path), header, partial(observe_object, population), len(population), jobs, progress)


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
    check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(tested, 0))
    hosts = Hosts(objects, seed, tested, size)
    made_by = f" --kind hosts --objects {objects} --seed {seed} --extra-test {tested} --size {size}"
    of_kind: dict[str, Any] = {"bands": pictures.PICTURE_BANDS, "classes": pictures.CLASSES, "stamp_size": size}
    chosen = {"least flux of a supernova over its host's in r (chosen)": pictures.LEAST_CONTRAST}
    header = header_of("hosts", made_by, chosen, **of_kind)
    return write_simulated(Path(path), header, partial(paint_host, hosts), len(hosts), jobs, progress)


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
    check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(extra_test or 0, 0))
    real = None if catalogue is None else read_kcorrect()
    galaxies = GalaxySurvey(objects, seed, extra_test, select, bands, size, missing, real)
    made_by = f" --kind galaxies --bands {bands} --select {select} --objects {galaxies.objects} --seed {seed}"
    made_by += f" --extra-test {galaxies.extra_test} --size {size} --missing {missing:g}"
    made_by += f" --catalogue {catalogue}" if catalogue else ""
    name = "galaxies, real ugriz and redshifts in painted shapes" if catalogue else "galaxies"
    of_kind: dict[str, Any] = {"bands": galaxies.band_set.names, "classes": (), "stamp_size": size}
    said = {"passbands": galaxies.band_set.filters, "redshift_range": list(galaxies.redshift_range)}
    header = header_of(name, made_by, said, **of_kind)
    return write_simulated(Path(path), header, partial(paint_galaxy, galaxies), len(galaxies), jobs, progress)


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
    check_least(seed=(seed, 0), jobs=(jobs, 1), extra_test=(extra_test, 0))
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
    header = header_of("scenes", made_by, said, ("scipy",), **of_kind)
    return write_simulated(Path(path), header, partial(paint_chip, scenes), len(scenes), jobs, progress, masks=True)


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
    check_least(seed=(seed, 0), jobs=(jobs, 1))
    order = generator(seed, LAYOUT).permutation(len(curves))
    chosen = [curves[i] for i in np.sort(order[:count])]
    files = [Path(source.rpartition("=")[2]) for source in sources]
    hashes = {file.name: sha256(file) for file in files}
    header = header_of("painted", f", real light curves painted, seed {seed}", {"light curves": hashes})
    return write_simulated(Path(path), header, partial(_paint_one, chosen, seed), count, jobs, progress)


def _paint_one(curves: list[RealCurve], seed: int, number: int) -> dict[str, Any]:
    return paint_light_curve(curves[number], number, seed)
