"""Runs are compared on the additional test objects too: the numbers of those, beside those of the test part."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

import ictconvention as ict
from ictconvention.evaluation.predictions import pool
from ictconvention.reporting.compare import Comparison, compare
from ictconvention.reporting.entry_file import ENTRIES_FILE, save_entries
from ictconvention.reporting.page import write_report
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.tasks.classes import Classes
from tests.conftest import image_series, write_survey
from tests.handmade_runs import changed, handmade_run, handmade_sweep
from tests.reporting.read_page import Page
from tests.reporting.test_page import show_two

CLASSES = ("AGN", "SN Ia")
F1 = "f1_macro_survey_shares"


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Every third object is an additional test object."""
    header = SurveyHeader("tiny", ("g", "r"), CLASSES, 0.396, simulated=True)
    objects = [image_series(n, 3, header) | {"label_source": None, "extra_test": n % 3 == 0} for n in range(120)]
    return write_survey(tmp_path_factory.mktemp("survey") / "tiny", objects, header)


@pytest.fixture(scope="module")
def sweep(survey: Survey, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first is ahead on the test part, and the second on the additional test objects."""
    folder = tmp_path_factory.mktemp("sweep") / "runs"
    for name, skill, on_extra in (("first", 4.0, 0.0), ("second", 0.5, 4.0)):
        for fold in (0, 1):
            split = make_split(survey.object_table(), index=fold)
            for seed in (0, 1):
                handmade_run(folder, survey, split, name, fold, seed, skill, on_extra=on_extra)
    return folder


@pytest.fixture(scope="module")
def comparison(sweep: Path) -> Comparison:
    return compare(sweep)


def f1_of(sweep: Path, model: str, seed: int, file: str) -> float:
    """Return the macro F1 of the mean over folds of what the files of a seed say, by scikit-learn."""
    said: dict[str, list[np.ndarray]] = {}
    label: dict[str, str] = {}
    for path in sweep.glob(f"{model}/fold*-seed{seed}-*/{file}"):
        table = pq.read_table(path).to_pydict()
        for row, id_ in enumerate(table["id"]):
            said.setdefault(id_, []).append(np.array([table[name][row] for name in CLASSES]))
            label[id_] = table["label"][row]
    guess = [CLASSES[int(np.mean(said[id_], axis=0).argmax())] for id_ in said]
    return float(f1_score([label[id_] for id_ in said], guess, average="macro"))


def test_its_table_has_the_numbers_of_its_own_predictions(sweep: Path, comparison: Comparison, survey: Survey) -> None:
    assert comparison.extra_test is not None
    files = ("predictions.parquet", "predictions_extra_test.parquet")
    for part, file in zip(comparison.parts, files, strict=True):
        assert [row["model"] for row in part.table.numbers] == ["first", "second"]  # a row for each model
        for row in part.table.numbers:
            expected = np.mean([f1_of(sweep, str(row["model"]), seed, file) for seed in (0, 1)])
            assert row[f"{F1}_pooled"] == pytest.approx(expected)
    extra = pool(comparison.extra_test.entries[0])
    assert set(extra.ids) == {id_ for n, id_ in enumerate(survey.ids) if n % 3 == 0}
    assert extra.cells == 1  # every fold tests all of them
    assert comparison.extra_test.table.title == "tiny (simulated), 40 extra test objects"
    assert comparison.table.title == f"tiny (simulated), {len(pool(comparison.entries[0]).ids)} test objects"


def test_who_is_ahead_on_each_part_is_said_of_that_part(comparison: Comparison) -> None:
    assert comparison.extra_test is not None
    (on_test,), (on_extra,) = comparison.sentences, comparison.extra_test.sentences
    for said, verdict in ((on_test, "ahead"), (on_extra, "behind")):
        assert said.startswith(f"first against second: macro F1 {verdict} by ")
    lines = comparison.in_words
    assert lines[0] == on_test
    assert f"Extra test part: {on_extra}" in lines
    assert len(lines) == len({line.removeprefix("Extra test part: ") for line in lines})  # nothing is said twice


def test_from_python_it_is_a_comparison_of_its_own(sweep: Path, comparison: Comparison) -> None:
    found = ict.load_sweep(sweep).compare()
    assert comparison.extra_test is not None
    assert found.extra_test is not None
    assert len(found.table) == len(found.extra_test.table) == 2
    assert list(found.extra_test.table[f"{F1}_pooled"]) == [
        row[f"{F1}_pooled"] for row in comparison.extra_test.table.numbers
    ]
    assert found.extra_test.sentences == comparison.extra_test.sentences
    assert "40 extra test objects" in str(found)
    assert "40 extra test objects" in found._repr_html_()


def test_the_page_shows_both_parts_in_tables_words_and_figures(
    sweep: Path, comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show_two(monkeypatch)
    write_report(sweep, tmp_path / "page.html", comparison=comparison)
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    tables = [table for table in page.tables if table[0][0] == "model"]
    for part, table in zip(comparison.parts, tables, strict=True):
        assert table[1:] == [[cell.text.replace("+-", "±") for cell in row] for row in part.table.rows]
        for line in part.sentences:
            assert line in page.text
    for anchor in ("confusion", "roc", "reliability", "recall", "worst"):
        assert {f"#{anchor}", f"#{anchor}-extra-test"} <= set(page.addresses)
    assert "Confusion matrices: test" in page.text
    assert "Confusion matrices: extra test" in page.text
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(ids)
    drawings = [drawing.decode() for drawing in page.pictures("image/svg+xml")]
    of_extra = sum("extra test part" in drawing for drawing in drawings)
    assert of_extra == sum(", test part" in drawing for drawing in drawings) > 5


@pytest.mark.usefixtures("unsaved_figures")
def test_of_one_part_alone_the_page_names_none(tmp_path: Path) -> None:
    header = SurveyHeader("tiny", ("g", "r"), CLASSES, 0.396, simulated=True)
    plain = write_survey(
        tmp_path / "plain", [image_series(n, 3, header) | {"label_source": None} for n in range(60)], header
    )
    sweep = handmade_sweep(tmp_path / "runs", plain, {"one": 1.0}, (0,), (0,))
    found = compare(sweep)
    assert found.extra_test is None
    assert found.remarks == ()
    write_report(sweep, tmp_path / "page.html")
    assert "est part" not in Page((tmp_path / "page.html").read_text()).text


@pytest.mark.usefixtures("unsaved_figures")
def test_rows_that_no_run_made_have_none_and_are_named(sweep: Path, comparison: Comparison, tmp_path: Path) -> None:
    copied = shutil.copytree(sweep, tmp_path / "runs")
    save_entries(copied / ENTRIES_FILE, [replace(comparison.entries[0], name="forest")], Classes(CLASSES))
    found = compare(copied)
    assert found.extra_test is not None
    assert [entry.name for entry in found.entries] == ["first", "second", "forest"]
    assert [entry.name for entry in found.extra_test.entries] == ["first", "second"]
    assert "Without an extra test part: forest." in found.extra_test.table.notes
    write_report(copied, tmp_path / "page.html", comparison=found)
    heads = [table[0] for table in Page((tmp_path / "page.html").read_text()).tables if table[0][0] == "object"]
    assert [len(head) for head in heads] == [3 + 3, 3 + 2]


def test_ensembles_are_made_of_it_too(sweep: Path) -> None:
    found = compare(sweep, members=2).extra_test
    assert found is not None
    assert [len(entry.seeds) for entry in found.entries] == [1, 1]


@pytest.mark.parametrize("lost", ["file", "scores", "numbers"])
def test_where_a_run_lacks_it_the_test_part_is_compared_and_the_reason_said(
    sweep: Path, comparison: Comparison, tmp_path: Path, lost: str
) -> None:
    copied = shutil.copytree(sweep, tmp_path / "runs")
    (folder,) = copied.glob("second/fold1-seed1-*")
    path = folder / "predictions_extra_test.parquet"
    if lost == "file":
        path.unlink()
    elif lost == "numbers":
        shutil.copyfile(next(copied.glob("first/fold1-seed1-*")) / path.name, path)
    else:
        result = {"extra_test": None, "extra_test_uniform": None}
        changed(folder / "result.json", **result)
        text = (folder / "result.json").read_text()
        (folder / "result.json").write_text(re.sub(r'\s*"extra_test(_uniform)?": null,?', "", text).rstrip())
    found = compare(copied)
    assert found.extra_test is None
    assert found.sentences == comparison.sentences
    (said,) = (line for line in found.remarks if line.startswith("The extra test part is not compared: "))
    assert folder.name in said
