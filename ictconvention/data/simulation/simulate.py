"""Write a simulated survey: all processors at once, the same bytes whatever their number, whole or not at all."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path

from ictconvention.atomic import WholeFolder
from ictconvention.data.simulation.observed import observed
from ictconvention.data.simulation.population import Population
from ictconvention.data.simulation.stamps import PIXEL_SCALE, SIZE
from ictconvention.data.simulation.strata import CLASSES, STRATA
from ictconvention.data.survey import Survey
from ictconvention.data.survey_format import SurveyHeader
from ictconvention.data.survey_writer import SurveyWriter, join_shards, shard_name
from ictconvention.errors import UsageError

SHARD_OBJECTS = 256  # objects of a shard, whatever the number of jobs


def simulate(
    path: str | Path,
    objects: int,
    seed: int = 0,
    jobs: int = 1,
    extra_test: int = 0,
    progress: Callable[[int, int], object] = lambda done, total: None,
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

    Raises
    ------
    UsageError
        When an argument is out of range.
    FileSystemError
        When the folder exists or cannot be written; nothing is then left.
    """
    for name, value, least in (("seed", seed, 0), ("jobs", jobs, 1), ("extra_test", extra_test, 0)):
        if value < least:
            raise UsageError(f"{name} is {value}", "simulate", f"give {least} or more")
    population = Population(objects, seed, extra_test)
    header = survey_header(objects, seed, extra_test)
    shards = -(-len(population) // SHARD_OBJECTS)
    folder = WholeFolder(Path(path))
    folder.take()
    try:
        with ProcessPoolExecutor(min(jobs, shards), initializer=_end_with, initargs=(os.getpid(),)) as pool:
            tasks = [pool.submit(_write_shard, folder.partial, header, population, k) for k in range(shards)]
            done = 0
            try:
                for task in as_completed(tasks):
                    done += task.result()
                    progress(done, len(population))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        join_shards(folder.partial, count=shards)
        folder.complete()
    finally:
        folder.discard()
    return Survey.open(path)


def survey_header(objects: int, seed: int, extra_test: int) -> SurveyHeader:
    """Return the header of a simulated survey: what it is, and how it can be made again."""
    truths = {f"{s.label or 'unlabelled'}, {s.source or 'no source'}": dict(s.truths) for s in STRATA}
    return SurveyHeader(
        name="SDSS-II-like",
        bands=("u", "g", "r", "i", "z"),
        classes=CLASSES,
        pixel_scale=PIXEL_SCALE,
        stamp_size=SIZE,
        simulated=True,
        provenance={
            "made by": f"ictconvention simulate --objects {objects} --seed {seed} --extra-test {extra_test}",
            "true classes by label (assumed)": truths,
            "software": {name: version(name) for name in ("galsim", "sncosmo", "speclite", "extinction", "scipy")},
        },
    )


def _end_with(parent: int) -> None:
    """Watch the parent process: a worker whose parent was killed would wait for work, and hold the folder, for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write_shard(folder: Path, header: SurveyHeader, population: Population, number: int) -> int:
    """Write one shard of a population; return its number of objects."""
    chosen = range(number * SHARD_OBJECTS, min((number + 1) * SHARD_OBJECTS, len(population)))
    with SurveyWriter(folder / shard_name(number), header) as writer:
        for i in chosen:
            writer.add(**observed(population, i))
    return len(chosen)
