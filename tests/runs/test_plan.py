"""A run whose training parts are tiny says so, with their numbers; others do not."""

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.runs.plan import FEW_IN_ALL, FEW_OF_CLASS, warn_of_few
from ictconvention.survey.split_drawing import make_split
from tests.conftest import crowd

ONE, TWO = compose_run(["fold=single"]), compose_run(["stage.pretrain.max_epochs=3"])


def test_thirty_objects_in_two_stages_are_few() -> None:
    split = make_split(crowd({"AGN": 15, "Variable": 15}))
    line = warn_of_few(TWO, split)
    for stage, epochs in (("pretrain", 3), ("finetune", 30)):
        count = split.counts()[f"{stage}_train"]
        assert f"{stage} {count.total()} objects (AGN {count['AGN']}, Variable {count['Variable']})" in line
        assert f"{epochs} training epochs" in line
    assert f"30 labelled ones {len(split.parts['test'])} are tested" in line
    assert "fold=single stage.finetune.max_epochs=0" in line


def test_one_stage_has_no_better_fold_to_offer() -> None:
    line = warn_of_few(ONE, make_split(crowd({"AGN": 15, "Variable": 15}), protocol="single"))
    assert "pretrain 18 objects (AGN 9, Variable 9)" in line
    assert "fold=single" not in line
    assert "finetune" not in line


@pytest.mark.parametrize(
    ("counts", "few"), [({"AGN": 100, "Variable": 100}, False), ({"AGN": 100, "Variable": 6}, True)]
)
def test_enough_of_every_class_needs_no_word(counts: dict[str, int], few: bool) -> None:
    split = make_split(crowd(counts), protocol="single")
    part = split.counts()["pretrain_train"]
    assert part.total() >= FEW_IN_ALL
    assert (min(part.values()) < FEW_OF_CLASS) == few
    assert bool(warn_of_few(ONE, split)) == few
