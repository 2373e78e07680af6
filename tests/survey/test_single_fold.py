"""One stage: every label that a fold does not test trains or validates it, and the folds test each object once."""

from collections import Counter

import numpy as np
import pytest
from astropy.table import Table

from ictconvention.survey.split_drawing import make_split
from tests.conftest import KINDS, crowd
from tests.survey.test_split import assert_leak_free

STAGE = ("pretrain_train", "pretrain_validation")


@pytest.fixture(params=[0, 20])
def objects(request: pytest.FixtureRequest) -> Table:
    return crowd(dict.fromkeys(KINDS, 30), request.param, np.random.default_rng(3))


@pytest.mark.parametrize("count", [2, 5])
def test_each_object_is_tested_once_and_trains_the_other_folds(objects: Table, count: int) -> None:
    splits = [make_split(objects, protocol="single", index=k, count=count) for k in range(count)]
    rows = zip(objects["id"], objects["class"].filled(""), objects["label_source"].filled(""), strict=True)
    label = {id_: (name, source) for id_, name, source in rows}
    testable = {id_ for id_, (name, source) in label.items() if name and source != "photometric"}
    assert Counter(id_ for split in splits for id_ in split.parts["test"]) == Counter(testable)
    for split in splits:
        assert_leak_free(split, objects)
        assert not split.parts["finetune_train"]
        assert not split.parts["finetune_validation"]
        used = {id_ for part in STAGE for id_ in split.parts[part]}
        beside = {id_ for id_, why in split.excluded.items() if why == "shares pixels with a test object"}
        assert used == {id_ for id_, (name, _) in label.items() if name} - set(split.parts["test"]) - beside
        assert all(label[id_][1] != "spectroscopic" for id_ in beside)  # a weak neighbour, or one without a class


def test_of_thirty_equal_labels_eighteen_train_and_six_validate() -> None:
    objects = crowd({"AGN": 15, "Variable": 15})
    for index in range(5):
        counts = make_split(objects, protocol="single", index=index).counts()
        assert counts["test"] == {"AGN": 3, "Variable": 3}
        assert counts["pretrain_train"] == {"AGN": 9, "Variable": 9}
        assert counts["pretrain_validation"] == {"AGN": 3, "Variable": 3}


def test_few_folds_leave_no_more_than_a_fifth_to_validation() -> None:
    counts = make_split(crowd({"AGN": 20, "Variable": 20}), protocol="single", count=2).counts()
    assert counts["pretrain_train"].total() == 16
    assert counts["pretrain_validation"].total() == 4


def test_the_stage_that_trains_gets_the_labels() -> None:
    objects = crowd({"AGN": 15, "Variable": 15})
    first = make_split(objects, protocol="single")
    second = make_split(objects, protocol="single", stages=("finetune",))
    assert not second.parts["pretrain_train"]
    assert len(second.parts["finetune_train"]) == len(first.parts["pretrain_train"])
    assert second.parts["test"] == first.parts["test"]
