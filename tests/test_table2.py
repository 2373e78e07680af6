"""What is compared in Table 2, and by how much training."""

from itertools import product
from pathlib import Path

import pytest

from experiments.table2.reproduce import (
    CONTROLS,
    MODELS,
    check_overrides,
    check_splits,
    common_words,
    longer,
    parse_arguments,
    rows,
    sweep_of_models,
)
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.sweeping.sweep import Job
from tests.refusals import refused


def test_equal_compute_is_eight_thirds_of_the_training_epochs() -> None:
    assert longer(compose_run(["profile=laptop"])) == ["stage.pretrain.max_epochs=5", "stage.finetune.max_epochs=5"]
    assert longer(compose_run(["profile=paper"])) == ["stage.pretrain.max_epochs=133", "stage.finetune.max_epochs=80"]


def test_every_row_is_a_run_of_its_own() -> None:
    found = dict(rows(["profile=laptop"], controls=True, bands=["g"]))
    assert list(found) == [*MODELS, *CONTROLS, *(f"{name}, g" for name in MODELS)]
    for name in MODELS:
        assert found[f"{name}, g"] == [*found[name], "survey.bands=[g]"]
    composed = [*MODELS, *CONTROLS, "ConvEntion, g"]
    options = {name: compose_run(["profile=laptop", *found[name]]) for name in composed}
    assert len({repr(of) for of in options.values()}) == len(composed)
    assert options["ConvEntion, g"].survey.bands == ("g",)
    assert options["two-view cross-entropy"].learner.consistency == 0
    assert options["ConvEntion, published recipe"].imbalance.focal == 2
    assert options["ConvEntion"].imbalance == options["ICT-ConvEntion"].imbalance  # one recipe
    assert options["ConvEntion"].stage == options["ICT-ConvEntion"].stage
    assert list(dict(rows(["profile=laptop"], controls=False, bands=[]))) == list(MODELS)


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
    swept = {repr(compose_run(chosen)) for chosen in product(*values)}
    common = common_words(parse_arguments([*asked, *words[2:]]))
    table = {
        repr(compose_run([*model[:1], *common, *model[1:], f"fold.index={fold}", f"seed={seed}"]))
        for model, fold, seed in product(MODELS.values(), range(2), range(2))
    }
    assert swept == table
    assert len(table) == 20
