"""Ingestion of real images: what the survey's own numbers say must agree with what the pixels say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.wcs import WCS

from ictconvention.files.reading import open_fits
from ictconvention.survey.series import ImageSeries
from tests.ingestion.commands import drawn, made, write_table

pytestmark = pytest.mark.real_data
GALAXY = (244.77965, 12.07236)  # [deg] in the DECam field
PIXELS = 17  # of a stamp that fits on its small images


def aperture(
    series: ImageSeries, radius: float, x: float = 0.0, y: float = 0.0
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the flux within a radius of a place, from the centre of the stamp [pixels]; of missing pixels, none."""
    across = np.arange(series.frames.shape[1]) - (series.frames.shape[1] - 1) / 2
    inside = np.hypot(across[None] - x, across[:, None] - y) < radius
    return np.asarray(np.nansum(series.frames.astype(np.float64) * inside, axis=(1, 2)))


@pytest.mark.parametrize("cutout", ["science", "difference"])
def test_real_alerts_of_ztf_are_all_read(tmp_path: Path, shared: Callable[[str], Path], cutout: str) -> None:
    result = made("ztf", shared("ztf_alerts/alerts.parquet"), tmp_path / "s", "--cutout", cutout)
    assert result.said == "51 objects, 51 frames, 0 rejected"
    assert result.survey.header.bands == ("r",)
    finite = np.mean([np.isfinite(series.frames).mean() for series in result.survey])
    assert finite > 0.9
    assert set(result.photometry["id"]) <= set(result.survey.ids)
    assert {"detection", "limit"} >= set(result.photometry["kind"])
    columns = pq.read_table(shared("ztf_alerts/alerts.parquet"), columns=["objectId", "candidate"]).to_pylist()
    candidates = {row["objectId"]: row["candidate"] for row in columns}
    for series in result.survey:
        candidate = candidates[series.id]
        assert series.mjd[0] == pytest.approx(candidate["jd"] - 2400000.5, abs=1e-9)
        place = series.metadata["ra"], series.metadata["dec"]
        assert place == pytest.approx((candidate["ra"], candidate["dec"]), abs=1e-9)
    drawn(result.survey, result.survey.ids[0])


def test_the_difference_fluxes_of_real_alerts_agree_with_their_magnitudes(
    tmp_path: Path, shared: Callable[[str], Path]
) -> None:
    path = shared("ztf_alerts/alerts.parquet")
    result = made("ztf", path, tmp_path / "s", "--cutout", "difference")
    candidates = {
        row["objectId"]: row["candidate"] for row in pq.read_table(path, columns=["objectId", "candidate"]).to_pylist()
    }
    places = zip(result.sources["x"], result.sources["y"], strict=True)
    ratio = []
    for series, (x, y) in zip(result.survey, places, strict=True):
        candidate = candidates[series.id]
        sign = 1 if candidate["isdiffpos"] in ("t", "1") else -1
        flux = sign * 10 ** (-0.4 * (candidate["magpsf"] - 22.5))
        ratio.append(aperture(series, 4.5, x, y)[0] / flux)
    share = np.mean(np.array(ratio) > 0)
    assert share == 1.0, np.round(ratio, 2)  # the sign is right in all
    assert np.mean((np.array(ratio) > 0.5) & (np.array(ratio) < 2)) > 0.8, np.round(ratio, 2)


def test_two_real_alerts_of_one_exposure_show_the_same_sky_in_the_same_place(
    tmp_path: Path, shared: Callable[[str], Path]
) -> None:
    # Two objects of one chip, 14.4 arcsec apart in right ascension and 13.6 in declination: their cutouts overlap.
    result = made("ztf", shared("ztf_alerts/alerts.parquet"), tmp_path / "s", "--size", 63, "--no-sky")
    one, other = (result.survey[name] for name in ("ZTF18abrhivb", "ZTF19aardyqo"))
    east = (other.metadata["ra"] - one.metadata["ra"]) * np.cos(np.radians(one.metadata["dec"])) * 3600
    north = (other.metadata["dec"] - one.metadata["dec"]) * 3600
    x, y = -east / 1.01, north / 1.01  # of the other object from the first, north up and east left [pixels]
    place = [float(series.x[0] if axis == "x" else series.y[0]) for axis in "xy" for series in (one, other)]
    right, up = round(x + place[0] - place[1]), round(y + place[2] - place[3])
    assert (right, up) == (14, -14)
    first, second = one.frames[0], other.frames[0]
    np.testing.assert_array_equal(first[: 63 + up, right:], second[-up:, : 63 - right])
    assert float(x + place[0] - place[1]) == pytest.approx(right, abs=0.3)  # the places in the pixels agree too
    assert float(y + place[2] - place[3]) == pytest.approx(up, abs=0.3)


@pytest.fixture
def decam(shared: Callable[[str], Path], tmp_path: Path) -> Path:
    """Return a table of the DECam images, with the zero points of their own catalogue."""
    folder = shared("multi_epoch_ccd")
    rows = []
    ccds = Table.read(folder / "survey-ccds-1.fits.gz")
    ccds.write(tmp_path / "ccds.fits")
    for ccd in ccds:
        name = Path(str(ccd["image_filename"]).strip()).name
        zero_point = float(ccd["zpt"]) + 2.5 * np.log10(float(ccd["exptime"]))
        rows.append({"file": str(folder / name), "zero_point": zero_point})
    return write_table(tmp_path / "images.csv", rows)


def test_a_real_galaxy_lies_at_the_centre_of_every_frame_with_the_same_flux(tmp_path: Path, decam: Path) -> None:
    positions = write_table(tmp_path / "o.csv", [{"id": "galaxy", "ra": GALAXY[0], "dec": GALAXY[1]}])
    result = made("ccd", decam, tmp_path / "s", "--positions", positions, "--masks", "ooi=ood", "--size", PIXELS)
    assert result.said == "1 object, 8 frames, 0 rejected"
    assert result.survey.header.bands == ("g", "r", "z")
    assert result.survey.header.pixel_scale == pytest.approx(0.262, abs=0.002)
    series = result.survey["galaxy"]
    assert np.isfinite(series.psf_fwhm).all()
    across = np.arange(PIXELS) - PIXELS // 2
    near = np.hypot(across[None], across[:, None]) < 5
    for frame, x, y in zip(series.frames, result.sources["x"], result.sources["y"], strict=True):
        light = np.where(near, np.clip(np.nan_to_num(frame), 0, None), 0)
        centre = np.array([(light * across).sum(), (light * across[:, None]).sum()]) / light.sum()
        np.testing.assert_allclose(centre, (x, y), atol=1)
    ccds = Table.read(decam.parent / "ccds.fits")
    ccds.sort("mjd_obs")
    middle = ccds["mjd_obs"] + ccds["exptime"] / 2 / 86400
    np.testing.assert_allclose(series.mjd, middle, rtol=0, atol=1e-7)
    np.testing.assert_allclose(series.psf_fwhm, 0.262 * ccds["fwhm"], rtol=0.01)
    assert [result.survey.header.bands[band] for band in series.band] == [str(one) for one in ccds["filter"]]
    assert drawn(result.survey, "galaxy") == {}  # the stamps are too small for fluxes
    flux = aperture(series, 7)
    for band in range(3):
        one = flux[series.band == band]
        assert len(one) >= 2
        assert one.max() / one.min() < 1.2, one


@pytest.mark.slow
def test_real_frames_of_sdss_have_times_of_their_own_and_stand_north_up(
    tmp_path: Path, shared: Callable[[str], Path]
) -> None:
    """The header's TAI is when the first row was read; photoField has the middle of that row's exposure, in TAI."""
    (tmp_path / "images").mkdir()
    for band in "gr":
        file = shared(f"sdss_stripe82/frame-{band}-002583-2-0136.fits.bz2")
        (tmp_path / "images" / file.name).symlink_to(file)
    field = Table.read(shared("sdss_stripe82/photoField-002583-2.fits"), hdu=1)
    field = field[field["FIELD"] == 136]
    star = (323.269, -0.7002)
    listed = write_table(tmp_path / "o.csv", [{"id": "a", "ra": star[0], "dec": star[1]}])
    result = made("ccd", tmp_path / "images", tmp_path / "s", "--positions", listed)
    assert result.said == "1 object, 2 frames, 0 rejected"
    series = result.survey["a"]
    assert [result.survey.header.bands[band] for band in series.band] == ["r", "g"]
    np.testing.assert_allclose(series.mjd, [52172.26714, 52172.27046], atol=60 / 86400)
    assert np.diff(series.mjd)[0] * 86400 == pytest.approx(4 * 71.65, abs=0.5)
    first_row = np.array([float(field["TAI"][0][band]) for band in (2, 1)]) / 86400 - 32 / 86400
    rows = (series.mjd - first_row) * 86400 / 0.026322
    assert ((rows > 0) & (rows < 1489)).all()
    assert rows[0] == pytest.approx(rows[1], abs=20)  # one sky, at the same row in both bands
    row, column = np.indices(series.frames[0].shape) - 15.5
    north = star[1] + (row - series.y[0]) * 0.396 / 3600
    east = star[0] - (column - series.x[0]) * 0.396 / 3600 / np.cos(np.radians(star[1]))
    with open_fits(tmp_path / "images" / "frame-r-002583-2-0136.fits.bz2") as hdus:
        pixels, wcs = hdus[0].data, WCS(hdus[0].header)
        x, y = np.round(wcs.world_to_pixel(SkyCoord(east, north, unit="deg"))).astype(int)
    np.testing.assert_allclose(series.frames[0], pixels[y, x], atol=0.05)  # up to the sky that is left in the frame
