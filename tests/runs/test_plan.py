"""A plan refuses what could not be trained; training parts that are tiny are named, with their numbers."""

from dataclasses import replace
from pathlib import Path

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.runs.plan import FEW_IN_ALL, FEW_OF_CLASS, plan_run, warn_of_few
from ictconvention.survey.split_drawing import make_split
from tests.conftest import HEADER, crowd
from tests.miniature import write_miniature
from tests.refusals import refused
from tests.small_runs import places

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


@pytest.mark.parametrize(
    ("size", "options", "part"),
    [(16, ["model.host=false"], "fluxes"), (26, ["model.fluxes=false"], "host"), (26, [], "host")],
)
def test_stamps_too_small_for_the_network_are_refused_before_anything_begins(
    size: int, options: list[str], part: str, tmp_path: Path
) -> None:
    write_miniature(tmp_path / "miniature", replace(HEADER, stamp_size=size))
    words = [*places(tmp_path), "model=frame_transformer", "pixels.channels=direct+residual", *options]
    with refused(UsageError, "E-CONFIG-CONFLICT", str(size), f"model.{part}=false", where="model"):
        plan_run(compose_run(words))
    assert not (tmp_path / "runs").exists()
    plan_run(compose_run([*words, "model.fluxes=false", "model.host=false"]))
