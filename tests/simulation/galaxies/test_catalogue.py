"""Galaxies of a catalogue: their light, errors and redshifts are real, and none is painted twice."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ictconvention.core.errors import UsageError
from ictconvention.core.magnitudes import magnitude
from ictconvention.simulation.galaxies import catalogue
from ictconvention.simulation.galaxies.catalogue import CUTS, RealGalaxies, read_kcorrect
from ictconvention.simulation.galaxies.painting import GalaxySurvey, paint_galaxy
from ictconvention.simulation.simulate import simulate_galaxies
from tests.refusals import refused

with_kcorrect = pytest.mark.skipif(
    find_spec("kcorrect") is None, reason="kcorrect is not installed: pip install -c constraints.txt '.[galaxies]'"
)


@pytest.fixture
def real() -> RealGalaxies:
    """Real galaxies, as far as this test knows: 300, of which 200 are bright."""
    rng = np.random.default_rng(0)
    r = np.where(np.arange(300) < 200, 17.0, 17.6)[:, None]
    flux = 10 ** (-0.4 * (r + np.array([2.5, 0.9, 0.0, -0.4, -0.7]) + rng.normal(0, 0.1, (300, 5)) - 22.5))
    place = np.column_stack([np.linspace(120, 240, 300), np.linspace(0, 50, 300)])
    return RealGalaxies(flux, 0.02 * flux, rng.uniform(0.02, 0.2, 300), np.full(300, 0.03), place)


def test_all_galaxies_of_a_catalogue_are_painted_once_each_with_its_own_light(real: RealGalaxies) -> None:
    survey = GalaxySurvey(seed=1, real=real)
    bright = magnitude(real.flux[:, 2]) < CUTS.magnitude
    assert len(survey) == 300
    assert survey.objects == bright.sum()
    made = [paint_galaxy(survey, number) for number in range(len(survey))]
    rows = [int(np.abs(real.place[:, 0] - one["ra"]).argmin()) for one in made]
    assert sorted(rows) == list(range(300))
    for row, one in zip(rows, made, strict=True):
        assert one["true_redshift"] == real.redshift[row]
        assert one["selected"] == bright[row]
        assert one["magnitude_u"] == pytest.approx(magnitude(real.flux[row, 0]))
        assert one["flux_error_z"] == real.error[row, 4]
        assert "type" not in one
    small = [row for row, one in enumerate(made) if one["half_light_radius"] < 1.2]
    for number in small[:5]:
        frame = made[number]["frames"][2]
        assert frame.sum() == pytest.approx(real.flux[rows[number], 2], rel=0.2)


def test_fewer_galaxies_keep_the_proportion_and_more_are_refused(real: RealGalaxies) -> None:
    survey = GalaxySurvey(100, 1, real=real)
    assert survey.is_selected.sum() == 100
    assert len(survey) == 100 + round(100 * (300 - survey_size(real)) / survey_size(real))
    for objects, extra in ((250, None), (100, 150)):
        with refused(UsageError, "E-COMMAND-VALUE"):
            GalaxySurvey(objects, 1, extra, real=real)
    with refused(UsageError, "E-COMMAND-CONFLICT"):
        GalaxySurvey(100, 1, bands=9, real=real)


def survey_size(real: RealGalaxies) -> int:
    return GalaxySurvey(seed=1, real=real).objects


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    with refused(UsageError, "E-PACKAGE-MISSING", "kcorrect"):
        simulate_galaxies(tmp_path / "none", catalogue="kcorrect")
    assert not list(tmp_path.iterdir())


@with_kcorrect
def test_the_galaxies_of_kcorrect_are_those_of_sdss(tmp_path: Path) -> None:
    real = read_kcorrect()
    assert real.flux.shape == real.error.shape == (10_000, 5)
    bright = magnitude(real.flux[:, 2]) < 17.7
    means = -np.diff(magnitude(np.maximum(real.flux[bright], 0.01)), axis=1).mean(axis=0)
    np.testing.assert_allclose(means, (1.73, 0.91, 0.43, 0.30), atol=0.05)
    assert np.median(real.redshift) == pytest.approx(0.099, abs=0.003)
    survey = simulate_galaxies(tmp_path / "real", 100, catalogue="kcorrect")
    assert survey.header.full_name == "galaxies, real ugriz and redshifts in painted shapes (simulated)"
    assert "--catalogue kcorrect" in survey.header.provenance["made by"]
    assert len(GalaxySurvey(real=real)) == 10_000
