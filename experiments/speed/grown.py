"""What reading a survey that ten nights were added to costs, beside its compact form: medians, and their ratio.

    python experiments/speed/grown.py [--objects 400] [--nights 10] [--repeats 9] [--folder FOLDER]

Makes a survey of noise by `ingest`, 32 x 32, half of the frames of each object (100) in the first ingest and the others
in equal parts in the nights, so that every object lies in eleven shards; a copy of it is compacted. Both are read in
turn from warm memory: opened; passed over in order and by id, every float touched; and in batches of two views, as
training takes them. CPU time of one core, so that other work on the machine counts for little. Needs Linux.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ictconvention.configuration.options import Augmentation, SequenceOptions, ViewOptions
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.ingestion.found import FoundFrame
from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.survey.growth.compact import compact
from ictconvention.survey.survey import Survey

MOST = 1.3  # times the compact form that reading may cost
FRAMES, BATCH = 100, 32


def found(unit: tuple[int, int, int]) -> Iterator[FoundFrame]:
    """Yield the frames of some objects in one night of some."""
    night, nights, objects = unit
    rng = np.random.default_rng(night)
    for number in range(objects):
        here = (
            np.arange(FRAMES // 2) if night == 0 else np.array_split(np.arange(FRAMES // 2, FRAMES), nights)[night - 1]
        )
        for frame in here.tolist():
            pixels = rng.normal(size=(32, 32)).astype(np.float32)
            yield FoundFrame(f"o{number:06d}", pixels, "ugriz"[frame % 5], 58000 + frame / 5, "noise", psf_fwhm=1.4)


def timed(work: Callable[[], object]) -> float:
    """Return the CPU time of some work [s]."""
    start = time.process_time()
    work()
    return time.process_time() - start


def iterate(survey: Survey) -> float:
    """Touch every float in order."""
    return sum(float(series.frames.sum()) for series in survey)


def pick(survey: Survey) -> float:
    """Touch every float of objects by their ids, in a random order."""
    return sum(float(survey[id_].frames.sum()) for id_ in np.random.default_rng(1).permutation(survey.ids).tolist())


def batches(survey: Survey) -> None:
    """Read all objects in batches of two views, of frames that are drawn and turned."""
    data = SeriesDataset(survey, SequenceOptions(), Augmentation(), ViewOptions(2))
    for first in range(0, len(survey), BATCH):
        data[[SampleKey(position) for position in range(first, min(first + BATCH, len(survey)))]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=400)
    parser.add_argument("--nights", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, default=None, help="where to write (default: the temporary folder)")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = Path(folder) / "grown"
        for night in range(given.nights + 1):
            options = IngestOptions(path, "noise", 0.396, bands=tuple("ugriz"), into=night > 0)
            ingest(options, found, [(night, given.nights, given.objects)], {})
        shutil.copytree(path, Path(folder) / "copy")
        compact(Path(folder) / "copy")
        places = {"grown": path, "compact": Path(folder) / "copy"}
        opened = {name: Survey.open(place) for name, place in places.items()}
        works: dict[str, Callable[[Survey], object]] = {
            "opened": lambda survey: Survey.open(survey.path),
            "in order": iterate,
            "by id, shuffled": pick,
            "in batches of two views": batches,
        }
        seconds: dict[tuple[str, str], list[float]] = {(work, name): [] for work in works for name in opened}
        for repeat in range(given.repeats + 1):
            for work, function in works.items():
                for name in sorted(opened, reverse=bool(repeat % 2)):
                    took = timed(partial(function, opened[name]))
                    if repeat:  # the first warms
                        seconds[work, name].append(took)
    median = {key: float(np.median(values)) for key, values in seconds.items()}
    ratios = {work: median[work, "grown"] / median[work, "compact"] for work in works}
    result: dict[str, object] = {"objects": given.objects, "frames of each": FRAMES, "nights": given.nights}
    for work in works:
        milliseconds = {name: round(median[work, name] * 1e3, 2) for name in opened}
        spread = {name: [round(f(seconds[work, name]) * 1e3, 2) for f in (min, max)] for name in opened}
        result[work] = {"median, ms": milliseconds, "least and most, ms": spread, "ratio": round(ratios[work], 3)}
    result["machine"] = f"{platform.processor() or platform.machine()}, one core, Python {platform.python_version()}"
    print(json.dumps(result, indent=2))
    if (ratio := ratios["in batches of two views"]) > MOST:
        sys.exit(f"reading as training does costs {ratio:.2f} times the compact form, more than {MOST}")


if __name__ == "__main__":
    main()
