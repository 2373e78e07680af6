"""How fast ZTF alerts become a survey: alerts a second on one core, from Avro and Parquet, and the memory it takes.

    python experiments/speed/ztf.py [--alerts 2000] [--repeats 5] [--folder FOLDER]

Writes synthetic alerts to a temporary folder, as wide as the real ones: three cutouts with noise, about a hundred
fields of the candidate, fifty of each of 20 earlier measurements. Avro in packets of one alert and in one file of all,
and Parquet in one file, whose histories hold only what is read. Interleaved rounds with jobs=1; then, in fresh
processes, the most anonymous memory that ingestion and its worker take with so many alerts and with four times as many.
Needs Linux.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.ingestion.readers.alert_files import find_alerts
from ictconvention.ingestion.readers.ztf import PIXEL_SCALE, ZtfOptions, read_ztf
from tests.ingestion.alert_packets import Alert, alert, detection, limit, schema, write_parquet

PREVIOUS = 20  # measurements in the history of an alert
SEQUENCE = 10  # alerts of an object
WIDTHS = {"candidate": 85, "prv_candidates": 42}  # further fields of the real schema
GROUP = 500  # rows of a group of Parquet
MOST = 16.0  # [kB] of memory for a further alert, with its line and those of its history; its packet has 70
KINDS = ("Avro, a packet each", "Avro, one file", "Parquet, one file")


def alerts(count: int) -> list[Alert]:
    """Return alerts of objects of `SEQUENCE` each; a hundred different cutouts among them."""
    made = []
    patterns = [alert(day=float(n), counts=300.0 + n, noise=8.0) for n in range(100)]
    for number in range(count):
        day = float(number % SEQUENCE)
        history = [detection(day - n) if n % 3 else limit(day - n, fid=2) for n in range(1, PREVIOUS + 1)]
        one = alert_like(patterns[number % 100], f"ZTF18{number // SEQUENCE:07d}", day)
        made.append(one | {"prv_candidates": [widened(each, "prv_candidates") for each in history]})
    return made


def alert_like(pattern: Alert, object_id: str, day: float) -> Alert:
    candidate = pattern["candidate"] | {"jd": 2458000.5 + day, "fid": 1}
    return pattern | {"objectId": object_id, "candidate": widened(candidate, "candidate")}


def widened(record: Alert, name: str) -> Alert:
    return record | {f"field{n}": n / 7 for n in range(WIDTHS[name])}


def wide_schema() -> Any:
    """Return the schema of the alerts with as many fields as the real one."""
    raw = schema()
    for field in raw["fields"]:
        if field["name"] == "candidate":
            record, width = field["type"], WIDTHS["candidate"]
        elif field["name"] == "prv_candidates":
            record, width = field["type"][1]["items"], WIDTHS["prv_candidates"]
        else:
            continue
        record["fields"] += [{"name": f"field{n}", "type": ["null", "float"]} for n in range(width)]
    return fastavro.parse_schema({key: value for key, value in raw.items() if not key.startswith("__")})


def write(kind: str, folder: Path, made: list[Alert]) -> Path:
    folder.mkdir()
    if kind.startswith("Parquet"):
        return write_parquet(folder / "alerts.parquet", made, GROUP)
    wide = wide_schema()
    parts = [[one] for one in made] if "packet" in kind else [made]
    for number, part in enumerate(parts):
        with (folder / f"{number:07d}.avro").open("wb") as file:
            fastavro.writer(file, wide, part)
    return folder


def survey_of(source: Path, out: Path) -> int:
    """Make the survey of a folder or file; return the number of frames."""
    folder, units = find_alerts(source)
    how = ZtfOptions(folder)
    return ingest(IngestOptions(out, "speed", PIXEL_SCALE, jobs=1), partial(read_ztf, how), units, {}).frames


def seconds(source: Path, out: Path, frames: int) -> float:
    start = time.perf_counter()
    found = survey_of(source, out)
    elapsed = time.perf_counter() - start
    if found != frames:
        sys.exit(f"{found} frames of {frames} alerts")
    shutil.rmtree(out)
    return elapsed


def anonymous_memory(process: int | str) -> float:
    """Return RssAnon of a process [MB], 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:")), 0.0)
    except OSError:
        return 0.0


def children() -> list[str]:
    tasks = Path("/proc/self/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]


def peak_memory(source: Path, out: Path, frames: int) -> float:
    """Return by how much the anonymous memory of this fresh process and its workers grows at most [MB]."""
    before, most, done = anonymous_memory("self"), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            workers = (max(anonymous_memory(child) - before, 0) for child in children())  # a fork begins as its parent
            most[0] = max(most[0], anonymous_memory("self") - before + sum(workers))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        seconds(source, out, frames)
    finally:
        done.set()
        watching.join()
    return most[0]


def grown(source: Path, out: Path, frames: int) -> float:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return round(pool.submit(peak_memory, source, out, frames).result(), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where to write (default: the temporary folder)")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        counts = (options.alerts, 4 * options.alerts)
        sources: dict[tuple[str, int], Path] = {}
        for count in counts:
            made = alerts(count)
            sources |= {(kind, count): write(kind, folder / f"{kind} {count}", made) for kind in KINDS}
        del made
        rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for number in range(options.repeats + 1):
            for kind in KINDS:
                elapsed = seconds(sources[kind, counts[0]], folder / "survey", counts[0])
                if number:  # the first round warms the cache
                    rates[kind].append(counts[0] / elapsed)
        growth = {kind: [grown(sources[kind, count], folder / "survey", count) for count in counts] for kind in KINDS}
    further = {kind: (after - before) * 1e3 / (counts[1] - counts[0]) for kind, (before, after) in growth.items()}
    ratios = np.divide(rates[KINDS[2]], rates[KINDS[0]])
    result = {
        "alerts": counts[0],
        **{f"{kind}: alerts a second, median": round(statistics.median(rate)) for kind, rate in rates.items()},
        **{f"{kind}: least and most": [round(min(rate)), round(max(rate))] for kind, rate in rates.items()},
        "Parquet to Avro packets, same round, median": round(float(np.median(ratios)), 2),
        **{f"{kind}: memory at N and 4 N, MB": values for kind, values in growth.items()},
        **{f"{kind}: kB for a further alert": round(value, 1) for kind, value in further.items()},
        "machine": f"{platform.processor() or platform.machine()}, one core, Python {platform.python_version()}",
    }
    print(json.dumps(result, indent=2))
    if max(further.values()) > MOST:
        sys.exit(f"memory grows by more than {MOST:g} kB for a further alert")


if __name__ == "__main__":
    main()
