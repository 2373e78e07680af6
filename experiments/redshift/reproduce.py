"""Redshifts under a covariate shift: approaches and answers to it on galaxies that are fainter than those with labels.

    make reproduce-redshift [PROFILE=smoke|laptop|paper] [RUNS=FOLDER] [SURVEYS=FOLDER] [SEEDS=n] [JOBS=n]
    python -m experiments.redshift.reproduce --tables    # tables and figures of the results that are there

What has a result is not repeated, and a run that was stopped resumes where it was.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.redshift.jobs import (
    BASELINES,
    REFERENCE,
    SEEDS,
    SIZES,
    TITLES,
    Job,
    plan_jobs,
    rows_of_networks,
    surveys_there,
    words_of,
)
from experiments.redshift.results import PARTS, Result, read_results, save_result
from experiments.study import (
    add_arguments,
    add_results,
    check_numbers,
    content_of,
    describe_machine,
    path_of,
    results_folder,
    train_jobs,
)
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, pluralize, readable_os_errors, report_errors

if TYPE_CHECKING:  # heavy: each function imports what it needs when it runs
    from ictconvention.sweeping.sweep import Sweep

HERE = Path(__file__).parent


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line, or of these words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, SIZES)
    add_results(parser)
    wanted = parser.parse_args(words)
    check_numbers(wanted)
    wanted.results = results_folder(wanted, "redshift", HERE)
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
        self._known: dict[str, dict[str, Any]] = {}  # of each survey
        self.networks, self.missing = rows_of_networks()
        surveys, absent = surveys_there()
        self.missing |= absent
        rows = [*self.networks, *BASELINES]
        self.jobs = plan_jobs(wanted.profile, wanted.seeds or SEEDS[wanted.profile], rows, surveys)
        if REFERENCE not in self.networks:
            found, fix = self.missing[REFERENCE], "install the package whole"
            raise UsageError(found, "experiments", fix, "E-COMMAND-VALUE")

    @property
    def places(self) -> list[str]:
        """Overrides of every run: folders, and what the user asks for."""
        given = [override("runs", self.wanted.runs), override("surveys", self.wanted.surveys)]
        return [*given, *self.wanted.overrides]

    def split_of(self, job: Job) -> Path:
        """Return the file of the split of a job with fewer labels."""
        folder = Path(self.wanted.runs) / "redshift-splits"
        return folder / f"{self.wanted.profile}-{job.survey}-labels{job.labels}.json"

    def runs_of(self, job: Job) -> list[list[str]]:
        """Return the overrides of each run of a job; of a row without a network, those of the reference."""
        fewer = [override("split", self.split_of(job))] if job.labels > 1 else []
        rows = self.networks[job.row if job.row in self.networks else REFERENCE]
        return [words_of(self.wanted.profile, job, row, [*self.places, *fewer]) for row in rows]

    def setting_of(self, job: Job) -> str:
        """Return the hash of all that makes a job: not its names and folders."""
        from experiments.redshift.baselines import VERSION
        from ictconvention.runs.assembly.run_hash import digest

        made: list[Any] = []
        for words in self.runs_of(job):
            content = content_of(words)
            if job.row in BASELINES:
                content = {name: content[name] for name in ("survey", "task", "fold")} | {"rows": VERSION}
            made.append(content)
        return digest([made, job.labels])

    def write_splits(self, jobs: Sequence[Job]) -> None:
        """Write the splits with fewer labels that jobs ask for."""
        from experiments.redshift.baselines import write_fewer_labels
        from ictconvention.runs.plan import plan_run

        for survey, labels in dict.fromkeys((job.survey, job.labels) for job in jobs if job.labels > 1):
            whole = Job(survey, REFERENCE, 1, 0)
            split = plan_run(compose_run(self.runs_of(whole)[0])).split
            write_fewer_labels(self.split_of(Job(survey, REFERENCE, labels, 0)), split, labels)

    def known_of(self, job: Job) -> dict[str, Any]:
        """Return what a result says of its survey and training part, whatever the row: that of all labels."""
        from experiments.redshift.baselines import STAGE

        if job.survey not in self._known:
            self._known[job.survey] = self._describe(job.survey)
        known = self._known[job.survey]
        if job.labels == 1:
            return known
        parts = json.loads(self.split_of(job).read_text(encoding="utf-8"))["parts"]
        return {**known, "labelled": len(parts[f"{STAGE}_train"])}

    def _describe(self, name: str) -> dict[str, Any]:
        import numpy as np

        from experiments.redshift.baselines import training_redshifts
        from ictconvention.evaluation.redshift.scores import BEYOND
        from ictconvention.evaluation.redshift.without_network import shares_of
        from ictconvention.runs.assembly.run_data import load_or_draw_split, make_task
        from ictconvention.runs.assembly.run_survey import open_or_simulate
        from ictconvention.tasks.redshift.task import Redshift

        options = compose_run(self.runs_of(Job(name, REFERENCE, 1, 0))[0])
        survey = open_or_simulate(options)
        task, split = make_task(options, survey), load_or_draw_split(options, survey)
        assert isinstance(task, Redshift)
        z = training_redshifts(survey, task, split)
        return {
            "title": TITLES[name],
            "survey_hash": survey.hash,
            "names": list(task.names),
            "trained": shares_of(z, task.edges).tolist(),
            "beyond": float(np.percentile(z, BEYOND)),
            "labelled": len(z),
        }


def train(study: Study, waiting: Sequence[Job], settings: Mapping[Job, str]) -> "Sweep":
    """Train the networks of jobs; those that are finished are not trained again. Each job's result is saved at once."""
    wanted = study.wanted

    def keep(job: Job, folders: Sequence[Path]) -> None:
        save_result(wanted.results, result_of_runs(job, folders, study.known_of(job), settings[job]))

    runs = {job: study.runs_of(job) for job in waiting}
    folder = Path(wanted.runs) / "sweeps" / f"redshift-{wanted.profile}"
    return train_jobs(folder, runs, wanted.profile, wanted.jobs, keep)


def result_of_runs(job: Job, folders: Sequence[Path], known: Mapping[str, Any], setting: str) -> Result:
    """Read what the finished runs of a job predict; of several, each has a stratum of the objects."""
    from ictconvention.runs.assembly.run_survey import open_or_simulate
    from ictconvention.runs.finished_run import read_finished
    from ictconvention.runs.run_folder import RunFolder
    from ictconvention.runs.shift.strata import join_strata

    runs = [read_finished(folder) for folder in folders]
    if len(folders) > 1:
        parts = join_strata([RunFolder(folder) for folder in folders])
    else:
        parts = {part: RunFolder(folders[0]).read_predictions(part) for part in PARTS if part in runs[0].result}
    survey = open_or_simulate(runs[0].options)
    groups = {part: runs[0].task.groups_of(survey, found.ids.tolist()) for part, found in parts.items()}
    spent = [run.core_seconds for run in runs]
    record = {
        **known,
        "setting": setting,
        "parameters": runs[0].result.get("parameters"),
        "core_seconds": None if None in spent else sum(x for x in spent if x is not None),
        "environment": describe_machine(runs[0].environment),
    }
    return Result(job, record, parts, groups)


def results_without_network(study: Study, waiting: Sequence[Job], settings: Mapping[Job, str]) -> Iterator[Result]:
    """Yield the results of the rows without a network."""
    from experiments.redshift.baselines import Photometry
    from ictconvention.runs.machine import environment

    measured: dict[str, Photometry] = {}
    for job in waiting:
        options = compose_run(study.runs_of(job)[0])
        before = measured.get(job.survey)
        own = measured[job.survey] = Photometry(options, None if before is None else before.features)
        parts, spent = own.predict(job.row, job.seed, PARTS)
        groups = {part: own.task.groups_of(own.survey, found.ids.tolist()) for part, found in parts.items()}
        made = environment("32-true", options.trainer)
        record = {**study.known_of(job), "setting": settings[job], "parameters": None, "core_seconds": spent}
        record["environment"] = describe_machine(made)
        yield Result(job, record, parts, groups)


def run_study(study: Study) -> str:
    """Make the results that are not there, and return what became of those that failed."""
    wanted = study.wanted
    with readable_os_errors("making the folder of results", wanted.results):
        wanted.results.mkdir(parents=True, exist_ok=True)
    study.write_splits(study.jobs)
    settings = {job: study.setting_of(job) for job in study.jobs}
    there = read_results(wanted.results, settings)
    waiting = [job for job in study.jobs if job not in there]
    print(f"{pluralize(len(study.jobs), 'job')}, {len(there)} with a result, and not repeated", flush=True)
    for result in results_without_network(study, [job for job in waiting if job.row in BASELINES], settings):
        save_result(wanted.results, result)
    networks = [job for job in waiting if job.row in study.networks]
    if not networks:
        return ""
    try:
        train(study, networks, settings).check()
    except UsageError as error:
        return error.found
    return ""


@lines_on_terminal()
def main() -> None:
    """Run the study, and write its tables and figures."""
    wanted = parse_arguments()
    if wanted.profile == "smoke":
        print("profile smoke only shows that it runs: nothing is learned in it")
    study = Study(wanted)
    for name, why in study.missing.items():
        print(f"left out: {name}: {why}")
    failed = "" if wanted.tables else run_study(study)
    from experiments.redshift.figures import draw_results
    from experiments.redshift.tables import write_tables

    results = read_results(wanted.results)
    missing = [job for job in study.jobs if not path_of(wanted.results, job).exists()]
    print(write_tables(wanted.results, results, missing, study.missing))
    draw_results(wanted.results, results)
    print(f"tables and figures: {wanted.results}")
    if failed:
        fix = "fix what the logs say; the same command repeats nothing that is finished"
        raise UsageError(failed, wanted.results, fix, "E-SWEEP-FAILED")


if __name__ == "__main__":
    with report_errors():
        main()
