"""Selected objects teach and test; of the others a few are tested besides, and no redshift of them is learned."""

from typing import Any

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.survey.labels.selected import find_selection, known_redshifts, read_extra, read_selected
from ictconvention.survey.labels.strata import by_class_or_redshift
from ictconvention.survey.split_drawing import make_split
from tests.refusals import refused

N = 400
TAUGHT = ("pretrain_train", "pretrain_validation", "finetune_train", "finetune_validation", "test")


def table(**columns: Any) -> Table:
    rng, hidden = np.random.default_rng(0), np.ones(N, dtype=bool)
    none = {name: MaskedColumn([""] * N, mask=hidden) for name in ("class", "label_source")}
    places = {"ra": rng.uniform(0, 360, N), "dec": rng.uniform(-60, 60, N)}
    return Table({"id": [f"g{i:04d}" for i in range(N)], **none, **places, "redshift": z_of(), **columns})


def z_of() -> NDArray[np.float64]:
    return np.linspace(0.01, 0.4, N)


NEAR = z_of() < 0.2


def parts_of(objects: Table) -> dict[str, set[str]]:
    return {part: set(ids) for part, ids in make_split(objects).parts.items()}


def test_selected_objects_teach_and_test_and_the_rest_has_no_label_but_in_the_additional_test() -> None:
    extra = ~NEAR & (np.arange(N) % 3 == 0)
    objects = table(selected=NEAR, extra_test=extra)
    ids, parts = np.asarray(objects["id"]), parts_of(objects)
    assert set.union(*(parts[part] for part in TAUGHT)) == set(ids[NEAR])
    assert parts["extra_test"] == set(ids[extra])
    assert parts["pretrain_unlabelled"] == set(ids[~NEAR & ~extra])
    np.testing.assert_array_equal(np.isfinite(known_redshifts(objects)), NEAR | extra)


def test_without_a_column_that_says_which_a_fifth_of_the_known_others_are_tested() -> None:
    known = np.arange(N) % 2 == 0
    objects = table(selected=NEAR, redshift=np.where(NEAR | known, z_of(), np.nan))
    extra = read_extra(objects)
    assert not extra[NEAR | ~known].any()
    assert extra.sum() == pytest.approx((~NEAR & known).sum() / 5, rel=0.4)
    parts = parts_of(objects)
    assert parts["extra_test"] == set(np.asarray(objects["id"])[extra])
    assert len(parts["pretrain_unlabelled"]) == (~NEAR & ~extra).sum()
    order = np.random.default_rng(1).permutation(N)
    np.testing.assert_array_equal(read_extra(objects[order]), extra[order])


def test_an_object_of_which_nothing_is_said_is_not_selected() -> None:
    column = MaskedColumn(np.ones(N, dtype=bool), mask=~NEAR)
    np.testing.assert_array_equal(read_selected(table(selected=column)), NEAR)
    assert read_selected(table()) is None
    np.testing.assert_array_equal(known_redshifts(table()), z_of())


def test_what_is_no_selection_is_refused() -> None:
    with refused(SurveyError, "E-VALUE-TYPE", "selected", where="survey table"):
        by_class_or_redshift(table(selected=NEAR.astype(str)))
    with refused(SurveyError, "E-VALUE-TYPE", "int64 values, such as 1", where="survey table"):
        by_class_or_redshift(table(selected=NEAR.astype(int)))
    lost = z_of()
    lost[[3, 399]] = np.nan  # the second is not selected
    with refused(SurveyError, "E-VALUE-MISSING", "1", "g0003", "row 3", where="survey table"):
        make_split(table(selected=NEAR, redshift=lost))


@pytest.mark.parametrize(
    "column", [np.array(["True", "False"] * (N // 2)), np.where(NEAR, np.nan, 1.0), NEAR.astype(int)], ids=str
)
def test_what_names_no_additional_test_is_not_taken_for_true(column: NDArray[Any]) -> None:
    """Of a text, and of NaN, numpy makes true: all objects would be additional tests, and none train."""
    for objects in (table(selected=NEAR, extra_test=column), table(extra_test=column)):
        with refused(SurveyError, "E-VALUE-TYPE", "extra_test", where="survey table"):
            make_split(objects)


def test_a_column_in_which_nothing_is_said_selects_and_names_none() -> None:
    empty = MaskedColumn([""] * N, mask=np.ones(N, dtype=bool))
    assert not np.any(read_selected(table(selected=empty)))
    assert not read_extra(table(selected=NEAR, extra_test=empty)).any()


@pytest.mark.parametrize("z", [-0.0004, np.inf])
def test_a_redshift_that_none_can_learn_is_refused_by_a_split_as_by_a_run(z: float) -> None:
    wrong = z_of()
    wrong[7] = z
    with refused(SurveyError, "E-VALUE-RANGE", f"{z:g} of object g0007", where="survey table"):
        make_split(table(redshift=wrong))


def test_the_distance_of_redshifts_and_magnitudes_is_said() -> None:
    half, hidden = np.arange(N) % 2 == 0, np.where(NEAR, z_of(), np.nan)
    apart = find_selection(table(selected=NEAR))
    assert apart is not None
    assert (apart.selected, apart.objects, apart.distances) == (NEAR.sum(), N, {"redshifts": 1.0})
    assert apart.medians == (np.median(z_of()[NEAR]), np.median(z_of()[~NEAR]))
    alike = find_selection(table(selected=half, mag_r=-z_of()))
    assert alike is not None
    assert {*alike.distances} == {"redshifts", "mag_r"}
    assert max(alike.distances.values()) < 0.01
    by_truth = find_selection(table(selected=NEAR, redshift=hidden, true_redshift=z_of()))
    assert by_truth is not None
    assert by_truth.distances == {"redshifts": 1.0}
    unknown = find_selection(table(selected=NEAR, redshift=hidden))
    assert unknown is not None
    assert (unknown.selected, unknown.medians, unknown.distances) == (NEAR.sum(), (), {})
    assert find_selection(table()) is None
