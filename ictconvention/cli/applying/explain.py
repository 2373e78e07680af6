"""The command that says why: where a network looked in a picture, and which epochs of a series decided."""

from pathlib import Path
from typing import Annotated

import typer

from ictconvention.cli.run_arguments import Module, RunPath, SurveyPath, import_modules


def explain(
    run: RunPath,
    survey: SurveyPath,
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID ...]", help="Ids of objects.", show_default="some of each class, of the test part first"
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="Image to write: png, pdf or svg; of series a table beside it as .csv."),
    ] = Path("explain.png"),
    of_class: Annotated[
        str | None, typer.Option("--class", help="Class that is explained.", show_default="the predicted one")
    ] = None,
    module: Module = None,
) -> None:
    """Say why: of series what a class loses without each epoch, attention and Grad-CAM; of pictures Grad-CAM."""
    from ictconvention.core.output_place import check_place
    from ictconvention.drawing.figure_file import check_figure_name

    check_figure_name(output)
    check_place(output, "saving the figure")
    import_modules(module)
    from ictconvention.applying.explaining.epochs import epoch_table, explain_series
    from ictconvention.applying.explaining.maps import explain_objects
    from ictconvention.applying.fitting_survey import open_for
    from ictconvention.applying.prediction_table import save_table
    from ictconvention.core.progress import show_progress
    from ictconvention.drawing.applied.explained_page import draw_explained
    from ictconvention.drawing.applied.explained_series import draw_explained_series
    from ictconvention.drawing.figure_file import save_figure
    from ictconvention.runs.trained_run import read_trained

    trained = read_trained(run)
    opened = open_for(trained, survey)
    model = trained.options.model.kind
    if trained.learner.inputs.pictures:
        explained = explain_objects(trained, opened, ids or (), of_class)
        save_figure(draw_explained(explained, opened.header.full_name, model), output)
        typer.echo(output)
        return
    numbers = output.with_suffix(".csv")
    check_place(numbers, "writing the table")
    with show_progress("leaving out epochs") as progress:
        found = explain_series(trained, opened, ids or (), of_class, progress)
    save_figure(draw_explained_series(found, opened.header, model), output)
    save_table(epoch_table(found, opened.header.bands), numbers)
    for one in found:
        for line in one.describe(opened.header.bands):
            typer.echo(line)
    typer.echo(output)
    typer.echo(numbers)
