"""The bar moves with the work, and by the work alone: no thread of it is there when processes are forked."""

import sys
import threading
import time

import pytest

from ictconvention.core import progress


def test_the_bar_shows_what_is_done_without_a_thread(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    before = threading.active_count()
    with progress.show_progress("counting") as move:
        assert threading.active_count() == before
        move(1, 4)
        assert "25%" in capsys.readouterr().err
        move(2, 4)
        assert "50%" not in capsys.readouterr().err  # too soon to be drawn
        time.sleep(1.1 * progress.PAUSE)
        move(3, 4)
        assert "75%" in capsys.readouterr().err


@pytest.mark.parametrize("colours", [False, True])
def test_a_file_gets_no_bar(colours: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """FORCE_COLOR asks for colours, as on many a server of tests; a bar in a file is thousands of broken lines."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if colours:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with progress.show_progress("counting") as move:
        move(1, 4)
    assert capsys.readouterr().err == ""
