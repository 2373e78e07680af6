"""The table's numbers are those of scikit-learn on the predictions, in every form in which it is written."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ictconvention.evaluation.predictions import ModelPredictions
from ictconvention.reporting.table import as_csv, as_latex, as_markdown, as_text, make_table, measure_model
from ictconvention.tasks.class_measures import ClassMeasures
from tests.evaluation.made_up_predictions import entry_of, predicted

CLASSES = ClassMeasures(("AGN", "SN_Ia", "50 % & more"))
LABELS = {0: [0, 0, 1, 1, 2, 2], 1: [0, 1, 1, 2, 2, 2]}
GUESSES = {
    (0, 0): [0, 0, 1, 2, 2, 1],
    (1, 0): [0, 1, 0, 2, 2, 0],
    (0, 1): [0, 0, 1, 1, 2, 2],
    (1, 1): [1, 1, 1, 2, 2, 2],
}


def two() -> list[ModelPredictions]:
    first = entry_of("first", GUESSES, LABELS, 3)
    second = entry_of("a_b $x", {key: LABELS[key[0]] for key in GUESSES}, LABELS, 3)
    seconds = {key: 10.0 + sum(key) for key in GUESSES}
    return [
        ModelPredictions(first.name, first.predictions, 1234567, {key: 2.5 * value for key, value in seconds.items()}),
        ModelPredictions(second.name, second.predictions, None, seconds),
    ]


def test_over_folds_and_pooled() -> None:
    found = measure_model(two()[0], CLASSES)["f1_macro_survey_shares"]
    by_fold = [np.mean([f1_score(LABELS[f], GUESSES[f, s], average="macro") for s in (0, 1)]) for f in (0, 1)]
    assert found.mean == pytest.approx(np.mean(by_fold))
    assert found.deviation == pytest.approx(np.std(by_fold, ddof=1))
    together = [f1_score(LABELS[0] + LABELS[1], GUESSES[0, s] + GUESSES[1, s], average="macro") for s in (0, 1)]
    assert found.pooled == pytest.approx(np.mean(together))
    assert found.seed_deviation == pytest.approx(np.std(together, ddof=1))


def test_one_fold_has_no_deviation_and_says_so() -> None:
    entry = ModelPredictions("alone", {(3, 0): predicted([f"o{i}" for i in range(30)], 0)})
    assert measure_model(entry, CLASSES)["accuracy_survey_shares"].deviation is None
    table = make_table([entry], CLASSES, "x")
    assert "One fold (3): no deviation over folds is known." in " ".join(table.notes)
    assert "+-" not in as_text(table).splitlines()[-5]
    assert "One seed each" in " ".join(table.notes)


def test_the_fixed_protocol_is_said() -> None:
    entry = ModelPredictions("same", {(f, 0): predicted([f"o{i}" for i in range(30)], f) for f in range(3)})
    assert "all folds test the same" in " ".join(make_table([entry], CLASSES, "x").notes)


def test_a_class_without_a_test_object_counts_nowhere() -> None:
    entry = entry_of("a", {(0, 0): [0, 1, 1]}, {0: [0, 1, 1]}, 3)
    found = measure_model(entry, CLASSES)
    assert found["balanced_accuracy_equal_shares"].pooled == found["worst_class_recall_equal_shares"].pooled == 1
    alone = entry_of("b", {(0, 0): [0, 0]}, {0: [0, 0]}, 3)  # nothing to rank
    assert np.isnan(measure_model(alone, CLASSES)["auroc_macro_survey_shares"].mean)
    assert "nan" not in as_text(make_table([alone], CLASSES, "x")) + as_csv(make_table([alone], CLASSES, "x"))


def test_every_form_holds_the_same_rows() -> None:
    table = make_table(two(), CLASSES, "SDSS (simulated)", "a_b $x", {"first": (82.18, 75.33)}, ["Beware."])
    text, markdown, latex = as_text(table), as_markdown(table), as_latex(table)
    for form in (text, markdown, latex):
        assert "SDSS (simulated)" in form
        assert "Beware." in form
        assert "82.18" in form
        assert "1 234 567" in form
        assert "2.50" in form  # training time relative to the second's
    rows = list(csv.DictReader(io.StringIO(as_csv(table))))
    assert [row["model"] for row in rows] == ["first", "a_b $x"]
    assert (
        float(rows[0]["f1_macro_survey_shares_pooled"])
        == measure_model(two()[0], CLASSES)["f1_macro_survey_shares"].pooled
    )
    assert rows[1]["paper_f1"] == ""
    assert rows[0]["seeds"] == "2"
    assert markdown.count("\n|") == 4
    assert r"a\_b \$x &" in latex
    assert r"$\pm$" in latex
    columns = {line.count(" & ") for line in latex.splitlines() if line.endswith(r"\\")}
    assert columns == {len(table.columns) - 1}
    lines = text.splitlines()
    assert len({len(line) for line in lines if set(line) == {"-"}}) == 1


def test_passes_and_core_seconds_stand_where_they_are_known() -> None:
    first, second = two()
    spent = {key: 100.0 + 10 * key[1] for key in GUESSES}
    trained = replace(first, passes="2+2", core_seconds=spent)
    before = replace(first, name="of an old version", passes="5+5")
    table = make_table([trained, before, second], CLASSES, "x")
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert [row["passes"].text for row in rows] == ["2+2", "5+5", "-"]
    assert [row["core-seconds"].text for row in rows] == ["105", "-", "-"]
    assert [row["core-seconds"].number for row in rows] == [105.0, None, None]
    numbers = list(csv.DictReader(io.StringIO(as_csv(table))))
    assert [(row["passes"], row["core_seconds"]) for row in numbers] == [("2+2", "105.0"), ("5+5", ""), ("", "")]
    assert "passes" not in make_table(two(), CLASSES, "x").columns  # of predictions alone


def test_a_perfect_model_has_all_of_it() -> None:
    table = make_table(two(), CLASSES, "x")
    cells = dict(zip(table.columns, table.rows[1], strict=True))
    assert cells["balanced accuracy"].text == "100.0"
    assert cells["spread of recalls"].number == 0
    assert cells["macro F1, folds"].text == "100.0 +- 0.0"
