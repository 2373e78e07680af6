"""The page of a sweep says what its runs found, whole in one file, whatever its names hold and whatever is missing."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.drawing.embedded_figure import Picture
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import differences as compared
from ictconvention.reporting import page_figures
from ictconvention.reporting.compare import compare
from ictconvention.reporting.entry_file import ENTRIES_FILE, save_entries
from ictconvention.reporting.page import write_report
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.status import MetricsTable
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.tasks import class_sections
from ictconvention.tasks.classes import Classes
from ictconvention.tasks.worst_objects import worst_objects
from tests.conftest import image_series, write_survey
from tests.handmade_runs import changed, handmade_sweep
from tests.refusals import refused
from tests.reporting.read_page import Page

CLASSES = ("AGN", "SN Ia")
HOSTILE = """SN <i onclick="x()">'Ia' $x$ & y"""
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def surveyed(path: Path, classes: tuple[str, ...] = CLASSES, name: str = "tiny", count: int = 60) -> Survey:
    """Write a simulated survey with hosts, a class after the other; every object is seen."""
    header = SurveyHeader(name, ("g", "r"), classes, 0.396, simulated=True)
    objects = [
        image_series(number, 6, header)
        | {"label_source": None, "host_separation": 0.1 * number, "true_class": classes[0]}
        for number in range(count)
    ]
    for given in objects:
        given["frames"][:, 14:18, 14:18] += 5
    return write_survey(path, objects, header)


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return surveyed(tmp_path_factory.mktemp("survey") / "tiny")


@pytest.fixture(scope="module")
def sweep(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = handmade_sweep(tmp_path_factory.mktemp("sweep"), survey, {"ict": 3.0, "convention": 0.5})
    changed(next(folder.glob("ict/fold0-seed0*")) / "environment.json", system="a <b>new</b> kernel")
    shutil.copytree(next(folder.glob("ict/fold1-seed0*")), folder / "ict" / "stopped")
    (folder / "ict" / "stopped" / "result.json").unlink()
    changed(folder / "ict" / "stopped" / "status.json", state="stopped")
    return folder


@pytest.fixture(scope="module")
def small(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one training of one model, whose survey is no longer where it was."""
    return lost(handmade_sweep(tmp_path_factory.mktemp("small") / "runs", survey, {"one": 1.0}, (0,), (0,)))


@pytest.fixture(scope="module")
def small_file(small: Path, survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("page") / "page.html"
    with pytest.MonkeyPatch.context() as patched:
        show_two(patched)
        write_report(small, output, survey.path)
    return output


def show_two(patched: pytest.MonkeyPatch) -> None:
    """Let a page show two objects, not twelve: their film strips take half of its time."""
    patched.setattr(class_sections, "worst_objects", partial(worst_objects, most=2))


def lost(sweep: Path) -> Path:
    for status in sweep.glob("*/*/status.json"):
        changed(status, survey="/gone/tiny")
    return sweep


@pytest.fixture(scope="module")
def file(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("page") / "page.html"
    write_report(sweep, output)
    return output


@pytest.fixture(scope="module")
def page(file: Path) -> Page:
    return Page(file.read_text())


def written(sweep: Path, output: Path, **keywords: Any) -> Page:
    write_report(sweep, output, **keywords)
    return Page(output.read_text())


def test_the_page_and_each_of_its_drawings_say_that_the_survey_is_simulated(page: Page) -> None:
    assert "tiny: 2 models compared simulated survey" in page.text
    drawings = page.pictures("image/svg+xml")
    assert len(drawings) > 20
    assert all("(simulated)" in drawing.decode() for drawing in drawings)


def test_the_table_and_the_sentences_of_the_comparison_stand_in_the_page(page: Page, sweep: Path) -> None:
    comparison = compare(sweep)
    assert page.table("model")[0] == list(comparison.table.columns)
    rows = [[cell.text.replace("+-", "±") for cell in row] for row in comparison.table.rows]
    assert page.table("model")[1:] == rows
    assert [row[0] for row in rows] == ["convention", "ict"]
    assert comparison.sentences
    for line in (*comparison.in_words, *comparison.table.notes):
        assert line.replace("+-", "±") in page.text


def test_the_page_says_which_training_epochs_were_kept_and_by_which_metric(page: Page, sweep: Path) -> None:
    metrics = MetricsTable(next(sweep.glob("ict/fold1-seed0-0.99")) / "metrics.csv")
    values = [float(metrics.rows["finetune", epoch]["finetune/val/loss_balanced"]) for epoch in range(1, 6)]
    best = int(np.argmin(values))
    said = f"finetune, training epoch {best + 1} of 5, the lowest val/loss_balanced ({values[best]:.3f})"
    assert said in page.text[page.text.index("fold 1, seed 0 kept", page.text.index("ict: fold 0")) :][:300]


def test_predictions_that_no_run_made_are_compared_too(small: Path, survey: Survey, tmp_path: Path) -> None:
    sweep = shutil.copytree(small, tmp_path / "runs")
    (entry,) = group_runs(*find_runs(sweep)).entries()
    save_entries(sweep / ENTRIES_FILE, [replace(entry, name="forest")], Classes(survey.header.classes))
    page = written(sweep, tmp_path / "page.html")
    assert [row[0] for row in page.table("model")[1:]] == ["one", "forest"]
    says = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    assert sum(text.startswith("confusion matrix of forest") for text in says) == 2
    assert not [text for text in says if text.startswith("learning curves of forest")]


def test_the_page_asks_for_no_other_file(page: Page, file: Path) -> None:
    assert page.addresses
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    text = file.read_text()
    assert "://" not in text
    assert "url(" not in text
    assert "@import" not in text
    for drawing in page.pictures("image/svg+xml"):
        links = [v for one in ElementTree.fromstring(drawing).iter() for k, v in one.items() if k.endswith("href")]
        assert all(link.startswith(("#", "data:")) for link in links)


def test_what_was_left_out_is_named_with_the_reason(page: Page) -> None:
    assert "ict/stopped: not finished (stopped)" in page.text


def test_the_objects_shown_are_those_whose_label_is_believed_least(page: Page, sweep: Path, survey: Survey) -> None:
    runs, _ = find_runs(sweep)
    believed: dict[str, list[float]] = {}
    for run in runs:
        found = run.predictions
        for id_, own in zip(found.ids, found.at(Prior.UNIFORM)[np.arange(len(found.label)), found.label], strict=True):
            believed.setdefault(str(id_), []).append(float(own))
    shown = page.table("object")[1:]
    for name in CLASSES:
        of_class = [id_ for id_ in believed if survey[id_].metadata["class"] == name]
        worst = sorted(of_class, key=lambda id_: np.mean(believed[id_]))[:6]
        rows = [row for row in shown if row[1] == name]
        assert [row[0] for row in rows] == worst
        assert [row[2] for row in rows] == [f"{np.mean(believed[id_]):.3f}" for id_ in worst]
    assert len(page.pictures("image/webp")) == len(shown) == 12
    assert f"{shown[0][0]}, AGN (in truth AGN)" in page.text


def test_only_what_differs_between_runs_and_models_is_set_out(page: Page) -> None:
    environment, common, configuration, same = (table for table in page.tables if table[0][0] == "key")
    assert environment[1:] == [
        ["system", "Linux", "7 runs: convention/fold0-seed0-0.99, convention/fold0-seed1-0.99, "
         "convention/fold1-seed0-0.99, convention/fold1-seed1-0.99 and 3 more"],
        ["system", "a <b>new</b> kernel", "1 run: ict/fold0-seed0-0.99"],
    ]  # fmt: skip
    assert ["packages.torch", "2.13"] in common
    assert configuration == [["key", "convention", "ict"], ["learner.kind", "supervised", "ict"]]
    assert ["trainer.batch_size", "128"] in same
    assert not [row for row in same if row[0] in ("seed", "fold.index", "learner.kind")]


def test_every_figure_of_every_model_is_there_and_says_what_is_seen(page: Page) -> None:
    says = [value for tag, name, value in page.attributes if (tag, name) == ("img", "alt")]
    for name in ("ict", "convention"):
        assert sum(text.startswith(f"confusion matrix of {name}: of ") for text in says) == 2
        assert sum(text.startswith(f"accuracy of {name} against its confidence") for text in says) == 1
        assert f"learning curves of {name}, the mean of 4 trainings and each of them" in says
    assert sum(text.startswith("ROC of ") for text in says) == len(CLASSES)
    for quantity in ("r magnitude when bright", "redshift", "host separation [arcsec]"):
        assert any(text.startswith(f"recall of AGN against {quantity}") for text in says)
    assert "#recall" in page.addresses
    assert all(says)
    spread = [b"spread of" in drawing for drawing in page.pictures("image/svg+xml")]
    assert sum(spread) == 1  # of ICT alone


def test_names_are_shown_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    show_two(monkeypatch)
    survey = surveyed(tmp_path / "survey", (HOSTILE, "AGN"), "<script>alert(1)</script> $a")
    sweep = handmade_sweep(tmp_path / "runs", survey, {"one": 1.0}, (0,), (0,))
    page = written(sweep, tmp_path / "page.html")
    assert page.tags.count("script") == 1
    assert "i" not in page.tags
    assert HOSTILE in [row[1] for row in page.table("object")]
    assert "<script>alert(1)</script> $a: one model" in page.text
    drawings = [ElementTree.fromstring(drawing) for drawing in page.pictures("image/svg+xml")]
    assert any(HOSTILE[:10] in "".join(drawing.itertext()) for drawing in drawings)


@pytest.mark.usefixtures("unsaved_figures")
def test_what_a_page_lacks_costs_no_more_than_itself_and_is_said(small: Path, tmp_path: Path) -> None:
    sweep = shutil.copytree(small, tmp_path / "runs")
    (folder,) = sweep.glob("one/*")
    (folder / "metrics.csv").write_text("nonsense\n1\n")
    page = written(sweep, tmp_path / "page.html")
    assert "the survey is not on this machine (it was at /gone/tiny)" in page.text
    assert not page.pictures("image/webp")
    assert "#recall" not in page.addresses
    assert page.table("object")
    assert f"one/{folder.name}: this is not a table of metrics" in page.text
    assert "one: it has left no metrics.csv" in page.text


@pytest.mark.slow
def test_the_command_takes_the_survey_from_where_it_is_now_and_gives_the_same_page_again(
    small: Path, small_file: Path, survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_two(monkeypatch)
    monkeypatch.chdir(tmp_path)
    words = ["report", str(small), "-o", "mine.html", "--survey", str(survey.path)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "mine.html"
    assert (tmp_path / "mine.html").read_bytes() == small_file.read_bytes()


def test_another_survey_is_refused(sweep: Path, tmp_path: Path) -> None:
    other = surveyed(tmp_path / "other", count=20)
    with refused(UsageError, "E-SURVEY-MISMATCH", other.hash[:12], where=tmp_path / "other"):
        write_report(sweep, tmp_path / "page.html", other.path)
    assert not (tmp_path / "page.html").exists()


def test_one_training_of_one_model_is_enough(small_file: Path) -> None:
    text = small_file.read_text()
    assert text.startswith("<!doctype html>")
    page = Page(text)
    assert "tiny: one model" in page.text
    assert "There is no other model to compare this one with." in page.text
    assert "No class can be ranked" not in page.text
    assert "Nothing differs between the models." in page.text
    assert len(page.pictures("image/webp")) == 2


@pytest.mark.usefixtures("unsaved_figures")
def test_a_class_without_a_test_object_leaves_nothing_to_rank(survey: Survey, tmp_path: Path) -> None:
    sweep = lost(handmade_sweep(tmp_path / "runs", survey, {"one": 1.0}, (0,), (0,), absent="AGN"))
    assert "No class can be ranked" in written(sweep, tmp_path / "page.html").text


def test_a_page_that_cannot_be_written_is_told_before_anything_is_drawn(
    sweep: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    absent = tmp_path / "no"
    for output, code, place in (
        (tmp_path, "E-FILES-KIND", tmp_path),
        (absent / "page.html", "E-FILES-MISSING", absent),
    ):
        with refused(FileSystemError, code, where=place):
            write_report(sweep, output)
    assert not caplog.messages


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with refused(UsageError, "E-RUN-UNFINISHED", where=tmp_path):
        write_report(tmp_path, tmp_path / "page.html")


@pytest.fixture
def browser(tmp_path: Path) -> Callable[..., str]:
    """Return a function from a page's text to its DOM, after its scripts have run in a frame of some width [pixels]."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: chromium, chromium-browser or google-chrome")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000"]

    def opened(text: str, width: int = 390) -> str:
        (tmp_path / "inner.html").write_text(text)
        outer = f"<iframe src='inner.html' style='border:0;width:{width}px;height:800px'></iframe>"
        outer += "<pre id='told'></pre>"
        outer += "<script>addEventListener('message', (event) => { told.textContent = event.data; });</script>"
        (tmp_path / "outer.html").write_text(f"<!doctype html><body>{outer}</body>")
        command = [CHROMIUM, *options, (tmp_path / "outer.html").as_uri()]
        environment = {**os.environ, "HOME": str(tmp_path)}
        result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True)
        found = re.search(r'<pre id="told">(.*?)</pre>', result.stdout, re.DOTALL)
        assert found, result.stdout
        return found[1]

    return opened


def test_a_browser_shows_it_on_a_phone_and_sorts_the_table(file: Path, browser: Callable[..., str]) -> None:
    script = """<script>
      const root = document.documentElement;
      const told = [innerWidth, root.scrollWidth - root.clientWidth, document.images.length];
      const table = document.querySelector("#table table");
      const order = () => [...table.tBodies[0].rows].map((row) => row.cells[0].textContent).join(" ");
      const button = table.querySelectorAll("thead button")[3];
      told.push(order());
      for (const click of [1, 2]) { button.click(); told.push(order()); }
      told.push(button.parentElement.getAttribute("aria-sort"));
      table.querySelector("thead button").click();
      told.push(order());
      addEventListener("load", () => parent.postMessage(told.join("|"), "*"));
    </script>"""
    text = file.read_text()
    width, excess, images, *orders = browser(text.replace("</body>", f"{script}</body>")).split("|")
    assert (int(width), int(excess)) == (390, 0)
    assert int(images) == text.count("<img ")
    assert orders == ["convention ict", "ict convention", "convention ict", "ascending", "convention ict"]


@pytest.mark.parametrize("models", [2, 16])
def test_wide_tables_fit_a_page_of_1280_pixels_and_scroll_on_a_phone(
    models: int, survey: Survey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, browser: Callable[..., str]
) -> None:
    """Each model a column, with names as long as those of Table 2, the columns of the paper, and a scroll bar."""
    few = partial(compared, replicates=20)
    monkeypatch.setattr("ictconvention.reporting.compared_part.differences", few)
    monkeypatch.setattr("ictconvention.reporting.compared_part.PUBLISHED", {"ConvEntion": (79.83, 70.62)})
    picture = Picture("data:,", 300, 300, "nothing")
    monkeypatch.setattr(page_figures, "points", lambda *given: {"": [picture]})
    monkeypatch.setattr(page_figures, "learning_curves", lambda *given: [picture])
    monkeypatch.setattr(page_figures, "film_strips", lambda *given: {})
    for name in ("of_models", "of_objects"):
        monkeypatch.setattr(class_sections.ClassFigures, name, lambda *given: [])
    names = ["ConvEntion", *(f"convention_published_recipe_{number}" for number in range(1, models))]
    folder = handmade_sweep(tmp_path / "runs", survey, dict.fromkeys(names, 1.0), (0, 1), (0,))
    write_report(folder, tmp_path / "page.html")
    script = """<script>addEventListener("load", () => {
      for (const one of document.querySelectorAll("details")) one.open = true;
      const root = document.documentElement, told = [root.scrollWidth - root.clientWidth];
      for (const one of document.querySelectorAll(".scroll")) told.push(one.scrollWidth - one.clientWidth);
      parent.postMessage(told.join("|"), "*");
    });</script>"""
    text = (tmp_path / "page.html").read_text().replace("</body>", f"{script}</body>")
    excess = [int(number) for number in browser(text, 1265).split("|")]
    assert excess == [0] * len(excess)
    assert len(excess) >= 4
    page, *tables = (int(number) for number in browser(text, 400).split("|"))
    assert page == 0
    assert max(tables) > 0


def test_classes_without_a_panel_are_named_with_the_reason(survey: Survey, tmp_path: Path) -> None:
    classes = ("AGN", "SN Ia", "Nova", "TDE")
    header = SurveyHeader("tiny", ("g", "r"), classes, 0.396)
    objects = [image_series(number, 3, header) | {"label_source": None} for number in range(80)]
    for given in objects:
        given["redshift"] = None if given["class_name"] == "TDE" else given["redshift"]
    small = write_survey(tmp_path / "few", objects, header)
    folder = handmade_sweep(tmp_path / "runs", small, {"one": 1.0}, (0, 1, 2), (0,), absent="Nova")
    page = written(folder, tmp_path / "page.html")
    assert "No curve of Nova: no test object." in page.text
    assert "No curve of TDE" not in page.text
    lines = [line[:200] for line in page.text.split("No panel against ")[1:]]
    assert any("Nova (0 objects)" in line and "TDE (0 objects)" in line for line in lines)
