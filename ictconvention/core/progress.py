"""What is shown: on a terminal a progress bar and tables whose numbers stay whole, in a notebook a few facts."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[int, int], object]  # takes how much is done, and the total
Show = Callable[[str], AbstractContextManager[Progress]]  # shows the progress of a step, which it names
PAUSE = 0.1  # [s] between two pictures of the bar


@contextmanager
def show_progress(what: str) -> Iterator[Callable[[int, int], object]]:
    """Yield the function that moves the bar: it takes how much is done, and the total.

    A file gets none, whatever FORCE_COLOR says of colours: its lines stay whole. The bar has no thread: a process
    forked meanwhile would inherit its lock, maybe held, and wait for ever to warn.
    """
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True), transient=True, auto_refresh=False)
    drawn = 0.0

    def move(done: int, total: int) -> None:
        nonlocal drawn
        if due := time.monotonic() > drawn + PAUSE:
            drawn = time.monotonic()
        progress.update(task, completed=done, total=total, refresh=due)

    with progress if sys.stderr.isatty() else nullcontext():
        task = progress.add_task(what, total=None)
        yield move


def wide_console() -> "Console":
    """Return a console on which a narrow terminal wraps the lines, but no number of a table is cut short."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, 100)
    return console


def show_nothing(what: str) -> AbstractContextManager[Progress]:
    """Show no progress, as a library does."""
    return nullcontext(lambda done, total: None)


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Return a title and a row for each fact, as HTML for a notebook; what they hold is text, and no HTML."""
    head = "<th style='text-align:left'>"
    rows = (f"<tr>{head}{escape(name)}</th><td>{escape(str(fact))}</td></tr>" for name, fact in facts.items())
    return f"<div><b>{escape(title)}</b><table>{''.join(rows)}</table></div>"
