"""What the commands of `ictconvention ingest` have in common: their options, and how one that is declared is run."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import ArgumentInfo

from ictconvention.cli.next_command import suggest
from ictconvention.core.progress import show_progress

app = typer.Typer(
    help="Make a survey of images that you have. The last line says how much is in it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True)
class Shared:
    """The options that commands share, declared once: `command` adds them to each."""

    out: Annotated[Path, typer.Argument(metavar="SURVEY", help="Folder to make.", show_default=False)]
    bin_pixels: Annotated[bool, typer.Option("--bin", help="Sum 2 x 2 pixels before the stamp is cut.")] = False
    objects: Annotated[
        Path | None,
        typer.Option(help="Table of objects: id, and class, label_source, redshift, ra, dec or columns of your own."),
    ] = None
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="A column of your tables by your name: id=objid. Repeatable."),
    ] = None
    rename_band: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="A band by its name in the images: g=sdss_g. Repeatable."),
    ] = None
    name: Annotated[str | None, typer.Option(help="Name of the survey.", show_default="that of its folder")] = None
    size: Annotated[int, typer.Option(help="Height and width of the stamps in pixels.")] = 32
    bands: Annotated[
        str | None,
        typer.Option(metavar="g,r", help="Bands to take, in this order.", show_default="all that are found"),
    ] = None
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="'AGN,SN Ia'",
            help="Names of the classes, in this order; objects of others are unlabelled.",
            show_default="all that are found",
        ),
    ] = None
    jobs: Annotated[int | None, typer.Option(help="Processes.", show_default="all processors")] = None
    max_rejects: Annotated[float, typer.Option(help="Largest share of frames that may be left out.")] = 0.5
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check everything, write nothing.")] = False
    simulated: Annotated[
        bool, typer.Option("--simulated", help="The sky did not make these images; every table says so.")
    ] = False


def command(*without: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the command of a kind, whose function only declares: its source, its own options, and no work.

    The options of `Shared` come after its own, but for those without which this kind is. What does the work is of the
    same name in `ingestion.kinds`.
    """

    def add(declared: Callable[..., None]) -> Callable[..., None]:
        shared = {name: one for name, one in signature(Shared).parameters.items() if name not in without}
        source, *own = signature(declared).parameters.values()

        def run(source: Path, **given: Any) -> None:
            from ictconvention.ingestion.kinds import KINDS
            from ictconvention.ingestion.request import Request

            asked = {name: given.pop(name) for name in shared}
            request = Request(**asked, made_by=f"ictconvention {shlex.join(sys.argv[1:])}", show=show_progress)
            made = KINDS[declared.__name__].ingest(request, source, **given)
            typer.echo("\n".join(made.said))
            if made.out is None:
                suggest(*(word for word in sys.argv[1:] if word not in ("--dry-run", "--plan")))
            else:
                suggest("check", made.out)

        update_wrapper(run, declared)
        rest = (one for name, one in shared.items() if name != "out")
        arguments = [one for one in own if _is_argument(one)]  # of the source too: they come before the survey
        listed = (source, *arguments, shared["out"], *(one for one in own if one not in arguments), *rest)
        run.__dict__["__signature__"] = Signature([one.replace(kind=Parameter.KEYWORD_ONLY) for one in listed])
        return app.command()(run)

    return add


def _is_argument(parameter: Parameter) -> bool:
    return any(isinstance(one, ArgumentInfo) for one in getattr(parameter.annotation, "__metadata__", ()))
