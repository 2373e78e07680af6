"""The page of runs of masks: KL over training epochs of all models, and chips beside the masks of each."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ictconvention.configuration.compose import compose_run
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.reporting.compare import compare
from ictconvention.reporting.masks import sections
from ictconvention.reporting.page import write_report
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.training.masks.estimate import estimate_masks
from ictconvention.training.run import run
from tests.chips import write_chips
from tests.reporting.read_page import Page

LEARN = [
    *("survey=path", "task=mask", "model=unet", "model.filters=2", "model.layers=2", "learner=supervised"),
    *("augmentation=none", "profile=tiny", "fold=single", "stage.pretrain.max_epochs=2", "figures=false"),
]


@pytest.mark.slow
@pytest.mark.usefixtures("unsaved_figures")
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


@pytest.mark.slow
@pytest.mark.usefixtures("unsaved_figures")
def test_no_network_that_has_trained_on_a_picture_shows_its_mask_and_an_ensemble_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = write_chips(tmp_path / "chips", 60)
    words = [*LEARN, f"survey.path={survey.path}", f"runs={tmp_path}/runs", "name=sweep"]
    for fold in (0, 1):
        for seed in (0, 1):
            run(compose_run([*words, f"fold.index={fold}", f"seed={seed}"]))
    readers: dict[int, TrainedRun] = {}
    shown: list[str] = []

    def read(folder: Path) -> TrainedRun:
        made = read_trained(folder)
        readers[id(made.learner)] = made
        return made

    def estimate(learner: Any, batches: Iterable[tuple[SeriesBatch, ...]], *more: Any) -> NDArray[np.uint8]:
        batches = list(batches)
        for (batch,) in batches:
            id_ = survey.ids[int(batch.index[0])]
            assert id_ in readers[id(learner)].split["parts"]["test"]
            shown.append(id_)
        return estimate_masks(learner, batches, *more)

    apart, together = (compare(tmp_path / "runs" / "sweep", members=members).entries[0] for members in (1, 2))
    tested = [apart.predictions[fold, 0].ids for fold in (0, 1)]
    of_both = np.searchsorted(np.union1d(*tested), [ids[0] for ids in tested]).tolist()
    monkeypatch.setattr(sections, "choose_chips", lambda each: dict(zip(("best", "worst"), of_both, strict=True)))
    monkeypatch.setattr(sections, "read_trained", read)
    monkeypatch.setattr(sections, "estimate_masks", estimate)
    write_report(tmp_path / "runs" / "sweep", tmp_path / "page.html")
    assert shown == [ids[0] for ids in tested]
    assert all("confusion" in found.rows for found in apart.predictions.values())
    assert all("confusion" not in found.rows for found in together.predictions.values())
    mean = np.mean([apart.predictions[0, seed].at("row") for seed in (0, 1)], axis=0)
    np.testing.assert_allclose(together.predictions[0, 0].at("row"), mean)
