"""What has changed in a survey since it was written is found before it is computed with; a NaN frame is no frame."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.measuring.measured_cache import CachedPhotometry
from ictconvention.survey import verify
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import check_present, verify_survey
from ictconvention.survey.writer import SurveyWriter, join_shards, shard_name
from tests.conftest import HEADER, image_series
from tests.measuring.test_audit import change_array, change_objects, setting
from tests.refusals import refused

CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "one pixel": (lambda f: change_array(f, "frames.npy", setting((50, 3, 3), 1.0)), r"frames.npy, object sn0003"),
    "two frames": (lambda f: change_array(f, "frames.npy", lambda a: a[::-1].copy()), r"frames.npy, object sn0000"),
    "a frame NaN": (lambda f: change_array(f, "frames.npy", setting(43, np.nan)), r"frames.npy, object sn0002"),
    "bands": (lambda f: change_array(f, "band.npy", lambda a: 4 - a), "band.npy"),
    "a time": (lambda f: change_array(f, "mjd.npy", lambda a: a + 1e-3), "mjd.npy"),
    "seeing": (lambda f: change_array(f, "psf_fwhm.npy", lambda a: a * 2), "psf_fwhm.npy"),
    "noise": (lambda f: change_array(f, "sky_sigma.npy", lambda a: a * 2), "sky_sigma.npy"),
    "labels": (lambda f: change_objects(f, "class", lambda v: v.reverse()), "objects.parquet"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_found_and_named(survey: Survey, case: str) -> None:
    change, place = CHANGES[case]
    assert verify_survey(survey)
    change(survey.path)
    opened = Survey.open(survey.path)
    with refused(SurveyError, "E-SURVEY-HASH", where=place):
        verify_survey(opened)
    with refused(SurveyError, "E-SURVEY-HASH", where=place):
        verify_survey(opened[:1])  # the files of a selection are those of the whole
    assert not verify_survey(opened, False)


def test_small_surveys_are_verified_unless_told_otherwise(survey: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(shard.frames.nbytes for shard in survey.shards)
    for limit, done in ((size, True), (size - 1, False)):
        monkeypatch.setattr(verify, "SMALL", limit)
        assert verify_survey(survey) == verify_survey(survey, "auto") == done
        assert verify_survey(survey, True)


def test_every_shard_is_read(tmp_path: Path) -> None:
    for number in range(3):
        with SurveyWriter(tmp_path / "s" / shard_name(number), HEADER) as writer:
            writer.add(**image_series(number, 4))
    join_shards(tmp_path / "s")
    change_array(tmp_path / "s" / shard_name(2), "frames.npy", lambda a: a + 1)
    with refused(SurveyError, "E-SURVEY-HASH", where="/s/shard-00002/frames.npy, object sn0002"):
        verify_survey(Survey.open(tmp_path / "s"))


@pytest.mark.parametrize("blank", [np.nan, np.inf])
def test_a_frame_without_a_finite_pixel_never_counts(survey: Survey, blank: float) -> None:
    """Where checksums are not compared, reading refuses it; without it the frame would be one of empty sky."""
    change_array(survey.path, "frames.npy", setting(5, blank))  # the third frame of sn0001
    opened = Survey.open(survey.path)
    with refused(SurveyError, "E-SURVEY-DAMAGED", where="object sn0001, its frame 2 in frames.npy"):
        SeriesDataset(opened)[[SampleKey(1)]]
    with refused(SurveyError, "E-SURVEY-DAMAGED", where="object sn0001, its frame 2 in frames.npy"):
        CachedPhotometry(opened)
    SeriesDataset(opened)[[SampleKey(3)]]


def test_one_finite_pixel_makes_a_frame(survey: Survey) -> None:
    frames = np.full((3, 32, 32), np.nan, dtype=np.float32)
    frames[:, 0, 31] = 1.0
    series: ImageSeries = replace(survey[0], frames=frames)
    check_present(series)
    frames[1, 0, 31] = np.nan
    check_present(series, np.array([0, 2]))
    with refused(SurveyError, "E-SURVEY-DAMAGED", where="object sn0000, its frame 1 in frames.npy"):
        check_present(series, np.array([1, 2]))


def test_a_changed_survey_gives_no_numbers(survey: Survey, objects: list[dict[str, Any]]) -> None:
    """The header's own checksum is compared whenever a survey is opened, before anything is computed."""
    text = (survey.path / "survey.json").read_text()
    (survey.path / "survey.json").write_text(text.replace("0.396", "0.4"))
    for _ in range(2):
        with refused(SurveyError, "E-SURVEY-HASH", where="/survey.json"):
            Survey.open(survey.path)
    assert Survey.open(survey.path, edited=True).header.pixel_scale == 0.4
    (survey.path / "survey.json").write_text(text)
    assert len(Survey.open(survey.path)) == len(objects)
