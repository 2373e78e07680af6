"""What imbalance costs on pictures: each network with each answer to it, on galaxies with and without a supernova.

    make reproduce-imbalance [PROFILE=smoke|laptop|paper] [RUNS=FOLDER] [SURVEYS=FOLDER] [SELECT=1]
    python -m experiments.imbalance.reproduce --published

What is finished is not repeated: an interrupted command resumes where it was.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.imbalance.published import print_reports
from experiments.imbalance.rows import (
    CONSTANT,
    FOREST,
    OF_FILES,
    SEEDS,
    SIZES,
    SURVEY,
    TRAINING,
    cnn_rows,
    encoder_rows,
    shipped_weights,
)
from experiments.imbalance.select import BY, STAGE, choose, course_of, settings
from experiments.jobs_at_once import jobs_at_once
from experiments.study import add_arguments, check_numbers
from ictconvention.configuration.overrides import override
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, report_errors

if TYPE_CHECKING:  # heavy: each function imports what it needs when it runs
    from ictconvention.evaluation.predictions import ModelPredictions
    from ictconvention.sweeping.sweep import Sweep

PART = "extra_test"  # 690 and 270 objects in the whole survey
SELECTED = "cnn2, none"  # the row whose setting is chosen


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options of the command line, or of these words."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, SIZES)
    parser.add_argument("--select", action="store_true", help="choose the optimiser by validation first")
    parser.add_argument("--by", default=BY[0], choices=BY, help="what that choice goes by")
    parser.add_argument(
        "--weights", action="append", default=[], metavar="NETWORK=FILE", help=f"of {' or '.join(OF_FILES)}"
    )
    parser.add_argument(
        "--published", action="store_true", help="derive the published reports from their matrices, only"
    )
    wanted = parser.parse_args(words)
    check_numbers(wanted)
    return wanted


def weights_of(wanted: argparse.Namespace) -> dict[str, str]:
    """Return the files of weights by network: those given, and the one that a package brings."""
    found = shipped_weights()
    for word in wanted.weights:
        network, equals, file = word.partition("=")
        if network not in OF_FILES or not equals:
            fix = f"write --weights {OF_FILES[0]}=FILE"
            raise UsageError(f"{word!r} names no network of the study", "--weights", fix, "E-COMMAND-VALUE")
        found[network] = file
    return found


def common_words(wanted: argparse.Namespace) -> list[str]:
    """Return the overrides of every run."""
    places = [override("runs", wanted.runs), override("surveys", wanted.surveys)]
    return [*SURVEY, *SIZES[wanted.profile], *TRAINING, *places]


def run_sweep(wanted: argparse.Namespace, kind: str, asked: Sequence[tuple[str, list[str]]]) -> "Sweep":
    """Train runs, each with the model's name; those that are finished are not trained again."""
    from ictconvention.runs.assembly.run_hash import digest
    from ictconvention.sweeping.processes import run_jobs
    from ictconvention.sweeping.sweep import Sweep, prepare_jobs

    jobs = prepare_jobs([words for _, words in asked])
    for job, (name, _) in zip(jobs, asked, strict=True):
        job.model, job.title = name, f"{name}, seed {job.options.seed}"
    key = digest(sorted(job.folder.name for job in jobs))[:8]
    sweep = Sweep(Path(wanted.runs) / "sweeps" / f"imbalance-{kind}-{wanted.profile}-{key}", jobs)
    run_jobs(sweep, wanted.jobs or jobs_at_once(wanted.profile, jobs[0].options.trainer.devices))
    sweep.check()
    return sweep


def select_setting(wanted: argparse.Namespace) -> list[str]:
    """Return the overrides of the setting that validation chooses; each was trained from fresh weights."""
    from ictconvention.runs.run_folder import RunFolder

    row, trained = dict(cnn_rows(wanted.profile))[SELECTED], dict(settings())
    words = [
        (title, [*common_words(wanted), *row, "name=imbalance_select", *of, *wanted.overrides])
        for title, of in trained.items()
    ]
    sweep = run_sweep(wanted, "select", words)
    first = RunFolder(sweep.jobs[0].folder).read_split()
    counts = Counter(first["classes"][id_] for id_ in first["parts"][f"{STAGE}_validation"])
    courses = {str(job.model): course_of(RunFolder(job.folder).open_metrics().rows, counts) for job in sweep.jobs}
    title, patience, score = choose(courses, wanted.by)
    print(f"chosen by {wanted.by} in validation ({score:.4f}): {title}, patience {patience}", flush=True)
    return [*trained[title], f"stage.{STAGE}.patience={patience}"]


def run_rows(wanted: argparse.Namespace) -> tuple["Sweep", list[str]]:
    """Train all rows that have their weights; return the sweep, and all rows by name, in order."""
    setting = select_setting(wanted) if wanted.select else []
    rows = [*cnn_rows(wanted.profile), *encoder_rows(wanted.profile, weights_of(wanted))]
    seeds = wanted.seeds or SEEDS[wanted.profile]
    asked = [
        (name, [*common_words(wanted), *words, *setting, f"seed={seed}", *wanted.overrides])
        for seed in range(seeds)
        for name, words in rows
        if words is not None
    ]
    return run_sweep(wanted, "rows", asked), [name for name, _ in rows]


def read_rows(sweep: "Sweep", names: Sequence[str]) -> "dict[str, ModelPredictions | None]":
    """Return what each row predicts of the additional test objects, with the forest and the constant answer."""
    from experiments.imbalance.baselines import baselines
    from ictconvention.evaluation.predictions import ModelPredictions
    from ictconvention.runs.run_folder import RunFolder

    found: dict[str, ModelPredictions | None] = dict.fromkeys(names)
    for name in names:
        runs = {(0, job.options.seed): RunFolder(job.folder) for job in sweep.jobs if job.model == name}
        if runs:
            found[name] = ModelPredictions(name, {key: run.read_predictions(PART) for key, run in runs.items()})
    without = baselines(sweep.jobs[0].options, PART)
    return found | {name: ModelPredictions(name, {(0, 0): without[name]}) for name in (FOREST, CONSTANT)}


def write_results(sweep: "Sweep", rows: "Mapping[str, ModelPredictions | None]") -> None:
    """Print the chief scores, and leave all of them in the folder of the sweep."""
    from experiments.imbalance.summary import summary_of
    from experiments.imbalance.tables import text_of
    from ictconvention.core.atomic import whole_file
    from ictconvention.runs.plan import plan_run
    from ictconvention.training.epoch_report import describe_duration

    survey = plan_run(sweep.jobs[0].options).survey
    names = survey.header.classes
    count = len(next(iter(next(one for one in rows.values() if one).predictions.values())).ids)
    missing = "give the file with --weights NETWORK=FILE; without one, the message names a command that fetches it"
    title = f"{survey.header.full_name}, {count} test objects"
    asked = title, rows, (names[0], names[1]), missing
    text = "".join(f"{line}\n" for line in text_of(*asked))
    with whole_file(sweep.folder / "imbalance.txt", "saving imbalance.txt") as partial:
        partial.write_text(text, encoding="utf-8")
    for line in summary_of(*asked):
        print(line)
    print(f"{len(sweep.jobs)} runs, {describe_duration(sweep.seconds)} of training, over all starts")
    print(f"every score with its interval: {sweep.folder / 'imbalance.txt'}")


@lines_on_terminal()
def main() -> None:
    """Train, compare, and write the tables."""
    wanted = parse_arguments()
    if wanted.published:
        print_reports()
        return
    if wanted.profile == "smoke":
        print("profile smoke only shows that it runs: nothing is learned in it")
    print("imbalance: checking every run before the first begins", flush=True)
    sweep, names = run_rows(wanted)
    write_results(sweep, read_rows(sweep, names))


if __name__ == "__main__":
    with report_errors():
        main()
