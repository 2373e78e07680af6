"""Silence Lightning messages that users cannot act on; every entry has its reason."""

import logging
import sys
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

HARMLESS = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning 2.6 on torch 2.13, not our call
    r".*does not have many workers",  # feeding is many times faster than training, without workers
    r"The number of training batches .* is smaller than the logging interval",  # means over the epoch are logged
    r"Found .* in eval mode at the start of training",  # what is frozen, as model.freeze says
    r"Checkpoint directory .* exists and is not empty",  # both stages of a run keep their weights there
)
TALKATIVE = ("lightning.pytorch", "lightning.fabric")  # which accelerators exist, adverts; the run says what it uses


@contextmanager
def silence_lightning() -> Iterator[None]:
    """Drop harmless warnings and talk in the body; other warnings are shown without the line of code they come from."""
    loggers = [logging.getLogger(name) for name in TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in HARMLESS:
                warnings.filterwarnings("ignore", message=message)
            warnings.showwarning = _told
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _told(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: Any = None,
) -> None:
    sys.stderr.write(textwrap.fill(f"warning: {message}", 100, subsequent_indent="  ") + "\n")
