"""The command line. Each command imports what it needs when it runs, so that `--help` and errors come at once."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ictconvention.cli.applying.compare_survey import compare_survey
from ictconvention.cli.applying.explain import explain
from ictconvention.cli.applying.predict import predict
from ictconvention.cli.applying.publish import publish
from ictconvention.cli.applying.rank import rank
from ictconvention.cli.applying.watch import watch
from ictconvention.cli.features import features
from ictconvention.cli.forest import forest
from ictconvention.cli.ingest import app as ingest_app
from ictconvention.cli.join import join
from ictconvention.cli.next_command import suggest_prediction, suggest_prediction_of
from ictconvention.cli.run_arguments import Module, RunPath, import_modules
from ictconvention.cli.surveys.check import check, compact
from ictconvention.cli.surveys.show import show
from ictconvention.cli.surveys.simulate import simulate
from ictconvention.cli.surveys.split import split
from ictconvention.cli.tuning.tune import tune
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError, did_you_mean, report_errors

app = typer.Typer(
    name="ictconvention",
    help="Train, compare and apply classifiers of astronomical image time series.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(ingest_app, name="ingest")
WORDS = {"allow_extra_args": True}  # the shell makes several words of a pattern; check_one_run says so


def _version(wanted: bool) -> None:
    if wanted:
        from ictconvention import __version__

        typer.echo(f"ictconvention {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.with_resource(lines_on_terminal())


for of_surveys in (check, compact, show, split, simulate):
    app.command()(of_surveys)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def train(context: typer.Context) -> None:
    """Take one model through pre-train, fine-tune and test: train experiment=ict_sdss profile=laptop."""
    from ictconvention.cli.train import train as train_with

    train_with(context.args)


@app.command(context_settings=WORDS)
def test(
    context: typer.Context,
    run: RunPath,
) -> None:
    """Test a finished run once more: its weights must give the numbers of its result again.

    A survey that has moved is given after RUN, by survey=path survey.path=FOLDER; the module of a network of your own
    by model.module=MODULE.
    """
    from ictconvention.cli.train import train as train_with
    from ictconvention.configuration.overrides import override
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, *(word for word in context.args if "=" not in word)], 1)
    train_with(["mode=test", override("run", run), *context.args])


app.command(context_settings=WORDS)(forest)
app.command(context_settings=WORDS)(join)


@app.command(context_settings=WORDS)
def report(
    context: typer.Context,
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP", help="Folder of a sweep, or of runs.", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML page to write.")] = Path("report.html"),
    survey: Annotated[
        Path | None, typer.Option(help="Folder of the survey, where it has moved.", show_default="where it was")
    ] = None,
    module: Module = None,
) -> None:
    """Compare the finished runs of a sweep on one page: table, figures, and what the models get wrong."""
    from ictconvention.runs.which_run import check_one_run

    check_one_run([sweep, *context.args], 1)
    import_modules(module)
    from ictconvention.reporting.page import write_report

    comparison = write_report(sweep, output, survey)
    typer.echo(output)
    suggest_prediction_of(sweep, comparison)


app.command(context_settings=WORDS)(predict)


@app.command(context_settings=WORDS)
def export(
    context: typer.Context,
    run: RunPath,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="File to write: onnx or pt2; with --for a folder.", show_default=False),
    ],
    broker: Annotated[
        Literal["fink"] | None,
        typer.Option("--for", help="Write a module of science for this broker.", show_default="a model file"),
    ] = None,
    cutout: Annotated[
        Literal["science", "difference"] | None,
        typer.Option(help="With --for: the cutout that the run knows.", show_default="that of the training survey"),
    ] = None,
    module: Module = None,
) -> None:
    """Write a run's model, from raw fluxes to calibrated predictions, to a file that runs without this package."""
    from ictconvention.applying.model_file import check_model_file
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, *context.args], 1)
    if broker is None:
        if cutout is not None:
            found = "--cutout says what a broker's module reads, and a model file reads no cutouts"
            raise UsageError(found, "--cutout", "leave it out, or give --for fink", "E-COMMAND-CONFLICT")
        check_model_file(output)
    import_modules(module)
    if broker is not None:
        from ictconvention.applying.brokers.fink import export_for_fink

        takes = export_for_fink(run, output, cutout)
    else:
        from ictconvention.applying.export import export as write

        takes = write(run, output)
    typer.echo(output)
    typer.echo(takes)
    suggest_prediction(run)


app.command("compare-survey", context_settings=WORDS)(compare_survey)
app.command(context_settings=WORDS)(publish)
app.command(context_settings=WORDS)(rank)
app.command(context_settings=WORDS)(watch)
app.command()(explain)
app.command(context_settings=WORDS)(features)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(tune)


@app.command()
def errors(
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="Code of an error, E-AREA-KIND.", show_default="all")
    ] = None,
) -> None:
    """Say what the code of an error means. Codes stay as they are from release to release, messages may not."""
    from ictconvention.core.error_codes import CODES

    if code is not None and code not in CODES:
        found = f"no error has the code {code}{did_you_mean(code, CODES)}"
        raise UsageError(found, "errors", "`ictconvention errors` lists the codes", "E-COMMAND-VALUE")
    for name, meaning in CODES.items() if code is None else [(code, CODES[code])]:
        typer.echo(f"{name:<{max(map(len, CODES))}}  {meaning}")


def main() -> None:
    """Run the command line."""
    with report_errors():
        app()
