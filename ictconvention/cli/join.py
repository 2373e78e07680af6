"""The command that makes one set of predictions of the runs of all strata."""

from pathlib import Path
from typing import Annotated

import typer


def join(
    context: typer.Context,
    sweep: Annotated[
        Path,
        typer.Argument(
            metavar="SWEEP", help="Folder of a sweep over shift.stratum, or of the runs.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Table to write: parquet, ecsv or fits.", show_default=False)
    ],
    survey: Annotated[
        Path | None, typer.Option(help="Folder of the survey, where it has moved.", show_default="where it was")
    ] = None,
) -> None:
    """Join the runs with shift=strata: each object that was tested, predicted by the run of its stratum, and scores.

    The scores lie beside the table, with the ending .json. `ictconvention report SWEEP` has a row of the same.
    """
    from ictconvention.runs.which_run import check_one_run

    check_one_run([sweep, *context.args], 1)
    from ictconvention.reporting.joined_strata import write_joined

    for line in write_joined(sweep, output, survey):
        typer.echo(line)
    typer.echo(output)
    typer.echo(output.with_suffix(".json"))
