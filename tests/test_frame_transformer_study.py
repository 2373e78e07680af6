"""The study of the frame transformer: what is repeated, what counts as a result, and what the tables say."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, f1_score

from experiments.frame_transformer import study, study_results
from experiments.frame_transformer.disagreements import disagreements
from experiments.frame_transformer.study import Job, of_forests, of_network, parse_arguments, setting_of, settings_of
from experiments.frame_transformer.study_results import (
    FILES,
    FORESTS,
    LONGER,
    NETWORK,
    Result,
    path_of,
    read_result,
    read_results,
    save_result,
)
from experiments.frame_transformer.study_tables import describe_results, error_at, purity
from experiments.table2.baselines import baselines
from experiments.table2.rows import HOST
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.calibration import probabilities
from ictconvention.evaluation.predictions import Predictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.split_drawing import make_split
from tests.conftest import image_series, write_survey
from tests.handmade_runs import changed, handmade_run
from tests.refusals import refused

CLASSES = ["AGN", "SN Ia", "Variable", "SN Other"]
SHARES = np.array([0.2, 0.2, 0.5, 0.1])
OPTIONS = compose_run(study.SETTING)
SETTINGS = settings_of(study.SETTING)
SETTING = SETTINGS[NETWORK]


def made_up(
    row: str = NETWORK, fold: int = 0, seed: int = 0, skill: float = 2.0, objects: int = 60, **said: Any
) -> Result:
    """Return a result whose predictions are drawn: of test objects of its fold, and of an extra test part of all."""
    rng = np.random.default_rng([fold, seed, len(row)])
    parts = {}
    for part, name in (("test", f"fold{fold}"), ("extra_test", "extra")):
        label = np.arange(objects) % len(CLASSES)
        likely = probabilities(rng.normal(size=(objects, len(CLASSES))) + skill * np.eye(len(CLASSES))[label])
        rows: dict[str, NDArray[np.float64]] = {Prior.SURVEY: likely, Prior.UNIFORM: at_equal_shares(likely, SHARES)}
        parts[part] = Predictions(np.array([f"{name}-{number:05d}" for number in range(objects)]), label, rows)
    record = {"row": row, "fold": fold, "seed": seed, "setting": SETTINGS[row], "survey": "s", "split": f"fold {fold}"}
    record |= {
        "run": None,
        "precision": "32-true",
        "core_seconds": 100.0,
        "classes": CLASSES,
        "shares": SHARES.tolist(),
    }
    record |= {"environment": {"processor": "a processor", "threads": 1}} | said
    return Result(record, parts, {part: np.arange(objects) // 2 for part in parts})


def save(folder: Path, *results: Result) -> None:
    for one in results:
        save_result(folder, one)


def forests(fold: int, **said: Any) -> list[Result]:
    return [made_up(row, fold, skill=1.0, **said) for row in FORESTS]


def test_a_result_comes_back_as_it_was_and_is_small(tmp_path: Path) -> None:
    save(tmp_path, whole := made_up(objects=2500))
    found = read_result(path_of(tmp_path, NETWORK, 0, 0))
    for part, predictions in whole.parts.items():
        assert found.parts[part].ids.tolist() == predictions.ids.tolist()
        assert found.parts[part].label.tolist() == predictions.label.tolist()
        for prior in Prior:
            np.testing.assert_allclose(found.parts[part].at(prior), predictions.at(prior), rtol=1e-5)
        assert found.groups[part].tolist() == whole.groups[part].tolist()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 100_000  # of twice a fold's objects


def waiting(results: Path, *words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the jobs that a study of a survey "s" would run."""
    asked: list[Job] = []

    def run_jobs(jobs: list[Job], *_: object) -> list[str]:
        asked.extend(jobs)
        return []

    monkeypatch.setattr(study, "compose_run", lambda words: OPTIONS)
    monkeypatch.setattr(study, "settings_of", lambda words: SETTINGS)
    monkeypatch.setattr(study, "open_or_simulate", lambda options: SimpleNamespace(hash="s"))
    monkeypatch.setattr(study, "run_jobs", run_jobs)
    study.study(parse_arguments([*words, "--results", str(results), "--runs", str(results.parent / "runs")]))
    return [job.title for job in asked]


def test_what_has_its_result_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, results = ("--folds", "0-1", "--seeds", "0,2", "--models", "network", "forests"), tmp_path / "results"
    every = [
        f"{kind}-fold{fold}-seed{seed}"
        for fold in (0, 1)
        for kind, seed in (("network", 0), ("network", 2), ("forests", 0))
    ]
    assert waiting(results, *words, monkeypatch=monkeypatch) == every
    save(results, made_up(fold=1, seed=2), *forests(0), *forests(1)[1:])
    left = [title for title in every if title not in ("network-fold1-seed2", "forests-fold0-seed0")]
    assert waiting(results, *words, monkeypatch=monkeypatch) == left  # of fold 1 one forest has no result
    assert Job(FORESTS, 1, 0).waiting(results) == [FORESTS[0]]
    assert waiting(results, *words, "--models", "forests", monkeypatch=monkeypatch) == ["forests-fold1-seed0"]
    assert waiting(results, *words, "--tables", monkeypatch=monkeypatch) == []


@pytest.mark.parametrize("words", [("--folds", "3-5"), ("--folds", "3-1"), ("--jobs", "0")])
def test_folds_and_jobs_that_cannot_be_are_refused(
    words: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refused(UsageError, "E-COMMAND-VALUE", where=words[0]):
        waiting(tmp_path / "results", *words, monkeypatch=monkeypatch)
    assert not (tmp_path / "results").exists()


def test_what_was_killed_half_way_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / ".network-fold0-seed0.1.partial.json").write_text('{"row":')  # as `whole_file` leaves one
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(study_results, "write_json", killed)
        save(tmp_path, made_up(skill=0.0))
    assert path_of(tmp_path, NETWORK, 0, 0).with_suffix(".parquet").exists()
    assert read_results(tmp_path, SETTINGS) == []
    assert "network-fold0-seed0" in waiting(tmp_path, "--folds", "0", monkeypatch=monkeypatch)
    save(tmp_path, again := made_up())
    (found,) = read_results(tmp_path, SETTINGS)
    np.testing.assert_allclose(found.parts["test"].at(Prior.SURVEY), again.parts["test"].at(Prior.SURVEY), rtol=1e-5)


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the cells of each line of the tables by its first; those of differences with what they are taken of."""
    minus, found = "", {}
    for line in text.splitlines():
        if line.startswith("| "):
            first, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            minus = f"{first} " if first.endswith(" minus") else minus
            found[minus + first] = cells
    return found


def test_the_tables_need_only_the_results(tmp_path: Path) -> None:
    networks = {(fold, seed): made_up(fold=fold, seed=seed) for fold in (0, 1) for seed in (0, 1)}
    longer = {(fold, seed): made_up(LONGER, fold, seed, skill=2.5) for fold in (0, 1) for seed in (0, 1)}
    save(tmp_path, *networks.values(), *longer.values(), *forests(0), *forests(1), made_up(fold=2))
    text = describe_results(read_results(tmp_path, SETTINGS), [0, 1, 3], [0, 1])
    alone = describe_results(read_results(tmp_path, SETTINGS), [0, 1], [0, 1], [NETWORK, *FORESTS])
    assert LONGER not in alone
    table = rows_of(text)
    assert list(table)[1 : 1 + len(FILES)] == list(FILES)

    def scored(results: list[list[Result]], part: str) -> list[float]:
        """Score trainings at equal shares, each over its folds, and return the means."""
        found = []
        for folds in results:
            label = np.concatenate([one.parts[part].label for one in folds])
            guess = np.concatenate([one.parts[part].at(Prior.UNIFORM).argmax(1) for one in folds])
            found.append([balanced_accuracy_score(label, guess), f1_score(label, guess, average="macro")])
        return [float(value) for value in np.mean(found, axis=0)]

    forest = [made_up(HOST, fold, skill=1.0) for fold in (0, 1)]
    by_seed = [[networks[fold, seed] for fold in (0, 1)] for seed in (0, 1)]
    one_by_one = [[one] for one in networks.values()]
    expected = {
        NETWORK: scored(by_seed, "test") + scored(one_by_one, "extra_test"),
        HOST: scored([forest], "test") + scored([[one] for one in forest], "extra_test"),
    }
    for row, numbers in expected.items():
        assert [float(table[row][column]) for column in (0, 1, 4, 5)] == pytest.approx(numbers, abs=5.1e-4)
        assert table[row][-1] == "100"
    ahead = [cell.split()[0] for cell in table[f"{NETWORK} minus {HOST}"]]
    lead = np.subtract(expected[NETWORK], expected[HOST])
    assert [float(value) for value in ahead] == pytest.approx((100 * lead).tolist(), abs=0.051)
    lead_of_longer = float(table[f"{LONGER} minus {HOST}"][0].split()[0])
    assert lead_of_longer == pytest.approx(100 * (float(table[LONGER][0]) - float(table[HOST][0])), abs=0.11)
    assert float(table[f"mean of {NETWORK} and {HOST}"][0]) > float(table[HOST][0])
    assert f"{NETWORK} 3/0, 3/1; {LONGER} 3/0, 3/1; {HOST} 3/0" in text  # missing
    assert f"the seed (fold/seed): {NETWORK} 2/0." in text  # there, and no forest to compare


def test_a_network_alone_has_its_row_and_an_empty_folder_only_what_is_missing(tmp_path: Path) -> None:
    assert f"{NETWORK} 0/0" in describe_results(read_results(tmp_path, SETTINGS), [0], [0])
    save(tmp_path, made_up())
    text = describe_results(read_results(tmp_path, SETTINGS), [0], [0])
    assert NETWORK in rows_of(text)
    assert f"{NETWORK} 0/0" not in text


@pytest.mark.parametrize("fact", ["setting", "survey", "split"])
def test_results_that_are_not_comparable_are_refused(fact: str, tmp_path: Path) -> None:
    one = made_up()
    save(tmp_path, *forests(0), replace(one, record={**one.record, fact: "another"}))
    with refused(UsageError, "E-COMPARE-MISMATCH", fact, where="network-fold0-seed0.json"):
        read_results(tmp_path, SETTINGS, "s")


def test_a_folder_of_another_survey_is_refused_before_a_job_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, made_up(survey="another"))
    with refused(UsageError, "E-COMPARE-MISMATCH", "survey", where="network-fold0-seed0.json"):
        waiting(tmp_path, "--folds", "1", monkeypatch=monkeypatch)


def test_a_result_that_was_damaged_edited_or_renamed_is_refused(tmp_path: Path) -> None:
    save(tmp_path, made_up(), made_up(seed=1))
    path = path_of(tmp_path, NETWORK, 0, 0)
    table, text = path.with_suffix(".parquet"), path.read_text()
    table.write_bytes(path_of(tmp_path, NETWORK, 0, 1).with_suffix(".parquet").read_bytes())
    with refused(UsageError, "E-RUN-EDITED", where=table):
        read_result(path)
    table.unlink()
    with refused(UsageError, "E-RUN-DAMAGED", where=table):
        read_result(path)
    path.write_text(text[:100])
    with refused(UsageError, "E-RUN-DAMAGED", where=path):
        read_result(path)
    other = path_of(tmp_path, NETWORK, 0, 1)
    changed(other, shares=SHARES[::-1].tolist())
    with refused(UsageError, "E-RUN-EDITED", where=other):
        read_result(other)
    changed(other, shares=SHARES.tolist(), classes=["AGN", "SN Ia", "Variable", "SN II"])
    with refused(UsageError, "E-RUN-DAMAGED", "SN Other", where=other):
        read_result(other)
    path.write_text(json.dumps(json.loads(text) | {"fold": 3}))
    with refused(UsageError, "E-RUN-EDITED", where=path):
        read_result(path)


def test_probabilities_that_hold_at_their_own_shares_hold_at_others() -> None:
    rng = np.random.default_rng(0)
    wanted = np.array([0.1, 0.5, 0.1, 0.3])
    label = rng.choice(4, 40_000, p=SHARES)
    feature = 2 * np.eye(4)[label] + rng.normal(size=(len(label), 4))
    exact = probabilities(2 * feature + np.log(SHARES))
    assert error_at(exact, label, wanted) < 0.01
    assert error_at(probabilities(np.log(exact) / 2), label, wanted) > 0.05


def test_purity_is_that_of_the_smallest_sample_of_the_completeness() -> None:
    truth = np.array([1] * 7 + [0] * 2 + [1] * 3 + [0] * 8, dtype=bool)  # by falling probability
    likely = np.linspace(1, 0, len(truth))
    assert purity(likely, truth) == pytest.approx(8 / 10)  # the eighth of ten is the tenth of all
    assert purity(likely, likely > 0.5) == 1


def test_a_finished_run_is_read_with_its_hash_and_without_its_paths(tmp_path: Path) -> None:
    header = SurveyHeader("tiny", ("g", "r"), ("AGN", "SN Ia"), 0.396, simulated=True)
    objects = [image_series(number, 3, header) | {"label_source": None} for number in range(60)]
    survey = write_survey(tmp_path / "survey", objects, header)
    split = make_split(survey.object_table(), index=1)
    folder = handmade_run(tmp_path / "runs", survey, split, "frame_transformer_sdss", 1, 2, 1.0)
    changed(folder / "status.json", hashes={"run": "of the run"})
    found = of_network(folder, survey)
    assert found.key == (1, 2)
    assert found.record["run"] == "of the run"
    assert found.record["survey"] == survey.hash
    assert sorted(found.parts["test"].ids) == sorted(split.parts["test"])
    group = dict(found.grouped("test"))
    assert len(set(group.values())) == len(group)  # nobody has a neighbour
    save(tmp_path, found)
    assert str(tmp_path) not in path_of(tmp_path, NETWORK, 1, 2).read_text()


def test_forests_are_those_of_table_2(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ictconvention.evaluation.forest.TREES", 5)
    options = compose_run(
        ["experiment=frame_transformer_sdss", "profile=tiny", "survey=path", f"survey.path={work}/miniature"]
    )
    table = {entry.name: entry.predictions[0, 0] for entry in baselines({0: options})}
    found = {one.record["row"]: one for one in of_forests(options)}
    assert list(found) == list(FORESTS)
    for row, one in found.items():
        assert one.parts["test"].ids.tolist() == table[row].ids.tolist()
        for prior in Prior:
            np.testing.assert_allclose(one.parts["test"].at(prior), table[row].at(prior))


def test_the_setting_holds_what_makes_the_network_and_not_where_it_trains() -> None:
    asked = [*study.SETTING, "fold.index=3", "seed=2", "runs=elsewhere", "survey.extra_test=1600", "figures=false"]
    assert setting_of(compose_run(asked)) == SETTING
    for word in ("sequence.max_frames=48", "model.course=false", "augmentation.keep=0.6"):
        assert setting_of(compose_run([*study.SETTING, word])) != SETTING
    assert setting_of(replace(OPTIONS, name="another")) == SETTING


def decided(row: str, fold: int, *choices: int) -> Result:
    """Return a result that decides so for extra test objects, all of class 0."""
    result = made_up(row, fold, objects=len(choices))
    likely = at_equal_shares(0.1 / 3 + (0.9 - 0.1 / 3) * np.eye(len(CLASSES))[list(choices)], 1 / SHARES)
    label = np.zeros(len(choices), dtype=np.int64)
    rows: dict[str, NDArray[np.float64]] = {Prior.SURVEY: likely, Prior.UNIFORM: at_equal_shares(likely, SHARES)}
    return replace(result, parts={"extra_test": Predictions(result.parts["extra_test"].ids, label, rows)})


def test_objects_that_one_side_alone_gets_right_are_told_over_all_folds() -> None:
    networks = [decided(NETWORK, 0, 0, 0, 1, 0), decided(NETWORK, 1, 0, 1, 1, 0)]
    forests = [decided(row, 0, 1, 1, 0, 0) for row in FORESTS] + [decided(row, 1, 3, 1, 0, 1) for row in FORESTS]
    assert disagreements([*networks, *forests]) == ([("extra-00000", 0, [1, 3])], 1)
