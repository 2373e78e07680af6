"""The study of redshifts: its jobs, its results on disk, and tables and an answer that follow from these alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.redshift import jobs as study_jobs
from experiments.redshift import reproduce, tables
from experiments.redshift.baselines import write_fewer_labels
from experiments.redshift.jobs import ANSWERS, APPROACHES, BASELINES, REFERENCE, SELECTED, Job, plan_jobs, words_of
from experiments.redshift.reproduce import Study, parse_arguments
from experiments.redshift.results import Result, read_results, save_result
from experiments.redshift.tables import QUESTION, lines_of
from experiments.study import path_of
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.predictions import Predictions
from ictconvention.survey.split import PARTS, Split
from ictconvention.tasks.redshift.bins import names_of
from tests.refusals import refused

EDGES = np.linspace(0, 0.6, 31)
ROWS = [*APPROACHES, *(f"{REFERENCE}, {answer}" for answer in ANSWERS), *BASELINES]


def made(row: str, noise: float, labels: int = 1, seed: int = 0, survey: str = "magnitude") -> Result:
    """Return a result whose PDFs are right but for noise."""
    rng = np.random.default_rng([seed, labels, int(1000 * noise)])
    parts, groups, centres = {}, {}, (EDGES[1:] + EDGES[:-1]) / 2
    for part, high in (("test", 0.3), ("extra_test", 0.5)):
        z = np.random.default_rng(7).uniform(0.02, high, 80).astype(np.float32)
        off = (centres - z[:, None] - rng.normal(0, noise, (80, 1))) / max(noise, 0.02)
        pdf = np.exp(-(off**2) / 2)
        parts[part] = Predictions(np.arange(80).astype(str), z, {"row": pdf / pdf.sum(1, keepdims=True)})
        groups[part] = np.arange(80)
    record = {
        "title": "simulated galaxies",
        "survey_hash": "s",
        "setting": "a",
        "names": names_of(EDGES),
        "trained": [1 / 30] * 30,
        "beyond": 0.28,
        "labelled": 160 // labels,
        "parameters": 10,
        "core_seconds": 1.5,
        "environment": {},
    }
    return Result(Job(survey, row, labels, seed), record, parts, groups)


def test_jobs_are_main_effects_and_each_is_named_once() -> None:
    jobs = plan_jobs("laptop", 3, ROWS, [*SELECTED])
    assert len({job.name for job in jobs}) == len(jobs)
    main = [job for job in jobs if job.survey == "magnitude" and job.labels == 1]
    assert {job.row for job in main} == {*ROWS}
    assert {job.seed for job in main if job.row == REFERENCE} == {0, 1, 2}
    fewer = [job for job in jobs if job.labels > 1]
    assert {(job.labels, job.seed) for job in fewer} == {(4, 0), (16, 0)}
    assert {job.row for job in fewer} == {*APPROACHES, *BASELINES}
    assert {job.row for job in jobs if job.survey == "kcorrect"} == {*APPROACHES, *BASELINES}
    assert {job.survey for job in plan_jobs("smoke", 1, ROWS, [*SELECTED])} == {*SELECTED}


@pytest.mark.parametrize("profile", list(study_jobs.SIZES))
def test_the_words_of_a_run_are_those_of_its_survey_and_size(profile: str) -> None:
    job = Job("redshift", REFERENCE, 1, 2)
    options = compose_run(words_of(profile, job, ["task=redshift", "model=cnn2", "fold=single"], ["runs=r"]))
    assert (options.survey.kind, options.survey.select, options.seed, options.runs) == ("galaxies", "redshift", 2, "r")
    assert options.survey.objects == {"smoke": 240, "laptop": None, "paper": 100000}[profile]
    assert options.stage.finetune.max_epochs == 0
    assert options.name == job.name


def test_a_row_whose_experiment_is_not_there_is_named_and_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "redshift_direct.yaml").touch()
    monkeypatch.setattr(study_jobs, "config_folder", lambda: tmp_path)
    rows, missing = study_jobs.rows_of_networks()
    assert [*rows] == [REFERENCE]
    assert {*missing} == {*APPROACHES, *(f"{REFERENCE}, {answer}" for answer in ANSWERS)} - {REFERENCE}


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    one = made("direct", 0.02)
    save_result(tmp_path, one)
    found = read_results(tmp_path)[one.job]
    assert found.record == {**vars(one.job), **one.record}
    for part, of in one.parts.items():
        order = np.argsort(of.ids)
        assert np.array_equal(found.parts[part].ids, of.ids[order])
        np.testing.assert_array_equal(found.parts[part].label, of.label[order])
        np.testing.assert_allclose(found.parts[part].at("row"), of.at("row")[order], atol=2e-4)


def test_results_that_are_damaged_or_of_another_study_are_refused(tmp_path: Path) -> None:
    one = made("direct", 0.02)
    save_result(tmp_path, one)
    path = path_of(tmp_path, one.job)
    assert read_results(tmp_path, {one.job: "a"})
    with refused(UsageError, "E-COMPARE-MISMATCH", where=path):
        read_results(tmp_path, {one.job: "b"})
    moved = tmp_path / "magnitude-direct-labels1-seed9.parquet"
    path.rename(moved)
    with refused(UsageError, "E-RUN-EDITED", where=moved):
        read_results(tmp_path)
    moved.write_bytes(moved.read_bytes()[:500])
    with refused(UsageError, "E-RUN-DAMAGED", where=moved):
        read_results(tmp_path)


def test_tables_and_answer_follow_from_the_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "REPLICATES", 100)
    some = [made("direct", 0.04, seed=seed) for seed in (0, 1)]
    some += [made("pre-trained", 0.01), made("foundation", 0.12), made("constant n(z)", 0.2)]
    some += [made(row, 0.05, labels=4) for row in ("direct", "pre-trained")]
    lines = list(lines_of({one.job: one for one in some}))
    heads = [line for line in lines if line.startswith("**Simulated galaxies")]
    assert len(heads) == 5  # scores and differences of both parts, and fewer labels
    table = [line for line in lines if line.startswith("| direct | 2 |")]
    assert [line.count("|") for line in table] == [12, 12]
    said = lines[lines.index(f"**{QUESTION}**") + 2]
    assert "ahead of direct in CRPS: pre-trained; behind: foundation." in said
    assert "pre-trained is ahead in CRPS (-" in said
    assert "foundation is behind in CRPS (+" in said
    assert "The least CRPS has pre-trained (" in said
    assert any("None of this is a real image" in line for line in lines)


def test_fewer_labels_keep_every_decile_and_are_nested(tmp_path: Path) -> None:
    ids = [f"g{number:03d}" for number in range(200)]
    classes: dict[str, str | None] = {id_: f"z{number % 10}" for number, id_ in enumerate(ids)}
    parts = {part: tuple[str, ...]() for part in PARTS}
    parts |= {"pretrain_train": tuple(ids[:160]), "pretrain_validation": tuple(ids[160:190]), "test": tuple(ids[190:])}
    kept = {}
    for labels in (4, 16):
        write_fewer_labels(tmp_path / "split.json", Split(parts, classes), labels)
        kept[labels] = json.loads((tmp_path / "split.json").read_text())["parts"]
    assert [len(kept[labels]["pretrain_train"]) for labels in (4, 16)] == [40, 10]
    assert {classes[id_] for id_ in kept[16]["pretrain_train"]} == {*classes.values()}
    assert {*kept[16]["pretrain_train"]} < {*kept[4]["pretrain_train"]} < {*ids[:160]}
    assert kept[4]["test"] == [*parts["test"]]


def test_impossible_numbers_are_refused_and_smoke_keeps_its_results_with_the_runs() -> None:
    with refused(UsageError, "E-COMMAND-VALUE", where="--seeds"):
        parse_arguments(["--seeds", "0"])
    assert parse_arguments(["--profile", "smoke", "--runs", "r"]).results == Path("r/redshift-smoke-results")


def test_a_result_is_known_again_by_what_makes_it_and_not_by_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["task=redshift", "model=cnn2", "fold=single"]
    monkeypatch.setattr(reproduce, "rows_of_networks", lambda: ({REFERENCE: [words]}, {}))

    def setting(*given: str, seed: int = 0) -> str:
        study = Study(parse_arguments(["--profile", "smoke", *given]))
        return study.setting_of(Job("magnitude", REFERENCE, 1, seed))

    same = setting("--runs", "a", "--surveys", "b")
    assert setting("--runs", "c") == same
    assert setting("stage.pretrain.max_epochs=2", seed=1) != same


@pytest.mark.slow
def test_recorded_results_are_of_the_jobs_as_they_stand() -> None:
    """An option that is new leaves what was trained before it as it is: no result has to be made anew."""
    study = Study(parse_arguments(["--profile", "laptop"]))
    kept = read_results(study.wanted.results, {job: study.setting_of(job) for job in study.jobs})
    assert set(kept) >= set(study.jobs)
