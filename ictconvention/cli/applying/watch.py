"""The command that lets a trained run judge alerts as they come."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ictconvention.cli.run_arguments import Module, RunsPath, import_modules


def watch(
    context: typer.Context,
    topic: Annotated[
        str, typer.Argument(metavar="kafka://HOST[:PORT]/TOPIC", help="Topic of ZTF's or Rubin's alerts.")
    ],
    run: RunsPath,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="Folder of rows, rejects and what is known of each object; an earlier one resumes.",
            show_default=False,
        ),
    ],
    to: Annotated[
        str | None,
        typer.Option(metavar="kafka://HOST[:PORT]/TOPIC", help="Topic that rows go to as well, as JSON."),
    ] = None,
    survey: Annotated[
        Path | None,
        typer.Option(
            help="Survey that has frames of the objects from before the stream (`ingest --into` lets it grow).",
            show_default=False,
        ),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(
            help="Avro schema of packets in Confluent's wire format, or a folder with NUMBER.avsc of each.",
            show_default="packets hold their own",
        ),
    ] = None,
    cutout: Annotated[
        Literal["science", "difference"] | None,
        typer.Option(help="Which cutout.", show_default="that of the training survey, or science"),
    ] = None,
    sky: Annotated[
        bool | None,
        typer.Option(
            "--sky/--no-sky", help="Subtract the median far from the centre.", show_default="of ZTF's science images"
        ),
    ] = None,
    zero_point: Annotated[
        float | None, typer.Option(help="AB magnitude, of ZTF's alerts without magzpsci.", show_default=False)
    ] = None,
    rotate: Annotated[bool, typer.Option("--rotate/--no-rotate", help="Rotate Rubin's cutouts to north up.")] = True,
    min_reliability: Annotated[float, typer.Option(help="Leave out what Rubin finds less reliable.")] = 0.0,
    simulated: Annotated[bool, typer.Option("--simulated", help="Say that the sky did not make the alerts.")] = False,
    batch: Annotated[int, typer.Option(help="Messages of a batch, and of a file of rows.")] = 1000,
    seconds: Annotated[float, typer.Option(help="A batch ends so long after its first message.")] = 10.0,
    max_lag: Annotated[
        int | None, typer.Option(help="Warn when more messages than this are waiting.", show_default="never")
    ] = None,
    until_idle: Annotated[
        float | None,
        typer.Option(help="End when nothing has come for so many seconds.", show_default="until it is stopped"),
    ] = None,
    newest: Annotated[
        bool, typer.Option("--newest", help="Begin a topic that is new to the folder with what comes from now on.")
    ] = False,
    prior: Annotated[
        str, typer.Option(metavar="train|uniform|FILE", help="Shares of the classes to predict at.")
    ] = "train",
    group: Annotated[
        str | None,
        typer.Option(
            help="Consumer group that the brokers shall know this watch by.", show_default="kept in the folder"
        ),
    ] = None,
    kafka: Annotated[
        Path | None, typer.Option(help="Settings of librdkafka, KEY=VALUE lines: passwords and certificates.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Which model of a sweep that has several.")] = None,
    module: Module = None,
    batch_size: Annotated[int, typer.Option(help="Objects that the network takes at once.")] = 64,
) -> None:
    """Judge alerts as they come: a row for each, by all frames of its object until then.

    After each batch a line says how many alerts, their rate, and how many wait. SIGTERM or Ctrl-C ends it after the
    batch at hand; the same command resumes, after a kill too: no alert is lost, and none has two rows.
    """
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, *context.args], 1)
    import_modules(module)
    from ictconvention.applying.watching.address import check_packages, parse_address, read_settings

    check_packages()
    address, settings = parse_address(topic), read_settings(kafka)
    rows_to = None if to is None else parse_address(to, "--to")
    from ictconvention.applying.choose_runs import choose_runs
    from ictconvention.applying.class_shares import check_prior, read_shares
    from ictconvention.applying.watching.kind import HowRead, choose_kind
    from ictconvention.applying.watching.watch import WatchOptions
    from ictconvention.applying.watching.watch import watch as follow
    from ictconvention.survey.survey import Survey

    options = WatchOptions(batch, seconds, prior, until_idle, max_lag, newest, group, batch_size)
    runs, left_out = choose_runs(run, model)
    check_prior(prior, runs[0])
    if prior not in ("train", "uniform"):
        read_shares(Path(prior), runs[0].task.names)
    kind = choose_kind(runs[0], HowRead(cutout, sky, zero_point, rotate, min_reliability, simulated))
    before_stream = None if survey is None else Survey.open(survey)
    for line in left_out:
        typer.echo(f"left out: {line}")
    stop = False

    def end(number: int, frame: object) -> None:
        nonlocal stop
        stop = True

    before = {one: signal.signal(one, end) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        done = follow(
            runs,
            kind,
            address,
            output,
            options,
            schema,
            settings,
            rows_to,
            before_stream,
            stopped=lambda: stop,
            say=_say,
            warn=lambda line: print(f"warning: {line}", file=sys.stderr, flush=True),
        )
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    typer.echo(f"{output}: {done}")


def _say(line: str) -> None:
    print(line, flush=True)  # a program that reads it shall not wait for a full buffer
