"""As a library the package is silent unless it is asked; on a terminal its lines stand as they are, each once."""

import logging
import subprocess
import sys

import pytest

from ictconvention.core.console import lines_on_terminal, silent_unless
from tests.conftest import ROOT

logger = logging.getLogger("ictconvention.anywhere")


def test_a_line_is_shown_as_it_stands_once_and_at_the_present_output(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger("ictconvention")
    before = list(root.handlers), root.level, root.propagate
    with lines_on_terminal(), lines_on_terminal():
        logger.info("run: 100% of {it}")
        logger.warning("left alone")
        logger.debug("of no use")
    logger.info("after it")
    assert capsys.readouterr().out == "run: 100% of {it}\nleft alone\n"
    assert (list(root.handlers), root.level, root.propagate) == before


def test_one_process_of_several_speaks(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with lines_on_terminal():
        for speaks in (False, True):
            with silent_unless(speaks):
                logger.warning(f"speaks: {speaks}")
    assert capsys.readouterr().out == "speaks: True\n"
    with silent_unless(False):
        logger.warning("in a library")
    assert not caplog.messages


def test_as_a_library_it_is_silent_until_logging_is_set_up() -> None:
    """Also its warnings, which Python shows where nobody has set up anything."""
    code = "import logging, ictconvention; logger = logging.getLogger('ictconvention.training.run'); {}"
    says = "logger.info('finished'); logger.warning('left alone')"
    for setting, expected in (
        ("", ""),
        ("logging.basicConfig(level='INFO', format='%(message)s'); ", "finished\nleft alone\n"),
    ):
        command = [sys.executable, "-c", code.format(setting + says)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        assert ended.stdout + ended.stderr == expected
