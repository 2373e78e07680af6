"""Strata of propensity: each object is of one, a run learns one, and the runs of all together predict all."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import ictconvention as ict
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.evaluation.shift.propensity import Floats, Propensity
from ictconvention.runs.plan import plan_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift import prepare
from ictconvention.runs.shift.prepare import prepare_shift
from ictconvention.runs.shift.strata import ENOUGH, join_strata, keep_stratum, strata_edges
from ictconvention.survey.split import Split
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.refusals import refused
from tests.runs.shift.test_shift import CUT, WORDS
from tests.small_runs import result_of
from tests.tasks.redshift.galaxies import write_galaxies


def by_colour(source: Floats, target: Floats, others: Floats) -> Propensity:
    """Return propensities that rise with the colour, in no time."""
    return Propensity(*(1 / (1 + np.exp(x[:, 0] - x[:, 14])) for x in (source, target, others)))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "fit_propensity", by_colour)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("strata")
    survey = write_galaxies(folder / "survey", 160, cut=CUT)
    return [*WORDS, "survey=path", f"survey.path={survey.path}", f"runs={folder}/runs", "name=strata", "shift=strata"]


def test_strata_are_of_equal_numbers_of_both_kinds_together() -> None:
    rng = np.random.default_rng(0)
    propensity = Propensity(rng.beta(1, 3, 600), rng.beta(3, 1, 400), np.zeros(0))
    of = np.searchsorted(strata_edges(propensity), np.concatenate([propensity.source, propensity.target]))
    assert np.bincount(of).tolist() == [200] * 5


def test_a_stratum_of_few_borrows_whole_ones_beside_it() -> None:
    number = {0: 60, 1: 40, 2: 12, 3: 3}
    ids = [f"s{k}-{i}" for k, n in number.items() for i in range(n)]
    of = {id_: int(id_[1]) for id_ in ids} | {"v": 0}
    parts = {"finetune_train": tuple(ids), "finetune_validation": ("v",), "test": ("t",), "pretrain_train": ("p",)}
    split = Split(parts, {}, {}, {}, 0.0)
    kept = {k: keep_stratum(split, "finetune", of, k) for k in range(5)}
    strata = {k: {int(id_[1]) for id_ in one.parts["finetune_train"]} for k, (one, _) in kept.items()}
    assert strata == {0: {0}, 1: {1, 0}, 2: {2, 1}, 3: {3, 2, 1}, 4: {3, 2, 1}}
    assert [borrowed for _, borrowed in kept.values()] == [0, 60, 40, 52, 55]
    for one, _ in kept.values():
        assert one.parts["finetune_validation"] == ("v",)
        assert (one.parts["test"], one.parts["pretrain_train"]) == (("t",), ("p",))


def test_every_object_is_of_one_stratum_and_a_run_has_its_own(words: list[str]) -> None:
    plan = plan_run(compose_run([*words, "shift.stratum=0"]))
    near, far = (prepare_shift(compose_run([*words, f"shift.stratum={k}"]), plan.survey, plan.split) for k in (0, 4))
    assert near.record["objects"] >= ENOUGH["train"]
    assert near.record["to"] <= far.record["from"]
    assert far.record["borrowed"] > 0
    of = {part: found["stratum"] for part, found in near.columns.items()}
    assert {part: len(values) for part, values in of.items()} == {part: len(plan.split.parts[part]) for part in of}
    assert of["extra_test"].mean() > of["test"].mean() + 1  # those to be predicted are likelier to be
    np.testing.assert_array_equal(of["test"], far.columns["test"]["stratum"])


def as_stratum(folder: Path, stratum: int, copy: Path) -> Path:
    """Return a copy of a run that says it is of another stratum."""
    shutil.copytree(folder, copy)
    for name, text in (("config.yaml", "stratum: {}"), ("result.json", '"stratum": {}')):
        content = (copy / name).read_text()
        assert text.format(4) in content
        (copy / name).write_text(content.replace(text.format(4), text.format(stratum)))
    return copy


def test_the_runs_of_all_strata_predict_each_object_by_its_own(words: list[str], tmp_path: Path) -> None:
    near, far = (
        run(compose_run(given), given)
        for given in ([*words, f"shift.stratum={k}", "stage.pretrain.max_epochs=1"] for k in (0, 4))
    )
    result = result_of(far)
    assert result["shift"]["stratum"] == 4
    assert retest(far, compose_run([]))["test"] == result["test"]
    folders = [near, *(as_stratum(far, k, tmp_path / str(k)) for k in (1, 2, 3)), far]
    runs = [RunFolder(folder) for folder in folders]
    joined = join_strata(runs[::-1])
    assert set(joined) == {"test", "extra_test"}
    stratum = runs[0].read_columns("extra_test")["stratum"]
    for number, one in enumerate(runs):
        own = one.read_predictions("extra_test")
        here = stratum == number
        np.testing.assert_array_equal(joined["extra_test"].at("row")[here], own.at("row")[here])
    with refused(UsageError, "E-COMPARE-INCOMPLETE", "4 runs"):
        join_strata(runs[:4])
    with refused(UsageError, "E-RUN-TASK", "4", where=far):
        ict.load(far).predict(str(RunFolder(far).read_options().survey.path))
