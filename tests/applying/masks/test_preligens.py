"""The challenge's table: its columns in its order, rows that sum to 1, and the ids of its images."""

from pathlib import Path

import numpy as np
import pytest

from ictconvention.applying.masks.preligens import COLUMNS, challenge_table, check_challenge, sample_id
from ictconvention.core.errors import UsageError
from tests.refusals import refused

SOME = ("water", "artificial", "broadleaf")


def test_classes_in_any_order_find_their_columns_and_rows_sum_to_one() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    table = challenge_table([f"train/images/{number}.tif" for number in range(5)], shares, SOME)
    assert tuple(table.colnames) == COLUMNS
    assert table["sample_id"].tolist() == ["0", "1", "2", "3", "4"]
    np.testing.assert_array_equal(np.column_stack([table[name] for name in SOME]), shares / shares.sum(1)[:, None])
    np.testing.assert_allclose(np.sum([table[name] for name in COLUMNS[1:]], axis=0), 1, atol=1e-15)
    for name in ("no_data", "clouds", "snow"):
        assert not table[name].any()


def test_the_columns_are_those_of_the_challenge() -> None:
    assert (
        *("sample_id", "no_data", "clouds", "artificial", "cultivated", "broadleaf", "coniferous"),
        *("herbaceous", "natural", "snow", "water"),
    ) == COLUMNS


@pytest.mark.parametrize(
    ("id_", "expected"), [("10087", "10087"), ("train/images/10087.tif", "10087"), ("a.b/c.TIFF", "c"), ("x.1", "x.1")]
)
def test_an_id_is_that_of_its_image(id_: str, expected: str) -> None:
    assert sample_id(id_) == expected


def test_what_the_challenge_cannot_hold_is_refused() -> None:
    with refused(UsageError, "E-CLASS-UNKNOWN", "watr", "water"):
        check_challenge(["snow", "watr"], ["1"], Path("a.csv"))
    with refused(UsageError, "E-ID-DUPLICATE", "7"):
        check_challenge(SOME, ["a/7", "b/7"], Path("a.csv"))
    with refused(UsageError, "E-FILES-ENDING", "csv"):
        check_challenge(SOME, ["a/7"], Path("a.parquet"))
