"""E(B-V) comes from a column of the survey to the objects of a batch, and is a number or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.configuration.options import SequenceOptions
from ictconvention.core.errors import SurveyError
from ictconvention.feeding.dataset import SampleKey, SeriesDataset
from ictconvention.feeding.reddening import has_reddening, read_reddening
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey
from tests.refusals import refused


def write(path: Path, values: list[Any] | None) -> Survey:
    columns = [{}] * 3 if values is None else [{"ebv": value} for value in values]
    return write_survey(path, [image_series(number, 4) | column for number, column in enumerate(columns)])


def test_every_object_of_a_batch_has_its_own(tmp_path: Path) -> None:
    survey = write(tmp_path / "s", [0.0, 0.1, 0.3])
    assert has_reddening(survey)
    (batch,) = SeriesDataset(survey, reddening=read_reddening(survey))[[SampleKey(2), SampleKey(0)]]
    assert batch.reddening is not None
    np.testing.assert_allclose(batch.reddening, [0.3, 0.0])
    bands = np.arange(len(survey.header.bands))
    (batch,) = SurveyDataset(survey, SequenceOptions(), "direct", bands, reddening=True)[[1, 2]]
    assert batch.reddening is not None
    np.testing.assert_allclose(batch.reddening, [0.1, 0.3])
    assert SeriesDataset(survey)[[SampleKey(0)]][0].reddening is None


def test_a_survey_without_it_says_so(tmp_path: Path) -> None:
    assert not has_reddening(write(tmp_path / "none", None))
    assert not has_reddening(write(tmp_path / "empty", [None, None, None]))


@pytest.mark.parametrize("wrong", [None, float("nan"), float("inf"), -0.01])
def test_one_that_is_unknown_or_impossible_is_refused_with_its_object(tmp_path: Path, wrong: float | None) -> None:
    survey = write(tmp_path / "s", [0.1, wrong, 0.2])
    with refused(SurveyError, "E-VALUE-RANGE", "sn0001", "row 1", "model.reddening=false", where="column ebv"):
        read_reddening(survey)


def test_a_text_is_refused(tmp_path: Path) -> None:
    with refused(SurveyError, "E-VALUE-TYPE", where="column ebv"):
        read_reddening(write(tmp_path / "s", ["a", "b", "c"]))
