"""A survey is compacted whole or not at all; what a killed process left does not stand in the way."""

import shutil
from pathlib import Path

import pytest

from ictconvention.core import atomic
from ictconvention.core.atomic import exchange
from ictconvention.core.errors import FileSystemError
from ictconvention.survey.growth import compact as module
from ictconvention.survey.growth.compact import compact
from ictconvention.survey.survey import Survey
from tests.ingestion.growing.nights import add_night
from tests.refusals import refused


def beside(survey: Path) -> set[str]:
    """Return the names of the folders beside a survey, its own too."""
    return {path.name for path in survey.parent.iterdir() if path.is_dir()}


def test_what_was_written_and_not_put_in_place_is_written_anew(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = Survey.open(two).hash

    class Killed(BaseException):
        pass

    def kill(first: Path, second: Path) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, "exchange", kill)
        with pytest.raises(Killed):
            compact(two)
    left = two.with_name(f"s-{state[:8]}")
    assert beside(two) == {"s", left.name}
    (left / "mark").touch()
    made = compact(two)
    assert (made.before, beside(two)) == (left, {"s", left.name})
    assert not made.survey.files.deltas
    assert Survey.open(left).hash == state
    assert not list(two.parent.rglob("mark"))
    assert not list(two.parent.rglob(".*"))


@pytest.mark.parametrize("what", ["a note", "another state", "a survey that has grown"])
def test_a_folder_of_somebody_else_is_left_alone(two: Path, what: str) -> None:
    other = two.with_name(f"s-{Survey.open(two).hash[:8]}")
    if what == "a note":
        other.mkdir()
        (other / "note").touch()
    else:
        shutil.copytree(two, other)
        if what == "another state":
            add_night(other, 2)
            compact(other)
    there = sorted(path.name for path in other.iterdir())
    with refused(FileSystemError, "E-FILES-EXISTS", where=other):
        compact(two)
    assert sorted(path.name for path in other.iterdir()) == there


def test_a_file_system_that_cannot_exchange_folders_is_refused_before_anything_is_written(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = list[Path]()

    def refuse(first: Path, second: Path) -> None:
        raise FileSystemError("no exchange", first, "none", "E-FILES-SYSTEM")

    monkeypatch.setattr(atomic, "exchange", refuse)
    monkeypatch.setattr(module, "_write", lambda survey, folder, *more: written.append(folder))
    before = Survey.open(two).hash
    with refused(FileSystemError, "E-FILES-SYSTEM"):
        compact(two)
    assert not written
    assert beside(two) == {"s"}
    assert Survey.open(two).hash == before


def test_the_lock_of_the_next_writer_of_the_plain_form_stays(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next_lock = two / ".lock"

    def exchange_and_lock(first: Path, second: Path) -> None:
        exchange(first, second)
        next_lock.touch()

    monkeypatch.setattr(module, "exchange", exchange_and_lock)
    made = compact(two)
    assert next_lock.is_file()
    assert not (made.before / ".lock").exists()
