"""The survey of a run: opened, or simulated once for all runs that ask for the same."""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ictconvention import __version__
from ictconvention.configuration.schema import (
    RunOptions,
)
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import readable_os_errors
from ictconvention.runs.assembly.run_hash import digest
from ictconvention.survey.bands import check_bands, select_bands
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey

logger = logging.getLogger(__name__)


def open_or_simulate(options: RunOptions) -> Survey:
    """Open the survey of a run; what is simulated, or of some bands, is made where it is not there yet, once for all.

    Raises
    ------
    SurveyError
        It is not a survey, or a requested band or class is missing.
    """
    survey, classes = _open_whole(options), options.survey.classes
    return survey if classes is None else survey.with_classes(classes)


def _open_whole(options: RunOptions) -> Survey:
    """Open the survey of a run with all of its classes."""
    wanted = options.survey
    whole = _simulated(options) if wanted.path is None else Survey.open(wanted.path, state=wanted.state)
    bands = wanted.bands
    if bands is None or bands == whole.header.bands:
        return whole
    check_bands(whole, bands)
    key = digest([whole.hash, bands, __version__])[:8]

    def selected(path: Path) -> object:
        verify_survey(whole, wanted.verify)  # the new survey has checksums of its own
        logger.info(f"taking the frames in {', '.join(bands)} into a survey of their own at {path}, once")
        return select_bands(whole, bands, path)

    return _made_once(Path(options.surveys) / f"{whole.path.name}-bands-{key}", selected)


def _simulated(options: RunOptions) -> Survey:
    """Open the simulated survey of a run."""
    path, many, make = _simulation(options)

    def simulated(path: Path) -> object:
        logger.info(f"simulating {many} at {path}, once; other runs find it there")
        return make(path)

    return _made_once(path, simulated)


def simulated_path(options: RunOptions) -> Path:
    """Return where the simulated survey of a run is, or will be."""
    return _simulation(options)[0]


def _simulation(options: RunOptions) -> tuple[Path, str, Callable[[Path], object]]:
    """Return where the simulated survey of a run is, what it holds in words, and what makes it.

    A survey of images needs nothing of what is imported here.
    """
    from ictconvention.simulation.galaxies import painting
    from ictconvention.simulation.hosts import pictures
    from ictconvention.simulation.scenes import population as land
    from ictconvention.simulation.simulate import (
        PAPER_OBJECTS,
        simulate,
        simulate_galaxies,
        simulate_hosts,
        simulate_scenes,
    )

    wanted, processes = options.survey, os.cpu_count() or 1
    make: Callable[..., object]
    objects, extra = wanted.objects, wanted.extra_test
    match wanted.kind:
        case "hosts":
            objects = pictures.OBJECTS if objects is None else objects
            extra = pictures.extra_tests(objects) if extra is None else extra
            size = wanted.size or pictures.SIZE
            made, name = ["hosts", objects, wanted.seed, extra, size], "hosts"
            make = partial(simulate_hosts, size=size)
        case "galaxies":
            size = wanted.size or painting.SIZE
            own = {name: getattr(wanted, name) for name in ("select", "catalogue", "missing")}
            made = ["galaxies", objects, wanted.seed, extra, size, wanted.band_set, *own.values()]
            name, make = "galaxies", partial(simulate_galaxies, size=size, bands=wanted.band_set, **own)
        case "scenes":
            objects, extra = land.OBJECTS if objects is None else objects, extra or 0
            size, unlabelled = wanted.size or land.SIZE, wanted.unlabelled
            made, name = ["scenes", objects, wanted.seed, extra, size, unlabelled], "scenes"
            make = partial(simulate_scenes, size=size, unlabelled=unlabelled)
        case "sdss":
            objects = PAPER_OBJECTS if objects is None else objects
            extra, name = extra or 0, "simulated"
            made, make = [objects, wanted.seed, extra], partial(simulate, stream=wanted.stream)
            if wanted.stream != "frames":
                made, name = [*made, wanted.stream], wanted.stream
    chosen: dict[str, Any] = {"objects": objects, "extra_test": extra}
    key = digest([*made, __version__])[:8]

    many = "a survey" if objects is None else f"a survey of {objects} labelled objects"
    path = Path(options.surveys) / f"{name}-{key}"
    return path, many, partial(make, seed=wanted.seed, jobs=processes, **chosen)


def _made_once(path: Path, make: Callable[[Path], object]) -> Survey:
    """Open a survey that one process makes for all."""
    if not path.exists():
        with readable_os_errors("making the folder of surveys", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with folder_lock(path.parent, wait=True):  # another run may be at it
            if not path.exists():
                make(path)
    return Survey.open(path)
