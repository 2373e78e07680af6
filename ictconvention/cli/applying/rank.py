"""The command that chooses which objects of a survey to follow up."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ictconvention.cli.run_arguments import Module, RunsPath, SurveyPath, import_modules

if TYPE_CHECKING:
    from astropy.table import Table
    from rich.table import Table as Screen

SHOWN = ("rank", "id", "ra", "dec", "predicted", "entropy", "error", "novelty")  # columns on the screen


def rank(
    context: typer.Context,
    run: RunsPath,
    survey: SurveyPath,
    budget: Annotated[int, typer.Option(help="How many objects to choose.")] = 20,
    max_mag: Annotated[
        float | None, typer.Option(help="Faintest magnitude when bright, in the middle band.", show_default="any")
    ] = None,
    by: Annotated[
        Literal["entropy", "error"],
        typer.Option(help="Doubt: entropy of the probabilities, or how probably the likeliest class is wrong."),
    ] = "entropy",
    output: Annotated[Path, typer.Option("-o", "--output", help="Table to write: parquet, csv, ecsv or fits.")] = Path(
        "follow_up.ecsv"
    ),
    model: Annotated[str | None, typer.Option(help="Which model of a sweep that has several.")] = None,
    module: Module = None,
    batch_size: Annotated[int, typer.Option(help="Objects in a batch.")] = 64,
) -> None:
    """Choose which objects to follow up: those that a run doubts most, each unlike the others chosen."""
    from ictconvention.core.progress import show_progress, wide_console
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, survey, *context.args], 2)
    import_modules(module)
    from ictconvention.applying.choose_runs import choose_runs
    from ictconvention.applying.deciding.rank import RankOptions, rank_survey
    from ictconvention.applying.fitting_survey import open_for
    from ictconvention.applying.predict import PredictOptions
    from ictconvention.applying.prediction_table import check_output, save_table
    from ictconvention.cli.next_command import suggest

    options, predict = RankOptions(budget, max_mag, by), PredictOptions(batch_size=batch_size)
    runs, left_out = choose_runs(run, model)
    opened = open_for(runs[0], survey)
    check_output(output, opened.ids, runs[0].task)
    ranked = rank_survey(runs, opened, options, predict, show_progress)
    save_table(ranked.table, output)
    shown = [name for name in ranked.table.colnames if name in SHOWN or name.startswith("mag ")]
    wide_console().print(_screen(ranked.table, shown))
    for line in (*(f"left out: {one}" for one in left_out), *ranked.said):
        typer.echo(line)
    typer.echo(output)
    if not (id_ := str(ranked.table["id"][0])).startswith("-"):
        suggest("show", survey, id_)


def _screen(table: "Table", names: list[str]) -> "Screen":
    """Return some columns of a table as a terminal shows them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Screen

    screen = Screen(box=SIMPLE_HEAD, pad_edge=False)
    numbers = [table[name].dtype.kind in "fiu" for name in names]
    for name, number in zip(names, numbers, strict=True):
        screen.add_column(name, justify="right" if number else "left")
    for row in table:
        screen.add_row(*(_cell(name, row[name]) for name in names))
    return screen


def _cell(name: str, value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.5f}" if name in ("ra", "dec") else f"{value:.2f}"
    return "" if str(value) == "--" else str(value)
