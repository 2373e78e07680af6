"""The study of photometry without pixels: its jobs, its results on disk, and what its README says of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from experiments.photometry import study
from experiments.photometry.figure import draw_results
from experiments.photometry.jobs import ARMS, EPOCHS, FOREST, MODELS, Job, jobs_of
from experiments.photometry.results import DAYS, Result, read_results, save_result
from experiments.photometry.tables import FRAMES, ROWS, lines_of
from experiments.study import path_of
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from tests.refusals import refused

NAMES = ["AGN", "SN Ia", "Variable", "SN Other"]
JOBS = jobs_of(ROWS, tuple(ARMS), 3)


def made(job: Job, noise: float, setting: str = "a") -> Result:
    """Return a result of 400 objects; with more noise it is worse."""
    rng, label = np.random.default_rng([job.seed, int(100 * noise)]), np.arange(400) % 4
    likely = {}
    for number, days in enumerate(DAYS):
        rows = np.exp((1 + number) * np.eye(4)[label] + rng.normal(0, noise, (400, 4)))
        likely[days] = rows / rows.sum(1, keepdims=True)
    record: dict[str, Any] = {"epochs": EPOCHS, "title": "SDSS-II-like (simulated)", "survey_hash": "s"}
    record |= {"setting": setting, "classes": NAMES, "core_seconds": 60.0, "environment": {}}
    return Result(job, record, np.array([f"{n:06d}" for n in range(400)]), label, np.arange(400) // 2, likely)


def test_arms_differ_in_photometry_or_in_passes_alone() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
    for model in MODELS:
        settings = {arm: Job(model, arm, 0).setting(EPOCHS) for arm in ARMS}
        assert len(set(settings.values())) == len(ARMS)
        kept = []
        for arm, one in ARMS.items():
            keywords = Job(model, arm, 0).keywords(EPOCHS)
            stage = keywords.pop("stage")
            assert stage["pretrain"] == stage["finetune"] == {"max_epochs": one.passes * EPOCHS, "keep": "last"}
            assert keywords["sequence"].pop("photometry") == one.photometry
            kept.append(keywords)
        assert all(one == kept[0] for one in kept)
    assert {job.arm for job in JOBS if job.row == FOREST} == {arm for arm, one in ARMS.items() if one.passes == 1}
    assert ARMS[FRAMES].photometry is False


def test_a_result_comes_back_in_small_and_of_other_settings_is_refused(tmp_path: Path) -> None:
    job = Job(MODELS[0], "all", 1)
    one = made(job, 1.0)
    save_result(tmp_path, replace(one, ids=one.ids[::-1].copy()))
    assert path_of(tmp_path, job).stat().st_size < 20_000
    found = read_results(tmp_path, {job: "a"})[job]
    np.testing.assert_array_equal(found.label, one.label[::-1])  # sorted by id
    for days, likely in one.likely.items():
        np.testing.assert_allclose(found.likely[days], likely[::-1], atol=2e-3)
    with refused(UsageError, "E-COMPARE-MISMATCH", where=path_of(tmp_path, job)):
        read_results(tmp_path, {job: "b"})
    table = pq.read_table(path_of(tmp_path, job))
    pq.write_table(table.drop_columns(table.column_names[-1]), path_of(tmp_path, job))
    with refused(UsageError, "E-RUN-DAMAGED", where=path_of(tmp_path, job)):
        read_results(tmp_path)


def test_tables_compare_arms_by_the_seeds_of_frames_alone() -> None:
    noise = {"frames": 3.0, "between": 3.0, "all": 1.0}
    jobs = [Job(MODELS[0], arm, seed) for arm in ("frames", "all") for seed in (0, 1)]
    jobs += [Job(MODELS[0], "between", 0), Job(FOREST, "frames", 0), Job(FOREST, "all", 0)]
    results = {job: made(job, noise[job.arm]) for job in jobs}
    lines = lines_of(results)
    (early,) = [line for line in lines if line.startswith("| frame transformer, 2 seeds | 5 |")][:1]
    assert early.count(" | ") == 4  # the arm that lacks a seed has no column
    cells = early.split(" | ")
    assert float(cells[3]) - float(cells[2]) == pytest.approx(float(cells[4].split()[0]), abs=0.11)
    assert float(cells[4].split()[0]) > 10
    assert sum(line.startswith("| forest | 20 |") for line in lines) == 2  # once for each measure
    figure = draw_results(results)
    assert [axes.get_title() for axes in figure.axes] == ["frame transformer, 2 seeds", "forest"]
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [ARMS[arm].title for arm in ("frames", "all")]
    assert "simulated" in figure.get_suptitle()


def test_recorded_results_are_of_the_jobs_as_they_stand_and_the_readme_says_what_they_say() -> None:
    there = read_results(study.HOME / "results")
    assert read_results(study.HOME / "results", {job: job.setting(EPOCHS) for job in there}).keys() == there.keys()
    assert {job.row for job in there} >= {"light_curve_transformer", FOREST}
    assert all(path_of(study.HOME / "results", job).stat().st_size < 100_000 for job in there)
    assert study.FIGURE.stat().st_size < 100_000
    written = (study.HOME / "README.md").read_text()
    assert "\n".join(lines_of(there)) in written  # else: python -m experiments.photometry.study --tables
    assert f"]({study.FIGURE.name})" in written


def test_every_job_is_a_run() -> None:
    from ictconvention.api.keywords import overrides_of

    for job in jobs_of(ROWS, tuple(ARMS), 1):
        keywords = job.keywords(EPOCHS)
        experiment, survey = keywords.pop("experiment"), keywords.pop("survey")
        options = compose_run(overrides_of(experiment, survey, None, keywords))
        assert (options.survey.extra_test, options.survey.stream) == (1600, "alerts")
        assert options.sequence.photometry == ARMS[job.arm].photometry
