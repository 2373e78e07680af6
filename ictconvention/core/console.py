"""The lines that the package says, on the terminal of its commands; as a library it says nothing unless it is asked.

Every module logs to `logging.getLogger(__name__)`: what happens at INFO, what a user should look at at WARNING.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PACKAGE = "ictconvention"


class Terminal(logging.Handler):
    """Writes each line as it stands to what is the standard output at that moment, at once."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        sys.stdout.write(f"{record.getMessage()}\n")
        sys.stdout.flush()


@contextmanager
def lines_on_terminal() -> Iterator[None]:
    """Show in the body what the package says; within another such body nothing is shown twice.

    Examples
    --------
    >>> with ict.show_log():
    ...     print("tested again:")
    ...     scores = run.test()  # doctest: +ELLIPSIS
    tested again:
    ...
    miniature (simulated), test part, 16 objects, at equal class shares: ...
    the same as result.json, to the last digit
    """
    logger = logging.getLogger(PACKAGE)
    if any(isinstance(handler, Terminal) for handler in logger.handlers):
        yield
        return
    terminal, level, propagate = Terminal(), logger.level, logger.propagate
    logger.addHandler(terminal)
    logger.setLevel(logging.INFO)
    logger.propagate = False  # Hydra gives the root logger a handler of its own
    try:
        yield
    finally:
        logger.removeHandler(terminal)
        logger.setLevel(level)
        logger.propagate = propagate


@contextmanager
def silent_unless(speaks: bool) -> Iterator[None]:
    """Say nothing in the body where another process says the same."""
    logger = logging.getLogger(PACKAGE)
    level = logger.level
    if not speaks:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
