"""What a survey says of redshifts is counted; what cannot be right is named with its objects."""

import numpy as np
import pytest
from astropy.table import MaskedColumn

from ictconvention.survey.labels.redshifts import find_facts
from tests.survey.labels.test_selected import NEAR, N, table, z_of


def test_known_redshifts_and_reddening_are_counted() -> None:
    z, ebv = (
        np.where(np.arange(N) % 4 == 0, np.nan, z_of()),
        MaskedColumn(np.linspace(0, 0.3, N), mask=np.arange(N) < 5),
    )
    facts = find_facts(table(redshift=z, ebv=ebv))
    known = z[np.isfinite(z)]
    assert (facts.redshifts.known, facts.redshifts.objects) == (len(known), N)
    assert (facts.redshifts.least, facts.redshifts.most) == (known.min(), known.max())
    assert facts.redshifts.median == pytest.approx(np.median(known))
    assert facts.reddening is not None
    assert (facts.reddening.known, facts.reddening.least, facts.reddening.most) == (N - 5, ebv[5], 0.3)
    assert facts.selection is None
    assert facts.odd == ()
    assert facts.refusal is None
    assert {*facts.said} == {"redshifts", "E(B-V)"}
    assert find_facts(table(redshift=np.full(N, np.nan))).said == {}


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [("redshift", -0.02, "-0.02"), ("redshift", 12.0, "12"), ("redshift", 9.99, "9.99"), ("ebv", -1.0, "-1")],
)
def test_a_value_that_cannot_be_is_named_with_its_object(column: str, value: float, named: str) -> None:
    values = z_of()
    values[7] = value
    (said,) = find_facts(table(**{column: values})).odd
    assert f"{named} of object g0007" in said


def test_a_selected_object_without_a_redshift_and_a_column_of_texts_are_no_selection() -> None:
    lost = z_of()
    lost[3] = np.nan
    facts = find_facts(table(selected=NEAR, redshift=lost))
    assert facts.refusal is not None
    assert facts.refusal.code == "E-VALUE-MISSING"
    assert "g0003" in facts.refusal.found
    texts = find_facts(table(selected=NEAR.astype(str), ebv=np.full(N, "thin")))
    assert texts.refusal is not None
    assert texts.refusal.code == "E-VALUE-TYPE"
    assert texts.selection is None
    assert texts.reddening is None
    assert any("thin" in said for said in texts.odd)
