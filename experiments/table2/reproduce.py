"""Table 2 of ICT-ConvEntion: every model on every fold, then the table, in words, and as a page.

    make reproduce-table2 [PROFILE=laptop|paper|smoke|tiny] [SURVEY=path] [ROWS=all|names] [SEEDS=n] [CONTROLS=1] ...

What is finished is not repeated: an interrupted command resumes where it was.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.jobs_at_once import jobs_at_once
from experiments.table2.rows import (
    BASELINES,
    MEANS,
    check_equal_compute,
    expected_core_seconds,
    names_of_equal_compute,
    networks,
    rows,
    rows_of_equal_compute,
)
from ictconvention.configuration.overrides import command, override
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, pluralize, report_errors

if TYPE_CHECKING:  # heavy: each function imports what it needs when it runs
    from ictconvention.sweeping.sweep import Job, Sweep

FOLDS = {"smoke": 2, "tiny": 2}
ELSEWHERE = {"hydra/launcher=slurm", "hydra/launcher=jean_zay"}  # what trains on another machine
OURS = {  # keys that are set for each run, and what is said in their place
    "fold.index": ", and say FOLDS=n",
    "seed": ", and say SEEDS=n",
    "profile": ", and say PROFILE=NAME",
    "jobs": ", and say JOBS=n",
    "on_error": "",
    "experiment": "",
}


def check_overrides(wanted: argparse.Namespace) -> None:
    """Refuse overrides that this command could not honour: those of Hydra's sweeps, and keys that it sets itself.

    Raises
    ------
    UsageError
        The message names the command or the variable that does what was meant.
    """
    for word in wanted.overrides:
        key = word.partition("=")[0].lstrip("+~")
        if key.startswith(("hydra.", "hydra/")):
            found = f"{key} is a key of `python train.py -m`, and reproduce-table2 runs on this machine"
            fix = "leave it out, and say JOBS=n for the number of runs at once"
            if ELSEWHERE & {*wanted.overrides}:
                there = command(["python", "train.py", *sweep_of_models(wanted)])
                fix = f"train there first, {there}; then give this command without it: it takes the finished runs"
            raise UsageError(found, f"OVERRIDES, {word}", fix, "E-CONFIG-SWEEP")
        if key in OURS:
            found = f"reproduce-table2 sets {key} of each run by itself"
            raise UsageError(found, f"OVERRIDES, {word}", f"leave it out of OVERRIDES{OURS[key]}", "E-CONFIG-CONFLICT")


def sweep_of_models(wanted: argparse.Namespace) -> list[str]:
    """Return the words of the sweep that trains the models of the table, into the folders that they have here."""
    experiments = ",".join(words[0].partition("=")[2] for words in networks(wanted.rows).values())
    numbers = {"fold.index": folds_of(wanted), "seed": wanted.seeds * wanted.ensemble}
    several = [f"{key}={','.join(map(str, range(count)))}" for key, count in numbers.items()]
    return ["-m", f"experiment={experiments}", *common_words(wanted), *several]


def check_splits(jobs: "Sequence[Job]") -> None:
    """Refuse jobs that could not be compared, before any begins: objects without a frame in a band change a split."""
    split: dict[int, Job] = {}
    for job in jobs:
        other = split.setdefault(job.options.fold.index, job)
        if other.split != job.split:
            found = f"{other.title} and {job.title} would test different objects: some have no frame in these bands"
            raise UsageError(
                found, "BANDS", "leave BANDS out, or take a survey of objects that have all bands", "E-COMPARE-MISMATCH"
            )


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line, or of these words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="laptop", choices=("laptop", "paper", "smoke", "tiny"))
    parser.add_argument("--survey", help="folder of a survey; the simulated one by default")
    said = "all: also the transformers, and means of two rows; or names of networks, with commas between them"
    parser.add_argument("--rows", default="paper", help=said)
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each model on each fold, or ensembles")
    parser.add_argument("--controls", action="store_true", help="also two views, equal compute, the published recipe")
    parser.add_argument("--bands", default="", help="also each model on some bands alone: g, or g,r")
    parser.add_argument(
        "--ensemble", type=int, default=1, help="trainings that are averaged into one prediction (poster: 3)"
    )
    parser.add_argument(
        "--folds", type=int, help="the first folds of five; all by default, two of profiles smoke and tiny"
    )
    parser.add_argument("--jobs", type=int, help="runs at once; by default one a GPU, or one a processor")
    parser.add_argument("--runs", default="runs", help="folder of the runs")
    parser.add_argument("--surveys", default="surveys", help="folder of simulated surveys")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for every run, such as logger=wandb")
    return parser.parse_args(words)


def folds_of(wanted: argparse.Namespace) -> int:
    """Return how many folds are asked for."""
    return FOLDS.get(wanted.profile, 5) if wanted.folds is None else int(wanted.folds)


def common_words(wanted: argparse.Namespace) -> list[str]:
    """Return the overrides of every run."""
    common = [f"profile={wanted.profile}", override("runs", wanted.runs), override("surveys", wanted.surveys)]
    common += ["survey=path", override("survey.path", wanted.survey)] if wanted.survey else []
    return common + list(wanted.overrides)


def plan_jobs(
    wanted: argparse.Namespace, of_rows: Iterable[tuple[str, Sequence[str]]], before: "Sequence[Job]" = ()
) -> "list[Job]":
    """Return the runs of some rows, after those `before`: fold by fold, so that an interruption leaves whole folds."""
    from ictconvention.sweeping.sweep import prepare_jobs

    common, of_rows = common_words(wanted), list(of_rows)
    asked = [
        (name, [*overrides[:1], *common, *overrides[1:], f"fold.index={fold}", f"seed={seed}"])
        for fold in range(folds_of(wanted))
        for name, overrides in of_rows
        for seed in range(wanted.seeds * wanted.ensemble)
    ]
    jobs = prepare_jobs([overrides for _, overrides in asked], before=before)
    for job, (name, _) in zip(jobs[len(before) :], asked, strict=True):
        job.model, job.title = name, f"{name}, fold {job.options.fold.index}, seed {job.options.seed}"
    check_splits(jobs)
    return jobs


def run_rows(wanted: argparse.Namespace) -> "Sweep":
    """Train every row: those of equal compute after the others, whose cost they need."""
    from ictconvention.runs.assembly.run_hash import digest
    from ictconvention.sweeping.processes import run_jobs
    from ictconvention.sweeping.sweep import Sweep

    bands = [band for band in wanted.bands.split(",") if band]
    jobs = plan_jobs(wanted, rows(wanted.rows, wanted.controls, bands))
    if wanted.controls:
        check_equal_compute(jobs)  # before any begins
    at_once = wanted.jobs or jobs_at_once(wanted.profile, jobs[0].options.trainer.devices)
    key = digest([sorted(job.folder.name for job in jobs), wanted.ensemble])[:8]
    sweep = Sweep(Path(wanted.runs) / "sweeps" / f"table2-{wanted.profile}-{key}", jobs)
    if not wanted.controls or sweep.begin():
        print_expected_time(wanted, jobs, at_once)
        run_jobs(sweep, at_once)
        sweep.check()
    if wanted.controls:
        sweep = Sweep(sweep.folder, plan_jobs(wanted, rows_of_equal_compute(jobs, wanted.rows), jobs))
        run_jobs(sweep, at_once)
        sweep.check()
    return sweep


def print_expected_time(wanted: argparse.Namespace, jobs: "Sequence[Job]", at_once: int) -> None:
    """Say how long the rows take, where that was measured: on the simulated survey, at the sizes of a laptop."""
    from ictconvention.sweeping.sweep import is_finished
    from ictconvention.training.epoch_report import describe_duration

    if wanted.profile != "laptop" or wanted.survey or wanted.overrides:
        return
    waiting = [job for job in jobs if not is_finished(job)]
    trainings = folds_of(wanted) * wanted.seeds * wanted.ensemble
    equal = dict.fromkeys(names_of_equal_compute(wanted.rows) if wanted.controls else (), trainings)
    if waiting:
        expected, number = expected_core_seconds(waiting, equal), len(waiting) + sum(equal.values())
        cost = f"{describe_duration(expected / at_once)} on {pluralize(at_once, 'core')} without AMX"
        print(f"table 2: {pluralize(number, 'run')}, about {cost}, forests included", flush=True)


def keep_rows_without_run(sweep: "Sweep", wanted: argparse.Namespace) -> None:
    """Keep the predictions of the forests, and of the means of two rows, in the folder of the sweep."""
    from experiments.table2.baselines import baselines
    from ictconvention.evaluation.predictions import ensemble, mean_of_logarithms
    from ictconvention.reporting.entry_file import ENTRIES_FILE, read_entries, save_entries
    from ictconvention.runs.collection import group_runs
    from ictconvention.runs.finished_run import find_runs

    collection, path = group_runs(*find_runs(sweep.folder)), sweep.folder / ENTRIES_FILE
    found = {entry.name: entry for entry in read_entries(path, collection.first.task)}
    if not found.keys() >= {*BASELINES}:
        lead = next(iter(networks(wanted.rows)))
        folds = {job.options.fold.index: job.options for job in sweep.jobs if job.model == lead}
        found = {entry.name: entry for entry in baselines(folds)}
    if means := {name: of for name, of in MEANS.items() if {*of} <= {*networks(wanted.rows), *BASELINES}}:
        trained = {entry.name: ensemble(entry, wanted.ensemble) for entry in collection.entries()}
        for name, of in means.items():
            found[name] = mean_of_logarithms(name, [(trained | found)[one] for one in of])
    save_entries(path, [*found.values()], collection.first.task)


def write_results(sweep: "Sweep", wanted: argparse.Namespace) -> None:
    """Compare what has come out, print it, and leave it in every form."""
    from ictconvention.core.atomic import whole_file
    from ictconvention.reporting.compare import compare
    from ictconvention.reporting.page import write_report
    from ictconvention.reporting.table import as_csv, as_latex, as_markdown, as_text
    from ictconvention.training.epoch_report import describe_duration

    forms = {"txt": as_text, "csv": as_csv, "md": as_markdown, "tex": as_latex}
    keep_rows_without_run(sweep, wanted)
    comparison = compare(sweep.folder, members=wanted.ensemble)
    texts = {
        f"table2{part.end}.{ending}": form(part.table) for part in comparison.parts for ending, form in forms.items()
    }
    texts["in_words.txt"] = "".join(f"{line}\n" for line in comparison.in_words)
    for name, text in texts.items():
        with whole_file(sweep.folder / name, f"saving {name}") as partial:
            partial.write_text(text, encoding="utf-8")
    if wanted.profile == "tiny":
        print("PROFILE=tiny: a check that it runs; the numbers mean nothing")
    for name in (name for name in texts if name.startswith("table2") and name.endswith(".txt")):
        print("\n" + texts[name])
    print(texts["in_words.txt"])
    write_report(sweep.folder, sweep.folder / "report.html", comparison=comparison)
    print(f"{len(sweep.jobs)} runs, {describe_duration(sweep.seconds)} of training, over all starts")
    extra = "" if comparison.extra_test is None else "table2_extra_test (the same endings), "
    print(f"table2.txt, .csv, .md, .tex, {extra}in_words.txt and report.html: {sweep.folder}")


@lines_on_terminal()
def main() -> None:
    """Train, compare, and write the table and the page."""
    wanted = parse_arguments()
    for name in ("seeds", "ensemble", "folds", "jobs"):
        if getattr(wanted, name) is not None and getattr(wanted, name) < 1:
            raise UsageError(f"{name} is {getattr(wanted, name)}", name.upper(), "take 1 or more", "E-COMMAND-VALUE")
    check_overrides(wanted)
    print("table 2: checking every run before the first begins", flush=True)
    write_results(run_rows(wanted), wanted)


if __name__ == "__main__":
    with report_errors():
        main()
