"""Photometry and median frames are measured once, kept beside the survey, and never mistaken for another's."""

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.audit import audit_survey
from ictconvention.measuring.measured_cache import CachedMedianFrames, CachedPhotometry, MeasuredCache
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey
from tests.refusals import refused


def test_photometry_is_that_of_each_frame(survey: Survey) -> None:
    photometry = CachedPhotometry(survey)
    for series in survey:
        expected = measure_photometry(series, photometry_recipe(survey.header.pixel_scale, 32, survey.path))
        assert np.allclose(photometry[series.id], expected, rtol=1e-6)
        assert photometry[series.id].dtype == np.float32


def test_median_frames_are_those_of_each_band(survey: Survey) -> None:
    medians = CachedMedianFrames(survey)
    for series in survey:
        found = medians[series.id]
        assert found.shape == (5, 32, 32)
        for band in range(5):
            frames = series.frames[series.band == band]
            assert np.allclose(found[band], np.median(frames, axis=0) if len(frames) else np.nan, equal_nan=True)


def test_the_median_leaves_missing_pixels_out(tmp_path: Path) -> None:
    frames = np.ones((5, 32, 32)) * np.arange(1.0, 6.0)[:, None, None]
    frames[4, 3, 7] = frames[3, 3, 7] = np.nan
    frames[:, 9, 9] = np.nan
    arguments = image_series(0, 5) | {"frames": frames, "band": np.zeros(5, int)}
    median = CachedMedianFrames(write_survey(tmp_path / "survey", [arguments]))["sn0000"][0]
    assert median[3, 7] == 2
    assert np.isnan(median[9, 9])
    assert np.count_nonzero(median == 3) == 32 * 32 - 2


def test_of_a_picture_the_median_is_its_one_frame_in_each_band(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float32)
    frames[1, 3, 7] = np.nan
    arguments = image_series(0, 2) | {"frames": frames, "band": np.array([0, 3])}
    median = CachedMedianFrames(write_survey(tmp_path / "survey", [arguments]))["sn0000"]
    np.testing.assert_array_equal(median[[0, 3]], frames)
    assert np.isnan(median[[1, 2, 4]]).all()


@pytest.mark.parametrize("kind", [CachedPhotometry, CachedMedianFrames])
def test_it_is_measured_once_and_found_again(survey: Survey, kind: type[MeasuredCache], monkeypatch: Any) -> None:
    first = kind(survey)
    assert first.path.parent == survey.path / "derived"
    monkeypatch.setattr(kind, "measured", None)
    again = kind(survey.select(["sn0003", "sn0001"]))
    assert again.path == first.path
    np.testing.assert_array_equal(again["sn0003"], first["sn0003"])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(again))["sn0001"], first["sn0001"])
    assert len(pickle.dumps(again)) < 20_000  # the way to the file, not its content


def test_another_survey_or_another_recipe_is_another_file(tmp_path: Path, survey: Survey, monkeypatch: Any) -> None:
    other = write_survey(tmp_path / "other", [image_series(7, 4)])
    names = {CachedPhotometry(survey).path.name, CachedPhotometry(other).path.name}
    for name, value in (("CIRCLE", 2.2), ("VERSION", 99), ("MOFFAT_BETA", 3.5)):
        monkeypatch.setattr(f"ictconvention.measuring.photometry.{name}", value)
        names.add(CachedPhotometry(survey).path.name)
    assert len(names) == 5


def test_stamps_that_are_too_small_for_photometry_are_refused(tmp_path: Path) -> None:
    header = replace(HEADER, stamp_size=12)
    small = write_survey(tmp_path / "small", [image_series(0, 4, header)], header)
    with refused(SurveyError, "E-VALUE-SMALL", "12 x 12 pixels", where=small.path):
        CachedPhotometry(small)


def test_a_survey_with_derived_files_is_still_sound(survey: Survey) -> None:
    CachedPhotometry(survey)
    assert Survey.open(survey.path).hash == survey.hash
    assert audit_survey(survey.path).flaws == []


def test_where_nothing_can_be_kept_it_stays_in_memory(survey: Survey) -> None:
    expected = CachedPhotometry(survey)["sn0003"].copy()
    for file in (survey.path / "derived").iterdir():
        file.unlink()
    (survey.path / "derived").rmdir()
    (survey.path / "derived").touch()  # in the way, as a read-only folder would be
    with pytest.warns(UserWarning, match="the photometry of .* is made in each run"):
        photometry = CachedPhotometry(survey)
    assert np.array_equal(photometry["sn0003"], expected)
    assert np.array_equal(pickle.loads(pickle.dumps(photometry))["sn0003"], expected)


@pytest.mark.parametrize("kind", [CachedPhotometry, CachedMedianFrames])
@pytest.mark.parametrize("damage", ["junk", "cut", "type", "rows", "columns", "empty", "bit", "pipe"])
def test_a_damaged_file_is_made_anew(survey: Survey, kind: type[MeasuredCache], damage: str) -> None:
    first = kind(survey)
    expected, path = np.array(first["sn0003"]), first.path
    whole, array = path.read_bytes(), np.load(path)
    match damage:
        case "junk":
            path.write_bytes(whole + bytes(4096))
        case "cut":
            path.write_bytes(whole[:-4])
        case "type":
            np.save(path, array.astype(np.float64))
        case "rows":
            np.save(path, array[1:])
        case "columns":
            np.save(path, array[:, :1])
        case "empty":
            path.write_bytes(b"")
        case "pipe":
            path.unlink()
            os.mkfifo(path)
        case "bit":
            path.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 1]) + whole[-999:])
    np.testing.assert_array_equal(kind(survey)["sn0003"], expected)
    assert path.read_bytes() == whole
