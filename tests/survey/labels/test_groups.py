"""Pictures without a place on the sky: equal pixels and the column `group` keep objects together, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from ictconvention.core.errors import SplitError
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.labels.groups import find_groups
from ictconvention.survey.neighbours import LINKING_LENGTH, sky_groups
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import PROTOCOLS, make_split
from ictconvention.survey.survey import Survey
from tests.conftest import crowd, write_survey
from tests.refusals import refused

RGB = SurveyHeader("pictures", ("R", "G", "B"), ("spiral", "elliptical"), 1.0, 8, "float16", "none")


def table(**columns: Any) -> Table:
    """Return objects without a position, but for the columns that are given."""
    count = len(next(iter(columns.values())))
    unknown = np.full(count, np.nan)
    given = {"id": [f"{n:03d}" for n in range(count)], "ra": unknown, "dec": unknown} | columns
    return Table(given)


def pictures(path: Path, per_class: int, twice: int) -> Survey:
    """Write pictures of noise, of which the first `twice` of each class are there under a second id."""
    objects = []
    for number, name in enumerate(RGB.classes):
        for i in range(per_class + twice):
            frames = np.random.default_rng([number, i % per_class]).random((3, 8, 8))
            known = {"band": [0, 1, 2], "mjd": [51544.0] * 3, "class_name": name}
            objects.append({"id": f"{name} {i:03d}", "frames": frames, **known})
    return write_survey(path, objects, RGB)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_picture_is_in_two_parts_under_two_ids(protocol: str, tmp_path: Path) -> None:
    objects = pictures(tmp_path / "s", per_class=60, twice=6).object_table()
    for index in range(5):
        parts = make_split(objects, protocol=protocol, index=index).parts
        part_of = {id_: part for part, ids in parts.items() for id_ in ids}
        assert len(part_of) == 132
        for name in RGB.classes:
            assert all(part_of[f"{name} {i:03d}"] == part_of[f"{name} {60 + i:03d}"] for i in range(6))


def test_a_split_by_hand_that_tears_equal_pictures_apart_is_refused(tmp_path: Path) -> None:
    objects = pictures(tmp_path / "s", per_class=12, twice=1).object_table()
    drawn = make_split(objects, protocol="single")
    parts = {part: [id_ for id_ in ids if id_ != "spiral 012"] for part, ids in drawn.parts.items()}
    other = next(part for part in ("test", "pretrain_train") if "spiral 000" not in parts[part])
    parts[other].append("spiral 012")
    with refused(SplitError, "E-SPLIT-LEAK", "spiral 000", "spiral 012", "equal pixels"):
        torn = {part: tuple(ids) for part, ids in parts.items()}
        Split(torn, drawn.classes, linking_length=drawn.linking_length).check(objects)


def test_objects_of_one_group_stay_in_one_part_and_those_without_one_are_free() -> None:
    name = ["spiral", "elliptical"] * 40
    group = MaskedColumn([f"field {n // 4}" for n in range(80)], mask=[n >= 40 for n in range(80)])
    label_source = MaskedColumn([""] * 80, mask=[True] * 80)
    objects = table(**{"class": name, "label_source": label_source, "group": group})
    parts = make_split(objects, protocol="single").parts
    part_of = {id_: part for part, ids in parts.items() for id_ in ids}
    for n in range(10):
        assert len({part_of[f"{i:03d}"] for i in range(4 * n, 4 * n + 4)}) == 1
    assert len({part_of[f"{i:03d}"] for i in range(40, 80)}) == 3
    assert find_groups(objects, 13.0).max() + 1 == 10 + 40


def test_chains_of_all_three_kinds_make_one_group() -> None:
    ra = np.array([10.0, 10.0, np.nan, np.nan, np.nan, np.nan])
    crc32 = np.array([1, 2, 2, 3, 4, 5], dtype=np.uint32)
    group = MaskedColumn([0, 0, 7, 7, 0, 0], mask=[True, True, False, False, True, True])
    objects = table(ra=ra, dec=ra, crc32=crc32, group=group)
    assert find_groups(objects, 13.0).tolist() == [0, 0, 0, 0, 1, 2]


def test_an_empty_group_or_nan_binds_nothing() -> None:
    assert find_groups(table(group=["", "", "a", "a"]), 13.0).tolist() == [0, 1, 2, 2]
    assert find_groups(table(group=[np.nan, np.nan, 1.0, 1.0]), 13.0).tolist() == [0, 1, 2, 2]


def test_equal_checksums_bind_nothing_where_the_sky_says_that_they_are_two() -> None:
    apart = np.array([10.0, 20.0])
    assert find_groups(table(ra=apart, dec=apart, crc32=np.array([1, 1])), 13.0).tolist() == [0, 1]


def test_splits_of_surveys_on_the_sky_are_what_they_were() -> None:
    objects = crowd({"AGN": 40, "Variable": 40, "SN Ia": 30, "pSN Ia": 20, "Unknown": 10}, neighbours=8)
    before = make_split(objects)
    objects["crc32"] = np.arange(len(objects), dtype=np.uint32) // 2
    assert make_split(objects).hash == before.hash
    assert (find_groups(objects, LINKING_LENGTH) == sky_groups(objects["ra"], objects["dec"])).all()
