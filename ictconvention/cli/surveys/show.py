"""The command that draws one object of a survey, or a sheet of some."""

from pathlib import Path
from typing import Annotated

import typer

from ictconvention.cli.run_arguments import SurveyPath
from ictconvention.core.output_place import check_place


def show(
    survey: SurveyPath,
    object_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Id of the object.", show_default="some of each class")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Image to write: png, pdf or svg.", show_default="ID.png, or SURVEY.png"),
    ] = None,
) -> None:
    """Draw one object: its stamps, a row per band in time order, and its light curve; a picture in its colours.

    Without an ID, a sheet: some objects of each class.
    """
    from ictconvention.drawing.class_sheet import draw_class_sheet
    from ictconvention.drawing.figure_file import save_figure
    from ictconvention.drawing.picture_page import draw_object
    from ictconvention.survey.format import NANOMAGGY
    from ictconvention.survey.photometry.table import SurveyPoints, has_photometry
    from ictconvention.survey.survey import Survey

    name = survey.absolute().name if object_id is None else object_id
    path = output or Path(f"{name.replace('/', '_')}.png")
    check_place(path, "saving the figure")
    opened = Survey.open(survey)
    if object_id is None:
        save_figure(draw_class_sheet(opened), path)
    else:
        series = opened[object_id]
        points = None
        if has_photometry(opened) and opened.header.flux_unit == NANOMAGGY:
            points = SurveyPoints(opened).of(series)
        elif has_photometry(opened):
            unit = opened.header.flux_words
            typer.echo(f"without its photometry, which is in nanomaggies: the frames are in {unit}", err=True)
        save_figure(draw_object(series, opened.header, points), path)
    typer.echo(path)
