"""The folder of the next night: reserved before anything in it is removed."""

from pathlib import Path

from ictconvention.core.atomic import WholeFolder, folder_lock
from ictconvention.core.errors import FileSystemError, SurveyError
from ictconvention.survey.growth.commit import check_may_grow, commit_delta, take_delta
from ictconvention.survey.survey import Survey
from tests.ingestion.growing.nights import add_night
from tests.refusals import refused


def test_what_a_killed_process_finished_is_removed_once_the_night_is_reserved(two: Path) -> None:
    left = two / "delta-00002"
    left.mkdir()
    (left / "mark").touch()
    other = WholeFolder(left, shard=True)
    other.take(replacing=True)
    other.path.mkdir()
    (other.path / "mark").touch()  # it has just finished
    with refused(FileSystemError, "E-FILES-LOCKED", where=left):
        take_delta(Survey.open(two))
    assert (left / "mark").is_file()
    other.discard()
    folder = take_delta(Survey.open(two))
    assert not left.exists()
    assert folder.partial.is_dir()
    folder.discard()
    assert not list(two.glob(".delta*"))


def test_a_lock_is_not_removed_by_one_who_holds_another(tmp_path: Path) -> None:
    """The folder has become another one meanwhile, and somebody holds that."""
    (tmp_path / "s").mkdir()
    with folder_lock(tmp_path / "s"):
        (tmp_path / "s").rename(tmp_path / "before")
        (tmp_path / "s").mkdir()
        (tmp_path / "s" / ".lock").touch()
    assert (tmp_path / "s" / ".lock").is_file()


def test_a_survey_that_was_changed_in_another_way_meanwhile_gets_no_night(two: Path) -> None:
    survey = Survey.open(two)
    add_night(two, 2)
    folder = take_delta(Survey.open(two))
    try:
        with refused(SurveyError, "E-SURVEY-CHANGED", where=two):
            commit_delta(survey, folder, (len(survey), 1), {}, survey.header.classes)
    finally:
        folder.discard()
    assert len(Survey.open(two).files.deltas) == 2


def test_one_shard_cannot_grow(two: Path) -> None:
    check_may_grow(two)
    with refused(SurveyError, "E-SURVEY-SHARDS", where="shard-00000"):
        check_may_grow(two / "shard-00000")
