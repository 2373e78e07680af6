"""What the commands that apply runs have in common: RUN, SURVEY, and --module, code that a user names and so trusts."""

from pathlib import Path
from typing import Annotated

import typer

PUBLISHED = "published run; or demo, which ships with the package; or hf://OWNER/NAME."
RunPath = Annotated[
    Path, typer.Argument(metavar="RUN", help=f"Folder of a finished or {PUBLISHED}", show_default=False)
]
RunsPath = Annotated[
    Path, typer.Argument(metavar="RUN", help=f"Folder of a run, of a sweep, or of a {PUBLISHED}", show_default=False)
]
SurveyPath = Annotated[Path, typer.Argument(metavar="SURVEY", help="Folder of the survey.", show_default=False)]
Module = Annotated[
    list[str] | None,
    typer.Option("--module", help="Your own Python module that the run's network or task is of.", show_default="none"),
]


def import_modules(names: list[str] | None) -> None:
    """Import the modules that were named; errors as of `import_module`."""
    from ictconvention.configuration.registry import import_module

    for name in names or ():
        import_module(name)
