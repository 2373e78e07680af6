"""The page of a network with a map shows where it looked; that of one without has no such section."""

from pathlib import Path

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.reporting.page import write_report
from ictconvention.training.run import run
from tests.small_pictures import places, write_pictures

pytest.importorskip("captum", reason="captum is not installed: extra explain")
TITLE = "Where the networks looked"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    write_pictures(folder / "pictures")
    for model in (["model=cnn2", "model.width=0.125", "name=pictures"], ["model=light_curve", "augmentation=none"]):
        words = [*places(folder), *model]
        run(compose_run(words), words)
    return folder


def page_of(work: Path, folder: str, tmp_path: Path) -> str:
    write_report(work / "runs" / folder, tmp_path / "page.html")
    return (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("unsaved_figures")
def test_objects_of_each_class_are_shown_with_what_spoke_for_it(work: Path, tmp_path: Path) -> None:
    page = page_of(work, "pictures", tmp_path)
    assert page.count(f"<h2>{TITLE}</h2>") == 1
    assert "where pictures looked, over the stamps of objects p00" in page


@pytest.mark.usefixtures("unsaved_figures")
def test_a_network_without_a_map_has_no_such_section(work: Path, tmp_path: Path) -> None:
    assert TITLE not in page_of(work, "run", tmp_path)


@pytest.mark.usefixtures("unsaved_figures")
def test_a_page_without_the_survey_has_none_and_is_made_all_the_same(work: Path, tmp_path: Path) -> None:
    (work / "pictures").rename(work / "elsewhere")
    try:
        assert TITLE not in page_of(work, "pictures", tmp_path)
    finally:
        (work / "elsewhere").rename(work / "pictures")
