"""Does learning from two views with a target network help at equal cost? Forms of it, regimes, pairs of fold and seed.

    python -m experiments.ict.study --stage costs  --surveys SURVEYS               # what each form costs, once
    python -m experiments.ict.study --stage screen --surveys SURVEYS --runs RUNS --jobs 2
    python -m experiments.ict.study --stage confirm --best "token views" --best "class mates" ...
    python -m experiments.ict.study --tables                                       # of the results alone

What has a result is not repeated, and a run that was stopped resumes where it was: the same command goes on.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.ict.arms import ARMS
from experiments.ict.costs import FILE, Costs, measure_costs, read_costs
from experiments.ict.jobs import EVERY, Job, Stage, passes_of, stages_of, survey_words, teachers_of, words_of
from experiments.ict.pairs import ENOUGH, given_up
from experiments.ict.regimes import REGIMES, SHORT, draw_split
from experiments.ict.results import Result, read_results, save_result
from experiments.study import check_numbers, describe_machine, train_jobs, warnings_once
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import CONTENT, LABEL, PLACE, leave_out, leave_out_added
from ictconvention.configuration.overrides import override
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, did_you_mean, pluralize, readable_os_errors, report_errors

if TYPE_CHECKING:  # heavy: each function imports what it needs when it runs
    from ictconvention.survey.split import Split
    from ictconvention.survey.survey import Survey

HERE = Path(__file__).parent
RECORDED = HERE / "results"
PART = "extra_test"


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line, or of these words.

    Raises
    ------
    UsageError
        There is no such form, or a number is below 1.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", default="screen", choices=("costs", *stages_of([], SHORT)))
    parser.add_argument(
        "--best", action="append", default=[], metavar="FORM", help="best form of the screening; several"
    )
    parser.add_argument("--regime", default=SHORT, choices=tuple(REGIMES), help="where they came out best")
    parser.add_argument("--pairs", type=int, help="pairs of fold and seed; by default those of the stage")
    parser.add_argument("--arms", action="append", default=[], metavar="FORM", help="these alone; several")
    parser.add_argument("--jobs", type=int, help="runs at once; by default one a processor")
    parser.add_argument("--runs", default="runs", help="folder of the runs")
    parser.add_argument("--surveys", default="surveys", help="folder of simulated surveys")
    parser.add_argument("--results", type=Path, help="folder of the results; by default beside this file")
    parser.add_argument("--costs", type=Path, default=FILE, help="file of what each form costs")
    parser.add_argument("--size", type=int, help="objects of a small survey, only to see that it runs")
    parser.add_argument("--tables", action="store_true", help="train nothing; tables and figures of the results alone")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for every run, such as trainer.workers=1")
    wanted = parser.parse_args(words)
    wanted.seeds = wanted.pairs
    check_numbers(wanted)
    for name in [*wanted.best, *wanted.arms]:
        if name not in ARMS:
            found = f"there is no form {name!r}{did_you_mean(name, ARMS)}"
            raise UsageError(found, "--best", f"take one of: {', '.join(ARMS)}", "E-COMMAND-VALUE")
    if wanted.results is None:
        wanted.results = RECORDED if wanted.size is None else Path(wanted.runs) / "ict-small-results"
    return wanted


class Study:
    """What the jobs are asked for by, and what they need on disk.

    Parameters
    ----------
    wanted : Namespace
        Options of the command line.
    """

    def __init__(self, wanted: argparse.Namespace) -> None:
        self.wanted = wanted
        self.stage: Stage = stages_of(wanted.best, wanted.regime)[wanted.stage]
        self.pairs: int = min(wanted.pairs or self.stage.pairs, self.stage.pairs)
        self._surveys: dict[tuple[int, float | None], Survey] = {}

    @cached_property
    def costs(self) -> Costs:
        """What each form costs."""
        return read_costs(self.wanted.costs)

    def jobs(self, first: int = 0, last: int | None = None) -> list[Job]:
        """Return the jobs of some pairs of the stage; before those that are taught, those that teach."""
        jobs = self.stage.jobs(first, self.pairs if last is None else min(last, self.pairs))
        asked = [job for job in jobs if not self.wanted.arms or job.arm in self.wanted.arms]
        return [*dict.fromkeys([*(teacher for job in asked for teacher in teachers_of(job)), *asked])]

    def words(self, job: Job) -> list[str]:
        """Return the overrides of the run of a job."""
        places = [override("runs", self.wanted.runs), override("surveys", self.wanted.surveys), *self.wanted.overrides]
        if self._is_relabelled(job):
            survey = ["survey=path", override("survey.path", str(self._relabelled_path(job)))]
        else:
            survey = survey_words(job.survey, self.wanted.size)
        if self._has_own_split(job):
            places.append(override("split", str(self._split_path(job))))
        if teachers := teachers_of(job):
            places.append(override("learner.teacher", [str(self.folder_of(teacher)) for teacher in teachers]))
        return words_of(job, self.costs.ratios, [*survey, *places])

    def folder_of(self, job: Job) -> Path:
        """Return the folder of the run of a job."""
        from ictconvention.runs.plan import plan_run

        return plan_run(compose_run(self.words(job))).folder.path

    def setting_of(self, job: Job) -> str:
        """Return the hash of all that makes a job beside its name: not folders, nor survey and split, see `Result`.

        It needs neither of them on disk. What makes those that teach it is part of it.
        """
        from ictconvention.runs.assembly.run_hash import digest

        survey = survey_words(job.survey, self.wanted.size)
        options = compose_run(words_of(job, self.costs.ratios, [*survey, *self.wanted.overrides]))
        own = digest(leave_out_added(leave_out(asdict(options), options, LABEL | PLACE | CONTENT), options))
        return digest([own, *map(self.setting_of, teachers)]) if (teachers := teachers_of(job)) else own

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Make the surveys and splits of jobs that are not there."""
        for job in jobs:
            path = self._split_path(job)
            if not self._has_own_split(job) or (path.exists() and self._is_there(job)):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            self._split(job).save(path)

    def survey(self, job: Job) -> "Survey":
        """Return the survey of a job; one that is simulated is made once, and so is one with other labels."""
        from experiments.ict.relabel import relabel_survey
        from ictconvention.runs.assembly.run_survey import open_or_simulate

        plain = job.survey, None
        if plain not in self._surveys:
            words = [*EVERY, *survey_words(job.survey, self.wanted.size), override("surveys", self.wanted.surveys)]
            self._surveys[plain] = open_or_simulate(compose_run(words))
        if not self._is_relabelled(job):
            return self._surveys[plain]
        errors = REGIMES[job.regime].errors
        if (job.survey, errors) not in self._surveys:
            made = relabel_survey(self._surveys[plain], Path(self.wanted.surveys), errors)
            self._surveys[job.survey, errors] = made
        return self._surveys[job.survey, errors]

    def _split(self, job: Job) -> "Split":
        """Return the split of a job: the parts are drawn of the survey's own labels, whatever the labels are then."""
        from dataclasses import replace

        from ictconvention.survey.labels.groups import find_groups
        from ictconvention.survey.split import classes_of, reach_of
        from ictconvention.survey.split_drawing import make_split

        self.survey(job)
        table = self._surveys[job.survey, None].object_table()
        whole = make_split(table, index=job.fold)
        group = dict(zip(map(str, table["id"]), find_groups(table, reach_of(table)).tolist(), strict=True))
        drawn = draw_split(REGIMES[job.regime], whole, job.seed, group) or whole
        return replace(drawn, classes=classes_of(self.survey(job).object_table()))

    def _is_relabelled(self, job: Job) -> bool:
        return ARMS[job.arm].relabelled or job.regime.startswith("noise")

    def _has_own_split(self, job: Job) -> bool:
        regime = REGIMES[job.regime]
        return regime.labels < 1 or regime.rare < 1 or self._is_relabelled(job)

    def _is_there(self, job: Job) -> bool:
        return not self._is_relabelled(job) or self._relabelled_path(job).exists()

    def _relabelled_path(self, job: Job) -> Path:
        from ictconvention.runs.assembly.run_survey import simulated_path

        words = [*EVERY, *survey_words(job.survey, self.wanted.size), override("surveys", self.wanted.surveys)]
        plain = simulated_path(compose_run(words))
        return plain.with_name(f"{plain.name}-labels-{REGIMES[job.regime].errors:g}")

    def _split_path(self, job: Job) -> Path:
        labels = "-second" if self._is_relabelled(job) else ""
        name = f"{REGIMES[job.regime].file}{labels}-survey{job.survey}-fold{job.fold}-seed{job.seed}"
        return Path(self.wanted.runs) / f"ict-splits{self.wanted.size or ''}" / f"{name}.json"


def result_of_run(study: Study, job: Job, folder: Path, setting: str) -> Result:
    """Read what the finished run of a job predicts."""
    from ictconvention.evaluation.prior import Prior
    from ictconvention.runs.finished_run import read_finished
    from ictconvention.runs.run_folder import RunFolder

    run = read_finished(folder)
    survey = study.survey(job)
    found = RunFolder(folder).read_predictions(PART)
    regime = REGIMES[job.regime]
    spent = [run.core_seconds, *(read_finished(study.folder_of(teacher)).core_seconds for teacher in teachers_of(job))]
    record = {
        "title": survey.header.full_name,
        "survey_hash": survey.hash,
        "setting": setting,
        "names": list(survey.header.classes),
        "passes": passes_of(regime, job.arm, study.costs.ratios),
        "ratio": study.costs.ratios[job.arm],
        "core_seconds": None if None in spent else sum(x for x in spent if x is not None),
        "scores": {part: run.result[part] for part in ("test", "test_uniform", f"{PART}_uniform")},
        "course": course_of(RunFolder(folder).open_metrics().rows),
        "environment": describe_machine(run.environment),
    }
    return Result(job, record, found.ids, found.label, found.at(Prior.UNIFORM))


def course_of(metrics: Mapping[tuple[str, int], Mapping[str, object]]) -> dict[str, list[float]]:
    """Return the balanced loss and accuracy of the validation part after each training epoch, by stage."""
    course: dict[str, list[float]] = {}
    for (stage, _), row in sorted(metrics.items(), key=lambda one: (one[0][0] != "pretrain", one[0][1])):
        for name in ("loss_balanced", "balanced_accuracy"):
            if (value := row.get(f"{stage}/val/{name}")) is not None:
                course.setdefault(f"{stage} {name}", []).append(float(str(value)))
    return course


def rounds_of(pairs: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs that are run before arms may be given up: the first five, then one after the other."""
    first = 0
    while first < pairs:
        last = min(pairs, ENOUGH) if not first else first + 1
        yield first, last
        first = last


def run_study(study: Study) -> str:
    """Make the results that are not there, and return what became of those that failed."""
    wanted, stage = study.wanted, study.stage
    with readable_os_errors("making the folder of results", wanted.results):
        wanted.results.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []
    for first, last in rounds_of(study.pairs):
        there = read_results(wanted.results)
        out = {(regime, arm) for regime in stage.regimes for arm in given_up(there, regime, stage.survey)}
        jobs = [job for job in study.jobs(first, last) if (job.regime, job.arm) not in out]
        settings = {job: study.setting_of(job) for job in jobs}
        there = read_results(wanted.results, settings)
        waiting = [job for job in jobs if job not in there]
        said = f"pairs {first + 1} to {last}: {pluralize(len(jobs), 'job')}, {len(jobs) - len(waiting)} with a result"
        print(f"{said}; given up: {len(out)}", flush=True)
        if not waiting:
            continue

        def keep(job: Job, folders: Sequence[Path], settings: Mapping[Job, str] = settings) -> None:
            save_result(wanted.results, result_of_run(study, job, folders[0], settings[job]))

        taught = [job for job in waiting if teachers_of(job)]
        folder = Path(wanted.runs) / "sweeps" / f"ict-{wanted.stage}-{first}{'-small' if wanted.size else ''}"
        try:
            for some, end in (([job for job in waiting if job not in taught], ""), (taught, "-taught")):
                if some:
                    study.prepare(some)
                    runs = {job: [study.words(job)] for job in some}
                    train_jobs(folder.with_name(f"{folder.name}{end}"), runs, "laptop", wanted.jobs, keep).check()
        except UsageError as error:
            failed.append(error.found)
    return "; ".join(failed)


@lines_on_terminal()
@warnings_once()
def main() -> None:
    """Run a stage of the study, and write its tables and figures."""
    wanted = parse_arguments()
    if wanted.stage == "costs" and not wanted.tables:
        costs = measure_costs(wanted.surveys, wanted.costs)
        for name, ratio in costs.ratios.items():
            print(f"{ratio:6.2f}  {name}")
        return
    if wanted.size:
        print("a small survey only shows that it runs: nothing is learned in it")
    failed = "" if wanted.tables else run_study(Study(wanted))
    from experiments.ict.figures import draw_results
    from experiments.ict.tables import show_tables, write_tables

    results = read_results(wanted.results)
    print(write_tables(wanted.results, results))
    if wanted.results.resolve() == RECORDED.resolve():
        show_tables(HERE / "README.md", results)
    draw_results(wanted.results, results)
    print(f"tables and figures: {wanted.results}")
    if failed:
        fix = "fix what the logs say; the same command repeats nothing that is finished"
        raise UsageError(failed, wanted.results, fix, "E-SWEEP-FAILED")


if __name__ == "__main__":
    with report_errors():
        main()
