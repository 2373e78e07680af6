"""The option `--module` of the commands that apply runs: code of a user's own is imported because a user names it."""

from typing import Annotated

import typer

Module = Annotated[
    list[str] | None,
    typer.Option("--module", help="Your own Python module that the run's network or task is of.", show_default="none"),
]


def import_modules(names: list[str] | None) -> None:
    """Import the modules that were named; errors as of `import_module`."""
    from ictconvention.configuration.registry import import_module

    for name in names or ():
        import_module(name)
