"""What a unit of 512 objects of a survey costs the workers of a cluster that take its medians, at three sizes.

    python -m experiments.scale.units [--objects 4096] [--rounds 3]

Surveys of small stamps, once, four and sixteen times the size: what grows with the survey, such as opening it, would
show in the cost of a unit. CPU seconds of both workers and of the process that asks, medians of the rounds.
"""

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median

import distributed
import numpy as np

from experiments.scale.measure import cpu, local_workers
from ictconvention.core.cluster.cluster import Cluster
from ictconvention.core.parallel import run_elsewhere
from ictconvention.measuring.measured_cache import AT_ONCE, FOLDER, CachedMedianFrames
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter

TIMES = (1, 4, 16)
SIDE = 8  # pixels


def write(folder: Path, count: int) -> Survey:
    """Write a survey of two frames an object."""
    noise = np.random.default_rng(0).normal(size=(count, 2, SIDE, SIDE)).astype(np.float32)
    header = SurveyHeader("units", bands=("g", "r"), classes=("a",), pixel_scale=0.4, stamp_size=SIDE)
    with SurveyWriter(folder, header) as writer:
        for number, frames in enumerate(noise):
            writer.add(f"o{number:08d}", frames, band=[0, 1], mjd=[58000.0, 58001.0])
    return Survey.open(folder)


def measure(client: "distributed.Client", survey: Survey) -> tuple[float, float]:
    """Return the milliseconds of the workers and of this process for a unit."""
    shutil.rmtree(survey.path / FOLDER, ignore_errors=True)
    before, own = client.run(cpu), cpu()[1]
    CachedMedianFrames(survey)
    own, after = cpu()[1] - own, client.run(cpu)
    units = -(-len(survey) // AT_ONCE)
    return 1e3 * sum(after[one][1] - before[one][1] for one in after) / units, 1e3 * own / units


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=4096, help="objects of the smallest survey")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for times in TIMES:
            survey = write(Path(name) / f"{times}", times * options.objects)
            rounds = []
            for _ in range(options.rounds):
                with local_workers(name) as client, run_elsewhere(Cluster(client)):
                    rounds.append(measure(client, survey))
            workers, own = (median(values) for values in zip(*rounds, strict=True))
            units = -(-len(survey) // AT_ONCE)
            print(
                f"{len(survey)} objects, {units} units: {workers:.0f} ms of workers, {own:.0f} ms of this process each"
            )


if __name__ == "__main__":
    main()
