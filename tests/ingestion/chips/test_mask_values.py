"""What values of masks mean: classes in their order, what is ignored, and what has no meaning."""

import numpy as np
import pytest

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.chips.mask_values import PRELIGENS, parse_mask_values


def test_without_a_word_the_ten_values_are_those_of_the_challenge() -> None:
    values = parse_mask_values()
    assert values.classes == PRELIGENS[2:]
    assert values.encode(np.arange(10, dtype=np.uint8)[None]).tolist() == [[255, 255, *range(8)]]


@pytest.mark.parametrize(
    ("classes", "ignore", "named", "coded"),
    [
        (["a", "b", "c"], None, ("a", "b", "c"), {0: 0, 1: 1, 2: 2}),
        (["a", "b", "c"], "1,255", ("a", "c"), {0: 0, 1: 255, 2: 1, 255: 255}),
        (["30=c", "10=a"], [0], ("c", "a"), {30: 0, 10: 1, 0: 255}),
        (
            None,
            "0,1,8",
            ("artificial", "cultivated", "broadleaf", "coniferous", "herbaceous", "natural", "water"),
            {9: 6},
        ),
        (["60000=x"], 7, ("x",), {60_000: 0, 7: 255}),
    ],
)
def test_classes_stand_in_the_order_that_a_user_gives(
    classes: list[str] | None, ignore: object, named: tuple[str, ...], coded: dict[int, int]
) -> None:
    values = parse_mask_values(classes, ignore)  # type: ignore[arg-type]  # what Python's users may give
    assert values.classes == named
    for kind in (np.uint16, np.int64):
        assert values.encode(np.array([[*coded]], dtype=kind)).tolist() == [[*coded.values()]]


@pytest.mark.parametrize("value", [-1, 10, 255, 70_000])
def test_a_value_without_a_meaning_is_named(value: int) -> None:
    with pytest.raises(UnreadableError, match=rf"(?<!\w){value}(?!\w)"):
        parse_mask_values().encode(np.array([[2, value]], dtype=np.int64))


def test_what_leaves_an_unknown_value_out_still_ignores_what_was_ignored() -> None:
    """--ignore replaces the values that are ignored without it: 255 alone would make classes of no data and clouds."""
    with pytest.raises(UnreadableError, match=r"--ignore 0,1,255$") as caught:
        parse_mask_values().encode(np.array([[0, 5, 255]]))
    ignore = str(caught.value).rpartition(" ")[2]
    assert parse_mask_values(ignore=ignore).encode(np.array([[0, 5, 255]])).tolist() == [[255, 3, 255]]
    with pytest.raises(UnreadableError, match=r"--ignore$"):
        parse_mask_values().encode(np.array([[5, -1]]))


def test_no_data_are_ignored_unless_they_are_a_class() -> None:
    values = parse_mask_values(["a", "b"])
    assert values.encode(np.array([[0, 1, 99]]), nodata=99.0).tolist() == [[0, 1, 255]]
    assert values.encode(np.array([[0, 1]]), nodata=float("nan")).tolist() == [[0, 1]]
    with pytest.raises(UnreadableError, match=r"\bb\b"):
        values.encode(np.array([[0, 1]]), nodata=1.0)
