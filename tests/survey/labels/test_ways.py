"""A refusal of a rare class names only what draws every fold."""

import shlex
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from ictconvention.core.errors import SplitError
from ictconvention.survey.labels.targets import STAGES
from ictconvention.survey.labels.ways import TooFewError, Way
from ictconvention.survey.split_drawing import make_split
from tests.conftest import crowd


def refusal(objects: Table, **rule: Any) -> TooFewError:
    with pytest.raises(TooFewError) as caught:
        make_split(objects, **rule)
    return caught.value


def assert_draws(objects: Table, way: Way, stages: tuple[str, ...], **rule: Any) -> None:
    """Draw every fold by a way, as its keys say."""
    rule = {"count": 5, "protocol": "rotating", **rule}
    if way.classes is not None:
        left_out = ~np.isin(objects["class"].filled(""), way.classes)
        objects = objects.copy()
        objects["class"].mask |= left_out
        objects["label_source"].mask |= left_out
    if way.single:
        rule["protocol"] = "single"
    count = way.count or rule["count"]
    if way.index is None:
        assert rule.get("index", 0) < count
    for index in range(count):
        split = make_split(objects, **rule | {"count": count, "index": index}, stages=stages)
        present = set(objects["class"][~objects["class"].mask])
        for stage in stages[:1] if rule["protocol"] == "single" else stages:
            assert {split.classes[id_] for id_ in split.parts[f"{stage}_train"]} == present
            assert split.parts[f"{stage}_validation"]


@pytest.mark.parametrize("stages", [STAGES, ("pretrain",), ("finetune",)])
@pytest.mark.parametrize("rule", [{}, {"count": 2}, {"index": 4}, {"protocol": "fixed"}, {"protocol": "single"}])
def test_every_way_that_is_named_draws_every_fold(rule: dict[str, Any], stages: tuple[str, ...]) -> None:
    objects = crowd({"AGN": 14, "Variable": 14, "SN Ia": 2})
    if (rule, stages) == ({"count": 2}, ("finetune",)):
        assert make_split(objects, **rule, stages=stages)
        return
    error = refusal(objects, **rule, stages=stages)
    assert any(way.classes == ("AGN", "Variable") for way in error.ways)
    assert any(way.classes is None for way in error.ways)
    for way in error.ways:
        assert_draws(objects, way, stages, **rule)


def test_neighbours_count_as_one() -> None:
    objects = crowd({"AGN": 8, "Variable": 30})
    objects["ra"][:8] = 1.0
    error = refusal(objects)
    assert "8 objects to test in 1 sky groups" in error.found
    assert error.ways == ()  # the other class alone is nothing to learn
    assert error.fix == "label more objects"


def test_the_keys_can_be_pasted_into_a_shell() -> None:
    way = Way(count=2, single=True, classes=("SN Ia", 'odd "name" it\'s'), index=0)
    assert shlex.split(way.as_keys(STAGES)) == [
        *("fold=single", "stage.finetune.max_epochs=0", "fold.count=2", "fold.index=0"),
        'survey.classes=["SN Ia","odd \\"name\\" it\'s"]',
    ]
    assert "max_epochs" not in way.as_keys(("finetune",))
    flags = Way(count=3, classes=("AGN", "SN Ia")).as_flags()
    assert flags is not None
    assert shlex.split(flags) == ["--count", "3", "--classes", "AGN,SN Ia"]


@pytest.mark.parametrize("name", ["SN II, IIn", "AGN "])
def test_classes_that_the_option_cannot_name_are_no_way_of_the_command(name: str) -> None:
    way = Way(classes=(name, "SN Ia"))
    assert way.as_flags() is None
    assert shlex.split(way.as_keys(STAGES)) == [f'survey.classes=["{name}","SN Ia"]']


def test_a_class_with_photometric_labels_alone_is_left_out() -> None:
    objects = crowd({"AGN": 30, "Variable": 30, "pSN Ia": 30})
    error = refusal(objects)
    assert [way.classes for way in error.ways] == [("AGN", "Variable")]
    assert_draws(objects, error.ways[0], STAGES)


def test_the_refusal_says_how_many_are_needed() -> None:
    for count, least in ((5, 5), (2, 4)):
        error = refusal(crowd({"AGN": 14, "SN Ia": 2}), count=count)
        assert isinstance(error, SplitError)
        assert f"{count} folds (rotating) at least {least}" in error.found
