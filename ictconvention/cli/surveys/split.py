"""The command that draws the parts of a run and counts them."""

from pathlib import Path
from typing import Annotated

import typer

from ictconvention.cli.next_command import suggest_training
from ictconvention.cli.run_arguments import SurveyPath
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.core.output_place import check_place
from ictconvention.core.progress import wide_console


def split(
    survey: SurveyPath,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="rotating: another test part in every fold. fixed: one for all. single: one stage on all labels.",
            metavar="rotating|fixed|single",
            show_default="rotating; of redshifts and masks single",
        ),
    ] = None,
    index: Annotated[int | None, typer.Option(help="Which fold, from 0.", show_default="0")] = None,
    count: Annotated[int | None, typer.Option(help="Number of folds.", show_default="5")] = None,
    seed: Annotated[int | None, typer.Option(help="Draws the parts.", show_default="0")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="JSON file to write.")] = None,
    load: Annotated[
        Path | None, typer.Option(help="Check this split file against the survey instead of drawing one.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="'AGN,SN Ia'", help="Classes to keep; objects of others are unlabelled.", show_default="all"
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            metavar="classes|redshift|mask",
            help="redshift: all parts have all redshifts, as a run with task=redshift draws them. mask: all parts have "
            "rare classes of pixels, and whole scenes.",
            show_default="what the survey has, where no object has a class",
        ),
    ] = None,
) -> None:
    """Draw the parts of a run (pre-train, fine-tune, test), count their classes, redshifts or chips, and save them."""
    from ictconvention.api.surveys import split as draw
    from ictconvention.api.surveys import table_for
    from ictconvention.cli.surveys.split_report import counts_table, notes
    from ictconvention.configuration.overrides import override
    from ictconvention.survey.labels.ways import TooFewError, name_ways
    from ictconvention.survey.split import Split
    from ictconvention.survey.survey import Survey

    options = {"protocol": protocol, "index": index, "count": count, "seed": seed}
    given = {name: value for name, value in options.items() if value is not None}
    if load and given:
        found = f"--load reads a split that is drawn already, and --{next(iter(given))} would draw one"
        raise UsageError(found, "options of split", "leave out one of the two", "E-COMMAND-CONFLICT")
    if output:
        check_place(output, "saving the split", [load])
    opened = Survey.open(survey)
    if classes is not None:
        opened = opened.with_classes([name.strip() for name in classes.split(",")])
    objects = table_for(opened, task)
    try:
        drawn = Split.load(load, objects) if load else draw(opened, protocol, index, count, seed, task)
    except TooFewError as few:
        flags = [words for way in few.ways if (words := way.as_flags()) is not None]
        raise SplitError(few.found, few.where, name_ways(flags), few.code) from None
    if output:
        drawn.save(output)
    console = wide_console()
    console.print(counts_table(drawn, opened.header))
    for line in notes(drawn, objects):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    if output:
        typer.echo(output)
    if file := output or load:
        suggest_training(opened, drawn, override("split", file))
