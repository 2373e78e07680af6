"""The command that says whether a run will work on a survey."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictconvention.cli.next_command import suggest_prediction
from ictconvention.cli.run_arguments import Module, RunPath, SurveyPath, import_modules

if TYPE_CHECKING:
    from rich.table import Table

    from ictconvention.applying.comparing.compare import SurveyComparison


def compare_survey(
    context: typer.Context,
    run: RunPath,
    survey: SurveyPath,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Image to write: png, pdf or svg; its numbers beside it as .json.")
    ] = Path("compare_survey.png"),
    module: Module = None,
    batch_size: Annotated[int, typer.Option(help="Objects in a batch.")] = 64,
) -> None:
    """Will it work on my data? Compare a survey with what a run knows: features, novelty, depth, seeing, cadence.

    No label is looked at. The features of the survey are set against those of objects of the validation and test parts.
    """
    from ictconvention.core.errors import UsageError
    from ictconvention.core.output_place import check_place
    from ictconvention.core.progress import show_progress, wide_console
    from ictconvention.drawing.figure_file import check_figure_name
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, survey, *context.args], 2)
    check_figure_name(output)
    numbers = output.with_suffix(".json")
    for path, doing in ((output, "saving the figure"), (numbers, "saving the comparison")):
        check_place(path, doing)
    if batch_size < 1:
        raise UsageError(
            f"--batch-size is {batch_size}", "options of compare-survey", "give at least one", "E-COMMAND-VALUE"
        )
    import_modules(module)
    from ictconvention.applying.comparing.compare import compare_survey as compare
    from ictconvention.applying.fitting_survey import open_for
    from ictconvention.drawing.figure_file import save_figure
    from ictconvention.runs.trained_run import read_trained

    trained = read_trained(run)
    opened = open_for(trained, survey)
    with show_progress("looking at objects") as progress:
        found = compare(trained, opened, batch_size, progress)
    console = wide_console()
    console.print(_table(found))
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    save_figure(found.show(), output)
    found.save_json(numbers)
    typer.echo(output)
    typer.echo(numbers)
    suggest_prediction(run)


def _table(found: "SurveyComparison") -> "Table":
    """Return how the objects of the run and of the survey were observed, side by side."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Median, 16th to 84th percentile of the objects", title_justify="left")
    table.add_column("", no_wrap=True)
    for name in (f"run, {escape(found.training_survey)}", f"here, {escape(found.survey)}", "AUC of it"):
        table.add_column(name, justify="right")
    for one in found.quantities:
        unit = f" [{one.unit}]" if one.unit else ""
        auc = "" if one.auc != one.auc else f"{one.auc:.2f}"  # NaN
        table.add_row(escape(f"{one.name}{unit}"), _spread(one.known), _spread(one.here), auc)
    return table


def _spread(values: tuple[float, float, float]) -> str:
    low, middle, high = values
    return "unknown" if middle != middle else f"{middle:.4g}, {low:.4g} to {high:.4g}"


def _lines(found: "SurveyComparison") -> list[str]:
    """Return what else is to be said, the verdict last."""
    import numpy as np

    from ictconvention.core.errors import pluralize
    from ictconvention.evaluation.shift.known_sample import OWN

    lines = []
    if found.trained:
        lines.append("among these objects are some that the run has seen: there are too few others")
    novelty = found.novelty[np.isfinite(found.novelty)]
    if len(novelty):
        share = f"{(novelty > 0.95).mean():.1%} of {pluralize(len(novelty), 'object')}"
        lines.append(f"unlike the training survey (novelty above 0.95): {share}; of objects that are like it, about 5%")
    for name, one in found.told.items():
        if name != OWN and one is not None:
            lines.append(f"against the run's {name}: AUC {one.auc:.2f}, 95% {one.low:.2f} to {one.high:.2f}")
    return [*lines, f"verdict: {found.verdict}"]
