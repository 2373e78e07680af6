"""The drawn objects have the counts, percentiles and pairs of the real survey."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from ictconvention.core.errors import UsageError
from ictconvention.simulation.sdss.population import BRIGHTEST_HIDDEN, Population, stratum_counts
from ictconvention.simulation.sdss.strata import LABELLED, LEVELS, STRATA
from ictconvention.survey.neighbours import sky_groups
from tests.refusals import refused


@pytest.fixture(scope="module")
def drawn() -> list[Any]:
    population = Population(LABELLED, seed=1)
    return [population.draw(i) for i in range(len(population))]


def test_a_survey_of_the_papers_size_has_the_counts_of_table_1() -> None:
    assert stratum_counts(LABELLED) == [stratum.count for stratum in STRATA]


@pytest.mark.parametrize("objects", [100, 101, 333, 1000, 5000, 20000])
def test_counts_scale_and_keep_enough_spectroscopic_objects(objects: int) -> None:
    counts = stratum_counts(objects)
    assert sum(n for n, s in zip(counts, STRATA, strict=True) if s.label) == objects
    for n, stratum in zip(counts, STRATA, strict=True):
        if stratum.source == "spectroscopic":
            assert n >= 15
        share = stratum.count * objects / LABELLED
        assert n == pytest.approx(share, abs=max(40, 0.02 * share))


@pytest.mark.parametrize("objects", [-1, 0, 1, 99])
def test_too_few_objects_are_refused(objects: int) -> None:
    with refused(UsageError, "E-COMMAND-VALUE", "100", where="the number of objects"):
        stratum_counts(objects)


@pytest.mark.parametrize("stratum", STRATA, ids=lambda s: f"{s.label}-{s.source}")
def test_quantities_follow_the_percentiles(drawn: list[Any], stratum: Any) -> None:
    members = [o for o in drawn if o.stratum is stratum]
    assert len(members) == stratum.count
    tolerance = 1.6 / np.sqrt(len(members))  # of a Kolmogorov-Smirnov test at 1 %
    columns = {
        "host_r": ([o.magnitudes[2] for o in members if o.host_known], stratum.host_r),
        "separation": ([o.separation for o in members], stratum.separation),
        "extinction": ([o.extinction for o in members], stratum.extinction),
        "redshift": ([o.catalogue_redshift for o in members if o.catalogue_redshift is not None], stratum.redshift),
    }
    for name, (values, percentiles) in columns.items():
        reached = [np.mean(np.array(values) <= p) for p in percentiles[1:-1]]
        assert np.abs(np.array(reached) - LEVELS[1:-1]).max() < 2 * tolerance, name
    known = np.mean([o.host_known for o in members])
    assert known == pytest.approx(stratum.host_known, abs=2 * tolerance)
    truths = Counter(o.true_class for o in members)
    assert {name: n / len(members) for name, n in truths.items()} == pytest.approx(stratum.truths, abs=tolerance)


def test_bright_hosts_are_near(drawn: list[Any]) -> None:
    spectroscopic = [o for o in drawn if o.stratum.label == "SN Ia" and o.stratum.source == "spectroscopic"]
    redshift, r = [o.redshift for o in spectroscopic], [o.magnitudes[2] for o in spectroscopic]
    assert np.corrcoef(redshift, r)[0, 1] > 0.4


@pytest.mark.real_data
def test_close_pairs_are_as_frequent_as_the_real_ones(drawn: list[Any], population: Table) -> None:
    simulated = np.bincount(sky_groups([o.ra for o in drawn], [o.dec for o in drawn]))
    real = np.bincount(sky_groups(population["ra"], population["dec"]))
    assert np.count_nonzero(simulated > 1) == pytest.approx(np.count_nonzero(real > 1), abs=25)
    beside = [o for o in drawn if o.neighbours]
    assert len(beside) == pytest.approx(simulated[simulated > 1].sum(), abs=3)  # each in the stamp of the other
    assert all(np.hypot(east, north) < 13 for o in beside for east, north, _ in o.neighbours)


def test_stars_have_no_redshift_and_hidden_quasars_have_one(drawn: list[Any]) -> None:
    assert all((o.redshift == 0) == (o.true_class == "Variable") for o in drawn)
    hidden = [o for o in drawn if o.stratum.label == "Variable" and o.true_class == "AGN"]
    assert len(hidden) > 200
    assert min(o.magnitudes[2] for o in hidden) > BRIGHTEST_HIDDEN  # a brighter quasar would have a spectrum


def test_class_and_season_do_not_depend_on_what_is_detected() -> None:
    population = Population(300, seed=0)
    for number in range(0, 300, 11):
        one, other = population.draw(number), population.draw(number, attempt=3)
        assert (one.true_class, one.season, one.ra) == (other.true_class, other.season, other.ra)
        assert one.magnitudes.tolist() != other.magnitudes.tolist()


def test_the_order_of_the_objects_tells_no_class(drawn: list[Any]) -> None:
    agn = np.flatnonzero([o.stratum.label == "AGN" for o in drawn])
    assert np.mean(agn) == pytest.approx(len(drawn) / 2, rel=0.1)


def test_an_object_does_not_depend_on_the_others() -> None:
    small, same = Population(200, seed=3), Population(200, seed=3, extra_test=40)
    for number in range(0, 200, 7):
        one, other = small.draw(number), same.draw(number)
        assert (one.ra, one.dec, one.true_class, one.season) == (other.ra, other.dec, other.true_class, other.season)
        assert one.magnitudes.tolist() == other.magnitudes.tolist()
    assert Population(200, seed=4).draw(17).magnitudes.tolist() != small.draw(17).magnitudes.tolist()


def test_additional_test_objects_are_balanced_and_marked() -> None:
    population = Population(200, seed=0, extra_test=81)
    drawn = [population.draw(i) for i in range(len(population))]
    extra = [o for o in drawn if o.extra_test]
    assert sorted(Counter(o.stratum.label for o in extra).values()) == [20, 20, 20, 21]
    assert all(o.stratum.source != "photometric" for o in extra)
