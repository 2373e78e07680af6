"""What a survey of very many sources costs before its first batch: CPU seconds, and the memory of the process.

    python experiments/speed/scale.py [--objects 1000000] [--shards 25] [--folder FOLDER]

Makes sources of one pixel (a survey that lies in FOLDER already is taken), a tenth of them with a redshift. Then three
fresh processes: one opens it and looks up ids, one draws a split, saves it both ways and loads it, one draws training
epochs in both orders. Memory is the peak of the resident set of each process [MB]. Needs Linux.
"""

import argparse
import json
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.survey.format import HEADER_FILE, OBJECTS_FILE, SurveyHeader, read_header, sha256, write_header
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter, join_shards, shard_name

LOOK_UPS = 2000


def write(path: Path, objects: int, shards: int) -> None:
    """Write sources of one pixel at random places of the sky; every tenth has a redshift.

    One shard is written object by object; the others have its pixels and objects of their own.
    """
    header = SurveyHeader(name="points", bands=("r",), classes=(), pixel_scale=0.4, stamp_size=1, simulated=True)
    rng, size = np.random.default_rng(0), objects // shards
    number, first = rng.permutation(size * shards), path / shard_name(0)
    with SurveyWriter(first, header) as writer:
        for row in range(size):
            writer.add(str(row), np.ones((1, 1, 1)), band=[0], mjd=[57000.0])
    entries = read_header(first)[1]
    table = pq.read_table(first / OBJECTS_FILE)
    for shard in range(shards):
        folder = path / shard_name(shard)
        if shard:
            shutil.copytree(first, folder)
        ids = [f"galaxy-{one:08d}" for one in number[shard * size : (shard + 1) * size].tolist()]
        z = pa.array(rng.uniform(0.01, 0.4, size), mask=np.arange(size) % 10 > 0)
        place = {"ra": rng.uniform(0, 360, size), "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, size)))}
        for name, values in {"id": ids, "redshift": z, **place}.items():
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
        pq.write_table(table, folder / OBJECTS_FILE)
        checksums = {**entries["checksums"], OBJECTS_FILE: sha256(folder / OBJECTS_FILE)}
        own = {"objects": size, "frames": size, "checksums": checksums}
        write_header(folder / HEADER_FILE, header, own)
    join_shards(path)


def opened(path: Path) -> dict[str, float]:
    """Open the survey and look up ids."""
    found = {"peak after the imports": peak()}
    survey, found["opened, seconds"] = timed(lambda: Survey.open(path))
    found["peak after opening"] = peak()
    ids = survey.ids[:: max(len(survey) // LOOK_UPS, 1)]
    _, first = timed(lambda: survey.position(ids[-1]))
    _, all_of_them = timed(lambda: [survey.position(id_) for id_ in ids])
    found |= {"first look-up, ms": first * 1e3, "look-up, ms": all_of_them / len(ids) * 1e3}
    _, found["all look-ups at once, seconds"] = timed(lambda: survey.positions(survey.ids))
    return found


def split(path: Path) -> dict[str, float]:
    """Draw a split, save it as JSON and as Parquet, and load both."""
    from ictconvention.survey.split import Split
    from ictconvention.survey.split_drawing import make_split

    table, seconds = timed(Survey.open(path).object_table)
    found = {"object table, seconds": seconds, "peak with it": peak()}
    drawn, found["drawn, seconds"] = timed(lambda: make_split(table, protocol="single"))
    found["peak after drawing"] = peak()
    _, found["hash, seconds"] = timed(lambda: drawn.hash)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("parquet", "json"):
            file = Path(folder) / f"split.{kind}"
            _, found[f"{kind} saved, seconds"] = timed(lambda: drawn.save(file))  # noqa: B023 - called at once
            found[f"{kind}, MB"] = file.stat().st_size / 1e6
            loaded, found[f"{kind} loaded and checked, seconds"] = timed(lambda: Split.load(file, table))  # noqa: B023
            if loaded.parts != drawn.parts or loaded.hash != drawn.hash:
                raise SystemExit(f"the split of {file.name} is another")
            found[f"peak after {kind}"] = peak()
    return found


def epochs(path: Path) -> dict[str, float]:
    """Draw training epochs of all objects, in both orders."""
    from ictconvention.configuration.options import Imbalance
    from ictconvention.feeding.sampler import TrainingSampler

    survey, found = Survey.open(path), {"peak after the imports": peak()}
    positions, labels = np.arange(len(survey)), np.zeros(len(survey), dtype=np.int64)
    for order, places in (("objects", None), ("blocks", survey.places)):
        sampler = TrainingSampler(positions, labels, Imbalance(), 128, places=places)
        first, found[f"first batch of order={order}, seconds"] = timed(lambda: next(iter(sampler)))  # noqa: B023
        count, found[f"epoch of order={order}, seconds"] = timed(lambda: sum(map(len, sampler)))  # noqa: B023
        if count != len(survey) or len(first) > 128:
            raise SystemExit("an epoch has other objects")
        found[f"peak after order={order}"] = peak()
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return a result and the CPU seconds that it took in this process, whatever else the machine does."""
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def peak() -> float:
    """Return the largest resident set of this process so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


STEPS: dict[str, Callable[[Path], dict[str, float]]] = {"opened": opened, "split": split, "epochs": epochs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=25)
    parser.add_argument("--folder", type=Path, default=None, help="of the survey (default: a temporary one)")
    parser.add_argument("--step", choices=list(STEPS), default=None, help="this alone, in this process")
    options = parser.parse_args()
    if options.step is not None:
        print(json.dumps({name: round(value, 3) for name, value in STEPS[options.step](options.folder).items()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.folder or Path(folder) / "points"
        result: dict[str, Any] = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
        if not path.exists():
            _, result["made, seconds"] = timed(lambda: write(path, options.objects, options.shards))
        for step in STEPS:
            words = [sys.executable, __file__, "--folder", str(path), "--step", step]
            result[step] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
