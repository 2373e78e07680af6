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
from ictconvention.cli.next_command import (
    suggest,
    suggest_first_training,
    suggest_prediction,
    suggest_prediction_of,
    suggest_training,
)
from ictconvention.cli.run_arguments import Module, RunPath, SurveyPath, import_modules
from ictconvention.cli.simulate import simulate
from ictconvention.cli.tuning.tune import tune
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import SplitError, UsageError, did_you_mean, report_errors
from ictconvention.core.output_place import check_place
from ictconvention.core.progress import show_progress, wide_console

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


@app.command()
def check(survey: SurveyPath) -> None:
    """Read a whole survey and report what is in it.

    Exit code 0: sound. Exit code 2: it has flaws, each named with file, object and fix.
    """
    from ictconvention.cli.audit_report import print_report
    from ictconvention.measuring.audit import audit_survey

    with show_progress("reading") as progress:
        report = audit_survey(survey, progress)
    print_report(report, wide_console())
    if report.flaws:
        raise typer.Exit(2)
    suggest_first_training(report.path)


@app.command()
def compact(survey: SurveyPath) -> None:
    """Rewrite a survey that nights were added to (ingest --into) in the plain form, which reads fastest.

    The survey with its nights, and all its earlier states, moves to a folder beside it, which the runs on these need.
    """
    from ictconvention.survey.growth.compact import compact as rewrite
    from ictconvention.survey.growth.states import SHORTEST_HASH

    with show_progress("writing") as progress:
        made = rewrite(survey, progress)
    states = ", ".join(state[:SHORTEST_HASH] for state in made.states)
    typer.echo(f"before, with the states {states}: {made.before}")
    typer.echo(f"survey: {made.survey.path}")
    suggest("check", made.survey.path)


@app.command()
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


@app.command()
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
    from ictconvention.cli.split_report import counts_table, notes
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


app.command()(simulate)


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
