"""What is compared in Table 2, and by how much training."""

from pathlib import Path

from experiments.table2.reproduce import CONTROLS, MODELS, check_splits, longer, rows
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
