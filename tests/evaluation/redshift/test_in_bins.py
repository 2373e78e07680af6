"""Scores in bins of redshift and magnitude, on a table that is computed by hand."""

import numpy as np
import pytest

from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.redshift.in_bins import BINS, InBin, cuts_of, score_in_bins

EDGES = np.linspace(0, 2, 21)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
# Two objects for each of the 8 bins of z, .1 apart, of which the first is predicted rightly and the other .1 too high.
Z = np.repeat(np.arange(8) * 0.2 + 0.05, 2) + np.tile([0, 0.1], 8)
PLACE = np.searchsorted(EDGES, Z, side="right") - 1


def predicted(off: int, seeds: int = 1) -> Pooled:
    pdf = np.zeros((seeds, 16, 20))
    pdf[:, np.arange(16), PLACE + np.tile([0, off], 8)] = 1
    return Pooled(np.arange(16).astype(str), Z, np.zeros(16, dtype=np.int64), {"row": pdf})


def of(rows: list[InBin], quantity: str) -> list[InBin]:
    return [one for one in rows if one.quantity == quantity]


def test_a_fixed_table_in_bins_of_the_true_redshift() -> None:
    rows = score_in_bins(predicted(1), EDGES, np.arange(16), {}, 200)
    bins = of(rows, "z")
    assert len(bins) == BINS
    assert (bins[0].low, bins[-1].high) == (None, None)
    assert [one.high for one in bins[:-1]] == [one.low for one in bins[1:]]
    for number, one in enumerate(bins):
        far = 0.1 / (1 + Z[2 * number + 1])
        assert one.objects == 2
        assert one.scores["bias"][0] == pytest.approx(far / 2)
        assert one.scores["sigma_mad"][0] == pytest.approx(1.4826 * far / 2)  # both lie as far from their median
        assert one.scores["outliers_05"][0] == pytest.approx(0.5 if far > 0.05 else 0)
        assert one.scores["outliers_15"][0] == 0
        low, high = one.scores["bias"][1:]
        assert (low, high) == pytest.approx((0, far)), "one object or the other is drawn twice"


def test_the_bins_of_the_predicted_redshift_have_the_cuts_of_the_true_one() -> None:
    far = of(score_in_bins(predicted(2), EDGES, np.arange(16), {}, 100), "z_p")
    assert [one.high for one in far[:-1]] == pytest.approx(cuts_of(Z).tolist())
    assert [one.objects for one in far] == [1, *[2] * 6, 3]  # the second object of each has gone to the next bin
    one = far[1].scores["bias"][0]
    assert one == pytest.approx(0.2 / (1 + Z[1]) / 2)


def test_bins_of_a_magnitude_count_those_alone_that_have_one() -> None:
    magnitude = np.where(np.arange(16) < 8, np.arange(16) + 15.0, np.nan)
    rows = of(score_in_bins(predicted(0), EDGES, np.arange(16), {"r": magnitude}, 100), "r")
    assert [one.objects for one in rows] == [1] * 8
    unknown = score_in_bins(predicted(0), EDGES, np.arange(16), {"r": np.full(16, np.nan)}, 100)
    assert not of(unknown, "r")


def test_a_bin_without_objects_has_no_scores() -> None:
    flat = predicted(0)
    flat.rows["row"][:] = np.eye(20)[3]
    rows = of(score_in_bins(flat, EDGES, np.arange(16), {}, 100), "z_p")
    assert [one.objects for one in rows] == [0, 16, 0, 0, 0, 0, 0, 0]
    assert rows[0].scores["bias"] == (None, None, None)
    assert rows[0].record["bias"] == [None, None, None]
