"""The command that makes a folder for others of a run."""

from pathlib import Path
from typing import Annotated

import typer

from ictconvention.cli.run_arguments import Module, RunPath, import_modules


def publish(
    context: typer.Context,
    run: RunPath,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder to write.", show_default=False)],
    licence: Annotated[
        str, typer.Option(metavar="mit|cc-by-4.0|...", help="Licence of the weights, as model hubs name it.")
    ] = "unknown",
    title: Annotated[str | None, typer.Option(help="Title of the card.", show_default="model, task and survey")] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx/--no-onnx", help="Write an ONNX file, where the network exports.")
    ] = True,
    module: Module = None,
) -> None:
    """Publish a run: weights as safetensors, ONNX and a model card, in a folder that predicts as the run does."""
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, folder, *context.args], 2)
    import_modules(module)
    from ictconvention.applying.publishing.publish import publish as write
    from ictconvention.cli.next_command import suggest_prediction

    made = write(run, folder, licence, title, onnx)
    if made.without_onnx:
        typer.echo(f"no ONNX file: {made.without_onnx}")
    if licence == "unknown":
        typer.echo("no licence: the card says that others must ask you; --licence names one")
    typer.echo(f"{folder}: {made.size / 1e6:.2f} MB; upload it as it is: hf upload OWNER/NAME {folder}")
    suggest_prediction(folder)
