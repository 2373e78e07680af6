"""A progress bar on a terminal, and nothing elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext


@contextmanager
def shown_progress(what: str) -> Iterator[Callable[[int, int], object]]:
    """Yield the function that moves the bar: it takes how much is done, and the total."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    progress = Progress(console=console, transient=True)
    with progress if console.is_terminal else nullcontext():
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
