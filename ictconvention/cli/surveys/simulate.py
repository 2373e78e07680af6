"""The command that simulates a survey."""

from pathlib import Path
from typing import Annotated

import typer

from ictconvention.cli.ingesting.scheduler_option import Scheduler
from ictconvention.cli.next_command import suggest, suggest_redshift_training
from ictconvention.core.progress import show_progress, wide_console


def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to make.", show_default=False)],
    objects: Annotated[
        int | None,
        typer.Option(
            help="Labelled objects; unlabelled ones come on top, a quarter as many. Of hosts: galaxies; of galaxies: "
            "those with a redshift, and as many others on top. Of scenes: chips.",
            show_default="8208, the paper's; 3375 hosts; 7500 galaxies; 800 scenes; all light curves",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    jobs: Annotated[int | None, typer.Option(help="Processes.", show_default="all processors")] = None,
    scheduler: Scheduler = None,
    extra_test: Annotated[
        int | None,
        typer.Option(
            help="Additional test objects, the same number of each class; of hosts, 270 of 960 with a supernova; "
            "of galaxies, without a redshift that may be learned; of scenes, chips of other scenes.",
            show_default="0; hosts: in proportion to the others, 960 to 3375; galaxies: a fifth as many",
        ),
    ] = None,
    light_curves: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[CLASS=]FILE",
            help="Paint real light curves instead: ecsv, parquet, csv, fits or npz. May be given several times.",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="sdss; hosts: pictures of galaxies with and without a supernova; galaxies: one night, with redshifts; "
            "scenes: chips of land in B, G, R and NIR, with masks of its classes."
        ),
    ] = "sdss",
    size: Annotated[
        int | None,
        typer.Option(
            help="Of hosts, galaxies and scenes: pixels along a side.",
            show_default="48 of hosts, 32 of galaxies, 64 of scenes",
        ),
    ] = None,
    bands: Annotated[
        int | None,
        typer.Option(help="Of galaxies: 5 (ugriz), 9 (ugrizyYJH) or 11 (also u* and Ks) bands.", show_default="5"),
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            help="Of galaxies: what decides who has a redshift: magnitude, redshift or colour.",
            show_default="magnitude",
        ),
    ] = None,
    catalogue: Annotated[
        str | None,
        typer.Option(help="Of galaxies: kcorrect, for real ugriz and redshifts of SDSS in simulated shapes."),
    ] = None,
    missing: Annotated[
        float | None, typer.Option(help="Of galaxies: share of the bands that an object lacks.", show_default="0")
    ] = None,
    unlabelled: Annotated[
        float | None, typer.Option(help="Of scenes: share of the chips without a mask.", show_default="0")
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            help="Of sdss: alerts, for stamps of detections alone, and forced photometry beside them.",
            show_default="frames, all of them",
        ),
    ] = None,
) -> None:
    """Simulate a survey: AGN, SN Ia, variable stars and other supernovae in ugriz, galaxies, or land."""
    from ictconvention.api.surveys import simulate as write
    from ictconvention.core.cluster.scheduler import use_scheduler

    with use_scheduler(scheduler), show_progress("simulating") as progress:
        of_kind = bands, select, catalogue, missing, unlabelled, stream
        survey = write(out, objects, seed, jobs, extra_test, light_curves or (), progress, kind, size, *of_kind)
    typer.echo(f"{survey.path}: simulated survey, {len(survey)} objects, {survey.lengths.sum()} frames")
    if not light_curves and kind == "sdss":
        from ictconvention.evaluation.ceiling import print_ceiling

        print_ceiling(survey, wide_console())
    if kind == "galaxies":
        from ictconvention.survey.labels.selected import find_selection

        if (selection := find_selection(survey.object_table())) is not None:
            typer.echo(selection.said)
        if suggest_redshift_training(survey):
            return
    suggest("check", survey.path)
