"""Records beside each other: what they share is said once, what differs for each."""

from math import inf, nan
from typing import Any

import pytest

from ictconvention.configuration.key_by_key import ABSENT, compare_keys, largest_difference


def test_nested_keys_are_sorted_into_common_and_differing() -> None:
    found = compare_keys(
        {
            "one": {"packages": {"torch": "2.13", "numpy": "2.4"}, "gpus": [], "threads": 2},
            "two": {"packages": {"torch": "2.12", "numpy": "2.4"}, "gpus": [], "revision": None},
        }
    )
    assert found.common == {"packages.numpy": "2.4", "gpus": "[]"}
    assert found.differing == {
        "packages.torch": {"one": "2.13", "two": "2.12"},
        "threads": {"one": "2", "two": ABSENT},
        "revision": {"one": ABSENT, "two": "null"},
    }


def test_one_record_has_everything_in_common() -> None:
    found = compare_keys({"one": {"a": 1}})
    assert found.common == {"a": "1"}
    assert not found.differing


@pytest.mark.parametrize(
    ("second", "difference"),
    [
        ({"a": 1.0, "b": [1, 2.5], "c": None}, 0.5),
        ({"a": 1.0, "b": [1, 2]}, inf),
        ({"a": 1.0, "b": [1], "c": None}, inf),
        ({"a": None, "b": [1, 2], "c": None}, inf),
        ({"a": 1.0, "b": [1, 2], "c": 0.0}, inf),
        ({"a": nan, "b": [1, 2], "c": None}, inf),
        ({"a": 1.0, "b": [1, nan], "c": None}, inf),
        ({"a": inf, "b": [1, 2], "c": None}, inf),
    ],
)
def test_the_largest_difference_of_two_records(second: dict[str, Any], difference: float) -> None:
    assert largest_difference({"a": 1.0, "b": [1, 2], "c": None}, second) == difference


@pytest.mark.parametrize("value", [nan, inf])
def test_what_is_no_number_is_never_the_same(value: float) -> None:
    assert largest_difference({"a": value}, {"a": value}) == inf
    assert largest_difference({"a": [0.0, value, 0.0]}, {"a": [0.0, value, 0.0]}) == inf
