"""The command that applies a run: to a survey or, of a run that learned masks, to scenes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictconvention.cli.ingesting.scheduler_option import Scheduler
from ictconvention.cli.next_command import suggest_unlike
from ictconvention.cli.run_arguments import Module, RunsPath, import_modules
from ictconvention.core.errors import UsageError
from ictconvention.core.output_place import check_place
from ictconvention.core.progress import show_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ictconvention.applying.masks.apply import MaskOutputs
    from ictconvention.applying.predict import PredictOptions
    from ictconvention.runs.trained_run import TrainedRun


def predict(
    context: typer.Context,
    run: RunsPath,
    survey: Annotated[
        Path,
        typer.Argument(
            metavar="SURVEY",
            help="Folder of the survey; of a run with task=mask, also an image of any size (tif or npy), or a folder "
            "of such.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write: parquet, csv, ecsv or fits.", show_default=False)
    ],
    prior: Annotated[
        str, typer.Option(metavar="train|uniform|estimate|FILE", help="Shares of the classes to predict at.")
    ] = "train",
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="0.9",
            help="Add a column `set`: the classes that an object may be of, so that of each class this share of its "
            "objects has it in the set, as far as they are like those of the run's validation part.",
            show_default="no sets",
        ),
    ] = None,
    first_days: Annotated[
        float | None, typer.Option(help="Use frames until so many days after the first detection.", show_default="all")
    ] = None,
    forest: Annotated[
        str | None,
        typer.Option(
            metavar="mean|alone",
            help="Mean of the network and the forest that `ictconvention forest` has trained, or that forest alone.",
            show_default="the network alone",
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Of a run with task=mask: write the estimated masks there, GeoTIFF where places are known.",
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="preligens",
            help="Of a run with task=mask: write the CSV of the challenge.",
            show_default="the usual table",
        ),
    ] = None,
    curve: Annotated[
        Path | None,
        typer.Option(help="Figure of the scores against days since the first detection, and a CSV beside it."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Which model of a sweep that has several.")] = None,
    module: Module = None,
    batch_size: Annotated[int, typer.Option(help="Objects in a batch.")] = 64,
    devices: Annotated[int, typer.Option(help="GPUs, or processes on a machine without.")] = 1,
    scheduler: Scheduler = None,
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify",
            help="Read the whole survey first and compare its checksums.",
            show_default="up to 256 MiB of frames",
        ),
    ] = None,
) -> None:
    """Apply a trained run to a survey: what it predicts of every object, such as the probability of each class."""
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, survey, *context.args], 2)
    if scheduler is not None and devices > 1:
        asked = f"--devices {devices} are of this machine, and --scheduler works on others"
        raise UsageError(asked, "--devices", "leave one of them out", "E-COMMAND-CONFLICT")
    import_modules(module)
    from ictconvention.applying.apply import apply_runs, check_survey
    from ictconvention.applying.choose_runs import choose_runs
    from ictconvention.applying.early import check_curve, save_early_curve
    from ictconvention.applying.fitting_survey import open_for
    from ictconvention.applying.forests.join import read_use
    from ictconvention.applying.masks.apply import MaskOutputs, masks_folder, predicts_scenes, write_masks
    from ictconvention.applying.predict import PredictOptions
    from ictconvention.applying.prediction_table import check_output, save_table
    from ictconvention.core.cluster.scheduler import use_scheduler

    shares_file = Path(prior)  # if it is one
    check_place(output, "writing the predictions", [shares_file])
    options, outputs = PredictOptions(first_days, batch_size, devices, read_use(forest)), MaskOutputs(masks, form)
    runs, left_out = choose_runs(run, model)
    if predicts_scenes(runs[0], survey):
        if scheduler is not None:
            fix = "leave it out, or give the scenes to several commands"
            raise UsageError("scenes are predicted in one process", "--scheduler", fix, "E-COMMAND-CONFLICT")
        said = _predict_scenes(runs, survey, output, options, outputs, prior, curve, coverage)
        for line in (*(f"left out: {one}" for one in left_out), *said):
            typer.echo(line)
        return
    opened = open_for(runs[0], survey)
    check_output(output, opened.ids, runs[0].task)
    folder = masks_folder(runs[0], opened, outputs, output)
    check_survey(runs, opened, "auto" if verify is None else verify, show_progress, options.forest)
    if curve is not None:
        check_curve(curve, runs, opened, output, [shares_file])
    with use_scheduler(scheduler):
        found = apply_runs(runs, opened, options, prior, show_progress, coverage)
    if folder is not None:
        write_masks(runs, opened, folder, options, show_progress)
    save_table(outputs.table(found.table, runs[0].task.names), output)
    for line in (*(f"left out: {one}" for one in left_out), *found.said):
        typer.echo(line)
    typer.echo(output)
    if folder is not None:
        typer.echo(folder.path)
    if curve is not None:
        with show_progress("predicting day by day") as progress:
            for path in save_early_curve(curve, runs, opened, options, prior, progress):
                typer.echo(path)
    suggest_unlike(survey, found.table)


def _predict_scenes(
    runs: "Sequence[TrainedRun]",
    path: Path,
    output: Path,
    options: "PredictOptions",
    outputs: "MaskOutputs",
    prior: str,
    curve: Path | None,
    coverage: float | None,
) -> list[str]:
    """Predict scenes, write what is asked for, and return what is to be said."""
    from ictconvention.applying.deciding.sets import check_coverage
    from ictconvention.applying.masks.apply import apply_to_scenes, open_scenes
    from ictconvention.applying.prediction_table import check_output, save_table

    check_coverage(coverage, runs, options)
    if curve is not None:
        found = "--curve is of series of observations, and these are scenes of one time"
        raise UsageError(found, "--curve", "leave it out", "E-COMMAND-CONFLICT")
    task = runs[0].task
    scenes, folder = open_scenes(runs[0], path, outputs, options, prior, output)
    check_output(output, [scene.id for scene in scenes], task)
    found_of = apply_to_scenes(runs, scenes, folder, options.batch_size, show_progress)
    save_table(outputs.table(found_of.table, task.names), output)
    return [*found_of.said, str(output), *([] if folder is None else [str(folder.path)])]
