"""How the memory of the process that asks grows with the alerts of one ingest: its peak, and kB for a further alert.

    python -m experiments.scale.memory [--alerts 5000 20000 80000] [--night] [--held]

Each size is ingested in a fresh process, which asks two others to read and to write. The alerts are made up, and small:
stamps of 8 x 8 pixels, `--history` earlier measurements of a day each, ten alerts of an object, a thousand in an
Avro file. The peak is that of anonymous memory (RssAnon, looked at a hundred times a second) above what the process
had before; the pages of mapped files are not in it. With `--night` half of the alerts are a survey that the other half
is added to, of the same objects; with `--held` the lines of Python that hold most at the peak of what Python itself
has allocated are named, by tracemalloc, which takes several times as long. Needs Linux.
"""

import argparse
import json
import platform
import tempfile
import threading
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa

from experiments.speed.ztf import anonymous_memory
from ictconvention.ingestion.fitting import Fitting
from ictconvention.ingestion.pipeline import IngestOptions, ingest
from ictconvention.ingestion.readers.alert_files import find_alerts
from ictconvention.ingestion.readers.ztf import PIXEL_SCALE, ZtfOptions, read_ztf
from tests.ingestion.alert_packets import JD, Alert, alert, cutout, detection, schema

SIZE = 8  # of a stamp [pixels]
SEQUENCE = 10  # alerts of an object
AT_ONCE = 1000  # alerts of a file, and of a unit
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")


def write_alerts(folder: Path, count: int, history: int) -> None:
    """Write alerts in files of `AT_ONCE`, those of one day together, so that each object is in many files."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    pattern = alert()
    packed = [cutout(rng.normal(150, 8, (63, 63))) for _ in range(20)]
    pattern |= dict.fromkeys(CUTOUTS[1:], None)
    objects, parsed = count // SEQUENCE, schema()
    for begin in range(0, count, AT_ONCE):
        made = [
            _alert(pattern, packed, number, objects, history) for number in range(begin, min(begin + AT_ONCE, count))
        ]
        with (folder / f"{begin:08d}.avro").open("wb") as file:
            fastavro.writer(file, parsed, made)


def _alert(pattern: Alert, packed: Sequence[Alert], number: int, objects: int, history: int) -> Alert:
    day = float(number // objects)
    return pattern | {
        "objectId": f"ZTF18{number % objects:07d}",
        "candidate": pattern["candidate"] | {"jd": JD + day, "candid": number},
        "prv_candidates": [detection(day - 0.5 - back) for back in range(history)] or None,
        CUTOUTS[0]: packed[number % len(packed)],
    }


def ingest_alerts(source: Path, out: Path, half: int | None) -> int:
    """Make a survey of all alerts, or of a half of them: the second is a night of the survey of the first."""
    folder, units = find_alerts(source)
    middle = len(units) // 2
    units = units if half is None else [units[:middle], units[middle:]][half]
    options = IngestOptions(out, "scale", PIXEL_SCALE, name="scale", size=SIZE, jobs=2, into=half == 1)
    return ingest(options, partial(read_ztf, ZtfOptions(folder, Fitting(SIZE, sky=True))), units, {}).frames


def peak(source: Path, out: Path, half: int | None, held: bool) -> dict[str, Any]:
    """Return by how much the memory of this fresh process grows at most [MB], and what holds most of it."""
    before, most, done = anonymous_memory("self"), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            most[0] = max(most[0], anonymous_memory("self") - before)

    watching = threading.Thread(target=watch)
    if held:
        tracemalloc.start()
    watching.start()
    try:
        frames = ingest_alerts(source, out, half)
    finally:
        done.set()
        watching.join()
    arrow = pa.default_memory_pool().max_memory() / 2**20
    found = {"frames": frames, "MB": round(most[0], 1), "Arrow_MB": round(arrow, 1)}
    return found | ({"Python_MB": round(tracemalloc.get_traced_memory()[1] / 2**20, 1)} if held else {})


def measure(source: Path, out: Path, half: int | None, held: bool) -> dict[str, Any]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(peak, source, out, half, held).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, nargs="+", default=[5000, 20_000, 80_000])
    parser.add_argument("--history", type=int, default=2, help="earlier measurements in an alert")
    parser.add_argument("--night", action="store_true")
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--packets", type=Path, help="a folder in which the alerts are, or are written and stay")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packets = options.packets or folder
        packets.mkdir(exist_ok=True)
        for count in options.alerts:
            source = packets / f"alerts-{count}-{options.history}"
            if not source.is_dir():
                write_alerts(source, count, options.history)
            out = folder / f"survey-{count}"
            if options.night:
                measure(source, out, 0, False)
            rows.append({"alerts": count} | measure(source, out, 1 if options.night else None, options.held))
            print(json.dumps(rows[-1]), flush=True)
    for before, after in pairwise(rows):
        further = (after["alerts"] - before["alerts"]) / (2 if options.night else 1)
        print(f"{1024 * (after['MB'] - before['MB']) / further:.2f} kB for a further alert")
    print(platform.platform(), platform.python_version(), f"pyarrow {pa.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()
