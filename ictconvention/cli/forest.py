"""The command that trains the forest beside a run."""

from pathlib import Path
from typing import Annotated

import typer

from ictconvention.cli.next_command import suggest_forest
from ictconvention.core.errors import UsageError
from ictconvention.core.progress import show_progress


def forest(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)],
    all_frames: Annotated[
        bool,
        typer.Option(
            "--all-frames",
            help="Light curves of all frames of an object.",
            show_default="those that the network is tested on",
        ),
    ] = False,
    jobs: Annotated[int | None, typer.Option(help="Threads.", show_default="all processors")] = None,
) -> None:
    """Train a random forest beside a run of classes, for `predict --forest mean`; forest.json has its scores.

    It learns from the run's own parts: numbers of the light curves, and of the hosts in the median stamps. Beside a run
    of redshifts it is a quantile forest on aperture photometry, and `ictconvention report` has a row of it. A survey
    that has moved is given after RUN, by survey=path survey.path=FOLDER; the module of a network of your own by
    model.module=MODULE.
    """
    from ictconvention.cli.train import check_test_words
    from ictconvention.configuration.compose import compose_run
    from ictconvention.configuration.overrides import override
    from ictconvention.runs.which_run import check_one_run

    check_one_run([run, *(word for word in context.args if "=" not in word)], 1)
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs is {jobs}", "options of forest", "give 1 or more", "E-COMMAND-VALUE")
    check_test_words(context.args)
    options = compose_run(["mode=test", override("run", run), *context.args])
    from ictconvention.applying.forests.keep import train_forest

    _, said = train_forest(run, options, all_frames, jobs, show_progress)
    for line in said:
        typer.echo(line)
    suggest_forest(run)
