"""The frame transformer against the fair forests: every fold and seed, one process each, then the tables.

    python -m experiments.frame_transformer.study --folds 0-4 --seeds 0 --jobs 2

What has a result in the folder of results is not repeated; a run that was stopped resumes where it was. A folder of
results is enough for the tables: `--tables` trains nothing.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.frame_transformer.study_results import (
    FORESTS,
    LONGER,
    NETWORK,
    NETWORKS,
    PARTS,
    Result,
    path_of,
    read_results,
    save_result,
)
from experiments.frame_transformer.study_tables import describe_results
from experiments.table2.baselines import forest_features
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import CELL, CONTENT, LABEL, PLACE, leave_out, leave_out_added
from ictconvention.configuration.overrides import override
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import STAGES
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import IctConventionError, UsageError, pluralize, readable_os_errors, report_errors
from ictconvention.core.parallel import run_parallel
from ictconvention.evaluation.forests.calibrated import CalibratedForest
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.runs.assembly.run_data import make_data, make_task
from ictconvention.runs.assembly.run_hash import digest
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.finished_run import read_finished
from ictconvention.runs.machine import environment
from ictconvention.runs.plan import plan_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.survey import Survey
from ictconvention.sweeping.job_environment import THREADS
from ictconvention.training.run import run

HERE = Path(__file__).parent
SETTING = [  # A of README.md
    "experiment=frame_transformer_sdss",
    "profile=laptop_all_frames",
]
PASSES = {NETWORK: [], LONGER: ["stage.pretrain.max_epochs=16", "stage.finetune.max_epochs=12"]}  # A has 8 and 6
SIMULATED = ["survey.objects=8208", "survey.seed=0", "survey.extra_test=1600"]
MODELS = {"network": (NETWORK,), "twice": (LONGER,), "forests": FORESTS}
SAID = ("packages", "python", "processor", "gpus", "threads")  # of the environment


@dataclass(frozen=True)
class Job:
    """A network, or all forests, of a fold and seed."""

    rows: tuple[str, ...]
    fold: int
    seed: int

    @property
    def title(self) -> str:
        """Names it."""
        return f"{next(name for name, rows in MODELS.items() if rows == self.rows)}-fold{self.fold}-seed{self.seed}"

    def waiting(self, results: Path) -> list[str]:
        """Return its rows that have no result."""
        return [row for row in self.rows if not path_of(results, row, self.fold, self.seed).exists()]


def setting_of(options: RunOptions) -> str:
    """Return the hash of all that makes the network of a run: not its fold, seed, survey, name or folders."""
    return digest(leave_out_added(leave_out(asdict(options), options, LABEL | CONTENT | PLACE | CELL), options))


def settings_of(words: Sequence[str]) -> dict[str, str]:
    """Return the hash of the setting of each row; forests have that of the first network."""
    of = {row: setting_of(compose_run([*words, *passes])) for row, passes in PASSES.items()}
    return of | dict.fromkeys(FORESTS, of[NETWORK])


def plan_jobs(models: Sequence[str], folds: Sequence[int], seeds: Sequence[int]) -> list[Job]:
    """Return the jobs, fold by fold; a forest has one seed."""
    jobs = []
    for fold in folds:
        for model in models:
            jobs += [Job(MODELS[model], fold, seed) for seed in ((0,) if model == "forests" else seeds)]
    return jobs


def of_network(folder: Path, survey: Survey, row: str = NETWORK) -> Result:
    """Read what a finished run on a survey predicts, as the result of a row."""
    found, run_folder = read_finished(folder), RunFolder(folder)
    result, parts, (shares, _) = found.result, {"test": found.predictions}, run_folder.read_priors()
    if "extra_test" in result:
        parts["extra_test"] = run_folder.read_predictions("extra_test")
    record = {"row": row, "split": result["split"], "run": found.status["hashes"]["run"]}
    record |= {"precision": result["precision"], "core_seconds": found.core_seconds}
    return _result(record, found.options, survey, shares, parts, found.environment)


def of_forests(options: RunOptions, rows: Sequence[str] = FORESTS) -> Iterator[Result]:
    """Train the forests of a fold on one thread, and yield what each predicts."""
    plan = plan_run(options)
    survey, data = plan.survey, make_data(options, plan.survey, plan.split, "finetune")
    seen, measuring = forest_features(data)
    asked = [part for part in PARTS if plan.split.parts.get(part)]
    for row in rows:
        begin, parts = process_time(), {}
        forest = CalibratedForest.fit(seen[row], data, STAGES, jobs=1)
        for part in asked:
            positions = data.positions(part)
            likely = forest.predict(seen[row][positions])
            equal = at_equal_shares(likely, forest.shares)
            ids = np.array([survey.ids[i] for i in positions], dtype=str)
            label = data.training.labels[positions]
            parts[part] = Predictions(ids, label, {Prior.SURVEY: likely, Prior.UNIFORM: equal})
        spent = measuring[row] + process_time() - begin
        record = {"row": row, "split": plan.split.hash, "run": None, "precision": "float64", "core_seconds": spent}
        yield _result(record, options, survey, forest.shares, parts, environment(plan.precision, options.trainer))


def _result(
    record: Mapping[str, Any],
    options: RunOptions,
    survey: Survey,
    shares: NDArray[np.float64],
    parts: Mapping[str, Predictions],
    made: Mapping[str, Any],
) -> Result:
    """Return a result with what all have in common; `made` is the environment."""
    cell = {"fold": options.fold.index, "seed": options.seed, "survey": survey.hash, "setting": setting_of(options)}
    words = [*SETTING, *PASSES.get(record["row"], [])]
    more = {"classes": list(survey.header.classes), "shares": shares.tolist(), "words": words}
    kept = {"environment": {name: made[name] for name in SAID if name in made}}
    task = make_task(options, survey)
    groups = {part: task.groups_of(survey, found.ids.tolist()) for part, found in parts.items()}
    return Result({**record, **cell, **more, **kept}, parts, groups)


def run_job(job: Job, words: Sequence[str], results: Path, log: Path) -> None:
    """Run a job in a process of its own: what it says goes to a log, what it predicts to the results."""
    with log.open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    (first, *_) = job.rows
    asked = [*words, *PASSES.get(first, []), f"fold.index={job.fold}", f"seed={job.seed}"]
    try:
        options = compose_run(asked)
        with lines_on_terminal():
            if first in NETWORKS:
                save_result(results, of_network(run(options, asked), open_or_simulate(options), first))
            else:
                for one in of_forests(options, job.waiting(results)):
                    save_result(results, one)
    except IctConventionError as error:
        print(f"error: {error}", flush=True)
        raise


def run_jobs(jobs: Sequence[Job], words: Sequence[str], results: Path, logs: Path, at_once: int) -> list[str]:
    """Run jobs, some at once, and return what has become of those that failed.

    Each has a new process with one thread, which ends with this one.
    """
    os.environ |= dict.fromkeys(THREADS, "1")

    def take(job: Job) -> None:
        log = logs / f"{job.title}.log"
        print(f"{job.title} started, log: {log}", flush=True)
        list(run_parallel(run_job, [(job, words, results, log)], 1, log, spawn=True))

    failed = []
    with ThreadPoolExecutor(at_once) as threads:
        running = {threads.submit(take, job): job for job in jobs}
        try:
            for number, done in enumerate(as_completed(running), 1):
                try:
                    done.result()
                    said = "finished"
                except IctConventionError as error:
                    said = f"FAILED: {error.found} ({error.where})"
                    failed.append(f"{running[done].title}: {error.found}")
                print(f"[{number}/{len(jobs)}] {running[done].title} {said}", flush=True)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return failed


def numbers(text: str) -> list[int]:
    """Return the numbers that are written as 0-4, or as 0,2."""
    found: list[int] = []
    for span in text.split(","):
        first, _, last = span.partition("-")
        found += range(int(first), int(last or first) + 1)
    return sorted(set(found))


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line, or of these words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=numbers, default=numbers("0-4"), help="of five, such as 0-4 or 0,2")
    parser.add_argument("--seeds", type=numbers, default=[0], help="of the network, such as 0-2")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--jobs", type=int, default=2, help="processes at once, each with one thread")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--survey", help="folder of a survey; the simulated one by default, made where it is not there")
    parser.add_argument("--runs", default="runs/frame_transformer_study", help="folder of the runs and logs")
    parser.add_argument("--surveys", default="surveys", help="folder of simulated surveys")
    parser.add_argument("--tables", action="store_true", help="only the tables, of the results that are there")
    return parser.parse_args(words)


def check_numbers(wanted: argparse.Namespace, folds: int) -> None:
    """Refuse folds that are not there, and no job at all."""
    allowed = {"jobs": (wanted.jobs >= 1, "1 or more"), "seeds": (wanted.seeds, "0, or 0-2")}
    allowed["folds"] = wanted.folds and wanted.folds[-1] < folds, f"some of 0-{folds - 1}"
    for name, (sound, fix) in allowed.items():
        if not sound:
            found = f"{name} is {getattr(wanted, name)}"
            raise UsageError(found, f"--{name}", f"take {fix}", "E-COMMAND-VALUE")


def study(wanted: argparse.Namespace) -> list[str]:
    """Run what has no result yet, print the tables, and return what failed."""
    options, failed = compose_run(SETTING), list[str]()
    settings = settings_of(SETTING)
    check_numbers(wanted, options.fold.count)
    with readable_os_errors("making the folder of results", wanted.results):
        wanted.results.mkdir(parents=True, exist_ok=True)
    if not wanted.tables:
        place = ["survey=path", override("survey.path", wanted.survey)] if wanted.survey else SIMULATED
        words = [*SETTING, *place, override("surveys", wanted.surveys), override("runs", wanted.runs), "figures=false"]
        survey = open_or_simulate(compose_run(words))
        read_results(wanted.results, settings, survey.hash)  # what does not fit is refused before any job begins
        jobs = plan_jobs(wanted.models, wanted.folds, wanted.seeds)
        waiting = [job for job in jobs if job.waiting(wanted.results)]
        print(
            f"{pluralize(len(jobs), 'job')}, {len(jobs) - len(waiting)} finished before, and not repeated", flush=True
        )
        logs = Path(wanted.runs) / "logs"
        with readable_os_errors("making the folder of logs", logs):
            logs.mkdir(parents=True, exist_ok=True)
        failed = run_jobs(waiting, words, wanted.results, logs, wanted.jobs)
    rows = [row for model in wanted.models for row in MODELS[model]]
    print(describe_results(read_results(wanted.results, settings), wanted.folds, wanted.seeds, rows))
    return failed


@lines_on_terminal()
def main() -> None:
    """Run the study."""
    wanted = parse_arguments()
    if failed := study(wanted):
        fix = "do what was said of them; the same command repeats nothing that is finished"
        found = f"{pluralize(len(failed), 'job')} failed: {'; '.join(failed)}"
        raise UsageError(found, wanted.results, fix, "E-SWEEP-FAILED")


if __name__ == "__main__":
    with report_errors():
        main()
