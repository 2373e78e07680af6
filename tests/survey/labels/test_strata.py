"""Without classes a split is drawn by deciles of redshift, so that every part has near and far objects."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

from ictconvention.core.errors import SplitError
from ictconvention.survey.labels.strata import by_class_or_redshift, stratify
from ictconvention.survey.labels.ways import TooFewError
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from tests.refusals import refused


def table(z: NDArray[np.float64], source: str = "") -> Table:
    n, rng = len(z), np.random.default_rng(0)
    hidden = np.ones(n, dtype=bool)
    return Table(
        {
            "id": [f"g{i:04d}" for i in range(n)],
            "class": MaskedColumn([""] * n, mask=hidden),
            "label_source": MaskedColumn([source] * n, mask=hidden if not source else ~hidden),
            "redshift": z,
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-60, 60, n),
        }
    )


def redshifts(n: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).gamma(3, 0.05, n)


def test_strata_are_deciles_of_the_redshifts_that_are_known() -> None:
    z = redshifts(500)
    z[::5] = np.nan
    strata = stratify(table(z))["class"]
    np.testing.assert_array_equal(np.ma.getmaskarray(strata), np.isnan(z))
    names, count = np.unique(strata[~strata.mask], return_counts=True)
    assert len(names) == 10
    assert (np.abs(count - 40) <= 1).all()
    means = {name: z[np.asarray(strata.filled("")) == name].max() for name in names}
    assert len(set(means.values())) == 10


def test_few_objects_make_few_strata_that_go_into_every_part() -> None:
    assert len(set(stratify(table(redshifts(65)))["class"])) == 3
    assert len(set(stratify(table(np.full(200, 0.1)))["class"])) <= 2  # equal redshifts are of one stratum


def test_every_part_has_the_redshifts_of_all() -> None:
    objects = table(redshifts(1000))
    split = make_split(objects)
    z = dict(zip(objects["id"], objects["redshift"], strict=True))
    for part in ("pretrain_train", "finetune_train", "test"):
        own = np.array([z[id_] for id_ in split.parts[part]])
        deciles = np.quantile(objects["redshift"], np.linspace(0.1, 0.9, 9))
        share = np.bincount(np.searchsorted(deciles, own), minlength=10) / len(own)
        np.testing.assert_allclose(share, 0.1, atol=0.02, err_msg=part)


def test_objects_without_a_redshift_are_unlabelled() -> None:
    z = redshifts(200)
    z[:30] = np.nan
    split = make_split(table(z))
    assert set(split.parts["pretrain_unlabelled"]) == {f"g{i:04d}" for i in range(30)}


def test_a_saved_split_by_redshift_is_read_and_checked_again(tmp_path: Path) -> None:
    objects = table(redshifts(200))
    split = make_split(objects, index=1)
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json", objects) == split
    split.check(objects)
    moved = objects.copy()
    moved["redshift"] = moved["redshift"][::-1]
    with refused(SplitError, "E-SPLIT-MISMATCH"):
        Split.load(tmp_path / "split.json", moved)


def test_classes_come_before_redshifts() -> None:
    objects = table(redshifts(40))
    objects["class"] = ["a", "b"] * 20
    assert by_class_or_redshift(objects) is objects


def test_a_survey_with_neither_is_refused() -> None:
    with refused(SplitError, "E-SPLIT-LABELS"):
        make_split(table(np.full(40, np.nan)))


def test_too_few_redshifts_are_refused_without_a_fix_that_leaves_out_strata() -> None:
    objects = table(redshifts(45))
    objects["ra"], objects["dec"] = 10.0, 10.0  # one sky group
    with refused(SplitError, "E-SPLIT-LABELS") as caught:
        make_split(objects)
    assert isinstance(caught.value, TooFewError)
    assert all(way.classes is None for way in caught.value.ways)


def test_a_split_by_redshift_says_that_redshifts_are_what_is_missing() -> None:
    with refused(SplitError, "E-SPLIT-LABELS", "no object has a redshift"):
        make_split(stratify(table(np.full(60, np.nan))))
    with refused(SplitError, "E-SPLIT-LABELS", "no object has a class"):
        make_split(table(np.full(60, np.nan)))


@pytest.mark.parametrize("extra", [False, True])
def test_photometric_redshifts_and_extra_test_objects_make_no_decile(extra: bool) -> None:
    z = np.concatenate([redshifts(400), np.full(400, 3.0)])
    objects = table(z, "spectroscopic")
    if extra:
        objects["extra_test"] = z == 3.0
    else:
        objects["label_source"][z == 3.0] = "photometric"
    strata = stratify(objects)["class"]
    assert len(set(strata[z < 3])) == 10
    assert len(set(strata[z == 3.0])) == 1
