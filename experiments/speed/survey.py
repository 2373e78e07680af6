"""How fast a survey is read: sequences a second on one core, every float touched, and anonymous memory meanwhile.

    python experiments/speed/survey.py [--objects 2000] [--shards 4] [--repeats 7] [--folder FOLDER]

Writes a survey of random frames (32 x 32, about 100 per object) to a temporary folder, warms the cache, then times
passes over all of it: one iterates in order, one picks objects by id in random order. A plain sum over one large
array of the same size says what the memory allows. Needs Linux.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter, join_shards

FLAT = 8.0  # [MB]; anonymous memory may not grow by more while reading


def write(path: Path, objects: int, shards: int, classes: tuple[str, ...] = ("AGN",)) -> Survey:
    """Write objects of about 100 frames of noise; their classes, half of them photometric, are not in the pixels."""
    header = SurveyHeader(name="noise", bands=("u", "g", "r", "i", "z"), classes=classes, pixel_scale=0.396)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(245, 32, 32)).astype(np.float32)
    for number, ids in enumerate(np.array_split(np.arange(objects), shards)):
        with SurveyWriter(path / f"shard-{number:05d}", header) as writer:
            for id_ in ids:
                n = int(np.clip(rng.normal(103, 30), 15, 245))
                label, half = id_ % len(classes), id_ // len(classes) % 2
                writer.add(
                    str(id_),
                    noise[:n],
                    band=np.arange(n) % 5,
                    mjd=53600 + np.arange(n) / 5,
                    psf_fwhm=np.full(n, 1.4),
                    sky_sigma=np.ones(n),
                    class_name=classes[label],
                    label_source=("spectroscopic", "photometric")[half],
                )
    return join_shards(path)


def anonymous_memory() -> float:
    """Return RssAnon of this process [MB]: what it holds beyond the pages of mapped files."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


def iterate(survey: Survey) -> float:
    return sum(float(series.frames.sum()) for series in survey)


def pick(survey: Survey) -> float:
    ids = np.random.default_rng(1).permutation(survey.ids)
    return sum(float(survey[str(id_)].frames.sum()) for id_ in ids)


def memory_rate(frames: int) -> float:
    """Return frames a second of a plain sum over an array in memory: the most that any store could give."""
    array = np.ones((min(frames, 100_000), 1024), dtype=np.float32)
    best = min(timed(array.sum) for _ in range(3))
    return len(array) / best


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=None, help="where to write (default: the temporary folder)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        start = time.perf_counter()
        survey = write(Path(folder) / "noise", options.objects, options.shards)
        written = time.perf_counter() - start
        opened = np.median([timed(lambda: Survey.open(survey.path)) for _ in range(options.repeats)])
        frames = int(survey.lengths.sum())
        iterate(survey)  # warms the cache
        memory = [anonymous_memory()]
        rates: dict[str, list[float]] = {"in order": [], "by id, shuffled": []}
        for _ in range(options.repeats):
            for name, work in (("in order", iterate), ("by id, shuffled", pick)):
                rates[name].append(len(survey) / timed(partial(work, survey)))
                memory.append(anonymous_memory())
        result = {
            "objects": len(survey),
            "frames per object": round(frames / len(survey), 1),
            "gigabytes": round(frames * 4096 / 1e9, 2),
            "written, objects a second": round(len(survey) / written),
            "opened, milliseconds": round(float(opened) * 1e3, 1),
            **{f"read {name}, objects a second, median": round(float(np.median(rate))) for name, rate in rates.items()},
            **{f"read {name}, least and most": [round(min(rate)), round(max(rate))] for name, rate in rates.items()},
            "limit of memory, objects a second": round(memory_rate(frames) / (frames / len(survey))),
            "anonymous memory before, MB": round(memory[0], 1),
            "anonymous memory, most while reading, MB": round(max(memory), 1),
            "machine": f"{platform.processor() or platform.machine()}, one core, Python {platform.python_version()}",
        }
    print(json.dumps(result, indent=2))
    if max(memory) > memory[0] + FLAT:
        sys.exit(f"anonymous memory grew by {max(memory) - memory[0]:.1f} MB while reading")


if __name__ == "__main__":
    main()
