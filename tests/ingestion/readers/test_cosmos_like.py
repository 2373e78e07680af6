"""Galaxies as of COSMOS: 11 bands of unequal pixels, a FITS catalogue, bands and redshifts that most do not have."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from ictconvention.configuration.compose import compose_run
from ictconvention.ingestion.readers.resampling import resample, resampled_noise
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.split import UNLABELLED_PART
from ictconvention.training.run import run
from tests.ingestion.commands import Made, made, write_table
from tests.ingestion.images import Sky, beside

SCALES = {"u": 0.186, "ustar": 0.186, "g": 0.168, "r": 0.168, "i": 0.168, "z": 0.168, "y": 0.168}
SCALES |= {"Y": 0.14, "J": 0.14, "H": 0.3, "Ks": 0.4}  # [arcsec]
SIZE, STAMP_SCALE, FLUX = 16, 0.3, 5000.0
SHORT = ("H", "Ks")  # the images of these bands show the middle alone
GALAXIES = 20
WITHOUT: dict[str, Any] = {"FILTER": None, "MJD-OBS": None}


@pytest.fixture(scope="module")
def cosmos(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("cosmos")
    places = [beside(14 * column, 14 * row) for column in range(-2, 3) for row in (-1.5, -0.5, 0.5, 1.5)]
    listed = []
    for number, (band, scale) in enumerate(SCALES.items()):
        sky = Sky(shape=(int(52 / scale), int((38 if band in SHORT else 66) / scale)), scale=scale)
        sky.sources = [(*place, FLUX + 100 * number) for place in places]
        sky.hdu(noise=0.1, **WITHOUT).writeto(folder / f"{band}.fits")
        listed.append({"file": f"{band}.fits", "band": band, "mjd": 57000.0})
    images = write_table(folder / "images.csv", listed)
    z, known = np.linspace(0.1, 2, GALAXIES), np.arange(GALAXIES) % 5 < 2
    columns = {
        "NUMBER": np.arange(GALAXIES),
        "ALPHA_J2000": [ra for ra, _ in places],
        "DELTA_J2000": [d for _, d in places],
    }
    columns |= {"zspec": MaskedColumn(z, mask=~known), "z_err": MaskedColumn(z / 100, mask=~known)}
    Table({**columns, "ebv": np.full(GALAXIES, 0.018)}).write(folder / "catalogue.fits")
    names = (f"{own}={theirs}" for own, theirs in {"id": "NUMBER", "ra": "ALPHA_J2000", "dec": "DELTA_J2000"}.items())
    given = [word for name in (*names, "redshift=zspec") for word in ("--column", name)]
    options = ("--positions", folder / "catalogue.fits", "--size", SIZE, "--pixel-scale", STAMP_SCALE, "--resample")
    return made("ccd", images, folder / "survey", *options, "--bands", ",".join(SCALES), *given, "--jobs", 1)


def test_bands_of_unequal_pixels_are_pictures_of_one_scale_with_their_flux(cosmos: Made) -> None:
    survey = cosmos.survey
    assert (survey.header.bands, survey.header.pixel_scale, len(survey)) == (tuple(SCALES), STAMP_SCALE, GALAXIES)
    assert all(series.is_picture for series in survey)
    whole = [series for series in survey if len(series) == len(SCALES)]
    for series in whole:
        assert series.frames.sum(axis=(1, 2)) == pytest.approx(FLUX + 100.0 * series.band, rel=0.03)
        y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
        for frame, place in zip(series.frames, zip(series.x, series.y, strict=True), strict=True):
            centre = [float((frame * axis).sum() / frame.sum()) for axis in (x, y)]
            assert centre == pytest.approx(place, abs=0.05)
    assert 0 < len(whole) < GALAXIES
    assert {frozenset(survey.header.bands[band] for band in series.band) for series in survey} == {
        frozenset(SCALES),
        frozenset(SCALES) - {*SHORT},
    }


def test_the_catalogue_gives_redshifts_where_there_are_and_its_other_columns(cosmos: Made) -> None:
    table = cosmos.survey.object_table()
    known = np.isfinite(table["redshift"])
    assert known.sum() == 8
    assert table["z_err"][known] == pytest.approx(np.asarray(table["redshift"][known]) / 100)
    assert np.asarray(table["ebv"]) == pytest.approx(0.018)


@pytest.mark.slow
def test_such_galaxies_train_redshifts(cosmos: Made, tmp_path: Path) -> None:
    words = ["task=redshift", "task.bins.number=8", "model=cnn2", "model.width=0.125", "imbalance=none", "fold=single"]
    words += ["fold.count=2", "profile=tiny", "trainer.batch_size=4", "stage.finetune.max_epochs=0", "figures=false"]
    words += ["survey=path", f"survey.path={cosmos.survey.path}", f"runs={tmp_path}"]
    folder = RunFolder(run(compose_run(words), words))
    split = folder.read_split()
    assert len(split["parts"][UNLABELLED_PART]) == 12
    assert np.isfinite(folder.read_result()["test"]["crps"])


@pytest.mark.parametrize("ratio", [0.4, 0.97, 1.6, 3.0])
def test_a_stamp_of_other_pixels_has_the_flux_and_the_noise_of_its_image(ratio: float) -> None:
    y, x = np.mgrid[:150, :150]
    source = np.exp(-((x - 75.3) ** 2 + (y - 73.8) ** 2) / (2 * 4.0**2)) / (2 * np.pi * 4.0**2)
    size = int(np.ceil(50 / ratio))
    stamp = resample(source, 75.3, 73.8, size, ratio)
    assert stamp is not None
    assert stamp.sum() == pytest.approx(1, rel=0.01)
    assert np.abs(stamp - stamp[::-1, ::-1]).max() < 0.01 * stamp.max()  # the source is in the middle
    noise = resample(np.random.default_rng(1).normal(size=(150, 150)), 74.5, 74.5, int(140 / ratio), ratio)
    assert noise is not None
    assert noise.std() == pytest.approx(resampled_noise(ratio), rel=0.1)
    assert resample(source, 5.0, 75.0, size, ratio) is None
