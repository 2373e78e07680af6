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

from ictconvention.cli.ingesting.scheduler_option import Scheduler, without_scheduler
from ictconvention.cli.next_command import suggest
from ictconvention.core.errors import UsageError
from ictconvention.core.progress import show_progress

app = typer.Typer(
    help="Make a survey of images that you have. The last line says how much is in it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@dataclass(frozen=True)
class Shared:
    """The options that commands share, declared once: `command` adds them to each."""

    out: Annotated[
        Path | None, typer.Argument(metavar="SURVEY", help="Folder to make; or --into SURVEY.", show_default=False)
    ] = None
    into: Annotated[
        Path | None,
        typer.Option(metavar="SURVEY", help="Add what is read, such as a night, to a survey that there is."),
    ] = None
    relabel: Annotated[
        bool,
        typer.Option("--relabel", help="With --into: the table of objects is right where the survey says otherwise."),
    ] = False
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
    size: Annotated[
        int | None,
        typer.Option(help="Height and width of the stamps in pixels.", show_default="32; with --into the survey's"),
    ] = None
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
    scheduler: Scheduler = None
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
            from ictconvention.core.cluster.scheduler import use_scheduler
            from ictconvention.ingestion.kinds import KINDS
            from ictconvention.ingestion.request import Request

            asked = {name: given.pop(name) for name in shared}
            asked |= _place(asked)
            with use_scheduler(asked.pop("scheduler", None)):
                made_by = f"ictconvention {shlex.join(without_scheduler(sys.argv[1:]))}"
                request = Request(**asked, made_by=made_by, show=show_progress)
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


def _place(given: dict[str, Any]) -> dict[str, Any]:
    """Return the folder of the survey, and whether it is there already, out of the two ways to name it."""
    out, into = given["out"], given["into"]
    if (out is None) == (into is None):
        found = "no survey is named" if out is None else f"two surveys are named, {out} and {into}"
        fix = "give SURVEY to make a new one, or --into SURVEY to add to one that there is"
        raise UsageError(found, "ictconvention ingest", fix, "E-COMMAND-CONFLICT")
    if into is None and given["relabel"]:
        fix = "give it with --into, or leave it out"
        raise UsageError("--relabel is of a night that is added", "--relabel", fix, "E-COMMAND-CONFLICT")
    return {"out": into if out is None else out, "into": into is not None}


def _is_argument(parameter: Parameter) -> bool:
    return any(isinstance(one, ArgumentInfo) for one in getattr(parameter.annotation, "__metadata__", ()))
