"""The least number of objects of a class is that from which on every fold can be drawn, and no smaller one can."""

import numpy as np
import pytest

from ictconvention.core.errors import SplitError
from ictconvention.survey.labels.targets import STAGES, count_tested, least_objects
from ictconvention.survey.split_drawing import PROTOCOLS, make_split
from tests.conftest import crowd

SOME_STAGES = (STAGES, ("pretrain",), ("finetune",))


def draws_all(number: int, protocol: str, count: int, stages: tuple[str, ...]) -> bool:
    objects = crowd({"AGN": number, "Variable": 20})
    try:
        for index in range(count):
            make_split(objects, protocol=protocol, index=index, count=count, stages=stages)
    except SplitError:
        return False
    return True


@pytest.mark.parametrize("stages", SOME_STAGES)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_least_number_is_enough_and_none_below_it(protocol: str, stages: tuple[str, ...]) -> None:
    for count in (2, 3, 5):
        least = least_objects(protocol, count, stages)
        assert [draws_all(n, protocol, count, stages) for n in range(1, least + 3)] == [False] * (least - 1) + [
            True
        ] * 3


def test_two_objects_can_be_tested_and_trained_where_one_stage_trains() -> None:
    assert [least_objects(protocol, 2, ("finetune",)) for protocol in PROTOCOLS] == [2, 2, 2]
    assert least_objects("rotating", 2) == 4
    assert least_objects("rotating", 5) == least_objects("single", 5) == 5


def test_a_single_stage_is_tested_in_equal_parts() -> None:
    total, weak = np.array([30, 7]), np.array([0, 3])
    assert count_tested("single", total, weak, 4).tolist() == [[8, 2], [8, 2], [7, 2], [7, 1]]
    assert count_tested("rotating", total, weak, 4)[0].tolist() == [8, 1]  # Table 1
