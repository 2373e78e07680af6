"""The bins of redshifts: how far they reach, what they refuse, and that names hold them whole."""

import re
from pathlib import Path

import numpy as np
import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.tasks.redshift.bins import edges_of, make_edges, names_of, read_redshifts
from ictconvention.tasks.redshift.options import BinOptions, RedshiftOptions
from ictconvention.tasks.redshift.task import Redshift
from tests.refusals import refused
from tests.tasks.redshift.galaxies import write_galaxies


def test_names_hold_the_edges_whole(tmp_path: Path) -> None:
    edges = make_edges(write_galaxies(tmp_path / "s", 30), BinOptions(number=37))
    np.testing.assert_array_equal(edges_of(names_of(edges)), edges)
    assert len(edges) == 38


@pytest.mark.parametrize("names", [["a", "b"], ["0 to 1", "2 to 3"], ["1 to 0"], []])
def test_names_that_are_no_bins_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        edges_of(names)


def test_bins_reach_beyond_the_largest_redshift_that_is_stated_or_known(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 30)
    largest = np.nanmax(read_redshifts(survey))
    high = make_edges(survey, BinOptions())[-1]
    assert 1.1 * largest <= high < 1.11 * largest
    stated = write_galaxies(tmp_path / "stated", 30, redshift_range=[0.0, 2.5])
    assert make_edges(stated, BinOptions())[-1] == 2.75
    assert make_edges(write_galaxies(tmp_path / "one", 30, redshift_range=[0.005, 1.0]), BinOptions())[-1] == 1.1
    assert make_edges(stated, BinOptions(high=1.0))[-1] == 1.0


def test_bins_that_do_not_cover_the_redshifts_are_refused_with_the_share_outside(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 40, redshifts={0: 0.9, 1: 0.8, 2: 0.7})
    with refused(UsageError, "E-CONFIG-CONFLICT", "8.3%", "task.bins.high=0.99", where="task.bins"):
        make_edges(survey, BinOptions(high=0.6))
    with refused(UsageError, "E-CONFIG-CONFLICT", where="task.bins"):
        make_edges(survey, BinOptions(low=0.2))
    with refused(UsageError, "E-CONFIG-VALUE", where="task.bins"):
        make_edges(survey, BinOptions(low=5.0))
    short = write_galaxies(tmp_path / "short", 40, redshifts={0: 0.9}, redshift_range=[0, 0.5])
    with refused(UsageError, "E-CONFIG-CONFLICT", "0.9", where="task.bins"):
        make_edges(short, BinOptions())


def test_the_bins_that_a_refusal_names_hold_every_redshift(tmp_path: Path) -> None:
    """Rounding the least redshift up, or the largest down, would name bins that are refused again."""
    near = write_galaxies(tmp_path / "near", 40, redshifts={0: 0.0001234567, 1: 3.00049})
    for given in (BinOptions(low=0.2, high=4), BinOptions(high=0.6)):
        with refused(UsageError, "E-CONFIG-CONFLICT", where="task.bins") as caught:
            make_edges(near, given)
        ends = {key: float(value) for key, value in re.findall(r"task\.bins\.(low|high)=([\d.e-]+)", caught.value.fix)}
        edges = make_edges(near, BinOptions(low=ends["low"], high=ends["high"]))
        assert edges[0] <= 0.0001234567
        assert edges[-1] >= 3.00049
        assert "leave both out" in caught.value.fix
    short = write_galaxies(tmp_path / "short", 40, redshifts={0: 0.9}, redshift_range=[0, 0.5])
    with refused(UsageError, "E-CONFIG-CONFLICT", "task.bins.high=0.99", where="task.bins") as caught:
        make_edges(short, BinOptions())
    assert "leave both out" not in caught.value.fix  # nothing is set


def test_bins_are_not_widened_to_a_mark_of_a_missing_redshift(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 30, redshifts={3: 9.99, 4: 15.0})
    with refused(UsageError, "E-VALUE-RANGE", "9.99 of object g0003", "15 of object g0004", where="task.bins.high"):
        make_edges(survey, BinOptions())
    assert make_edges(survey, BinOptions(high=16.5))[-1] == 16.5
    stated = write_galaxies(tmp_path / "stated", 30, redshifts={3: 11.0}, redshift_range=[0, 12])
    assert make_edges(stated, BinOptions())[-1] == 13.2


@pytest.mark.parametrize("stated", [2.5, [2.5], [0, "far"], [0.5, 0.1], [-0.1, 1], [0, 0]])
def test_a_stated_range_that_is_none_is_refused(tmp_path: Path, stated: object) -> None:
    survey = write_galaxies(tmp_path / "s", 10, redshift_range=stated)
    with refused(SurveyError, "E-SURVEY-HEADER", "redshift_range", where=survey.path):
        make_edges(survey, BinOptions())


def test_a_survey_without_redshifts_is_refused(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 30, redshifts=dict.fromkeys(range(30), float("nan")))
    with refused(SurveyError, "E-SPLIT-LABELS", "redshift", where=survey.path):
        make_edges(survey, BinOptions())


def test_an_object_without_a_redshift_is_unlabelled(tmp_path: Path) -> None:
    survey = write_galaxies(tmp_path / "s", 30)
    task = Redshift.of_survey(survey)
    labels, truth = task.read_labels(survey), task.read_truth(survey)
    np.testing.assert_array_equal(labels == -1, np.isnan(truth))
    assert (labels == -1).sum() == 3
    known = labels >= 0
    assert (task.edges[labels[known]] <= truth[known]).all()
    assert (truth[known] <= task.edges[labels[known] + 1]).all()


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="labels"):
        RedshiftOptions(kind="redshift", labels="soft", loss="crps")
    with pytest.raises(ValueError, match="softness"):
        RedshiftOptions(kind="redshift", softness=0.02)
    with pytest.raises(ValueError, match="high"):
        BinOptions(low=0.5, high=0.2)


WORDS = ["task=redshift", "model=cnn_gru", "learner=supervised"]


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["task.loss=crps", "imbalance=focal"], "imbalance.focal"),
        (["task.loss=regression", "learner=ict", "learner.consistency_on=probabilities"], "task.loss"),
    ],
)
def test_what_a_loss_does_not_have_is_refused_before_a_run_begins(words: list[str], where: str) -> None:
    with refused(UsageError, "E-CONFIG-CONFLICT", where=where):
        compose_run([*WORDS, *words])


@pytest.mark.parametrize(
    ("word", "code", "where"),
    [
        ("task.bins.number=1", "E-CONFIG-VALUE", "task.bins.number"),
        ("task.loss=mse", "E-CONFIG-VALUE", "task.loss"),
        ("task.bins.higher=1", "E-CONFIG-UNKNOWN", "task.bins.higher"),
    ],
)
def test_options_of_the_task_are_checked_as_all_others_are(word: str, code: str, where: str) -> None:
    with refused(UsageError, code, where=where):
        compose_run([*WORDS, word])


def test_options_are_those_of_the_task_alone() -> None:
    found = compose_run([*WORDS, "task.bins.number=20", "task.labels=soft"]).task
    assert isinstance(found, RedshiftOptions)
    assert (found.bins.number, found.labels, found.bins.high) == (20, "soft", None)
    with refused(UsageError, "E-CONFIG-UNKNOWN"):
        compose_run(["model=cnn_gru", "task.loss=crps"])
