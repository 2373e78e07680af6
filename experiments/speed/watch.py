"""What a watched alert costs: alerts a second of processor time, for laptop-size networks, by torch and by onnxruntime.

    python -m experiments.speed.watch [--objects 200] [--nights 10] [--batch 500] [--networks convention ...]

Synthetic ZTF packets, as wide as real ones, of objects that gain a frame each night go batch by batch through all that
`ictconvention watch` does but Kafka itself, whose client takes microseconds a message: reading, the series of each
object, prediction, rows on the disk. The networks have hardly trained, which changes no time. One thread; processor
seconds (user and system) of the process, so that other work on the machine counts little. Then the network alone on
series as long as those of the stream: ragged in torch, padded to `max_frames` in onnxruntime, and in torch too.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.speed.ztf import alert_like, wide_schema
from ictconvention.api.ingest import ingest
from ictconvention.applying.export import export_run, exportable_run
from ictconvention.applying.watching import watch as watching
from ictconvention.applying.watching.kind import HowRead, choose_kind
from ictconvention.applying.watching.output import WatchFolder
from ictconvention.applying.watching.topic import Message
from ictconvention.configuration.compose import compose_run
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.training.run import run
from tests.ingestion.alert_packets import alert, detection, limit

PREVIOUS = 10  # measurements in the history of an alert
STEPS = {"read_batch": "packets to stamps", "survey_of_batch": "series", "predict_survey": "network and its inputs"}
ROUNDS = 3


def packets(objects: int, nights: int, first: int = 0) -> list[bytes]:
    """Return a packet for each alert, night by night."""
    import io

    import fastavro

    schema, found = wide_schema(), []
    patterns = [alert(day=0.01 * n, counts=300.0 + n, noise=8.0) for n in range(50)]
    for night in range(nights):
        for number in range(objects):
            day = 3.0 * night + 1e-4 * number
            one = alert_like(patterns[(number + night) % 50], f"ZTF18{first + number:07d}", day)
            one["candid"] = (first + number) * 1000 + night
            one["candidate"] |= {"fid": 1 + night % 2, "ra": (first + number) % 360 * 1.0, "dec": 10.0}
            one["prv_candidates"] = [detection(day - n) if n % 3 else limit(day - n, fid=2) for n in range(1, PREVIOUS)]
            file = io.BytesIO()
            fastavro.writer(file, schema, [one], codec="deflate")
            found.append(file.getvalue())
    return found


def untrained(folder: Path, network: str) -> TrainedRun:
    """Return a laptop-size run that has hardly trained, on a survey of such alerts."""
    survey = folder / "survey"
    if not survey.exists():
        (folder / "packets").mkdir()
        for number, content in enumerate(packets(40, 3, first=10_000)):
            (folder / "packets" / f"{number:04d}.avro").write_bytes(content)
        lines = ["id,class", *(f"ZTF18{10_000 + n:07d},{('AGN', 'SN Ia')[n % 2]}" for n in range(40))]
        (folder / "labels.csv").write_text("\n".join(lines))
        ingest("ztf", folder / "packets", survey, bands="g,r", objects=folder / "labels.csv", jobs=1)
    words = [f"experiment={network}_sdss", "profile=laptop", "survey=path", f"survey.path={survey}", "fold=single"]
    words += [f"runs={folder / 'runs'}", "stage.pretrain.max_epochs=1", "stage.finetune.max_epochs=0", "figures=false"]
    return read_trained(run(compose_run([*words, "fold.count=3"])))


def timed(function: Callable[..., Any], total: dict[str, float], name: str) -> Callable[..., Any]:
    """Return a function whose processor seconds are added up."""

    def called(*arguments: Any, **named: Any) -> Any:
        before = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            total[name] = total.get(name, 0.0) + time.process_time() - before

    return called


def watched(trained: TrainedRun, folder: Path, contents: list[bytes], batch: int) -> dict[str, float]:
    """Let a run judge packets, and return the processor seconds of each step and of all."""
    kind, total = choose_kind(trained, HowRead()), dict[str, float]()
    for name in STEPS:
        setattr(watching, name, timed(getattr(watching, name), total, name))
    try:
        place = WatchFolder(folder, kind.settings)
        working = watching.Watch([trained], kind, place, None, watching.WatchOptions(batch=batch))
        before = time.process_time()
        for begin in range(0, len(contents), batch):
            some = contents[begin : begin + batch]
            working.take([Message("alerts", 0, begin + number, one) for number, one in enumerate(some)])
        total["all"] = time.process_time() - before
        if working.metrics.rows != len(contents):
            raise RuntimeError(f"{working.metrics.rows} rows of {len(contents)} alerts: {working.metrics}")
    finally:
        for name in STEPS:
            setattr(watching, name, getattr(watching, name).__closure__[0].cell_contents)
    return total


def bare(trained: TrainedRun, folder: Path, objects: int = 64) -> dict[str, float]:
    """Return the processor milliseconds of an object of `max_frames` places in torch and in onnxruntime."""
    import onnxruntime

    export_run(trained, folder / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
    model = exportable_run(trained)
    arrays = model.sequences(objects, torch.Generator().manual_seed(0))
    given = {name: x.numpy() for name, x in arrays.items()}
    found: dict[str, list[float]] = {"torch, padded": [], "onnxruntime, padded": []}
    for _ in range(ROUNDS):
        with torch.inference_mode():
            before = time.process_time()
            model(**arrays)
        found["torch, padded"].append(time.process_time() - before)
        before = time.process_time()
        session.run(["probability"], given)
        found["onnxruntime, padded"].append(time.process_time() - before)
    return {name: 1e3 * float(np.median(seconds)) / objects for name, seconds in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--nights", type=int, default=10)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--networks", nargs="+", default=["convention", "frame_transformer"])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    contents = packets(asked.objects, asked.nights)
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, one thread"
    )
    size = len(contents[0]) / 1e3
    print(f"{len(contents)} alerts of {asked.objects} objects, {size:.0f} kB each, batches of {asked.batch}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for network in asked.networks:
            trained = untrained(folder, network)
            seconds = watched(trained, folder / f"watch-{network}", contents, asked.batch)
            rate = len(contents) / seconds["all"]
            print(f"{network}: {rate:.0f} alerts a core-second, max_frames {trained.spec.max_frames}")
            for step, words in STEPS.items():
                print(f"    {words}: {1e3 * seconds[step] / len(contents):.2f} ms an alert")
            print(f"    the rest: {1e3 * (seconds['all'] - sum(seconds[s] for s in STEPS)) / len(contents):.2f} ms")
            for way, cost in bare(trained, folder).items():
                print(f"    network alone, {way}: {cost:.2f} ms an object, {1e3 / cost:.0f} a core-second")


if __name__ == "__main__":
    main()
