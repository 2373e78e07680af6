"""A hash names a state of a survey: the newest, an earlier one, or one that lies elsewhere by now."""

from pathlib import Path

import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.survey.growth.compact import compact
from ictconvention.survey.growth.states import delta_name, find_state, read_state, state_file
from tests.ingestion.growing.nights import add_night
from tests.refusals import refused


def test_each_state_is_found_by_its_hash_or_the_first_letters(two: Path) -> None:
    lineage = read_state(two)[1]["lineage"]
    assert len(lineage) == 2
    for number, state in enumerate(lineage):
        for name in (state, state[:8]):
            entries = read_state(two, name)[1]
            assert (entries["hash"], entries["header_hash"], entries["lineage"]) == (state, state, lineage)
            assert len(entries.get("deltas", ())) == number
    assert [find_state(two, state) for state in lineage] == list(lineage)
    assert find_state(two, "0" * 64) is None
    assert delta_name(1) == "delta-00001"


@pytest.mark.parametrize("state", ["0123456", "x" * 64, "ABCDEF01"])
def test_what_is_no_hash_is_refused(two: Path, state: str) -> None:
    with refused(SurveyError, "E-SURVEY-STATE", state):
        read_state(two, state)


@pytest.mark.parametrize(("harm", "code"), [("missing", "E-SURVEY-DAMAGED"), ("changed", "E-SURVEY-HASH")])
def test_a_kept_state_that_is_not_as_it_was_is_refused(two: Path, harm: str, code: str) -> None:
    first = read_state(two)[1]["lineage"][0]
    file = state_file(two, first)
    text = file.read_text()
    file.unlink()
    if harm == "changed":
        file.write_text(text + "\n")
    with refused(SurveyError, code, where=file):
        read_state(two, first)
    assert find_state(two, first) is None


def test_the_plain_form_answers_to_the_state_that_it_was_made_of_alone(two: Path) -> None:
    first, second = read_state(two)[1]["lineage"]
    made = compact(two)
    entries = read_state(two, second)[1]
    assert (entries["hash"], entries["header_hash"]) == (second, read_state(two)[1]["hash"])
    with refused(SurveyError, "E-SURVEY-STATE", str(made.before), where=two):
        read_state(two, first)
    add_night(two, 2)  # the plain form is an earlier state now, by its own hash
    with refused(SurveyError, "E-SURVEY-STATE", str(made.before), where=two):
        read_state(two, second)
