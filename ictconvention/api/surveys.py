"""Surveys and splits from Python: opened, simulated, split."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_type_hints

from astropy.table import Table

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.run_groups import SurveyOptions
from ictconvention.core.errors import UsageError, did_you_mean, shorten
from ictconvention.core.parallel import usual_jobs
from ictconvention.survey.labels.strata import stratify, usual_protocol
from ictconvention.survey.masks.strata import split_table
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey

Progress = Callable[[int, int], object]
TASKS = ("classes", "redshift", "mask")  # that a split is drawn for


def open(path: str | Path, state: str | None = None) -> Survey:
    """Open a survey folder; no frame is read until it is touched.

    Parameters
    ----------
    path : str or Path
        The folder.
    state : str, optional
        Hash of an earlier state, or eight of its letters, of a survey that nights were added to.

    Raises
    ------
    SurveyError
        It is not a survey, breaks the format, or has no such state.

    Examples
    --------
    >>> ict.open(survey.path)["sn0003"].frames.shape
    (11, 32, 32)
    """
    return Survey.open(path, state=state)


def simulate(
    path: str | Path,
    objects: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    extra_test: int | None = None,
    light_curves: Sequence[str] = (),
    progress: Progress = lambda done, total: None,
    kind: str = "sdss",
    size: int | None = None,
    bands: int | None = None,
    select: str | None = None,
    catalogue: str | None = None,
    missing: float | None = None,
    unlabelled: float | None = None,
    stream: str | None = None,
) -> Survey:
    """Simulate a survey: supernovae as of SDSS-II, pictures or redshifts of galaxies, land; or paint real light curves.

    Parameters
    ----------
    path : str or Path
        The folder to make; it must not exist.
    objects : int, optional
        Labelled objects, at least 100, with a quarter as many unlabelled ones on top; by default the paper's 8208.
        Of pictures: galaxies, by default 3375. Of galaxies: those with a redshift, by default 7500, with as many
        others on top, of which a fifth are the additional test objects. Of scenes: chips, by default 800. Of light
        curves: how many are drawn; by default all.
    seed : int
        The same seed gives the same bytes.
    jobs : int, optional
        Processes; by default as many as there are processors.
    extra_test : int, optional
        Additional test objects, the same number of each class; of pictures 690 and 270 of 960, in proportion to the
        others by default; of scenes, chips of other scenes; not with light curves.
    light_curves : sequence of str
        Tables of real light curves, FILE or CLASS=FILE.
    progress : function
        Called with the number of objects written and their total.
    kind : str
        "sdss"; "hosts": pictures of galaxies with and without a supernova, one night of each in i, r and g;
        "galaxies": one night of each in 5 to 11 bands, with redshifts; or "scenes": chips of land in B, G, R and NIR,
        with masks of the classes of their pixels.
    size : int, optional
        Pixels along a side of a picture, by default 48, of a stamp of a galaxy, by default 32, or of a chip, by default
        64.
    bands : int, optional
        Of galaxies: 5 (ugriz of SDSS, the default), 9 (u, grizy and Y, J, H) or 11 (also u* and Ks).
    select : str, optional
        Of galaxies: those that have a redshift are the bright ones ("magnitude", the default), the near ones
        ("redshift") or mostly red ones ("colour").
    catalogue : str, optional
        Of galaxies: "kcorrect" for the real ugriz and redshifts that this package ships, in simulated shapes.
    missing : float, optional
        Of galaxies: share of the bands that an object lacks; by default 0.
    unlabelled : float, optional
        Of scenes: share of the chips without a mask; by default 0.
    stream : str, optional
        Of "sdss": "frames" (the default) for all of them, or "alerts" for those of detections, with forced photometry
        beside them, as a stream of alerts shows the sky.

    Raises
    ------
    UsageError
        An option is out of range or a table is none, or the extra `simulation` is not installed.
    FileSystemError
        The folder exists or cannot be written.

    Examples
    --------
    >>> ict.simulate(folder / "simulated", objects=100, jobs=1).header.full_name
    'SDSS-II-like (simulated)'
    """
    for package in ("galsim", "sncosmo", "speclite") if kind != "scenes" else ():
        if find_spec(package) is None:
            fix = "install the extra: pip install -c constraints.txt '.[simulation]'"
            raise UsageError(f"the package {package} is not installed", "simulate", fix, "E-PACKAGE-MISSING")
    for flag, value in (("kind", kind), ("select", select), ("catalogue", catalogue), ("stream", stream)):
        if value is not None and value not in (options := _choices(flag)):
            fix = f"take {shorten(options)}"
            raise UsageError(f"there is no {flag} {value!r} of a simulation", f"--{flag}", fix, "E-COMMAND-VALUE")
    if size is not None and kind == "sdss":
        found = "--size is of pictures, galaxies and land, those of --kind hosts, galaxies and scenes"
        raise UsageError(found, "options of simulate", "leave it out, or add --kind hosts", "E-COMMAND-CONFLICT")
    own = {"bands": bands, "select": select, "catalogue": catalogue, "missing": missing}
    of_galaxies = {name: value for name, value in own.items() if value is not None}
    if of_galaxies and kind != "galaxies":
        found = f"--{next(iter(of_galaxies))} is of --kind galaxies"
        raise UsageError(found, "options of simulate", "leave it out, or add --kind galaxies", "E-COMMAND-CONFLICT")
    if unlabelled is not None and kind != "scenes":
        found = "--unlabelled is of --kind scenes"
        raise UsageError(found, "options of simulate", "leave it out, or add --kind scenes", "E-COMMAND-CONFLICT")
    if stream is not None and (kind != "sdss" or light_curves):
        found = "--stream is of --kind sdss, whose light curves are simulated"
        raise UsageError(found, "options of simulate", "leave it out", "E-COMMAND-CONFLICT")
    if light_curves and kind != "sdss":
        found = f"--kind {kind} draws objects of its own, and --light-curves paints those of a file"
        raise UsageError(found, "options of simulate", "leave out one of the two", "E-COMMAND-CONFLICT")
    if light_curves and extra_test is not None:
        found = "--extra-test draws objects, and --light-curves paints those of a file"
        raise UsageError(found, "options of simulate", "leave out one of the two", "E-COMMAND-CONFLICT")
    from ictconvention.simulation import simulate as simulation
    from ictconvention.simulation.hosts import pictures

    workers = usual_jobs(jobs)
    if light_curves:
        return simulation.paint_light_curves(path, light_curves, objects, seed, workers, progress)
    if kind == "hosts":
        drawn = pictures.OBJECTS if objects is None else objects
        pixels = pictures.SIZE if size is None else size
        return simulation.simulate_hosts(Path(path), drawn, seed, workers, extra_test, pixels, progress)
    if kind == "galaxies":
        given: dict[str, Any] = of_galaxies if size is None else {**of_galaxies, "size": size}
        return simulation.simulate_galaxies(path, objects, seed, workers, extra_test, **given, progress=progress)
    if kind == "scenes":
        given = {"objects": objects, "size": size, "unlabelled": unlabelled}
        of_scenes = {name: value for name, value in given.items() if value is not None}
        return simulation.simulate_scenes(
            path, seed=seed, jobs=workers, extra_test=extra_test or 0, **of_scenes, progress=progress
        )
    wanted = simulation.PAPER_OBJECTS if objects is None else objects
    seen: Any = stream or "frames"
    return simulation.simulate(Path(path), wanted, seed, workers, extra_test or 0, progress, seen)


def _choices(option: str) -> list[str]:
    """Return the names that an option of the survey may have."""
    hint = get_type_hints(SurveyOptions)[option]
    return [name for one in (hint, *get_args(hint)) for name in get_args(one) if isinstance(name, str)]


def split(
    survey: Survey | str | Path,
    protocol: str | None = None,
    index: int | None = None,
    count: int | None = None,
    seed: int | None = None,
    task: str | None = None,
) -> Split:
    """Draw the parts of one fold: pre-train, fine-tune and test. `Split.load` reads a split that is drawn already.

    `survey.with_classes` leaves classes out.

    Parameters
    ----------
    survey : Survey or path
        The survey.
    protocol : str, optional
        "rotating": another test part in every fold; "fixed": one for all; "single": one stage on all labels that are
        not tested. By default rotating or, of redshifts and masks, single: so train all `experiment=redshift_*`.
    index : int, optional
        Which fold, from 0 (default).
    count : int, optional
        Number of folds; by default 5.
    seed : int, optional
        Draws the parts; by default 0.
    task : str, optional
        "classes"; "redshift": then deciles of redshift are in the place of classes, as a run of `task=redshift` draws
        them; or "mask": then the rarest class in the mask of each chip is. By default what the survey has, where no
        object has a class.

    Raises
    ------
    UsageError
        There is no such protocol or task.
    SplitError
        A class is too small for so many folds, or a number is out of range.
    SurveyError
        The task is "mask", and the survey has no masks.

    Examples
    --------
    >>> parts = ict.split(survey, index=1).parts
    >>> len(parts["test"]), len(parts["pretrain_train"])
    (12, 18)
    """
    given = {"index": index, "count": count, "seed": seed}
    objects = table_for(survey if isinstance(survey, Survey) else Survey.open(survey), task)
    fold = read_group("fold", usual_protocol(objects) if protocol is None else protocol)
    return make_split(objects, **fold | {name: x for name, x in given.items() if x is not None})


def table_for(survey: Survey, task: str | None = None) -> Table:
    """Return the objects of a survey as a split for a task sees them; `task` and errors as of `split`."""
    if task is not None and task not in TASKS:
        found = f"there is no split for the task {task!r}{did_you_mean(task, TASKS)}"
        raise UsageError(found, "task", "take classes, redshift or mask", "E-COMMAND-VALUE")
    if task == "redshift":
        return stratify(survey.object_table())
    return split_table(survey, None if task is None else task == "mask")
