"""A survey of galaxies: what is painted is what its truth says, and only selected galaxies have a redshift."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from ictconvention.api.surveys import simulate
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.core.magnitudes import nanomaggies
from ictconvention.evaluation.forest import aperture_features
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.simulation import writing
from ictconvention.simulation.galaxies.bands import BAND_SETS
from ictconvention.simulation.galaxies.painting import CUTS, GalaxySurvey, observe_night, paint_galaxy
from ictconvention.simulation.galaxies.selection import Select
from ictconvention.simulation.sdss.camera import Camera
from ictconvention.simulation.sdss.stamps import PIXEL_SCALE
from ictconvention.simulation.simulate import simulate_galaxies
from ictconvention.survey.survey import Survey
from tests.refusals import refused
from tests.simulation.test_simulate import digest


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return simulate_galaxies(tmp_path_factory.mktemp("galaxies") / "five", objects=250, seed=3)


def auc(features: np.ndarray, selected: np.ndarray) -> float:
    """Return how well a forest tells the selected galaxies from the others, of which it has not learned."""
    forest = RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
    chance = cross_val_predict(forest, np.nan_to_num(features), selected, cv=3, method="predict_proba")
    return float(roc_auc_score(selected, chance[:, 1]))


def test_apertures_tell_who_has_a_redshift_and_only_those_and_extra_tests_have_one(survey: Survey) -> None:
    table = survey.object_table()
    selected, extra = (np.asarray(table[name], dtype=bool) for name in ("selected", "extra_test"))
    assert (selected.sum(), extra.sum(), len(survey)) == (250, 50, 500)
    assert not (selected & extra).any()
    known = ~np.ma.getmaskarray(table["redshift"]) & np.isfinite(np.ma.filled(table["redshift"], np.nan))
    assert (known == (selected | extra)).all()
    assert (np.asarray(table["redshift"])[known] == np.asarray(table["true_redshift"])[known]).all()
    assert ((np.asarray(table["magnitude_r"]) < CUTS.magnitude) == selected).all()
    assert np.asarray(table["magnitude_r"]).max() < 21.0
    assert abs(selected[:225].mean() - selected[225:450].mean()) < 0.15  # no id tells it
    assert auc(aperture_features(survey), selected) > 0.8
    places = np.column_stack([table["ra"], table["dec"]])
    assert 0.35 < auc(places, selected) < 0.65
    assert survey.header.full_name == "galaxies (simulated)"


@pytest.mark.parametrize("select", get_args(Select))
def test_a_forest_on_magnitudes_tells_selected_galaxies_from_the_others(select: Select) -> None:
    survey = GalaxySurvey(300, 1, 0, select)
    galaxies = [survey.draw(number) for number in range(len(survey))]
    flux = np.array([galaxy.flux for galaxy in galaxies])
    flux += np.random.default_rng(0).normal(size=flux.shape) * np.hypot(0.05 * flux, 0.2)
    seen = np.log10(np.maximum(flux, 0.01))
    assert auc(np.column_stack([seen, np.diff(seen)]), survey.is_selected) > 0.8
    redshift = np.array([galaxy.redshift for galaxy in galaxies])
    near, far = np.median(redshift[survey.is_selected]), np.median(redshift[~survey.is_selected])
    assert (near < far - 0.05) if select != "colour" else (near > far + 0.05)  # luminous red galaxies are far


@pytest.mark.parametrize("bands", [5, 9, 11])
def test_frames_hold_the_light_of_the_galaxy_in_every_band(bands: int) -> None:
    survey = GalaxySurvey(100, 2, bands=bands, size=64)
    names = survey.band_set.names
    for number in range(200):
        made = paint_galaxy(survey, number)
        if made["magnitude_r"] < 18.5 and made["half_light_radius"] < 2:
            break
    assert made["frames"].shape == (bands, 64, 64)
    assert made["band"].tolist() == list(range(bands))
    assert np.ptp(made["mjd"]) < 0.02  # one night
    for frame, name, noise in zip(made["frames"], names, made["sky_sigma"], strict=True):
        flux = nanomaggies(made[f"magnitude_{name}"])
        assert frame.sum() == pytest.approx(flux, abs=0.15 * flux + 5 * 64 * noise)
        if flux > 50 * noise:
            assert frame[28:36, 28:36].sum() > 0.25 * flux  # in the middle


@pytest.mark.parametrize("bands", [9, 11])
def test_a_camera_has_the_depth_that_is_asked_for(bands: int) -> None:
    band_set = BAND_SETS[bands]
    pixels = np.array(band_set.seeing) / PIXEL_SCALE / 2.3548
    number = np.arange(bands, dtype=np.uint8)
    camera: Camera = band_set.camera
    noise = camera.noise(camera.sky[number], number, 2) * np.sqrt(4 * np.pi) * pixels
    np.testing.assert_allclose(5 * noise, nanomaggies(np.array(band_set.depth)), rtol=1e-6)
    night = observe_night(band_set, np.random.default_rng(0))
    assert len(night.band) == bands
    assert (night.psf_fwhm <= 1.8).all()


def test_missing_bands_leave_the_others_as_they_are_and_one_at_least() -> None:
    whole, some, hardly_any = (GalaxySurvey(100, 4, missing=share) for share in (0.0, 0.4, 0.9))
    lost = []
    for number in range(20):
        one, other, few = (paint_galaxy(survey, number) for survey in (whole, some, hardly_any))
        np.testing.assert_array_equal(one["frames"][other["band"]], other["frames"])
        assert one["true_redshift"] == other["true_redshift"]
        assert len(few["band"]) >= 1
        lost.append(5 - len(other["band"]))
    assert 1.2 < np.mean(lost) < 2.4


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SHARD_OBJECTS", 50)
    one, two = (simulate(tmp_path / f"{jobs}", 100, 3, jobs, kind="galaxies", missing=0.2) for jobs in (1, 2))
    assert digest(one.path) == digest(two.path)
    assert one.header.provenance["made by"] == (
        "ictconvention simulate --kind galaxies --bands 5 --select magnitude --objects 100 --seed 3 --extra-test 20"
        " --size 32 --missing 0.2"
    )
    again, other = (paint_galaxy(GalaxySurvey(100, seed, missing=0.2), 0)["frames"] for seed in (3, 4))
    np.testing.assert_array_equal(one[0].frames, again)
    assert again.shape != other.shape or not np.array_equal(again, other)


def test_a_run_simulates_its_galaxies_once_each_choice_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def noted(path: Path, **given: Any) -> None:
        asked.append((path.name, given))
        raise KeyboardInterrupt

    monkeypatch.setattr("ictconvention.simulation.simulate.simulate_galaxies", noted)
    own: tuple[list[str], ...] = (
        [],
        ["survey.band_set=9"],
        ["survey.select=colour"],
        ["survey.missing=0.1"],
        ["profile=smoke"],
    )
    for words in own:
        with pytest.raises(KeyboardInterrupt):
            open_or_simulate(compose_run(["survey=galaxies", f"surveys={tmp_path}", *words]))
    keys = ("objects", "extra_test", "size", "bands", "select", "catalogue", "missing")
    wanted = [tuple(given[name] for name in keys) for _, given in asked]
    usual = (None, None, 32, 5, "magnitude", None, 0.0)
    assert wanted[:2] == [usual, (*usual[:3], 9, *usual[4:])]
    assert wanted[2:4] == [(*usual[:4], "colour", None, 0.0), (*usual[:6], 0.1)]
    assert wanted[4][0] == 1000
    assert len({name for name, _ in asked}) == len(own)


@pytest.mark.parametrize(
    ("code", "make"),
    [
        ("E-COMMAND-VALUE", lambda path: simulate(path, 99, kind="galaxies")),
        ("E-COMMAND-VALUE", lambda path: simulate(path, kind="galaxies", bands=7)),
        ("E-COMMAND-VALUE", lambda path: simulate(path, kind="galaxies", size=12)),
        ("E-COMMAND-VALUE", lambda path: simulate(path, kind="galaxies", missing=1.0)),
        ("E-COMMAND-VALUE", lambda path: simulate(path, kind="galaxies", missing=float("nan"))),
        ("E-COMMAND-VALUE", lambda path: simulate(path, kind="galaxies", extra_test=-1)),
        ("E-COMMAND-VALUE", lambda path: simulate(path, kind="galaxies", select="size")),
        ("E-COMMAND-VALUE", lambda path: simulate(path, kind="galaxies", catalogue="mine")),
        ("E-COMMAND-CONFLICT", lambda path: simulate(path, bands=9)),
        ("E-COMMAND-CONFLICT", lambda path: simulate(path, kind="hosts", select="colour")),
        ("E-COMMAND-CONFLICT", lambda path: simulate(path, kind="galaxies", light_curves=["a.csv"])),
        ("E-CONFIG-VALUE", lambda path: compose_run(["survey=galaxies", "survey.band_set=7"])),
        ("E-CONFIG-VALUE", lambda path: compose_run(["survey=galaxies", "survey.band_set=9", "survey.kind=hosts"])),
        ("E-CONFIG-VALUE", lambda path: compose_run(["survey=galaxies", "survey.select=size"])),
    ],
)
def test_what_cannot_be_painted_is_refused(code: str, make: Callable[[Path], Any], tmp_path: Path) -> None:
    with refused(UsageError, code):
        make(tmp_path / "none")
    assert not list(tmp_path.iterdir())
