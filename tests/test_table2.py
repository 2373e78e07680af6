"""What is compared in Table 2, and by how much training."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.table2 import reproduce
from experiments.table2.baselines import forest_features
from experiments.table2.reproduce import (
    check_overrides,
    check_splits,
    common_words,
    keep_rows_without_run,
    parse_arguments,
    print_expected_time,
    run_rows,
    sweep_of_models,
)
from experiments.table2.rows import (
    BASELINES,
    CONTROLS,
    CORE_SECONDS,
    EQUAL,
    LEAD,
    MEANS,
    MODELS,
    equal_passes,
    expected_core_seconds,
    names_of_equal_compute,
    networks,
    rows,
    rows_of_equal_compute,
)
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.stages import STAGES, stage_of
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.forests.calibrated import calibrate_votes, fit_vote_temperature
from ictconvention.evaluation.predictions import ModelPredictions
from ictconvention.evaluation.prior import Prior, at_equal_shares
from ictconvention.measuring.measured_cache import CachedMedianFrames, CachedPhotometry, MeasuredCache
from ictconvention.reporting.compare import compare
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.status import write_json
from ictconvention.survey.format import SurveyHeader
from ictconvention.sweeping.sweep import Job, Sweep
from tests.conftest import image_series, write_survey
from tests.handmade_runs import handmade_sweep
from tests.refusals import refused


@pytest.mark.parametrize("asked", ["paper", "all"])
def test_every_row_is_a_run_of_its_own(asked: str) -> None:
    found, models = dict(rows(asked, controls=True, bands=["g"])), networks(asked)
    assert list(found) == [*models, *CONTROLS, *(f"{name}, g" for name in models)]
    assert list(models)[: len(MODELS)] == list(MODELS)  # those of the paper stand first
    for name in models:
        assert found[f"{name}, g"] == [*found[name], "survey.bands=[g]"]
    composed = [*models, *CONTROLS, "ConvEntion, g"]
    options = {name: compose_run(["profile=laptop", *found[name]]) for name in composed}
    assert len({repr(of) for of in options.values()}) == len(composed)
    assert options["ConvEntion, g"].survey.bands == ("g",)
    assert options["two-view cross-entropy"].learner.consistency == 0
    assert options["ConvEntion, published recipe"].imbalance.focal == 2
    assert options["ConvEntion"].imbalance == options["ICT-ConvEntion"].imbalance  # one recipe
    assert len({repr(options[name].stage) for name in models}) == 1
    assert list(dict(rows(asked, controls=False, bands=[]))) == list(models)


def test_the_rows_of_all_are_the_transformers_with_both_learners() -> None:
    made = {name: compose_run(["profile=laptop", *networks("all")[name]]) for name in networks("all").keys() - MODELS}
    assert {name: (of.model.kind, of.learner.kind) for name, of in made.items()} == {
        "frame transformer": ("frame_transformer", "supervised"),
        "ICT on frame transformer": ("frame_transformer", "ict"),
        "light-curve transformer": ("light_curve_transformer", "supervised"),
    }
    assert {one for of in MEANS.values() for one in of} <= {*networks("all"), *BASELINES}


def test_some_rows_may_be_named_and_stand_in_the_order_of_the_table() -> None:
    some = "light-curve transformer,ConvEntion, light-curve RNN"
    named = ["ConvEntion", "light-curve RNN", "light-curve transformer"]
    assert list(dict(rows(some, controls=True, bands=[]))) == named  # the controls are those of ICT-ConvEntion
    assert names_of_equal_compute(some) == ["light-curve RNN, equal compute"]
    with refused(UsageError, "E-COMMAND-VALUE", "'ConvEntin'", "ConvEntion", where="ROWS"):
        rows_named = parse_arguments(["--rows", "ConvEntin"]).rows
        networks(rows_named)


def finished_jobs(folder: Path, costs: Mapping[str, object]) -> list[Job]:
    """Return a job of each model, of two training epochs in each stage, whose status says what it has cost."""
    jobs = []
    for number, (model, status) in enumerate(costs.items()):
        (folder / f"{number}").mkdir(exist_ok=True)
        write_json(folder / f"{number}" / "status.json", status)
        options = compose_run(["profile=laptop", *networks("all")[model]])
        jobs.append(Job(number, model, (), options, folder / f"{number}", model=model))
    return jobs


def test_equal_compute_is_what_was_measured_stage_by_stage(tmp_path: Path) -> None:
    core = {"ICT-ConvEntion": (400.0, 100.0), "ConvEntion": (200.0, 80.0), "frame transformer": (40.0, 12.5)}
    core |= {"light-curve RNN": (2.0, 1.0), "light-curve transformer": (10.0, 3.0)}
    costs = {
        model: {"core_seconds": dict(zip(STAGES, spent, strict=True)), "seconds": dict.fromkeys(STAGES, 1.0)}
        for model, spent in core.items()
    }
    found = dict(rows_of_equal_compute(finished_jobs(tmp_path, costs), "all"))
    passes = {row: compose_run(["profile=laptop", *words]).stage for row, words in found.items()}
    assert {row: (of.pretrain.max_epochs, of.finetune.max_epochs) for row, of in passes.items()} == {
        "ConvEntion, equal compute": (4, 2),  # 2 * 2, and 2.5
        "frame transformer, equal compute": (20, 16),
        "light-curve RNN, equal compute": (10, 6),
    }
    assert list(dict(rows_of_equal_compute(finished_jobs(tmp_path, costs), "paper"))) == [*found][:1]


@pytest.mark.parametrize(
    ("lead", "other", "passes"),
    [
        ({"seconds": {"pretrain": 30.0}}, {"seconds": {"pretrain": 10.0}}, 6),  # of a version without, or on a GPU
        ({"seconds": {"pretrain": 30.0}, "core_seconds": {"pretrain": 99.0}}, {"seconds": {"pretrain": 10.0}}, 6),
        ({"seconds": {}}, {"seconds": {"pretrain": 10.0}}, 5),  # it took the pre-training of another run
    ],
)
def test_without_core_seconds_the_time_counts_and_without_both_the_passes_through_the_network(
    lead: dict[str, dict[str, float]], other: dict[str, dict[str, float]], passes: int, tmp_path: Path
) -> None:
    jobs = finished_jobs(tmp_path, {"ICT-ConvEntion": lead, "ConvEntion": other})
    assert equal_passes(jobs, "ConvEntion", LEAD) == [
        f"stage.pretrain.max_epochs={passes}",
        "stage.finetune.max_epochs=5",
    ]
    for job in jobs:
        job.options = compose_run(["profile=laptop", "stage.pretrain.max_epochs=0"])
    assert equal_passes(jobs, "ConvEntion", LEAD)[0] == "stage.pretrain.max_epochs=0"


@pytest.mark.parametrize("model", ["ICT-ConvEntion", "ConvEntion"])
def test_equal_compute_is_refused_where_patience_may_end_a_row(model: str, tmp_path: Path) -> None:
    costs = {name: {"core_seconds": {"pretrain": 10.0}} for name in ("ICT-ConvEntion", "ConvEntion")}
    jobs = finished_jobs(tmp_path, costs)
    for job in jobs:
        if job.model == model:
            job.options = compose_run(["profile=laptop", "stage.finetune.patience=2"])
    with refused(UsageError, "E-CONFIG-CONFLICT", model, where="stage.finetune.patience=2"):
        equal_passes(jobs, "ConvEntion", LEAD)


def test_patience_is_refused_before_a_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = finished_jobs(tmp_path, {"ICT-ConvEntion": {"seconds": {}}})
    for job in jobs:
        job.options = compose_run(["profile=laptop", "stage.pretrain.patience=3"])
    monkeypatch.setattr(reproduce, "plan_jobs", lambda *given: jobs)
    with refused(UsageError, "E-CONFIG-CONFLICT", where="stage.pretrain.patience=3"):
        reproduce.run_rows(reproduce.parse_arguments(["--profile", "tiny", "--controls", "--runs", str(tmp_path)]))


@pytest.mark.parametrize(("model", "times"), [("ConvEntion", 2), ("frame transformer", 10)])
def test_a_pre_training_that_was_found_finished_costs_what_the_model_costs_and_that_is_said(
    model: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is where another table has pre-trained ICT-ConvEntion: of the other stage the cost is known."""
    for name, cost in {"ICT-ConvEntion": 100, "ConvEntion": 50, "frame transformer": 10}.items():
        monkeypatch.setitem(CORE_SECONDS, name, cost)
    costs = {"ICT-ConvEntion": {"core_seconds": {"finetune": 30.0}}, model: {"core_seconds": {"finetune": 10.0}}}
    passes = equal_passes(finished_jobs(tmp_path, costs), model, LEAD)
    assert passes == [f"stage.pretrain.max_epochs={2 * times}", "stage.finetune.max_epochs=6"]
    (said,) = capsys.readouterr().out.splitlines()
    assert {model in said, "pretrain" in said, "finetune" not in said, f"{times:.2f}" in said} == {True}


def test_the_time_that_is_said_holds_every_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert CORE_SECONDS.keys() == networks("all").keys()
    for name in CORE_SECONDS:
        monkeypatch.setitem(CORE_SECONDS, name, 1)
    monkeypatch.setitem(CORE_SECONDS, "ICT-ConvEntion", 1000)
    monkeypatch.setitem(CORE_SECONDS, "CNN+GRU", 20)
    monkeypatch.setattr("experiments.table2.rows.FORESTS", 50_000)
    options = compose_run(["profile=laptop"])

    def waiting(*names: str) -> list[Job]:
        return [Job(n, name, (), options, Path("none"), model=name) for n, name in enumerate(names)]

    assert expected_core_seconds([]) == 0
    assert expected_core_seconds(waiting(*networks("all"))) == 51_026
    assert expected_core_seconds(waiting("CNN+GRU, g", "two-view cross-entropy")) == 51_020
    assert expected_core_seconds(waiting(*EQUAL)) == 52_001  # as long as ICT-ConvEntion twice, and a transformer
    assert expected_core_seconds([], dict.fromkeys(EQUAL, 2)) == 4_002
    for words, runs, said in (
        ([], 1, "13 h 53 min"),
        (["--controls"], 1 + 6, "15 h 0 min"),
        (["--seeds=2"], 1, "13 h"),
    ):
        print_expected_time(parse_arguments(["--jobs=1", "--folds=2", "--rows=all", *words]), waiting("ConvEntion"), 1)
        assert {f"{runs} run" in (line := capsys.readouterr().out), said in line} == {True}
    print_expected_time(parse_arguments(["--controls", "--seeds=2", "--folds=2"]), waiting("ConvEntion"), 1)
    assert "5 runs" in capsys.readouterr().out  # one model of equal compute


def test_rows_on_other_objects_are_refused_before_any_begins(tmp_path: Path) -> None:
    options = compose_run([])
    jobs = [
        Job(n, name, (), options, tmp_path / name, split) for n, (name, split) in enumerate((("a", "x"), ("b", "y")))
    ]
    with refused(UsageError, "E-COMPARE-MISMATCH", "a", "b", where="BANDS"):
        check_splits(jobs)
    check_splits(jobs[:1])


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        ("hydra/launcher=slurm", "E-CONFIG-SWEEP", "hydra/launcher=slurm"),
        ("hydra/launcher=jean_zay", "E-CONFIG-SWEEP", "hydra/launcher=jean_zay"),
        ("+hydra.launcher.nodes=2", "E-CONFIG-SWEEP", "JOBS=n"),
        ("hydra.sweep.dir=elsewhere", "E-CONFIG-SWEEP", "JOBS=n"),
        ("jobs=2", "E-CONFIG-CONFLICT", "JOBS=n"),
        ("fold.index=3", "E-CONFIG-CONFLICT", "FOLDS=n"),
        ("seed=7", "E-CONFIG-CONFLICT", "SEEDS=n"),
        ("profile=paper", "E-CONFIG-CONFLICT", "PROFILE=NAME"),
        ("experiment=ict_sdss", "E-CONFIG-CONFLICT", "leave it out"),
    ],
)
def test_overrides_that_would_be_passed_over_are_refused(word: str, code: str, said: str) -> None:
    with refused(UsageError, code, said, where=f"OVERRIDES, {word}"):
        check_overrides(parse_arguments(["trainer.workers=1", word]))
    check_overrides(parse_arguments(["trainer.workers=1", "learner.tau=0.9"]))


def test_the_sweep_on_slurm_that_is_named_instead_makes_the_runs_of_the_table() -> None:
    words = ["hydra/launcher=slurm", "hydra.launcher.partition=gpu", "trainer.batch_size=64"]
    asked = ["--profile", "laptop", "--folds", "2", "--seeds", "2", "--runs", "my runs"]
    wanted = parse_arguments([*asked, *words])
    with refused(UsageError, "E-CONFIG-SWEEP", "fold.index=0,1", "seed=0,1", "my runs", *words, where=words[0]):
        check_overrides(wanted)
    flag, *given = (word for word in sweep_of_models(wanted) if not word.startswith("hydra"))
    assert flag == "-m"
    values = [[f"{key}={one}" for one in value.split(",")] for key, _, value in (word.partition("=") for word in given)]
    every = list(product(*values))
    assert len(every) == len(set(every)) == 20
    key = "fold.index={0}", "seed={0}"
    swept = {repr(compose_run(one)) for one in every for n in range(2) if {part.format(n) for part in key} <= {*one}}
    common = common_words(parse_arguments([*asked, *words[2:]]))
    table = {
        repr(compose_run([*model[:1], *common, *model[1:], f"fold.index={n}", f"seed={n}"]))
        for model, n in product(MODELS.values(), range(2))
    }
    assert swept == table
    assert len(table) == 10


def test_the_rows_of_equal_compute_train_after_the_others_whose_cost_they_take(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No training here: what a sweep would run says at once that it is finished, and what it has cost."""
    started: list[list[str]] = []

    def run_at_once(sweep: Sweep, at_once: int) -> None:
        waiting = sweep.begin()
        started.append([str(job.model) for job in waiting])
        for job in waiting:
            job.folder.mkdir(parents=True)
            cost = 60.0 if job.model == "ICT-ConvEntion" else 20.0
            write_json(job.folder / "status.json", {"core_seconds": dict.fromkeys(STAGES, cost)})
            write_json(job.folder / "result.json", {})
            job.state = "finished"
        sweep.save()

    monkeypatch.setattr("ictconvention.sweeping.processes.run_jobs", run_at_once)
    asked = ["--profile", "tiny", "--folds", "1", "--controls", "--survey", f"{work}/miniature", "--runs"]
    wanted = parse_arguments([*asked, str(tmp_path)])
    sweep = run_rows(wanted)
    assert started == [[*MODELS, *CONTROLS], ["ConvEntion, equal compute"]]
    assert [job.model for job in sweep.jobs] == [*MODELS, *CONTROLS, "ConvEntion, equal compute"]
    assert {stage_of(sweep.jobs[-1].options, stage).max_epochs for stage in STAGES} == {3}
    assert run_rows(wanted).folder == sweep.folder
    assert started[2:] == [[]]


@pytest.mark.parametrize("kept", [False, True])
def test_photometry_and_median_stamps_are_made_before_the_clock_of_a_forest_starts(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = SurveyHeader("tiny", ("g", "r"), ("AGN", "SN Ia"), 0.396, simulated=True)
    survey = write_survey(tmp_path / "survey", [image_series(number, 6, header) for number in range(3)], header)
    if kept:
        CachedPhotometry(survey), CachedMedianFrames(survey)
    opened: list[str] = []
    clock = iter(range(1000))

    def read_clock() -> float:
        assert {*opened} == {"photometry", "median_frames"}
        return next(clock)

    def open_cache(cache: MeasuredCache) -> None:
        assert next(clock) < 2
        opened.append(cache.name)
        cache._opened = cache._mapped()

    monkeypatch.setattr(MeasuredCache, "_open", open_cache)
    monkeypatch.setattr("experiments.table2.baselines.process_time", read_clock)
    of_all = SimpleNamespace(view=SimpleNamespace(rows=slice(None)))
    data: Any = SimpleNamespace(survey=survey, evaluation=SimpleNamespace(views_of=lambda key: (of_all,)))
    found, spent = forest_features(data)
    assert found.keys() == spent.keys() == {*BASELINES} - {"constant answer"}
    assert spent == {name: 4 if "host" in name else 3 for name in spent}  # a tick an object, and one for hosts


def test_a_forest_decides_at_equal_shares_as_its_votes_do_and_is_as_sure_as_it_is_right() -> None:
    shares, rng = np.array([0.2, 0.15, 0.62, 0.03]), np.random.default_rng(0)
    labels = rng.choice(4, 4_000, p=shares)
    sharp = np.exp(rng.normal(2.5 * np.eye(4)[labels], 1.0) * 2.5)
    votes = sharp**0.4 / (sharp**0.4).sum(1, keepdims=True)  # far too soft
    likely = calibrate_votes(votes, fit_vote_temperature(votes[:2_000], labels[:2_000], shares), shares)
    assert (at_equal_shares(likely, shares).argmax(1) == votes.argmax(1)).all()
    sure, right = likely[2_000:].max(1), likely[2_000:].argmax(1) == labels[2_000:]
    assert sure.mean() == pytest.approx(right.mean(), abs=0.02)
    assert likely.mean(0) == pytest.approx(shares, abs=0.02)


@pytest.mark.parametrize("trainings", [1, 2])
def test_the_means_of_two_rows_stand_beside_the_forests(
    trainings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = SurveyHeader("tiny", ("g", "r"), ("AGN", "SN Ia"), 0.396, simulated=True)
    objects = [image_series(number, 3, header) | {"label_source": None} for number in range(60)]
    survey = write_survey(tmp_path / "survey", objects, header)
    trained = ["ICT-ConvEntion", *sorted({one for of in MEANS.values() for one in of} - {*BASELINES})]
    folder = handmade_sweep(tmp_path / "runs", survey, dict.fromkeys(trained, 1.0))
    made = 0

    def forests(folds: object) -> tuple[ModelPredictions, ...]:
        nonlocal made
        made += 1
        lead, *_ = group_runs(*find_runs(folder)).entries()
        alone = {key: found for key, found in lead.predictions.items() if key[1] == 0}
        return tuple(ModelPredictions(name, alone) for name in BASELINES)

    monkeypatch.setattr("experiments.table2.baselines.baselines", forests)
    sweep: Any = SimpleNamespace(folder=folder, jobs=[])
    for words in ([], ["--rows", "all"], ["--rows", "all"]):
        keep_rows_without_run(sweep, parse_arguments([*words, "--ensemble", str(trainings)]))
    assert made == 1  # they are kept
    found = {entry.name: entry for entry in compare(folder, members=trainings).entries}
    assert list(found)[-len(MEANS) :] == list(MEANS)
    for name, (one, other) in MEANS.items():
        assert found[name].seeds == found[one].seeds == tuple(range(2 // trainings))
        last = 1, found[one].seeds[-1]
        both = found[other].predictions.get(last, found[other].predictions[1, 0])  # a forest has one seed
        product = np.sqrt(found[one].predictions[last].at(Prior.UNIFORM) * both.at(Prior.UNIFORM))
        mean = found[name].predictions[last].at(Prior.UNIFORM)
        np.testing.assert_allclose(mean, product / product.sum(1, keepdims=True))
