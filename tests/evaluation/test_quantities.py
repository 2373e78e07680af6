"""Recall is drawn against what a survey knows of its objects."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from ictconvention.evaluation.quantities import quantities_of
from tests.conftest import HEADER, image_series, write_survey


def test_host_separations_are_those_of_the_objects(tmp_path: Path) -> None:
    known = [1.5, None, 0.0]
    objects = [image_series(number, 4) | {"host_separation": x} for number, x in enumerate(known)]
    found = quantities_of(write_survey(tmp_path / "mine", objects), np.array([2, 1, 0]))
    np.testing.assert_allclose(found["host separation [arcsec]"], [0.0, np.nan, 1.5])


def test_a_survey_without_hosts_has_no_separations(tmp_path: Path) -> None:
    plain = write_survey(tmp_path / "plain", [image_series(0, 4)])
    assert list(quantities_of(plain, np.array([0]))) == ["r magnitude when bright", "redshift"]
    worded = write_survey(tmp_path / "worded", [image_series(0, 4) | {"host_separation": "far"}])
    assert list(quantities_of(worded, np.array([0]))) == ["r magnitude when bright", "redshift"]


def test_stamps_too_small_for_photometry_have_no_brightness(tmp_path: Path) -> None:
    header = replace(HEADER, stamp_size=12)
    small = write_survey(tmp_path / "small", [image_series(0, 9, header)], header)
    assert list(quantities_of(small, np.array([0]))) == ["redshift"]
