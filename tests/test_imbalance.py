"""The study of imbalance: its published digits, its scores, its rows, and the choice that looks at validation alone."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from experiments.imbalance import reproduce, rows
from experiments.imbalance.grad_cam import find_peaks
from experiments.imbalance.published import REPORTS, ROUNDING, half_width, print_reports
from experiments.imbalance.scores import TwoClassMeasures, ranking_scores
from experiments.imbalance.select import BY, Course, choose, course_of, kept_epoch, settings
from experiments.imbalance.summary import summary_of
from experiments.imbalance.tables import text_of
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.predictions import ModelPredictions, Predictions, pool
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.significance import intervals
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.trained_run import read_trained
from ictconvention.training.run import run
from tests.conftest import long_test
from tests.refusals import refused

NAMES = ("host", "supernova")


def test_every_published_digit_follows_from_its_matrix_and_from_no_other() -> None:
    frequent, rare = (np.arange(size + 1) for size in (690, 270))
    for report in REPORTS.values():
        assert [sum(row) for row in report.confusion] == [690, 270]
        derived = report.derived()
        assert all(abs(derived[key] - digit) <= ROUNDING for key, digit in report.digits.items())
        accuracy = (frequent[:, None] + rare) / 960
        precision = rare / np.maximum(rare + 690 - frequent[:, None], 1)
        fits = np.abs(accuracy - report.digits["accuracy"]) <= ROUNDING
        fits &= np.abs(precision - report.digits["precision of class 1"]) <= ROUNDING
        fits &= np.abs(rare / 270 - report.digits["recall of class 1"]) <= ROUNDING
        assert np.argwhere(fits).tolist() == [[report.confusion[0][0], report.confusion[1][1]]]


def test_the_published_reports_are_said_to_be_indistinguishable(capsys: pytest.CaptureFixture[str]) -> None:
    print_reports()
    said = capsys.readouterr().out
    assert "212, 209, 213" in said
    assert "Dahani, Habibi and Ashraful" in said
    assert [round(100 * half_width(right, 270), 1) for right in (212, 209, 213)] == [4.9, 5.0, 4.9]


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities of the rare class with ties, and labels."""
    rng = np.random.default_rng(2)
    label = (rng.random(200) < 0.3).astype(int)
    return np.round(np.clip(0.35 * label + rng.random(200) * 0.6, 0, 1), 2), label


def test_rankings_of_resampled_objects_are_scikit_learns(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    score, label = drawn
    weight = np.random.default_rng(3).integers(0, 3, (5, 200)).astype(float)
    found = ranking_scores(score, label == 1, weight)
    for number, of in enumerate(weight):
        assert found["auroc"][number] == pytest.approx(roc_auc_score(label, score, sample_weight=of))
        assert found["average_precision"][number] == pytest.approx(
            average_precision_score(label, score, sample_weight=of)
        )


def predictions(score: np.ndarray, label: np.ndarray) -> Predictions:
    likely = np.column_stack([1 - score, score])
    return Predictions(np.arange(len(label)).astype(str), label, {Prior.SURVEY: likely, Prior.UNIFORM: likely[:, ::-1]})


def test_scores_are_scikit_learns_and_lie_in_their_intervals(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    score, label = drawn
    score = score + 1e-3  # no tie between the classes
    measures = TwoClassMeasures(NAMES, Prior.SURVEY)
    entry = ModelPredictions("mine", {(0, seed): predictions(score, label) for seed in (0, 1)})
    found = intervals(pool(entry), np.arange(200), measures, replicates=400)
    guess = score > 0.5
    order = np.argsort(np.arange(200).astype(str))
    assert np.array_equal(pool(entry).label, label[order])
    for c, name in enumerate(NAMES):
        for key, of in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
            assert found[f"{key}/{name}"][0] == pytest.approx(of(label, guess, pos_label=c))
    assert found["accuracy"][0] == pytest.approx(np.mean(guess == label))
    assert all(low <= value <= high for value, low, high in found.values())
    value, low, high = found["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(value * (1 - value) / 200), rel=0.25)


def test_the_table_has_all_rows_says_simulated_and_names_what_has_no_weights(
    drawn: tuple[np.ndarray, np.ndarray],
) -> None:
    score, label = drawn
    entry = {name: ModelPredictions(name, {(0, 0): predictions(score, label)}) for name in ("cnn1, none", "cnn1, ict")}
    text = list(text_of("hosts (simulated), 200 test objects", {**entry, "resnet50 frozen": None}, NAMES, "give it"))
    headings = [line for line in text if line.startswith("hosts")]
    assert len(headings) == 3
    assert all("(simulated)" in line for line in headings)
    assert (
        sum(line.startswith("cnn1, none ") for line in text) == sum(line.startswith("cnn1, ict ") for line in text) - 1
    )
    assert [line.split("  ")[-1].strip() for line in text if line.startswith("resnet50 frozen")] == [
        rows.NO_WEIGHTS
    ] * 2
    assert any(line.startswith("cnn1, ict against cnn1, none: precision supernova the same") for line in text)


def test_what_is_printed_fits_a_terminal_and_has_the_scores_of_the_table(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    score, label = drawn
    names = ("cnn1, none", "cnn1, ict", "tf_efficientnet_lite0 fine-tuned, augmented")
    entry = {name: ModelPredictions(name, {(0, 0): predictions(score, label)}) for name in names}
    told = list(summary_of("hosts (simulated), 200 objects", {**entry, "resnet50 frozen": None}, NAMES, "give it"))
    assert max(map(len, told)) <= 100
    assert "(simulated)" in told[0]
    assert sum("resnet50 frozen" in line for line in told) == 1
    shown = [line.split("  ") for line in told if line.startswith("cnn1, none ")]
    found = [[cell.strip() for cell in line if cell.strip()] for line in shown]
    assert len(found) == 2  # at either class shares
    guess = score > 0.5
    assert found[0][1:3] == [f"{100 * of(label, guess):.1f}" for of in (precision_score, recall_score)]
    assert found[0][3].startswith(f"{100 * f1_score(label, guess):.1f} (")
    assert found[0][-1] == f"{100 * roc_auc_score(label, score):.1f}"
    gains = [line for line in told if line.startswith("cnn1, ict ")][-1]
    assert gains.split()[2] in ("0.0", "+0.0", "-0.0")  # of the same predictions


@pytest.mark.parametrize("profile", list(rows.SIZES))
def test_every_row_is_a_run_of_its_own(profile: str) -> None:
    every = [*rows.cnn_rows(profile), *rows.encoder_rows(profile, {"resnet50": "a.pth", rows.LITE: "b.pth"})]
    names = [name for name, _ in every]
    assert len(set(names)) == len(names) == 12 + 2 + 12
    assert [name for name, words in every if words is None] == [name for name in names if "efficientnet_b0" in name]
    common = reproduce.common_words(reproduce.parse_arguments(["--profile", profile]))
    given = {name: words for name, words in every if words is not None and "frozen" not in name}
    assert len({tuple(words) for words in given.values()}) == len(given) == 12 + 2 + 4
    if profile != "paper":  # whose rows have the same switches, and other sizes
        for name in ("cnn1, none", "cnn2, none", "resnet18 from scratch", f"{rows.LITE} fine-tuned"):
            assert compose_run([*common, *given[name]]).survey.kind == "hosts"
        return
    options = [compose_run([*common, *words]) for words in given.values()]
    assert len({one.name for one in options}) == len(options)
    assert {one.survey.kind for one in options} == {"hosts"}
    assert {one.learner.kind for one in options if one.name.endswith("ict")} == {"ict"}
    assert {one.stage.pretrain.optimiser.kind for one in options} == {"adam"}
    assert {one.stage.finetune.max_epochs for one in options} == {0}
    exponents = {
        name: (one.imbalance.sampling, one.imbalance.weighting, one.imbalance.focal)
        for name, one in zip(rows.SWITCHES, options, strict=False)
    }
    assert exponents["none"] == exponents["ict"] == (0, 0, 0)
    assert exponents["weighted"] == (0, 1, 0)
    assert exponents["oversample"] == (1, 0, 0)
    assert exponents["focal"] == (0, 0, 2)


def test_patience_stops_a_course_where_a_stage_would() -> None:
    loss = [5.0, 4.0, 4.5, 4.2, 3.9, 4.0, 4.1, 4.3, 1.0]
    assert [kept_epoch(loss, patience) for patience in (1, 2, 3, 4)] == [1, 1, 4, 8]
    assert kept_epoch([1.0], 5) == 0


def test_the_choice_is_the_best_kept_epoch_and_not_the_best_of_all() -> None:
    slow = Course([3.0] * 6 + [1.0], {"recall/1": [0.1] * 6 + [0.9]})
    fast = Course([2.0, 2.5], {"recall/1": [0.5, 0.99]})
    assert choose({"slow": slow, "fast": fast}, "recall/1") == ("slow", 7, 0.9)
    assert choose({"slow": Course(slow.loss[:6], slow.scores), "fast": fast}, "recall/1") == ("fast", 5, 0.5)
    with refused(UsageError, "E-SWEEP-FAILED"):
        choose({}, "recall/1")


def test_twelve_settings_are_trained_each_as_a_run_of_its_own() -> None:
    every = [words for _, words in settings()]
    assert len(every) == len({tuple(words) for words in every}) == 12
    common = reproduce.common_words(reproduce.parse_arguments(["--profile", "smoke"]))
    options = [compose_run([*common, "model=cnn2", *words]) for words in every]
    assert len({(one.stage.pretrain.optimiser, one.trainer.batch_size) for one in options}) == 12
    assert {one.init_from for one in options} == {None}  # fresh weights


def test_the_course_of_a_run_is_that_of_its_validation_alone() -> None:
    """5 hosts of which 4 are recalled, and 4 supernovae of which 3 are."""
    row = {"pretrain/val/loss_balanced": 0.5, "pretrain/val/recall/host": 0.8, "pretrain/val/recall/supernova": 0.75}
    of_others = {"test/loss_balanced": 0.1}
    found = course_of({("pretrain", n): row | of_others for n in (1, 2)}, {"host": 5, "supernova": 4})
    assert set(found.scores) == set(BY)
    label = np.repeat([0, 1], [5, 4])
    guess = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0])
    assert found.scores["f1/1"] == pytest.approx([f1_score(label, guess)] * 2)
    assert found.scores["recall/1"] == [0.75] * 2
    assert found.loss == [0.5] * 2


def test_what_names_no_network_of_the_study_is_refused() -> None:
    for word in ("resnet18=a.pth", "resnet50"):
        with refused(UsageError, "E-COMMAND-VALUE", where="--weights"):
            reproduce.weights_of(reproduce.parse_arguments(["--weights", word]))
    with refused(UsageError, "E-COMMAND-VALUE", where="--seeds"):
        reproduce.parse_arguments(["--seeds", "0"])


@long_test
@pytest.mark.slow
def test_a_map_lies_nearer_to_the_supernova_than_to_its_hosts_centre(tmp_path: Path) -> None:
    """Of the row "cnn1, oversample" of profile laptop; the opposite place is that a map of the galaxy alone is near."""
    pytest.importorskip("captum", reason="captum is not installed: extra explain")
    asked = dict(rows.cnn_rows("laptop"))["cnn1, oversample"]
    words = [*rows.SURVEY, *rows.TRAINING, *rows.SIZES["laptop"], *asked, f"runs={tmp_path}", f"surveys={tmp_path}"]
    options = compose_run(words)
    peaks = find_peaks(read_trained(run(options, words)), open_or_simulate(options))
    known = peaks.recognised
    assert known.sum() > 50
    assert (peaks.supernova < peaks.centre)[known].mean() > 0.75
    assert (peaks.supernova < peaks.opposite)[known].mean() > 0.85
