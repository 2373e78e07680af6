"""Galaxies as of COSMOS, cut from images and as stamps of unequal pixels: one prediction of each, by its number."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray

import ictconvention as ict
from ictconvention.configuration.compose import compose_run
from ictconvention.evaluation.redshift.without_network import photometric_features
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.split import UNLABELLED_PART
from ictconvention.survey.survey import Survey
from ictconvention.training.run import run
from tests.ingestion.commands import made, write_table
from tests.ingestion.images import FWHM, Sky, beside

SCALES = {"u": 0.186, "ustar": 0.186, "g": 0.168, "r": 0.168, "i": 0.168, "z": 0.168, "y": 0.168}
SCALES |= {"Y": 0.14, "J": 0.14, "H": 0.28, "Ks": 0.33}  # [arcsec]
SIZE, SCALE, APART = 32, 0.3, 14.0  # pixels, arcsec, arcsec
SHORT = ("H", "Ks")  # their images lack the first and the last row of galaxies
WITHOUT: dict[str, Any] = {"FILTER": None, "MJD-OBS": None}  # the table of images says these
PLACES = [(column, row) for row in (-1.5, -0.5, 0.5, 1.5) for column in range(-2, 3)]
N = len(PLACES)
Z = np.random.default_rng(0).permutation(np.linspace(0.1, 1.6, N))
KNOWN, EBV = np.arange(N) % 5 < 2, np.linspace(0.01, 0.05, N)
CUT = ("--pixel-scale", SCALE, "--size", SIZE, "--resample", "--bands", ",".join(SCALES), "--column", "redshift=zspec")
NAMES = ("--column", "id=NUMBER", "--column", "ra=ALPHA_J2000", "--column", "dec=DELTA_J2000", "--jobs", 1)


def fluxes(band: int) -> NDArray[np.float64]:
    """Return the flux of each galaxy in a band [nanomaggies]: the farther, the redder."""
    return np.asarray(300 * (1 + 0.9 * (Z - 0.85) * (band - 5) / 5))


def cutout(flux: float) -> NDArray[np.float32]:
    """Return a source in the middle of a stamp of native pixels, such as the images hold."""
    y, x = np.mgrid[:91, :91] - 45.0
    sigma = FWHM / 2.3548
    return np.asarray(flux * np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2), dtype=np.float32)


@pytest.fixture(scope="module")
def surveys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Survey]:
    """Return the survey that each command makes of the same catalogue, a FITS table with masked redshifts."""
    folder = tmp_path_factory.mktemp("cosmos")
    places = [beside(APART * east, APART * north) for east, north in PLACES]
    images, stamps = [], []
    for band, (name, scale) in enumerate(SCALES.items()):
        height = (2 if name in SHORT else 4) * APART + 4
        sky = Sky(shape=(int(height / scale), int((5 * APART + 4) / scale)), scale=scale)
        sky.sources = [(*place, flux) for place, flux in zip(places, fluxes(band), strict=True)]
        sky.hdu(noise=0.02, **WITHOUT).writeto(folder / f"{name}.fits")
        images.append({"file": f"{name}.fits", "band": name, "mjd": 57000.0, "psf_fwhm": FWHM * scale})
        for number, (_, row) in enumerate(PLACES):
            if name in SHORT and abs(row) > 1:
                continue
            file = f"{number}-{name}.fits"
            fits.PrimaryHDU(cutout(fluxes(band)[number])).writeto(folder / file)
            seen = {"file": file, "band": name, "mjd": 57000.0, "psf_fwhm": FWHM * scale}
            stamps.append({"NUMBER": number, **seen, "zero_point": 22.5, "pixel_scale": scale, "sky_sigma": 0.02})
    catalogue = Table({"NUMBER": np.arange(N), "zspec": MaskedColumn(Z, mask=~KNOWN), "ebv": EBV})
    catalogue["z_err"] = MaskedColumn(Z / 100, mask=~KNOWN)
    catalogue["selected"] = KNOWN
    for name, degrees in zip(("ALPHA_J2000", "DELTA_J2000"), np.transpose(places), strict=True):
        catalogue[name] = degrees
    catalogue.write(folder / "catalogue.fits")
    rows = Table(rows=stamps)
    for name in ("zspec", "z_err", "ebv", "selected", "ALPHA_J2000", "DELTA_J2000"):
        rows[name] = catalogue[name][rows["NUMBER"]]
    rows.write(folder / "stamps.fits")
    listed = write_table(folder / "images.csv", images)
    positions = ("--positions", folder / "catalogue.fits")
    return {
        "ccd": made("ccd", listed, folder / "of_images", *CUT, *NAMES, *positions).survey,
        "stamps": made("stamps", folder / "stamps.fits", folder / "of_stamps", *CUT, *NAMES).survey,
    }


def column(survey: Survey, name: str) -> NDArray[Any]:
    table = survey.object_table()
    order = np.argsort(np.asarray(table["id"]).astype(int))
    return np.asarray(np.ma.filled(np.ma.asarray(table[name][order], dtype=float), np.nan))


@pytest.mark.parametrize("command", ["ccd", "stamps"])
def test_the_catalogue_says_who_has_a_redshift_and_the_images_which_bands(
    surveys: dict[str, Survey], command: str
) -> None:
    survey = surveys[command]
    np.testing.assert_allclose(column(survey, "redshift"), np.where(KNOWN, Z, np.nan))
    np.testing.assert_allclose(column(survey, "z_err"), np.where(KNOWN, Z / 100, np.nan))
    np.testing.assert_array_equal(column(survey, "selected"), KNOWN)
    np.testing.assert_allclose(column(survey, "ebv"), EBV)
    for series in survey:
        short = abs(PLACES[int(series.id)][1]) > 1
        assert {survey.header.bands[band] for band in series.band} == {*SCALES} - ({*SHORT} if short else set())
        light = [fluxes(int(band))[int(series.id)] for band in series.band]
        np.testing.assert_allclose(series.frames.sum(axis=(1, 2)), light, rtol=0.02)


def test_both_have_the_same_photometry_with_nothing_where_a_band_is_absent(surveys: dict[str, Survey]) -> None:
    found = {name: photometric_features(survey) for name, survey in surveys.items()}
    order = {name: np.argsort(np.array(survey.ids).astype(int)) for name, survey in surveys.items()}
    ccd, stamps = (found[name][order[name]] for name in ("ccd", "stamps"))
    np.testing.assert_array_equal(np.isnan(ccd), np.isnan(stamps))
    absent, short = np.isnan(ccd).sum(axis=1), np.array([abs(row) > 1 for _, row in PLACES])
    assert absent[short].min() > absent[~short].max()  # circles that leave the stamp are unknown of all
    np.testing.assert_allclose(ccd, stamps, atol=0.06)


@pytest.mark.slow
def test_a_network_predicts_the_same_redshifts_of_both(surveys: dict[str, Survey], tmp_path: Path) -> None:
    words = ["task=redshift", "task.bins.number=12", "task.bins.high=1.8", "model=inception_p19", "model.width=0.05"]
    words += ["model.present=true", "imbalance=none", "fold=single", "fold.count=2", "profile=tiny", "figures=false"]
    words += ["trainer.batch_size=4", "stage.pretrain.max_epochs=20", "stage.pretrain.optimiser.learning_rate=0.003"]
    words += ["stage.pretrain.keep=last", "stage.finetune.max_epochs=0", f"runs={tmp_path}"]
    words += ["survey=path", f"survey.path={surveys['ccd'].path}"]
    folder = run(compose_run(words), words)
    tested = ict.load(folder).predictions()
    place = np.array(tested["id"]).astype(int)
    np.testing.assert_allclose(tested["z"], Z[place])
    assert KNOWN[place].all()
    assert len(RunFolder(folder).read_split()["parts"][UNLABELLED_PART]) == (~KNOWN).sum()
    found = {}
    for name, survey in surveys.items():
        table = ict.load(folder).predict(survey)
        table = table[np.argsort(np.array(table["id"]).astype(int))]
        np.testing.assert_allclose(np.sum(table["pdf"], axis=1), 1)
        np.testing.assert_array_equal(table["frames"], [9 if abs(row) > 1 else 11 for _, row in PLACES])
        found[name] = np.asarray(table["z_mean"])
    np.testing.assert_allclose(found["ccd"][place], tested["z_mean"], atol=1e-6)
    assert found["ccd"].std() > 1e-4  # one validates, whose temperature is high: redshifts are near each other
    assert np.corrcoef(found["ccd"], found["stamps"])[0, 1] > 0.99
    assert np.abs(found["ccd"] - found["stamps"]).max() < found["ccd"].std()
