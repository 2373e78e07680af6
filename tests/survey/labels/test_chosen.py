"""A class that is left out leaves its objects, without a label, and nothing on the disk changes."""

import pickle

import numpy as np
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.feeding.dataset import class_labels
from ictconvention.survey.survey import Survey
from tests.refusals import refused


def test_objects_of_other_classes_stay_without_a_label(survey: Survey) -> None:
    some = survey.with_classes(["SN Ia", "AGN"])
    before, after = survey.object_table(), some.object_table()
    kept = np.isin(np.asarray(before["class"]), ["AGN", "SN Ia"])
    assert 0 < kept.sum() < len(survey)
    assert np.array_equal(np.ma.getmaskarray(after["class"]), ~kept)
    assert np.ma.getmaskarray(after["label_source"])[~kept].all()
    assert after["class"][kept].tolist() == before["class"][kept].tolist()
    assert after["redshift"].tolist() == before["redshift"].tolist()
    assert some.header.classes == ("SN Ia", "AGN")
    assert some.left_out == ("Variable", "SN Other")
    assert class_labels(some).tolist() == [1, 0, -1, -1, 1, 0]
    for one, other in zip(survey, some, strict=True):
        assert np.array_equal(one.frames, other.frames)
    assert some["sn0002"].metadata["class"] is None


def test_the_choice_goes_with_selections_and_to_other_processes(survey: Survey) -> None:
    some = survey.with_classes(["AGN"])
    for copy in (some[:3], pickle.loads(pickle.dumps(some)), pickle.loads(pickle.dumps(some[:3]))):
        assert (copy.header.classes, copy.hash, copy.left_out) == (("AGN",), survey.hash, some.left_out)
        assert class_labels(copy)[:3].tolist() == [0, -1, -1]
    assert survey.left_out == ()
    assert survey.chosen_classes is None


@pytest.mark.parametrize(
    ("classes", "code", "facts"),
    [
        (["AGN", "SN Ib"], "E-CLASS-UNKNOWN", ["'SN Ib'", "did you mean SN Ia?", "AGN, SN Ia, Variable, SN Other"]),
        (["AGN", "AGN"], "E-CONFIG-VALUE", ["AGN, AGN"]),
        ([], "E-CONFIG-VALUE", ["none"]),
    ],
)
def test_what_the_survey_has_not_is_refused(survey: Survey, classes: list[str], code: str, facts: list[str]) -> None:
    with refused(SurveyError, code, *facts):
        survey.with_classes(classes)


def test_a_class_that_was_left_out_cannot_be_chosen_again(survey: Survey) -> None:
    with refused(SurveyError, "E-CLASS-UNKNOWN", "'AGN'"):
        survey.with_classes(["SN Ia"]).with_classes(["AGN"])
