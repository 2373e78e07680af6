"""What applying a trained network costs beside the bare network, and how much memory it takes.

    python experiments/speed/predict.py [--objects 800] [--rounds 5] [--batch 64] [--width 0.25] [--max-frames 30]

A run is made without training (its weights are random: that changes no time) and applied to a simulated survey, as
`ictconvention predict` does; in turns with the bare network on the same batches, which are read, turned and scaled
before. Medians, and the ratio of the same round. Then the peak of anonymous memory of a process that predicts this
survey, and of one that predicts a survey four times as large: surveys stream from their files.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch

from ictconvention.applying.predict import PredictOptions, predict_survey
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.simulation.simulate import simulate
from ictconvention.survey.survey import Survey
from ictconvention.training.memory import keep_freed_memory
from ictconvention.training.run import run


def bare(trained: TrainedRun, arguments: list[tuple[torch.Tensor, ...]]) -> None:
    """Run the network, and nothing else, on what it takes."""
    bf16 = torch.autocast("cpu", torch.bfloat16, enabled=trained.precision == "bf16-mixed")
    with torch.inference_mode(), bf16:
        for inputs in arguments:
            trained.learner.network(*inputs)


def prepared(trained: TrainedRun, survey: Survey, batch: int) -> list[tuple[torch.Tensor, ...]]:
    """Return the arguments of the network for each batch of the survey."""
    read = (trained.options.sequence, trained.spec.contents, np.arange(len(trained.spec.bands)))
    stream = SurveyDataset(survey, *read, reddening=trained.spec.reddening)
    starts = range(0, len(survey), batch)
    with torch.inference_mode():
        return [trained.learner.inputs(stream[range(i, min(i + batch, len(survey)))][0]) for i in starts]


def anonymous_memory(folder: Path, survey: Path, batch: int) -> float:
    """Return the largest anonymous memory [MiB] of a new process that predicts a survey."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_watched, (folder, survey, batch))


def _watched(folder: Path, survey: Path, batch: int) -> float:
    torch.set_num_threads(1)
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.wait(0.02):
            lines = Path("/proc/self/status").read_text().splitlines()
            most = max(most, next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")))

    thread = threading.Thread(target=watch)
    thread.start()
    predict_survey(read_trained(folder), Survey.open(survey), PredictOptions(batch_size=batch))
    done.set()
    thread.join()
    return most / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--max-frames", type=int, default=30)
    parser.add_argument("--experiment", default="convention_sdss")
    given = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as work:
        survey = simulate(Path(work) / "survey", given.objects, 0, 2)
        sizes = [f"model.width={given.width}", f"sequence.max_frames={given.max_frames}", f"runs={work}/runs"]
        choices = [
            f"experiment={given.experiment}",
            "profile=tiny",
            "figures=false",
            "survey=path",
            override("survey.path", str(survey.path)),
            *sizes,
        ]
        folder = run(compose_run(choices))
        trained = read_trained(folder)
        arguments = prepared(trained, survey, given.batch)
        seconds: dict[str, list[float]] = {"bare network": [], "predict": []}
        for _ in range(given.rounds + 1):  # the first warms up
            for name, times in seconds.items():
                start = time.perf_counter()
                if name == "predict":
                    predict_survey(trained, survey, PredictOptions(batch_size=given.batch))
                else:
                    bare(trained, arguments)
                times.append(time.perf_counter() - start)
        plain, whole = (times[1:] for times in seconds.values())
        ratios = [b / a for a, b in zip(plain, whole, strict=True)]
        print(f"{len(survey)} objects, {trained.precision}, {torch.get_num_threads()} threads, batch {given.batch}")
        for name, times in (("bare network", plain), ("predict", whole)):
            print(f"{name}: {1e3 * statistics.median(times) / len(survey):.2f} ms an object")
        print(f"predict / bare network: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
        larger = simulate(Path(work) / "larger", 4 * given.objects, 0, 2)
        for one in (survey, larger):
            print(f"anonymous memory, {len(one)} objects: {anonymous_memory(folder, one.path, given.batch):.0f} MiB")


if __name__ == "__main__":
    main()
