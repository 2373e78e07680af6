"""The command that draws where a network looked."""

from pathlib import Path
from typing import Annotated

import typer

Module = Annotated[
    list[str] | None,
    typer.Option("--module", help="Your own Python module that the run's network is of.", show_default="none"),
]


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)],
    survey: Annotated[Path, typer.Argument(metavar="SURVEY", help="Folder of the survey.", show_default=False)],
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID ...]", help="Ids of objects.", show_default="two of each class, of the test part first"
        ),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Image to write: png, pdf or svg.")] = Path(
        "explain.png"
    ),
    of_class: Annotated[
        str | None, typer.Option("--class", help="Class whose maps are drawn.", show_default="the predicted one")
    ] = None,
    module: Module = None,
) -> None:
    """Draw where a network looked: the maps of a class (Grad-CAM) over the stamps, beside its probabilities."""
    from ictconvention.configuration.registry import import_module
    from ictconvention.core.output_place import check_place
    from ictconvention.drawing.figure_file import check_figure_name

    check_figure_name(output)
    check_place(output, "saving the figure")
    for name in module or ():
        import_module(name)
    from ictconvention.applying.explaining.maps import explain_objects
    from ictconvention.applying.fitting_survey import open_for
    from ictconvention.drawing.applied.explained_page import draw_explained
    from ictconvention.drawing.figure_file import save_figure
    from ictconvention.runs.trained_run import read_trained

    trained = read_trained(run)
    opened = open_for(trained, survey)
    explained = explain_objects(trained, opened, ids or (), of_class)
    save_figure(draw_explained(explained, opened.header.full_name, trained.options.model.kind), output)
    typer.echo(output)
