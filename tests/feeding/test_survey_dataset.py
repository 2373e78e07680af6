"""What a trained network is applied to is what evaluation saw, and nothing of a later day."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ictconvention.configuration.options import Select, SequenceOptions
from ictconvention.core.errors import UsageError
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.feeding.spec import Contents
from ictconvention.feeding.survey_dataset import SurveyDataset, day_zero
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey
from tests.feeding.test_dataset import equal

SAME = np.arange(5)
SHORT = SequenceOptions(max_frames=12)


@pytest.mark.parametrize("contents", ["direct", "direct+residual", "photometry"])
@pytest.mark.parametrize("select", ["frames", "nights"])
def test_it_gives_the_batches_of_evaluation(survey: Survey, contents: Contents, select: Select) -> None:
    sequence = SequenceOptions(max_frames=12, select=select)
    expected = SeriesDataset(survey, sequence, contents=contents)[[SampleKey(i) for i in range(len(survey))]]
    found = SurveyDataset(survey, sequence, contents, SAME)[range(len(survey))]
    assert equal(found, expected, but=("label",))


@pytest.mark.parametrize("contents", ["direct", "direct+residual", "photometry"])
def test_frames_of_later_days_change_nothing(tmp_path: Path, contents: Contents) -> None:
    early = image_series(1, 40)
    days = early["mjd"] - early["mjd"][0]
    later = days > 30
    assert later.any()
    other = early | {"frames": np.where(later[:, None, None], 7.0, early["frames"])}
    batches = []
    for name, arguments in (("one", early), ("other", other)):
        stream = SurveyDataset(write_survey(tmp_path / name, [arguments]), SHORT, contents, SAME, days=30.0)
        assert stream.frames(0) == np.count_nonzero(~later)
        batches.append(stream[[0]])
    assert equal(batches[0], batches[1])


def test_days_count_from_the_first_detection_where_the_survey_knows_it(tmp_path: Path) -> None:
    objects = [image_series(n, 30) for n in range(3)]
    first = [float(one["mjd"][0]) for one in objects]
    objects[0]["first_detection"] = first[0] - 25.0
    objects[1]["first_detection"] = first[1] + 5.0
    survey = write_survey(tmp_path / "known", objects)
    assert day_zero(survey).tolist() == [first[0] - 25.0, first[1] + 5.0, first[2]]
    stream = SurveyDataset(survey, SHORT, "direct", SAME, days=20.0)
    assert stream.frames(0) == 0  # first seen five days later than that
    for place, until in ((1, 25.0), (2, 20.0)):
        assert stream.frames(place) == np.count_nonzero(survey[place].mjd <= first[place] + until)


def test_bands_come_to_their_places_in_the_network(survey: Survey) -> None:
    places = np.array([4, 3, 2, 1, 0])
    straight, turned = (SurveyDataset(survey, SHORT, "direct+residual", order)[[1, 4]][0] for order in (SAME, places))
    assert torch.equal(turned.band, 4 - straight.band)
    assert straight.median is not None
    assert turned.median is not None
    assert torch.equal(turned.median, straight.median.flip(1))


@pytest.mark.parametrize(("value", "found"), [(2453990.7, "no MJD"), ("2006-09-12", "not a number")])
def test_a_first_detection_that_is_no_mjd_is_refused(tmp_path: Path, value: object, found: str) -> None:
    objects = [image_series(n, 5) | {"first_detection": value} for n in range(2)]
    with pytest.raises(UsageError, match=found):
        SurveyDataset(write_survey(tmp_path / "wrong", objects), SHORT, "direct", SAME, days=1.0)
