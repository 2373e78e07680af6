"""The option by which a command gives its work to a cluster."""

from collections.abc import Sequence
from typing import Annotated

import typer

Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS|local:N",
        help="Let the workers of dask.distributed do the work: tcp://HOST:8786, or N workers on this machine.",
        show_default="processes of this machine",
    ),
]


def without_scheduler(words: Sequence[str]) -> list[str]:
    """Return the words of a command without this option: where its work was done is nothing that a survey keeps."""
    value_of = [False, *(word == "--scheduler" for word in words)]
    return [
        word
        for word, is_value in zip(words, value_of, strict=False)
        if word != "--scheduler" and not word.startswith("--scheduler=") and not is_value
    ]
