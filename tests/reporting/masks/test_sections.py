"""The page of runs of masks: KL over training epochs of all models, and chips beside the masks of each."""

from pathlib import Path

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.reporting.page import write_report
from ictconvention.training.run import run
from tests.chips import write_chips
from tests.reporting.read_page import Page

LEARN = [
    *("survey=path", "task=mask", "model=unet", "model.filters=2", "model.layers=2", "learner=supervised"),
    *("augmentation=none", "profile=tiny", "fold=single", "stage.pretrain.max_epochs=2", "figures=false"),
]


@pytest.mark.slow
def test_a_page_of_masks_shows_the_course_of_all_models_and_the_masks_of_those_that_give_any(tmp_path: Path) -> None:
    survey = write_chips(tmp_path / "chips", 60)
    words = [*LEARN, f"survey.path={survey.path}", f"runs={tmp_path}/runs", "name=sweep"]
    for shares in ("mask", "direct"):
        run(compose_run([*words, f"task.shares={shares}"]))
    write_report(tmp_path / "runs" / "sweep", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    for title in ("Confusion of pixels", "Overlap of the classes", "KL over training epochs", "Pictures and masks"):
        assert title in page.text
    assert "task.shares=direct gives shares alone, and no mask." in page.text
    said = [value for _, name, value in page.attributes if name == "alt"]
    (chips,) = [one for one in said if one.startswith("pictures, known and estimated masks")]
    assert all(why in chips for why in ("best", "median", "worst"))
    (tmp_path / "chips").rename(tmp_path / "moved")  # without the survey the course is there, and no chip
    write_report(tmp_path / "runs" / "sweep", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "KL over training epochs" in page.text
    assert "Pictures and masks" not in page.text
