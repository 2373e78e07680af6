"""Shares of land cover from masks of pixels: scenarios, strategies and few masks, on simulated scenes or your own.

    make reproduce-land-cover [PROFILE=smoke|laptop|paper] [SURVEY=path] [RUNS=FOLDER] [SURVEYS=FOLDER] [SEEDS=n]
    python -m experiments.land_cover.reproduce --tables    # tables and figures of the results that are there

What has a result is not repeated, and a run that was stopped resumes where it was.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.land_cover.jobs import (
    BASELINES,
    NETWORKS,
    REFERENCE,
    SIZES,
    Job,
    architecture_of,
    plan_jobs,
    words_of,
)
from experiments.land_cover.results import CONFUSION, Result, read_results, save_result
from experiments.study import (
    add_arguments,
    add_results,
    check_numbers,
    content_of,
    describe_machine,
    path_of,
    results_folder,
    train_jobs,
    warnings_once,
)
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, pluralize, readable_os_errors, report_errors

if TYPE_CHECKING:  # heavy: each function imports what it needs when it runs
    from experiments.land_cover.baselines import Chips
    from ictconvention.configuration.schema import RunOptions

HERE = Path(__file__).parent
PARTS = ("extra_test", "test")  # the first that there is, is compared: chips of other scenes
KL, KL_MEAN = "val/kl", "val/kl_mean"  # of the metrics; of shares at once the first is that of means
MASKS_OF = "chips.png"


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line, or of these words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, SIZES)
    add_results(parser)
    parser.add_argument("--survey", help="folder of a survey with masks; simulated scenes by default")
    wanted = parser.parse_args(words)
    check_numbers(wanted)
    wanted.results = results_folder(wanted, "land-cover", HERE)
    return wanted


class Study:
    """The jobs, and by what each is asked for.

    Parameters
    ----------
    wanted : Namespace
        Options of the command line.
    """

    def __init__(self, wanted: argparse.Namespace) -> None:
        self.wanted = wanted
        self.jobs = plan_jobs(wanted.seeds or SIZES[wanted.profile].seeds, few_masks=wanted.survey is None)

    def words(self, job: Job) -> list[str]:
        """Return the overrides of the run of a job; of a row without a network, those of the reference."""
        given = [override("runs", self.wanted.runs), override("surveys", self.wanted.surveys), *self.wanted.overrides]
        return words_of(self.wanted.profile, job, self.wanted.survey, given)

    def setting_of(self, job: Job) -> str:
        """Return the hash of all that makes a job: not its names and folders."""
        from experiments.land_cover.baselines import VERSION
        from ictconvention.runs.assembly.run_hash import digest

        content = content_of(self.words(job))
        if job.row in BASELINES:
            content = {name: content[name] for name in ("survey", "task", "fold")} | {"rows": VERSION}
            content |= {"row": job.row, "seed": job.seed}
        return digest(content)

    @cached_property
    def chips(self) -> "Chips":
        """The chips of the reference, and its split."""
        from experiments.land_cover.baselines import Chips

        return Chips(compose_run(self.words(Job(REFERENCE, 0))))

    def record_of(self, job: Job, survey: Any, part: str, setting: str) -> dict[str, Any]:
        """Return what a result says, of whatever row."""
        filters, layers = architecture_of(self.wanted.profile, job.row) or (None, None)
        return {
            "title": survey.header.full_name,
            "survey_hash": survey.hash,
            "setting": setting,
            "names": list(survey.header.classes),
            "part": part,
            "filters": filters,
            "layers": layers,
            "parameters": None,
            "course": {},
        }


def result_of_run(study: Study, job: Job, folder: Path, setting: str) -> Result:
    """Read what the finished run of a job predicts."""
    from ictconvention.runs.assembly.run_survey import open_or_simulate
    from ictconvention.runs.finished_run import read_finished
    from ictconvention.runs.run_folder import RunFolder

    run = read_finished(folder)
    survey = open_or_simulate(run.options)
    part = next(part for part in PARTS if part in run.result)
    found = RunFolder(folder).read_predictions(part)
    record = study.record_of(job, survey, part, setting) | {
        "parameters": run.result.get("parameters"),
        "core_seconds": run.core_seconds,
        "course": course_of(RunFolder(folder).open_metrics().rows, CONFUSION in found.rows),
        "environment": describe_machine(run.environment),
    }
    return Result(job, record, found, run.task.groups_of(survey, found.ids.tolist()))


def course_of(metrics: Mapping[tuple[str, int], Mapping[str, Any]], masks: bool) -> dict[str, list[float]]:
    """Return the KL of the validation part after each training epoch, of counts and of means.

    Parameters
    ----------
    metrics : mapping of (stage, training epoch) to metrics by name
        Of a run.
    masks : bool
        Whether its network gives masks.
    """
    names = {"argmax": KL, "mean": KL_MEAN} if masks else {"mean": KL}
    rows = [(epoch, f"{stage}/", row) for (stage, epoch), row in metrics.items()]
    return {
        kind: [float(row[stage + name]) for _, stage, row in sorted(rows, key=_epoch_of) if stage + name in row]
        for kind, name in names.items()
    }


def _epoch_of(one: tuple[int, str, Any]) -> int:
    return one[0]


def results_without_network(study: Study, waiting: Sequence[Job], settings: Mapping[Job, str]) -> Iterator[Result]:
    """Yield the results of the rows without a network."""
    from ictconvention.runs.machine import environment

    for job in waiting:
        chips = study.chips
        part = next(part for part in PARTS if chips.split.parts[part])
        found, spent = chips.predict(job.row, job.seed, part)
        made = environment("32-true", compose_run(study.words(job)).trainer)
        record = study.record_of(job, chips.survey, part, settings[job])
        record |= {"core_seconds": spent, "environment": describe_machine(made)}
        yield Result(job, record, found, chips.task.groups_of(chips.survey, found.ids.tolist()))


def run_study(study: Study) -> str:
    """Make the results that are not there, and return what became of those that failed."""
    wanted = study.wanted
    with readable_os_errors("making the folder of results", wanted.results):
        wanted.results.mkdir(parents=True, exist_ok=True)
    settings = {job: study.setting_of(job) for job in study.jobs}
    there = read_results(wanted.results, settings)
    waiting = [job for job in study.jobs if job not in there]
    print(f"{pluralize(len(study.jobs), 'job')}, {len(there)} with a result, and not repeated", flush=True)
    for result in results_without_network(study, [job for job in waiting if job.row in BASELINES], settings):
        save_result(wanted.results, result)
    networks = {job: [study.words(job)] for job in waiting if job.row in NETWORKS}
    if not networks:
        return ""

    def keep(job: Job, folders: Sequence[Path]) -> None:
        save_result(wanted.results, result_of_run(study, job, folders[0], settings[job]))

    folder = Path(wanted.runs) / "sweeps" / f"land_cover-{wanted.profile}"
    try:
        train_jobs(folder, networks, wanted.profile, wanted.jobs, keep).check()
    except UsageError as error:
        return error.found
    return ""


def draw_masks(study: Study, results: Mapping[Job, Result]) -> None:
    """Draw chips with the masks of all networks of the first seed whose runs are there; without, the figure stays."""
    from experiments.land_cover.chips import draw_estimates
    from ictconvention.runs.plan import plan_run

    runs: dict[str, tuple[Path, RunOptions]] = {}
    for job, result in results.items():
        if job.seed == 0 and job.row in NETWORKS and CONFUSION in result.predictions.rows:
            options = compose_run(study.words(job))
            folder = plan_run(options).folder
            if folder.is_finished:
                runs[job.row] = folder.path, options
    if REFERENCE not in runs:
        return
    found = {row: results[Job(row, 0)].predictions for row in NETWORKS if row in runs}
    names = results[Job(REFERENCE, 0)].record["names"]
    draw_estimates(study.wanted.results / MASKS_OF, {row: runs[row] for row in found}, found, names)


@lines_on_terminal()
@warnings_once()
def main() -> None:
    """Run the study, and write its tables and figures."""
    wanted = parse_arguments()
    if wanted.profile == "smoke":
        print("profile smoke only shows that it runs: nothing is learned in it")
    study = Study(wanted)
    failed = "" if wanted.tables else run_study(study)
    from experiments.land_cover.figures import draw_results
    from experiments.land_cover.tables import write_tables

    results = read_results(wanted.results)
    missing = [job for job in study.jobs if not path_of(wanted.results, job).exists()]
    print(write_tables(wanted.results, results, missing))
    draw_results(wanted.results, results)
    if not wanted.tables:
        draw_masks(study, results)
    print(f"tables and figures: {wanted.results}")
    if failed:
        fix = "fix what the logs say; the same command repeats nothing that is finished"
        raise UsageError(failed, wanted.results, fix, "E-SWEEP-FAILED")


if __name__ == "__main__":
    with report_errors():
        main()
