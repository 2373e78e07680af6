"""A run and a sweep, read and put to work from Python."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import ictconvention as ict
from ictconvention.tasks import class_sections
from ictconvention.tasks.worst_objects import worst_objects
from tests.small_runs import Smoke, result_of

pytestmark = pytest.mark.slow


def test_a_run_reads_its_folder(finished: Path, work: Path) -> None:
    run = ict.load(finished)
    assert run.result == result_of(finished)
    assert run.survey.hash == ict.open(work / "miniature").hash
    assert run.split == ict.split(run.survey)
    assert run.split.hash == run.result["split"]
    assert list(run.metrics()["stage", "epoch"].as_array().tolist()) == [("pretrain", 1), ("finetune", 1)]
    predictions = run.predictions()
    assert list(predictions["id"]) == list(run.split.parts["test"])
    np.testing.assert_allclose(sum(predictions[name] for name in run.survey.header.classes), 1)
    assert predictions.meta == {"SURVEY": "miniature", "SIMULATD": True}
    assert run.figures == {}
    assert run.test()["test"]["accuracy"] == run.result["test"]["accuracy"]


def test_a_run_in_a_notebook_says_simulated(finished: Path) -> None:
    html = ict.load(finished)._repr_html_()
    assert "miniature (simulated)" in html
    assert f"accuracy {result_of(finished)['test']['accuracy']:.3f}" in html


def test_what_is_not_there_is_said(finished: Path, tmp_path: Path) -> None:
    run = ict.load(finished)
    for part in ("extra_test", "tset"):
        with pytest.raises(ict.UsageError):
            run.predictions(part)
    with pytest.raises(ict.UsageError):
        ict.load(tmp_path)
    half = tmp_path / "half"
    shutil.copytree(finished, half)
    (half / "result.json").unlink()
    unfinished = ict.load(half)
    assert "not finished" in unfinished._repr_html_()
    with pytest.raises(ict.UsageError):
        _ = unfinished.result


def test_predictions_that_are_not_those_of_the_result_are_refused(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pq.read_table(copy / "predictions.parquet").to_pydict()
    content["AGN"][0], content["SN Ia"][0] = content["SN Ia"][0] / 2, content["AGN"][0] + content["SN Ia"][0] / 2
    content["label"][0] = "Variable"
    pq.write_table(pa.table(content), copy / "predictions.parquet")
    with pytest.raises(ict.UsageError):
        ict.load(copy).predictions()


def test_a_survey_that_has_changed_is_refused(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.miniature import write_miniature

    other = write_miniature(tmp_path / "other")
    run = ict.load(finished)
    monkeypatch.setattr(run._files, "read_status", lambda: {"survey": str(other.path)})
    with pytest.raises(ict.UsageError):
        _ = run.survey
    with pytest.raises(ict.UsageError):
        run.test(other)


def test_it_exports(smoke: Smoke, tmp_path: Path) -> None:
    run = ict.load(smoke("experiment=light_curve_sdss"))
    assert "gives the probability of AGN" in run.export(tmp_path / "model.pt2")
    assert (tmp_path / "model.pt2").exists()
    with pytest.raises(ict.UsageError):
        run.export(tmp_path / "model.pth")


def test_a_sweep_compares_predicts_and_reports(
    smoke: Smoke, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(class_sections, "worst_objects", partial(worst_objects, most=2))  # a second for each on a page
    for experiment in ("ict_sdss", "cnn_gru_sdss"):  # beside whose runs are those of other tests
        folder = smoke(f"experiment={experiment}")
        shutil.copytree(folder, tmp_path / "runs" / experiment / folder.name)
    sweep = ict.load_sweep(tmp_path / "runs")
    found = sweep.compare()
    assert sorted(found.table["model"]) == sorted({run.options.name for run in sweep.runs})
    assert len(found.sentences) == len(found.table) - 1
    assert "(simulated)" in found.table.meta["title"]
    assert found.table.meta["title"] in found._repr_html_()
    names = {run.options.name for run in sweep.runs}
    with pytest.raises(ict.UsageError):  # which of them?
        sweep.predict(work / "miniature")
    assert names == {"ict_sdss", "cnn_gru_sdss"}
    table = sweep.predict(work / "miniature", model="cnn_gru_sdss")
    (alone,) = (run for run in sweep.runs if run.options.name == "cnn_gru_sdss")
    np.testing.assert_array_equal(table["AGN"], alone.predict(work / "miniature")["AGN"])
    sweep.report(tmp_path / "page.html")
    assert "miniature (simulated)" in (tmp_path / "page.html").read_text()
