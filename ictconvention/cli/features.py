"""The command that writes what the encoder of a run makes of each object."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ictconvention.cli.next_command import suggest_prediction
from ictconvention.cli.run_arguments import Module, RunPath, SurveyPath, import_modules


def features(
    context: typer.Context,
    run: RunPath,
    survey: SurveyPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="Parquet file to write.", show_default=False)],
    dtype: Annotated[Literal["float16", "float32"], typer.Option(help="Type of the numbers.")] = "float16",
    module: Module = None,
    batch_size: Annotated[int, typer.Option(help="Objects in a batch.")] = 64,
) -> None:
    """Write what a run's encoder makes of every object, id and features: a frozen encoder is then never run again."""
    from ictconvention.core.output_place import check_place
    from ictconvention.core.progress import show_progress
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, survey, *context.args], 2)
    check_place(output, "writing the features")
    import_modules(module)
    from ictconvention.applying.features import check_features_file, save_features
    from ictconvention.runs.trained_run import read_trained
    from ictconvention.survey.survey import Survey

    check_features_file(output)
    trained, opened = read_trained(run), Survey.open(survey)
    with show_progress("writing features") as progress:
        number = save_features(trained, opened, output, dtype, batch_size, progress)
    typer.echo(output)
    typer.echo(f"{len(opened)} objects, {number} features of each, {dtype}")
    suggest_prediction(run)
