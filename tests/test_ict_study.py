"""The study of ICT: its jobs at equal cost, its splits and labels, its results on disk, and what follows from these."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from experiments.ict import study as study_module
from experiments.ict.arms import ARMS, DISTILLED, FORMS, IMBALANCE, LITERAL, ONE_VIEW, TWO_VIEWS
from experiments.ict.averaging import average, lines_of_means
from experiments.ict.costs import Costs
from experiments.ict.figures import draw_regime
from experiments.ict.jobs import (
    EVERY,
    Job,
    fits,
    passes_of,
    stages_of,
    survey_words,
    takes_unlabelled,
    teachers_of,
    words_of,
)
from experiments.ict.pairs import compare, given_up, of_arms, scores_of
from experiments.ict.regimes import RARE, REGIMES, SATURATED, SHORT, TWENTIETH, draw_split
from experiments.ict.relabel import count_labels, err, relabel_survey, second_labels
from experiments.ict.results import Result, read_results, save_result
from experiments.ict.study import Study, parse_arguments, rounds_of, run_study
from experiments.ict.tables import lines_of
from experiments.study import path_of
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SplitError, UsageError
from ictconvention.survey.labels.photometric import measure_noise, read_weak, true_of_labels
from ictconvention.survey.split import UNLABELLED_PART, Split
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused

NAMES = ("AGN", "SN Ia", "Variable", RARE)
RATIOS: Mapping[str, float] = dict.fromkeys(ARMS, 2.0) | {ONE_VIEW: 1.0, "token views": 1.45}


def made(arm: str, noise: float, pair: int = 0, regime: str = SHORT, survey: int = 0, setting: str = "a") -> Result:
    """Return a result of 400 objects; with more noise it is worse, and pairs scatter."""
    job = Job(regime, arm, survey, pair % 5, pair // 5)
    rng = np.random.default_rng([pair, int(1000 * noise), survey])
    label = np.arange(400) % 4
    logits = 3 * np.eye(4)[label] + rng.normal(0, noise, (400, 4))
    likely = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    record: dict[str, Any] = {
        "title": "SDSS-II-like (simulated)",
        "survey_hash": f"s{survey}",
        "setting": setting,
        "names": list(NAMES),
        "passes": [2.0, 2.0],
        "ratio": 1.0,
        "core_seconds": 60.0,
        "scores": {"test": {"accuracy": 0.5}},
        "course": {"pretrain loss_balanced": [1.0, 0.5], "finetune loss_balanced": [0.4, 0.6]},
        "environment": {},
    }
    return Result(job, record, np.array([f"sn{n:05d}" for n in range(400)]), label, likely)


def results_of(*some: Result) -> dict[Job, Result]:
    return {one.job: one for one in some}


@pytest.mark.parametrize("name", list(ARMS))
def test_every_arm_is_a_run_in_every_regime_that_it_fits(name: str) -> None:
    for regime in (SHORT, TWENTIETH) if name in {arm.name for arm in FORMS} else (SHORT,):
        if fits(ARMS[name], regime):
            options = compose_run(words_of(Job(regime, name, 0, 1, 2), RATIOS, survey_words(0, None)))
            assert (options.fold.index, options.seed, options.survey.extra_test) == (1, 2, 6400)
            assert options.stage.pretrain.keep == "last"
            assert options.learner.unlabelled == takes_unlabelled(ARMS[name], REGIMES[regime])
            assert (options.stage.finetune.max_epochs == 0) == (regime == TWENTIETH)


def test_names_are_given_once() -> None:
    jobs = [job for stage in stages_of(["token views"], SHORT).values() for job in stage.jobs(0, 15)]
    assert len({job.name for job in jobs}) == len(set(jobs))
    assert len({arm.file for arm in ARMS.values()}) == len(ARMS)
    assert {arm.name for arm in IMBALANCE} >= {ONE_VIEW}


@pytest.mark.parametrize("regime", list(REGIMES))
@pytest.mark.parametrize("arm", [ONE_VIEW, LITERAL, "token views", "temporal ensemble"])
def test_an_arm_costs_what_one_view_does(regime: str, arm: str) -> None:
    """Draws of all objects, with a label and without, times what one costs; the training epochs are whole."""
    options = compose_run(words_of(Job(regime, arm, 0, 0, 0), RATIOS, []))
    stages = [options.stage.pretrain, options.stage.finetune]
    drawn = [stage.max_epochs * stage.draws for stage in stages if stage.max_epochs]
    assert drawn == pytest.approx(passes_of(REGIMES[regime], arm, RATIOS), rel=1e-5)
    drawn[0] *= 1 + (options.sampler.unlabelled or 0)
    assert [RATIOS[arm] * one for one in drawn] == pytest.approx(list(REGIMES[regime].passes), rel=1e-5)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """Return a survey of 520 objects, some with photometric labels of which a fifth errs, and some without any."""
    objects = []
    for number in range(520):
        truth = NAMES[number % 4]
        row: dict[str, Any] = {"class_name": truth, "label_source": "spectroscopic", "true_class": truth}
        if number % 4 in (1, 3) and number % 3:
            wrong = number % 5 == 0
            row |= {"class_name": NAMES[4 - number % 4] if wrong else truth, "label_source": "photometric"}
        if number % 13 == 0:
            row |= {"class_name": None, "label_source": None}
        objects.append(image_series(number, 2) | row)
    return write_survey(tmp_path_factory.mktemp("labels") / "survey", objects, HEADER)


@pytest.fixture(scope="module")
def whole(labelled: Survey) -> Split:
    from ictconvention.survey.split_drawing import make_split

    return make_split(labelled.object_table())


def test_few_labels_leave_the_others_unlabelled_and_the_test_as_it_is(whole: Split, labelled: Survey) -> None:
    alone = {str(id_): number for number, id_ in enumerate(labelled.ids)}
    few, fewer = (draw_split(REGIMES[name], whole, 0, alone) for name in ("labels 1/5", TWENTIETH))
    assert few is not None
    assert fewer is not None
    for split in (few, fewer):
        split.check(labelled.object_table(), stages=["pretrain"])
        assert [*split.parts["test"]] == [*whole.parts["test"]]
        every = [id_ for ids in split.parts.values() for id_ in ids]
        assert sorted(every) == sorted(id_ for ids in whole.parts.values() for id_ in ids)
        assert not [*split.parts["finetune_train"]]
        assert set(split.parts["pretrain_train"]) <= set(whole.parts["finetune_train"])
    assert set(fewer.parts["pretrain_train"]) <= set(few.parts["pretrain_train"])  # the same, and more
    assert set(whole.parts["pretrain_train"]) <= set(few.parts[UNLABELLED_PART])
    counts = few.counts()["pretrain_train"]
    own = whole.counts()["finetune_train"]
    assert all(counts[name] == max(2, round(own[name] / 5)) for name in NAMES)
    first, second = few.parts["pretrain_train"][0], few.parts[UNLABELLED_PART][0]
    together = draw_split(REGIMES["labels 1/5"], whole, 0, alone | {second: alone[first]})
    assert together is not None
    assert second in together.excluded  # a neighbour of a labelled object is left out
    assert second not in together.parts[UNLABELLED_PART]


def test_a_rare_class_is_made_rarer_and_no_other(whole: Split) -> None:
    rare = draw_split(REGIMES["rare 18"], whole, 0, {})
    assert rare is not None
    for part in ("pretrain_train", "finetune_train"):
        before, after = whole.counts()[part], rare.counts()[part]
        assert after[RARE] == max(2, round(before[RARE] / 4))
        assert {name: after[name] for name in NAMES[:3]} == {name: before[name] for name in NAMES[:3]}
    assert draw_split(REGIMES[SHORT], whole, 0, {}) is None


def test_labels_err_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    truth = np.array(["SN Ia"] * 8000 + [RARE] * 2000, object)
    given = truth.copy()
    given[:800], given[8000:8400] = RARE, "SN Ia"
    counts = count_labels(truth, given, NAMES)
    for errors in (0.0, 0.5, 1.0, 2.0):
        labels = err(truth, given, counts, NAMES, errors, rng)
        assert (labels[:8000] != truth[:8000]).mean() == pytest.approx(0.1 * errors, abs=0.02)
        assert (labels[8000:] != truth[8000:]).mean() == pytest.approx(0.2 * errors, abs=0.03)
    assert (err(truth, given, counts, NAMES, 1.0, rng) == given).all()


def test_second_labels_are_a_fair_sample_of_the_photometric_ones() -> None:
    counts = np.array([[0, 0, 0, 60], [0, 900, 0, 60], [0, 0, 0, 40], [0, 100, 0, 800]])
    given = np.repeat(np.array(NAMES, object), (500, 400, 500, 90))
    second = second_labels(given, counts, NAMES, np.random.default_rng(0))
    both = np.array([label is not None for label in second])
    found = count_labels(given[both], second[both], NAMES)
    assert found.sum(1).tolist() == [6, 96, 4, 90]  # a tenth of each true class, which is all that there is of the last
    assert found / found.sum() == pytest.approx(counts / counts.sum(), abs=0.04)


def tables(exact: Survey, labelled: Survey) -> list[tuple[Table, str]]:
    return [(exact.object_table(), "class"), (exact.object_table(), "true_class"), (labelled.object_table(), "class")]


def test_a_relabelled_survey_has_the_same_frames_and_is_another(labelled: Survey, tmp_path: Path) -> None:
    exact = relabel_survey(labelled, tmp_path, errors=0)
    assert relabel_survey(labelled, tmp_path, errors=0).hash == exact.hash != labelled.hash
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(exact, labelled, strict=True))
    labels, truth, before = (np.ma.filled(t[c].astype(str), "") for t, c in tables(exact, labelled))
    known = labels != ""
    assert (labels == truth)[known].all()
    assert (labels != before).any()


def test_the_noise_of_labels_is_counted_of_objects_with_both(labelled: Survey, tmp_path: Path, whole: Split) -> None:
    survey = relabel_survey(labelled, tmp_path, errors=1)
    table = survey.object_table()
    labels = np.array([NAMES.index(x) if x in NAMES else -1 for x in np.ma.filled(table["class"].astype(str), "")])
    train = [*whole.parts["pretrain_train"], *whole.parts["finetune_train"]]
    noise = measure_noise(survey, labels, NAMES, train)
    assert noise.sum(1) == pytest.approx(1)
    assert noise[0].tolist() == [1, 0, 0, 0]  # no photometric label is AGN
    assert noise[1, 1] == pytest.approx(0.8, abs=0.15)
    weak = read_weak(survey)
    mixed = true_of_labels(labels, weak, noise)
    assert mixed.sum(1) == pytest.approx(1)
    assert mixed[1, 3] > 0  # of what is called SN Ia, some are other supernovae
    with refused(SplitError, "E-SPLIT-LABELS"):
        measure_noise(labelled, labels, NAMES, train)


def test_results_are_read_as_they_were_saved_and_small(tmp_path: Path) -> None:
    one = made(ONE_VIEW, 1.0)
    save_result(tmp_path, one)
    found = read_results(tmp_path)[one.job]
    assert found.record == {**vars(one.job), **one.record}
    assert np.array_equal(found.label, one.label)
    np.testing.assert_allclose(found.likely, one.likely, atol=3e-3)
    assert path_of(tmp_path, one.job).stat().st_size < 100_000 * 400 / 6400
    with refused(UsageError, "E-COMPARE-MISMATCH", where=path_of(tmp_path, one.job)):
        read_results(tmp_path, {one.job: "b"})
    path_of(tmp_path, one.job).write_bytes(b"PAR1")
    with refused(UsageError, "E-RUN-DAMAGED", where=path_of(tmp_path, one.job)):
        read_results(tmp_path)


def test_a_difference_is_paired_and_its_error_holds_objects_and_pairs() -> None:
    arm, one = (
        {(pair, 0): made(name, noise, pair) for pair in range(5)} for name, noise in (("a", 2.0), (ONE_VIEW, 1.5))
    )
    found = compare(arm, one)
    assert found is not None
    each = [
        scores_of(arm[pair])["balanced_accuracy"] - scores_of(one[pair])["balanced_accuracy"] for pair in found.pairs
    ]
    assert found.difference["balanced_accuracy"] == pytest.approx(np.mean(each))
    assert found.error["balanced_accuracy"] > np.std(each, ddof=1) / 5**0.5
    assert found.error["auroc_pairs"] > 0
    alone = compare({(0, 0): arm[0, 0]}, one)
    assert alone is not None
    assert np.isnan(alone.error["auroc_pairs"])
    assert alone.error["balanced_accuracy"] > 0
    assert compare({(9, 9): arm[0, 0]}, one) is None


def test_an_arm_is_given_up_after_five_pairs_and_not_before(tmp_path: Path) -> None:
    arms = {ONE_VIEW: 1.5, TWO_VIEWS: 1.5, LITERAL: 3.0}
    five = results_of(*(made(arm, noise, pair) for arm, noise in arms.items() for pair in range(5)))
    assert set(given_up(five, SHORT, 0)) == {LITERAL}
    assert not given_up({job: one for job, one in five.items() if job.fold != 4}, SHORT, 0)
    assert not given_up(five, TWENTIETH, 0)
    lines = [*lines_of(five)]
    assert any(line.startswith(f"| {LITERAL} (given up) | 5 |") for line in lines)
    assert any(line.startswith(f"| {ONE_VIEW} | 5 | 2+2 | 60 |") for line in lines)
    assert [*rounds_of(7)] == [(0, 5), (5, 6), (6, 7)]
    assert [*rounds_of(3)] == [(0, 3)]


def test_the_mean_of_networks_that_err_apart_is_better_and_costs_all_of_them() -> None:
    members = [made(ONE_VIEW, 2.0, pair) for pair in range(5)]
    mean = average(members)
    assert mean.record["core_seconds"] == 300
    assert mean.likely.sum(1) == pytest.approx(1)
    alone = np.mean([scores_of(one)["balanced_accuracy"] for one in members])
    assert scores_of(mean)["balanced_accuracy"] > alone + 5
    assert average([members[0]] * 3).likely == pytest.approx(members[0].likely)
    with pytest.raises(ValueError, match="other objects"):
        average([members[0], replace(members[1], ids=members[1].ids[::-1])])
    rows = [row for row in lines_of_means(of_arms(results_of(*members), SHORT, 0)) if row.startswith(f"| {ONE_VIEW} ")]
    assert [row.split(" | ")[1:3] for row in rows] == [["2", "120"], ["3", "180"], ["5", "300"]]
    assert [*lines_of_means(of_arms(results_of(members[0]), SHORT, 0))] == []


def test_a_picture_has_every_form_and_the_saturated_one_its_courses() -> None:
    some = [
        made(arm, noise, pair, SATURATED) for arm, noise in ((ONE_VIEW, 1.5), (TWO_VIEWS, 1.6)) for pair in range(2)
    ]
    arms = of_arms(results_of(*some), SATURATED, 0)
    figure = draw_regime(SATURATED, arms)
    assert figure is not None
    assert len(figure.axes) == 4
    assert [np.asarray(line.get_ydata()).tolist() for line in figure.axes[3].lines] == [[1.0, 0.5, 0.4, 0.6]] * 2
    assert draw_regime(SHORT, {TWO_VIEWS: arms[TWO_VIEWS]}) is None


def test_a_form_that_is_given_up_is_not_trained_on_and_what_has_a_result_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--stage", "confirm", "--pairs", "6", "--results", str(tmp_path), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(Study, "costs", Costs(1.0, RATIOS))
    study = Study(parse_arguments(asked))
    settings = {job: study.setting_of(job) for job in study.jobs()}
    assert len(settings) == 18
    for arm, noise in {ONE_VIEW: 1.5, TWO_VIEWS: 1.5, LITERAL: 3.0}.items():
        for pair in range(5):
            one = made(arm, noise, pair)
            save_result(tmp_path, made(arm, noise, pair, setting=settings[one.job]))
    trained: list[Job] = []

    class Finished:
        def check(self) -> None:
            """None has failed."""

    def train(folder: Path, runs: Mapping[Job, Any], *_: Any) -> Finished:
        trained.extend(runs)
        return Finished()

    monkeypatch.setattr(study_module, "train_jobs", train)
    assert run_study(study) == ""
    assert Counter(job.arm for job in trained) == {ONE_VIEW: 1, TWO_VIEWS: 1}
    assert {(job.fold, job.seed) for job in trained} == {(0, 1)}


def test_those_that_teach_are_trained_first_and_make_the_job_that_they_teach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--stage", "distil", "--pairs", "2", "--results", str(tmp_path), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(Study, "costs", Costs(1.0, RATIOS))
    monkeypatch.setattr(Study, "folder_of", lambda study, job: tmp_path / job.name)
    rounds: list[Mapping[Job, Any]] = []

    class Finished:
        def check(self) -> None:
            """None has failed."""

    def train(folder: Path, runs: Mapping[Job, Any], *_: Any) -> Finished:
        rounds.append(runs)
        return Finished()

    monkeypatch.setattr(study_module, "train_jobs", train)
    study = Study(parse_arguments(asked))
    assert run_study(study) == ""
    first, second = rounds
    assert {(job.arm, job.fold, job.seed) for job in first} == {
        (ONE_VIEW, f, seed) for f in (0, 1) for seed in range(3)
    }
    assert [(job.arm, job.fold) for job in second] == [(DISTILLED, 0), (DISTILLED, 1)]
    for job, (words,) in second.items():
        options = compose_run(words)
        assert options.learner.teachers == tuple(str(tmp_path / one.name) for one in teachers_of(job))
        assert {(one.fold, one.regime) for one in teachers_of(job)} == {(job.fold, job.regime)}
    taught, plain = ({study.setting_of(job) for job in of if job.fold == 0} for of in (second, first))
    assert not taught & plain
    study.wanted.overrides = ["trainer.batch_size=8"]
    assert study.setting_of(next(iter(second))) not in taught


@pytest.mark.parametrize("stage", ["screen", "noise", "rare"])
def test_what_makes_a_job_is_known_before_its_survey_and_split_are_there(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Study, "costs", Costs(1.0, RATIOS))
    asked = ["--stage", stage, "--best", "token views", "--pairs", "1", "--surveys", str(tmp_path)]
    study = Study(parse_arguments([*asked, "--runs", str(tmp_path)]))
    jobs = study.jobs()
    settings = {(job.arm, REGIMES[job.regime].passes, study.setting_of(job)) for job in jobs}
    assert len(settings) == len({(job.arm, REGIMES[job.regime].passes) for job in jobs})


def test_recorded_results_are_of_the_jobs_as_they_stand() -> None:
    study = Study(parse_arguments([]))
    there = read_results(study.wanted.results)
    assert len(there) >= 30
    assert read_results(study.wanted.results, {job: study.setting_of(job) for job in there}).keys() == there.keys()
    written = (study_module.HERE / "README.md").read_text()
    assert "\n".join(lines_of(there)) in written  # else: python -m experiments.ict.study --tables


def test_unknown_forms_and_numbers_are_refused(tmp_path: Path) -> None:
    with refused(UsageError, "E-COMMAND-VALUE", where="--best"):
        parse_arguments(["--best", "token view"])
    with refused(UsageError, "E-COMMAND-VALUE", where="--jobs"):
        parse_arguments(["--jobs", "0"])
    wanted = parse_arguments(["--size", "400", "--runs", "r"])
    assert wanted.results == Path("r/ict-small-results")
    with refused(UsageError, "E-FILES-MISSING", where=tmp_path / "none.json"):
        _ = Study(parse_arguments(["--costs", str(tmp_path / "none.json")])).costs


def test_all_runs_are_of_one_network_and_size() -> None:
    found = compose_run([*EVERY, *survey_words(0, None)])
    assert (found.model.kind, found.sequence.max_frames, found.trainer.batch_size) == ("frame_transformer", 24, 32)
