"""The study of land cover: its jobs, its results on disk, and tables and figures that follow from these alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.land_cover import reproduce, tables
from experiments.land_cover.baselines import Chips
from experiments.land_cover.figures import figures_of
from experiments.land_cover.jobs import (
    BASELINES,
    BENCHMARK,
    CONSTANT,
    ENSEMBLE,
    FEW,
    FEW_ICT,
    FEW_SUPERVISED,
    FOREST,
    NETWORKS,
    REFERENCE,
    SIZES,
    UNIFORM,
    Job,
    architecture_of,
    epochs_of,
    plan_jobs,
    words_of,
)
from experiments.land_cover.reproduce import Study, course_of, parse_arguments, run_study
from experiments.land_cover.results import Result, read_results, save_result
from experiments.land_cover.tables import Rows, lines_of
from experiments.study import path_of
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.masks.kl import divergences, normalised
from ictconvention.evaluation.predictions import Predictions
from ictconvention.networks.masks.unet import UNetOptions
from ictconvention.simulation.scenes.painting import paint_chip
from ictconvention.simulation.scenes.population import Scenes
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.writer import SurveyWriter
from tests.chips import HEADER as CHIPS
from tests.chips import chip
from tests.refusals import refused

NAMES = ("field", "forest", "water")


def made(row: str, noise: float, seed: int = 0, masks: bool = True, setting: str = "a") -> Result:
    """Return a result of 40 chips whose shares are right but for noise."""
    rng = np.random.default_rng([seed, int(1000 * noise)])
    known = np.random.default_rng(7).dirichlet([2, 1, 0.5], 40)
    off = normalised(known * np.exp(rng.normal(0, noise, known.shape)))
    rows: dict[str, Any] = {"row": off}
    if masks:
        right = np.einsum("nc,cd->ncd", known, np.full((3, 3), noise / 3) + (1 - noise) * np.eye(3))
        rows |= {"argmax": known, "mean": off, "calibrated": off, "confusion": (256 * right).round()}
    record = {
        "title": "scenes (simulated)",
        "survey_hash": "s",
        "setting": setting,
        "names": list(NAMES),
        "part": "extra_test",
        "filters": 8,
        "layers": 6,
        "parameters": 1234,
        "core_seconds": 1.5,
        "course": {"argmax": [2.0, 0.5], "mean": [1.0, 0.4]} if masks else {"mean": [1.0]},
        "environment": {},
    }
    found = Predictions(np.array([f"{n:02d}" for n in range(40)]), known, rows)
    return Result(Job(row, seed), record, found, np.arange(40) // 4)


def test_every_row_has_its_job_and_each_is_named_once() -> None:
    jobs = plan_jobs(3)
    assert len({job.name for job in jobs}) == len(jobs)
    assert {job.row for job in jobs} == {*NETWORKS, *BASELINES}
    seeds = {row: {job.seed for job in jobs if job.row == row} for row in (*NETWORKS, *BASELINES)}
    assert all(found == ({0} if row in (CONSTANT, UNIFORM) else {0, 1, 2}) for row, found in seeds.items())
    own = plan_jobs(1, few_masks=False)  # a survey of the user's own leaves no mask out
    assert {job.row for job in jobs} - {job.row for job in own} == {FEW_SUPERVISED, FEW_ICT}


@pytest.mark.parametrize("profile", list(SIZES))
def test_rows_cost_the_same_passes_of_a_chip(profile: str) -> None:
    epochs = SIZES[profile].epochs
    passes = {row: 3.0 * epochs_of(profile, row) for row in NETWORKS}
    passes[FEW_SUPERVISED] /= FEW  # of one chip in four
    passes[FEW_ICT] = 8 * epochs_of(profile, FEW_ICT)  # of every chip: two views, each of two networks
    assert all(abs(found - 3 * epochs) <= 4 for found in passes.values())  # to half an epoch of ICT


def words(profile: str, row: str) -> dict[str, str]:
    """Return the overrides of a row's run, by key."""
    found = dict(word.split("=", 1) for word in words_of(profile, Job(row, 2), None, ["runs=r"]))
    del found["name"]
    return found


@pytest.mark.parametrize("profile", list(SIZES))
def test_a_scenario_changes_one_thing_of_the_reference(profile: str) -> None:
    reference = words(profile, REFERENCE)

    def changed(row: str) -> dict[str, str]:
        found = words(profile, row)
        assert reference.keys() <= found.keys() or row == BENCHMARK
        return {key: value for key, value in found.items() if reference.get(key) != value}

    sizes = SIZES[profile]
    assert changed("fewer filters") == {"model.filters": f"{sizes.fewer_filters}"}
    assert changed("fewer layers") == {"model.layers": f"{sizes.fewer_layers}"}
    assert changed("class weights") == {"imbalance.weighting": "1"}
    assert changed("flips and turns") == {"augmentation.flips": "true", "augmentation.quarter_turns": "true"}
    assert changed("shares at once") == {"task.shares": "direct"}
    assert changed("mask and shares") == {"task.shares": "both"}
    assert changed(BENCHMARK).keys() <= {"model", "model.width"}
    few = words(profile, FEW_SUPERVISED)
    assert {key for key, value in words(profile, FEW_ICT).items() if few.get(key) != value} == {
        *("learner", "learner.unlabelled", "learner.consistency_on", "stage.pretrain.max_epochs")
    }


@pytest.mark.parametrize("profile", list(SIZES))
def test_a_run_has_the_sizes_of_its_profile(profile: str) -> None:
    options = compose_run(words_of(profile, Job(FEW_ICT, 2), None, ["runs=r"]))
    assert (options.survey.kind, options.survey.size, options.seed) == ("scenes", SIZES[profile].size, 2)
    assert (options.survey.objects, options.survey.unlabelled) == (SIZES[profile].objects, 1 - 1 / FEW)
    assert isinstance(options.model, UNetOptions)
    assert (options.model.filters, options.model.layers) == architecture_of(profile, REFERENCE)
    assert (options.task.kind, options.augmentation.keep, options.stage.finetune.max_epochs) == ("mask", 1, 0)


def test_rows_with_few_masks_have_the_same_chips_as_the_others() -> None:
    whole, few = (Scenes(100, extra_test=4, size=32, unlabelled=share) for share in (0.0, 1 - 1 / FEW))
    trained = int(np.flatnonzero(~few.has_mask)[0])
    for number in (trained, 101):  # one that lost its mask, and one that is compared
        one, other = (paint_chip(scenes, number) for scenes in (whole, few))
        assert np.array_equal(one["frames"], other["frames"], equal_nan=True)
        assert np.array_equal(one["mask"], other["mask"]) == (number != trained)


def test_the_widths_of_paper_are_those_of_the_published_text() -> None:
    rows = (REFERENCE, "fewer filters", "fewer layers")
    assert [architecture_of("paper", row) for row in rows] == [(64, 8), (24, 8), (64, 4)]
    assert architecture_of("paper", FOREST) is None


def test_results_are_read_as_they_were_saved(tmp_path: Path) -> None:
    for one in (made(REFERENCE, 0.1), made("shares at once", 0.1, masks=False)):
        save_result(tmp_path, one)
        found = read_results(tmp_path)[one.job]
        assert found.record == {**vars(one.job), **one.record}
        assert found.predictions.rows.keys() == one.predictions.rows.keys()
        np.testing.assert_allclose(found.predictions.label, one.predictions.label, rtol=1e-6)
        for name, values in one.predictions.rows.items():
            np.testing.assert_allclose(found.predictions.rows[name], values, rtol=1e-6)
        assert np.array_equal(found.group, one.group)


def test_results_that_are_damaged_or_of_other_settings_are_refused(tmp_path: Path) -> None:
    one = made(REFERENCE, 0.1)
    save_result(tmp_path, one)
    path = path_of(tmp_path, one.job)
    assert read_results(tmp_path, {one.job: "a"})
    with refused(UsageError, "E-COMPARE-MISMATCH", where=path):
        read_results(tmp_path, {one.job: "b"})
    moved = tmp_path / "reference-seed9.parquet"
    path.rename(moved)
    with refused(UsageError, "E-RUN-EDITED", where=moved):
        read_results(tmp_path)
    moved.write_bytes(moved.read_bytes()[:500])
    with refused(UsageError, "E-RUN-DAMAGED", where=moved):
        read_results(tmp_path)


@pytest.fixture
def results() -> dict[Job, Result]:
    """Return results of three references, and one of some other rows."""
    some = [made(REFERENCE, 0.5, seed) for seed in (0, 1, 2)]
    some += [made("fewer filters", 0.9), made("shares at once", 0.6, masks=False), made(FOREST, 0.05)]
    return {one.job: one for one in [*some, made(CONSTANT, 1.5, masks=False)]}


def test_tables_follow_from_the_results(results: dict[Job, Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "REPLICATES", 100)
    lines = list(lines_of(results))
    heads = [line for line in lines if line.startswith("**Scenes (simulated): extra test part, 40 chips")]
    assert len(heads) == 3  # scores, overlaps, differences
    scores = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in lines[: lines.index(heads[1])]}
    assert scores[REFERENCE][1:5] == ["8", "6", "1234", "3"]
    forest = results[Job(FOREST, 0)].predictions
    kl = divergences(forest.label, forest.rows["calibrated"]).mean()
    assert scores[FOREST][7].startswith(f"{kl:.4f} (")
    assert scores["shares at once"][8:10] == ["-", "-"]  # it gives no mask
    assert scores[CONSTANT][6] != "-"
    difference = next(line for line in lines[lines.index(heads[2]) :] if line.startswith(f"| {FOREST} "))
    assert difference.split(" | ")[1].startswith("-")  # its shares are nearer
    said = " ".join(lines)
    assert "0.0593" in said
    assert "4 370 722" in said
    assert "414 chips is much easier" in said


def test_the_ensemble_averages_shares_and_has_no_mask(results: dict[Job, Result]) -> None:
    rows = Rows.of(results)
    assert rows is not None
    assert [*rows.entries][:3] == [REFERENCE, "fewer filters", ENSEMBLE]
    found = rows.pooled(ENSEMBLE)
    members = [results[Job(REFERENCE, seed)].predictions.rows["row"] for seed in (0, 1, 2)]
    np.testing.assert_allclose(found.at("row")[0], np.mean(members, axis=0))
    assert "confusion" not in found.rows
    fewer = {job: one for job, one in results.items() if job != Job(REFERENCE, 2)}
    some = Rows.of(fewer)
    assert some is not None
    assert ENSEMBLE not in some.entries


def test_figures_follow_from_the_results(results: dict[Job, Result]) -> None:
    rows = Rows.of(results)
    assert rows is not None
    figures = figures_of(rows)
    counts, means = figures["course"].axes
    assert len(means.lines) == len(counts.lines) + 4  # two rows without a mask: each its seed, and the median
    assert sum(axes.axison for axes in figures["confusion"].axes) == 3


def test_the_course_is_in_the_order_of_the_training_epochs() -> None:
    metrics = {("pretrain", n): {"pretrain/val/kl": str(1 / n), "pretrain/val/kl_mean": 2 / n} for n in (10, 9, 1)}
    assert course_of(metrics, masks=True) == {"argmax": [1.0, 1 / 9, 0.1], "mean": [2.0, 2 / 9, 0.2]}
    assert course_of(metrics, masks=False) == {"mean": [1.0, 1 / 9, 0.1]}


@pytest.fixture
def survey_of_chips(tmp_path: Path) -> str:
    """Return the folder of a small survey with masks, of which every fifth chip is cut by the edge of its scene."""
    with SurveyWriter(tmp_path / "chips", CHIPS, masks=True) as writer:
        for number in range(120):
            one = chip(number)
            if number % 5 == 0:
                one["frames"][:, -3:], one["mask"][-3:] = np.nan, IGNORED
            writer.add(**one)
    return str(tmp_path / "chips")


def test_rows_without_a_network_know_what_is_easy(survey_of_chips: str, tmp_path: Path) -> None:
    asked = ["--profile", "smoke", "--survey", survey_of_chips, "--runs", str(tmp_path / "runs")]
    chips = Study(parse_arguments(asked)).chips
    found = {row: chips.predict(row, 0, "test")[0] for row in BASELINES}
    kl = {row: divergences(one.label, one.rows["row"]).mean() for row, one in found.items()}
    assert kl[FOREST] < kl[CONSTANT] < kl[UNIFORM]
    forest = found[FOREST]
    known = (chips.survey.read_masks(chips.positions("test")) != 255).sum((1, 2))
    assert np.array_equal(forest.rows["confusion"].sum((1, 2)), known)
    for name in ("argmax", "mean", "calibrated"):
        np.testing.assert_allclose(forest.rows[name].sum(1), 1)
    cut = ~np.any(np.isfinite(chips.pixels(chips.positions("test"))), axis=2)
    assert np.count_nonzero(np.any(cut, axis=1)) > 1
    counts = forest.rows["argmax"] * np.sum(~cut, axis=1, keepdims=True)  # of the pixels with data alone
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)
    assert np.ptp(found[CONSTANT].rows["row"], axis=0).max() == 0
    assert isinstance(chips, Chips)


def test_what_has_a_result_is_not_repeated(
    survey_of_chips: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--profile", "smoke", "--survey", survey_of_chips, "--runs", str(tmp_path / "runs"), "--results"]
    study = Study(parse_arguments([*asked, str(tmp_path / "results")]))
    there, *waiting = study.jobs = [Job(row, 0) for row in (REFERENCE, "fewer filters", "shares at once")]
    (tmp_path / "results").mkdir()
    save_result(tmp_path / "results", made(REFERENCE, 0.1, setting=study.setting_of(there)))
    trained: list[Job] = []

    class Finished:
        def check(self) -> None:
            """None has failed."""

    def train(folder: Path, runs: Mapping[Job, Any], *_: Any) -> Finished:
        trained.extend(runs)
        return Finished()

    monkeypatch.setattr(reproduce, "train_jobs", train)
    assert run_study(study) == ""
    assert trained == waiting
    path_of(tmp_path / "results", there).unlink()
    trained.clear()
    run_study(study)
    assert trained == study.jobs


def test_a_result_is_known_again_by_what_makes_it_and_not_by_folders() -> None:
    def setting(row: str, *given: str) -> str:
        return Study(parse_arguments(["--profile", "smoke", *given])).setting_of(Job(row, 0))

    same = setting(REFERENCE, "--runs", "a", "--surveys", "b")
    assert setting(REFERENCE, "--runs", "c") == same
    assert setting(REFERENCE, "stage.pretrain.max_epochs=7") != same
    assert setting(CONSTANT, "stage.pretrain.max_epochs=7") == setting(CONSTANT)


def test_impossible_numbers_are_refused_and_smoke_keeps_its_results_with_the_runs() -> None:
    with refused(UsageError, "E-COMMAND-VALUE", where="--jobs"):
        parse_arguments(["--jobs", "0"])
    assert parse_arguments(["--profile", "smoke", "--runs", "r"]).results == Path("r/land-cover-smoke-results")


@pytest.mark.slow
def test_recorded_results_are_of_the_jobs_as_they_stand() -> None:
    """An option that is new leaves what was trained before it as it is: no result has to be made anew."""
    study = Study(parse_arguments(["--profile", "laptop"]))
    kept = read_results(study.wanted.results, {job: study.setting_of(job) for job in study.jobs})
    assert set(kept) >= set(study.jobs)
