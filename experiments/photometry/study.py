"""What photometry without pixels gains early on: networks and a forest on a simulated stream of alerts.

    python -m experiments.photometry.study [--rows light_curve_transformer forest] [--seeds 3]

A survey of alerts is simulated once (`survey.stream=alerts`): stamps of detections alone, forced photometry of every
visit since 30 days before the first. Arms differ in sequence.photometry alone, or in the passes. The extra test objects
are then classified from their first 5, 10 and 20 days after the first detection, and from all. What has its result in
`results` is not repeated; `--tables` trains nothing.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray

import ictconvention as ict
from experiments.photometry.figure import draw_results
from experiments.photometry.jobs import ARMS, EPOCHS, FOREST, Job, jobs_of
from experiments.photometry.results import DAYS, Result, read_results, save_result
from experiments.photometry.tables import ROWS, lines_of
from experiments.study import describe_machine, path_of
from ictconvention.core.console import lines_on_terminal
from ictconvention.drawing.figure_file import save_figure
from ictconvention.evaluation.prior import Prior
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.neighbours import sky_groups

HOME = Path(__file__).parent
FIGURE = HOME / "early.png"


def run_job(job: Job, runs: str, surveys: str, epochs: int) -> Result:
    """Train a job, and predict the extra test objects as they stand after some days."""
    run = job.train(runs, surveys, epochs)
    folder = RunFolder(run.folder)
    spent = sum(folder.read_status()["core_seconds"].values())
    if job.row == FOREST:
        before = process_time()
        run.train_forest(jobs=1)
        spent = process_time() - before
    extra = run.survey.select(np.asarray(run.survey.object_table()["extra_test"]).astype(bool))
    objects, classes = extra.object_table(), run.survey.header.classes
    label = np.array([classes.index(str(name)) for name in objects["true_class"]], dtype=np.int64)
    group = sky_groups(np.asarray(objects["ra"], float), np.asarray(objects["dec"], float), 1.0)
    record = {
        "epochs": epochs,
        "title": run.survey.header.full_name,
        "survey_hash": run.survey.hash,
        "setting": job.setting(epochs),
        "classes": list(classes),
        "core_seconds": round(spent, 1),
        "environment": describe_machine(folder.read_environment()),
    }
    early = {days: until for days, until in DAYS.items() if until is not None or job.row == FOREST}
    likely = {days: _predict(run, extra, until, job.row == FOREST) for days, until in early.items()}
    if job.row != FOREST:
        tested = folder.read_predictions("extra_test")  # of all frames, at the end of the training
        place = {id_: number for number, id_ in enumerate(tested.ids.tolist())}
        likely["all"] = tested.at(Prior.UNIFORM)[[place[id_] for id_ in extra.ids]]
    return Result(job, record, np.array(extra.ids), label, group, likely)


def _predict(run: ict.Run, extra: ict.Survey, until: float | None, forest: bool) -> NDArray[np.float64]:
    """Return the probabilities (n, classes) of the objects of a survey, in its order."""
    found = run.predict(extra, prior="uniform", first_days=until, forest="alone" if forest else None)
    place = {str(id_): number for number, id_ in enumerate(found["id"])}
    order = [place[id_] for id_ in extra.ids]
    return np.column_stack([np.asarray(found[name], float)[order] for name in run.survey.header.classes])


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what has no result yet, one after the other; print the tables, and draw the figure."""
    parser = argparse.ArgumentParser(description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=tuple(ARMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="training epochs of each stage")
    parser.add_argument("--results", type=Path, default=HOME / "results")
    parser.add_argument("--figure", type=Path, default=FIGURE)
    parser.add_argument("--runs", default="runs")
    parser.add_argument("--surveys", default="surveys")
    parser.add_argument("--tables", action="store_true", help="train nothing")
    wanted = parser.parse_args(arguments)
    with lines_on_terminal():
        for job in [] if wanted.tables else jobs_of(tuple(wanted.rows), tuple(wanted.arms), wanted.seeds):
            if not path_of(wanted.results, job).exists():
                wanted.results.mkdir(parents=True, exist_ok=True)
                save_result(wanted.results, run_job(job, wanted.runs, wanted.surveys, wanted.epochs))
        there = read_results(wanted.results)
        results = read_results(wanted.results, {job: job.setting(wanted.epochs) for job in there})
        print("\n".join(lines_of(results)))
        if results:
            save_figure(draw_results(results), wanted.figure)


if __name__ == "__main__":
    main()
