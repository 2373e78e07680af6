"""A sweep is counted before its combinations are written out."""

from pathlib import Path
from typing import Any

import pytest

from ictconvention.configuration.compose import read_sweeper_params
from ictconvention.configuration.composing.folders import ConfigFolders, config_folder
from ictconvention.configuration.composing.sweep_size import MOST_JOBS, check_sweep_size
from ictconvention.configuration.overrides import check_overrides
from ictconvention.core.errors import UsageError
from tests.core.test_plain_file import within
from tests.refusals import refused

FOLDERS = ConfigFolders((config_folder(),))


def check(*words: str, params: dict[str, Any] | None = None) -> None:
    check_sweep_size(check_overrides(words, several=True), FOLDERS, params)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["seed=range(0,1000000000)"], "1000000000"),
        (["seed=sort(range(0,1000000000))"], "1000000000"),
        (["seed=shuffle(range(0,1000000000))"], "1000000000"),
        (["seed=int(range(0,1000000000))"], "1000000000"),
        (["seed=tag(a,range(1000000000,0,-1))"], "1000000000"),
        (["learner.tau=range(0,1,1e-9)"], "1000000000"),
        (["learner.tau=range(0,inf)"], "endlessly"),
        (["seed=range(0,1000)", "fold.index=choice(0,1,2,3,4)", "learner.tau=0.9,0.99,0.996"], "15000"),
        (["seed=range(0,1000)", "experiment=glob(*sdss)", "learner.tau=0.9,0.99,0.996"], None),
        (["+hydra.sweeper.params={seed: 'range(0,1000000000)'}"], "1000000000"),
        (["hydra.sweeper.params.seed='range(0,1000000000)'"], "1000000000"),
    ],
)
def test_a_sweep_of_too_many_runs_is_refused_by_its_number(words: list[str], number: str | None) -> None:
    with within(5), refused(UsageError, "E-CONFIG-SWEEP", *([number] if number else []), str(MOST_JOBS)):
        check(*words)


@pytest.mark.parametrize("word", ["seed=range(5,0)", "seed=range(0,10,0)", "seed=glob(*)", "learner.tau=range(0,nan)"])
def test_a_key_without_a_value_is_named(word: str) -> None:
    with refused(UsageError, "E-CONFIG-SWEEP", where=word.partition("=")[0]):
        check(word)


def test_what_is_no_longer_is_let_through() -> None:
    check("seed=range(0,2000)", "fold.index=range(0,5)")
    check("seed=range(0,1000000000)", "seed=0,1")  # the last one holds
    check("experiment=glob(*)", "learner.tau=range(0.9,1,0.01)")


def test_what_a_file_of_choices_gives_to_the_sweeper_counts(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\nhydra:\n  sweeper:\n    params:\n      seed: range(0,1000000000)\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    params = read_sweeper_params([f"--config-dir={tmp_path}", "experiment=mine"])
    assert params == {"seed": "range(0,1000000000)"}
    with refused(UsageError, "E-CONFIG-SWEEP", "1000000000"):
        check("fold.index=0", params=params)


@pytest.mark.parametrize("word", ["hydra.launcher._target_=os.getcwd", "hydra.launcher={_target_: foo}"])
def test_no_override_names_code_that_hydra_would_call(word: str) -> None:
    with refused(UsageError, "E-CONFIG-VALUE", where=word):
        check("seed=0,1", word)
