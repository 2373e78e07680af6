"""What a source of nine bands and a ZTF alert cost on two workers of dask.distributed, at three sizes.

    python -m experiments.scale.measure [--sources 1000] [--alerts 500]

Each is ingested at once, twice and four times the size: CPU seconds of the workers and of the process that asks them,
memory of a worker at most, and bytes of the survey. A source is nine frames of 32 x 32 pixels that are made, not read:
the cost of reading images of whatever form comes on top. An alert is an Avro packet as wide as the real ones. What
forty million sources and ten million alerts would take is an extrapolation of the largest size, and named so.
"""

import argparse
import json
import logging
import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import distributed
import numpy as np

from experiments.speed.ztf import alerts, write
from ictconvention import __version__
from ictconvention.core.cluster.cluster import Cluster
from ictconvention.core.parallel import run_elsewhere
from ictconvention.ingestion.found import FoundFrame
from ictconvention.ingestion.options import IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.ingestion.readers.alert_files import find_alerts
from ictconvention.ingestion.readers.ztf import PIXEL_SCALE, ZtfOptions, read_ztf
from ictconvention.survey.survey import Survey

BANDS = ("u", "g", "r", "i", "z", "y", "Y", "J", "H")
SIDE = 32  # pixels
AT_ONCE = 100  # sources, or alerts, of a unit
TIMES = (1, 2, 4)  # sizes
FORTY, TEN, CORES = 40e6, 10e6, 100


def find_sources(first: int) -> Iterator[FoundFrame]:
    """Make the frames of some sources."""
    noise = np.random.default_rng(first).normal(size=(AT_ONCE, len(BANDS), SIDE, SIDE)).astype(np.float32)
    for number in range(AT_ONCE):
        for place, band in enumerate(BANDS):
            yield FoundFrame(f"s{first + number:09d}", noise[number, place], band, 58000.0, f"{first}.fits")


def cpu() -> tuple[int, float, float]:
    """Return the number of this process, its CPU seconds, and the most memory that it has had [MB]."""
    used = resource.getrusage(resource.RUSAGE_SELF)  # whose memory would be that of the process that began it
    most = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return os.getpid(), used.ru_utime + used.ru_stime, int(most[0].split()[1]) / 1024


def measure(client: Any, work: Callable[[], int], survey: Path) -> dict[str, float]:
    """Return what a work costs for each of the units that it returns."""
    before, own, clock = client.run(cpu), cpu()[1], time.perf_counter()
    count = work()
    clock, own, after = time.perf_counter() - clock, cpu()[1] - own, client.run(cpu)
    stored = sum(path.stat().st_size for path in survey.rglob("*") if path.is_file())
    return {
        "units": count,
        "worker_ms": 1e3 * sum(after[one][1] - before[one][1] for one in after) / count,
        "client_ms": 1e3 * own / count,
        "worker_MB": max(one[2] for one in after.values()),
        "client_MB": cpu()[2],
        "bytes": stored / count,
        "seconds": clock,
    }


@contextmanager
def local_workers(folder: str) -> Iterator[distributed.Client]:
    """Yield the client of two workers, which keep what they need in a folder."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",
            local_directory=folder,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def ingest_sources(out: Path, count: int) -> int:
    options = IngestOptions(out, "scale", 0.2, size=SIDE, jobs=2, bands=BANDS)
    ingest(options, find_sources, range(0, count, AT_ONCE), {})
    return len(Survey.open(out))


def ingest_alerts(out: Path, source: Path) -> int:
    folder, units = find_alerts(source)
    return ingest(
        IngestOptions(out, "scale", PIXEL_SCALE, jobs=2), partial(read_ztf, ZtfOptions(folder)), units, {}
    ).frames


def write_alerts(folder: Path, count: int) -> Path:
    """Write alerts in files of `AT_ONCE`; every `AT_ONCE` alerts are of objects of their own."""
    folder.mkdir()
    for number in range(0, count, AT_ONCE):
        made = [one | {"objectId": f"ZTF18{number + place // 10:07d}"} for place, one in enumerate(alerts(AT_ONCE))]
        written = write("Avro, one file", folder / f"{number}", made)
        (written / "0000000.avro").rename(folder / f"{number:07d}.avro")
        written.rmdir()
    return folder


def extrapolate(name: str, count: float, row: dict[str, float]) -> str:
    cores = count * row["worker_ms"] / 1e3 / 3600
    alone = count * row["client_ms"] / 1e3 / 3600
    stored = f"{row['bytes'] / 1e3:.1f} kB take {count * row['bytes'] / 1e12:.2f} TB"
    return (
        f"extrapolation, not measured: {count:.0f} {name} of {stored}, "
        f"{cores:.0f} core hours of workers and {alone:.1f} h of the process that asks them; on {CORES} cores "
        f"{cores / CORES + alone:.1f} h where the two do not overlap"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=int, default=1000, help=f"least number, a multiple of {AT_ONCE}")
    parser.add_argument("--alerts", type=int, default=500, help=f"least number, a multiple of {AT_ONCE}")
    parser.add_argument("--rounds", type=int, default=1, help="of all sizes, there and back in turn")
    options = parser.parse_args()
    rows: dict[tuple[str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        packets = {times: write_alerts(folder / f"packets{times}", times * options.alerts) for times in TIMES}
        for number in range(options.rounds):
            for times in TIMES[:: -1 if number % 2 else 1]:  # the machine's pace is no matter of the size then
                works: Sequence[tuple[str, Callable[[Path], int]]] = (
                    ("sources", partial(ingest_sources, count=times * options.sources)),
                    ("alerts", partial(ingest_alerts, source=packets[times])),
                )
                for kind, work in works:  # workers of their own each: their memory is that of this work
                    with local_workers(name) as client, run_elsewhere(Cluster(client)):
                        out = folder / f"{kind}{times}-{number}"
                        row = measure(client, partial(work, out), out)
                    shutil.rmtree(out)
                    rows.setdefault((kind, times), []).append(row)
                    print(kind, json.dumps({key: round(value, 3) for key, value in row.items()}), flush=True)
    for (kind, _), found in sorted(rows.items(), reverse=True):
        spent = sorted(row["worker_ms"] for row in found)
        middle, ends = median(spent), f"{spent[0]:.2f} to {spent[-1]:.2f}"
        print(f"{found[0]['units']:6.0f} {kind}: {middle:.2f} ms of workers each, {ends}")
    versions = {"ictconvention": __version__, "distributed": version("distributed"), "numpy": np.__version__}
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    print(platform.platform(), platform.python_version(), versions, f"{os.cpu_count()} x {model[0].partition(': ')[2]}")
    print(extrapolate("sources", FORTY, rows["sources", TIMES[-1]][-1]))
    print(extrapolate("alerts", TEN, rows["alerts", TIMES[-1]][-1]))


if __name__ == "__main__":
    main()
