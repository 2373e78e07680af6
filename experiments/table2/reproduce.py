"""Table 2 of ICT-ConvEntion: every model on every fold, then the table, in words, and as a page.

    make reproduce-table2 [PROFILE=laptop|paper|smoke] [SURVEY=path] [SEEDS=n] [CONTROLS=1] [BANDS=g] [ENSEMBLE=3]

What is finished is not repeated: an interrupted command resumes where it was.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import command, override
from ictconvention.configuration.schema import STAGES, RunOptions, stage_of
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, report_errors

if TYPE_CHECKING:  # heavy: each function imports what it needs when it runs
    from ictconvention.sweeping.sweep import Job, Sweep

MODELS = {
    "ICT-ConvEntion": ["experiment=ict_sdss"],
    "ConvEntion": ["experiment=convention_sdss"],
    "CNN+GRU": ["experiment=cnn_gru_sdss"],
    "CNN+LSTM": ["experiment=cnn_lstm_sdss"],
    "light-curve RNN": ["experiment=light_curve_sdss"],
}
COMPUTE = 8 / 3  # what a step of ICT costs, in steps of ConvEntion: two passes with gradients, two without
NORMS = [f"stage.{stage}.optimiser.decay_norms_and_biases=true" for stage in STAGES]
CONTROLS = {  # what else might make ICT better: two views, more compute, another recipe; epochs are added to the second
    "two-view cross-entropy": ["experiment=ict_sdss", "name=two_view", "learner.consistency=0"],
    "ConvEntion, equal compute": ["experiment=convention_sdss", "name=convention_equal_compute"],
    "ConvEntion, published recipe": [
        "experiment=convention_sdss",
        "name=convention_published",
        "imbalance=focal",
        *NORMS,
    ],
}
FOLDS = {"smoke": 2}
OURS = {  # keys that are set for each run, and what is said in their place
    "fold.index": ", and say FOLDS=n",
    "seed": ", and say SEEDS=n",
    "profile": ", and say PROFILE=NAME",
    "jobs": ", and say JOBS=n",
    "on_error": "",
    "experiment": "",
}


def rows(common: Sequence[str], controls: bool, bands: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each row's name and overrides."""
    base = compose_run(common)
    chosen = dict(MODELS)
    if controls:
        chosen |= CONTROLS
        chosen["ConvEntion, equal compute"] = [*CONTROLS["ConvEntion, equal compute"], *longer(base)]
    yield from chosen.items()
    if bands:
        for name, overrides in MODELS.items():
            yield f"{name}, {''.join(bands)}", [*overrides, f"survey.bands=[{','.join(bands)}]"]


def longer(base: RunOptions) -> list[str]:
    """Return as many training epochs of ConvEntion as cost what ICT's cost."""
    return [f"stage.{stage}.max_epochs={round(COMPUTE * stage_of(base, stage).max_epochs)}" for stage in STAGES]


def jobs_at_once(profile: str, devices: int) -> int:
    """Return how many runs go side by side: as many as have GPUs; without GPUs one a processor, for narrow networks."""
    import torch

    from ictconvention.runs.machine import processors

    if torch.cuda.is_available():
        return max(1, torch.cuda.device_count() // devices)
    return 1 if profile == "paper" else processors()


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
            if "hydra/launcher=slurm" in wanted.overrides:
                there = command(["python", "train.py", *sweep_of_models(wanted)])
                fix = f"train there first, {there}; then give this command without it: it takes the finished runs"
            raise UsageError(found, f"OVERRIDES, {word}", fix, "E-CONFIG-SWEEP")
        if key in OURS:
            found = f"reproduce-table2 sets {key} of each run by itself"
            raise UsageError(found, f"OVERRIDES, {word}", f"leave it out of OVERRIDES{OURS[key]}", "E-CONFIG-CONFLICT")


def sweep_of_models(wanted: argparse.Namespace) -> list[str]:
    """Return the words of the sweep that trains the models of the table, into the folders that they have here."""
    experiments = ",".join(words[0].partition("=")[2] for words in MODELS.values())
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
    parser.add_argument("--profile", default="laptop", choices=("laptop", "paper", "smoke"))
    parser.add_argument("--survey", help="folder of a survey; the simulated one by default")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each model on each fold, or ensembles")
    parser.add_argument("--controls", action="store_true", help="also two views, equal compute, the published recipe")
    parser.add_argument("--bands", default="", help="also each model on some bands alone: g, or g,r")
    parser.add_argument(
        "--ensemble", type=int, default=1, help="trainings that are averaged into one prediction (poster: 3)"
    )
    parser.add_argument("--folds", type=int, help="the first folds of five; all by default, two of profile smoke")
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


def plan_jobs(wanted: argparse.Namespace) -> "list[Job]":
    """Return every run that was asked for, fold by fold, so that an interrupted command leaves whole folds."""
    from ictconvention.sweeping.sweep import prepare_jobs

    folds = folds_of(wanted)
    common = common_words(wanted)
    bands = [band for band in wanted.bands.split(",") if band]
    asked = [
        (name, [*overrides[:1], *common, *overrides[1:], f"fold.index={fold}", f"seed={seed}"])
        for fold in range(folds)
        for name, overrides in rows(common, wanted.controls, bands)
        for seed in range(wanted.seeds * wanted.ensemble)
    ]
    jobs = prepare_jobs([overrides for _, overrides in asked])
    for job, (name, _) in zip(jobs, asked, strict=True):
        job.model, job.title = name, f"{name}, fold {job.options.fold.index}, seed {job.options.seed}"
    check_splits(jobs)
    return jobs


def write_results(sweep: "Sweep", wanted: argparse.Namespace) -> None:
    """Compare what has come out, print it, and leave it in every form."""
    from experiments.table2.baselines import baselines
    from ictconvention.core.atomic import whole_file
    from ictconvention.reporting.compare import compare
    from ictconvention.reporting.entry_file import ENTRIES_FILE, save_entries
    from ictconvention.reporting.page import write_report
    from ictconvention.reporting.table import as_csv, as_latex, as_markdown, as_text
    from ictconvention.runs.collection import read_finished
    from ictconvention.training.epoch_report import describe_duration

    forms = {"txt": as_text, "csv": as_csv, "md": as_markdown, "tex": as_latex}
    if not (sweep.folder / ENTRIES_FILE).exists():
        folds = {job.options.fold.index: job.options for job in sweep.jobs if job.model == next(iter(MODELS))}
        save_entries(sweep.folder / ENTRIES_FILE, baselines(folds), read_finished(sweep.jobs[0].folder).task)
    comparison = compare(sweep.folder, members=wanted.ensemble)
    texts = {f"table2.{ending}": form(comparison.table) for ending, form in forms.items()}
    texts["in_words.txt"] = "".join(f"{line}\n" for line in comparison.in_words)
    for name, text in texts.items():
        with whole_file(sweep.folder / name, f"saving {name}") as partial:
            partial.write_text(text, encoding="utf-8")
    if wanted.profile == "smoke":
        print("PROFILE=smoke: a check that it runs; the numbers mean nothing")
    print("\n" + texts["table2.txt"])
    print(texts["in_words.txt"])
    write_report(sweep.folder, sweep.folder / "report.html", comparison=comparison)
    print(f"{len(sweep.jobs)} runs, {describe_duration(sweep.seconds)} of training, over all starts")
    print(f"table2.txt, .csv, .md, .tex, in_words.txt and report.html: {sweep.folder}")


@lines_on_terminal()
def main() -> None:
    """Train, compare, and write the table and the page."""
    wanted = parse_arguments()
    for name in ("seeds", "ensemble", "folds", "jobs"):
        if getattr(wanted, name) is not None and getattr(wanted, name) < 1:
            raise UsageError(f"{name} is {getattr(wanted, name)}", name.upper(), "take 1 or more", "E-COMMAND-VALUE")
    check_overrides(wanted)
    print("table 2: checking every run before the first begins", flush=True)
    from ictconvention.runs.assembly import digest
    from ictconvention.sweeping.processes import run_jobs
    from ictconvention.sweeping.sweep import Sweep

    jobs = plan_jobs(wanted)
    key = digest([sorted(job.folder.name for job in jobs), wanted.ensemble])[:8]
    sweep = Sweep(Path(wanted.runs) / "sweeps" / f"table2-{wanted.profile}-{key}", jobs)
    run_jobs(sweep, wanted.jobs or jobs_at_once(wanted.profile, jobs[0].options.trainer.devices))
    sweep.check()
    write_results(sweep, wanted)


if __name__ == "__main__":
    with report_errors():
        main()
