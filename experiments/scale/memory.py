"""How the memory of the process that asks grows with the alerts of one ingest: its peak, and kB for a further alert.

    python -m experiments.scale.memory [--alerts 5000 20000 80000] [--unit 1000] [--night] [--history 2] [--each 10]

Each size is ingested in a fresh process, which asks two others to read and to write. What a reader of ZTF alerts finds
is made up; no packet is read, as the others would: stamps of 8 x 8 pixels, ten alerts of an object (`--each`) on as
many days, with some earlier measurements each. The peak is that of anonymous memory (RssAnon) above what the process
had before, looked at fifty times a second; pages of mapped files are not in it. With `--night` half of the alerts are a
survey that the other half, of the same objects, is added to, and the night alone is measured. Needs Linux.
"""

import argparse
import json
import platform
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.speed.ztf import anonymous_memory
from ictconvention.ingestion.found import Found, FoundFrame, Measurement
from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.ingestion.readers.ztf import PIXEL_SCALE

SIZE = 8  # of a stamp [pixels]
STAMPS = np.random.default_rng(0).normal(150, 8, (20, SIZE, SIZE)).astype(np.float32)


def find_alerts(count: int, history: int, each: int, at_once: int, first: int) -> Iterator[Found]:
    """Yield what the alerts of a unit would give; those of a day together: an object is in many units."""
    objects = count // each
    for number in range(first, min(first + at_once, count)):
        day, object_ = divmod(number, objects)
        id_, mjd, place = f"ZTF18{object_:07d}", 58000.0 + day, f"{first:08d}.avro#{number - first}"
        known: dict[str, Any] = {
            "sky_sigma": 8.0,
            "x": 0.1,
            "y": 0.2,
            "ra": object_ / 1e5,
            "dec": 30.0,
            "first_detection": 58000.0,
        }
        yield FoundFrame(id_, STAMPS[number % len(STAMPS)] + day, "g", mjd, place, **known)
        for back in range(history):
            yield Measurement(id_, mjd - 0.5 - back, "g", 10.0, 0.1, 0.3, "detection")


def _peak(count: int, history: int, each: int, at_once: int, half: int | None, out: Path) -> dict[str, Any]:
    """Return by how much the memory of this fresh process grows at most [MB]."""
    before, most, done = anonymous_memory("self"), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], anonymous_memory("self") - before)

    watching = threading.Thread(target=watch)
    options = IngestOptions(out, "scale", PIXEL_SCALE, name="scale", size=SIZE, jobs=2, into=half == 1)
    begins = {None: (0, count), 0: (0, count // 2), 1: (count // 2, count)}[half]
    read = partial(find_alerts, count, history, each, at_once)
    watching.start()
    try:
        frames = ingest(options, read, range(*begins, at_once), {}).frames
    finally:
        done.set()
        watching.join()
    arrow = pa.default_memory_pool().max_memory() / 2**20
    return {"alerts": count, "frames": frames, "MB": round(most[0], 1), "Arrow_MB": round(arrow, 1)}


def measure(*arguments: Any) -> dict[str, Any]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_peak, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, nargs="+", default=[5000, 20_000, 80_000])
    parser.add_argument("--unit", type=int, default=1000, help="alerts that are read at once, such as of a file")
    parser.add_argument("--history", type=int, default=2, help="earlier measurements of an alert")
    parser.add_argument("--each", type=int, default=10, help="alerts of an object")
    parser.add_argument("--night", action="store_true")
    options = parser.parse_args()
    rows, how = [], (options.history, options.each, options.unit)
    with tempfile.TemporaryDirectory() as name:
        for count in options.alerts:
            out = Path(name) / f"{count}"
            if options.night:
                measure(count, *how, 0, out)
            rows.append(measure(count, *how, 1 if options.night else None, out))
            print(json.dumps(rows[-1]), flush=True)
    for before, after in pairwise(rows):
        further = (after["alerts"] - before["alerts"]) / (2 if options.night else 1)
        print(f"{1024 * (after['MB'] - before['MB']) / further:.2f} kB for a further alert")
    print(platform.platform(), platform.python_version(), f"pyarrow {pa.__version__}, numpy {np.__version__}")


if __name__ == "__main__":
    main()
