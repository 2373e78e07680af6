"""Records beside each other: what they share is said once, what differs for each."""

from ictconvention.configuration.key_by_key import ABSENT, compare_keys


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
