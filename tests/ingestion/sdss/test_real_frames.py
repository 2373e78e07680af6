"""Real frames of SDSS, given by a server on this machine: the survey's numbers agree with those of the catalogues."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from photutils.aperture import CircularAperture, aperture_photometry

from tests.ingestion.commands import made, write_table
from tests.ingestion.sdss.archive_server import ArchiveServer, serving

pytestmark = pytest.mark.real_data
SCALE = 0.396  # [arcsec]


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with serving() as one:
        yield one


def test_the_usable_star_of_a_real_frame_has_its_catalogue_flux(
    tmp_path: Path, server: ArchiveServer, shared: Callable[[str], Path]
) -> None:
    frame = shared("sdss_frame/frame-r-001000-1-0100.fits.bz2")
    server.files[f"/photoObj/frames/301/1000/1/{frame.name}"] = frame.read_bytes()
    psf = shared("sdss_frame/psField-001000-1-0100.fit")
    server.files[f"/photo/redux/301/1000/objcs/1/{psf.name}"] = psf.read_bytes()
    catalogue = fits.getdata(shared("sdss_frame/photoObj-001000-1-0100.fits"))
    star = catalogue[np.hypot(catalogue["ROWC"][:, 2] - 58.63, catalogue["COLC"][:, 2] - 37.44).argmin()]
    field = {"run": 1000, "camcol": 1, "field": 100, "ramin": 358.2, "ramax": 358.7, "decmin": 59.9, "decmax": 60.2}
    fields = write_table(tmp_path / "fields.csv", [field])
    objects = write_table(tmp_path / "objects.csv", [{"id": "star", "ra": star["RA"], "dec": star["DEC"]}])
    options = ("--fields", fields, "--server", server.address, "--delay", 0, "--bands", "r")
    result = made("sdss", objects, tmp_path / "s", *options)
    assert result.said.startswith("1 object, 1 frame,")
    series = result.survey["star"]
    place = 15.5 + float(series.x[0]), 15.5 + float(series.y[0])
    pixels = series.frames[0].astype(float)
    flux = float(aperture_photometry(pixels, CircularAperture(place, 1.76 / SCALE))["aperture_sum"][0])
    y, x = np.indices(pixels.shape)
    apart = np.hypot(x - place[0], y - place[1]) * SCALE
    print(
        {
            (a, b): (flux - np.pi * (1.76 / SCALE) ** 2 * np.median(pixels[(apart > a) & (apart < b)]))
            / float(star["APERFLUX"][2, 3])
            for a in (3, 4, 5)
            for b in (5.5, 6, 6.3, 8)
        }
    )
    assert series.psf_fwhm[0] == pytest.approx(3.0553, abs=1e-3)
    tai = float(star["TAI"][2])
    print(series.mjd[0] * 86400 - tai, series.sky_sigma, series.gain)


@pytest.mark.slow
def test_a_real_field_of_stripe_82_agrees_with_its_photofield(
    tmp_path: Path, server: ArchiveServer, shared: Callable[[str], Path]
) -> None:
    for band in "gr":
        frame = shared(f"sdss_stripe82/frame-{band}-002583-2-0136.fits.bz2")
        server.files[f"/photoObj/frames/301/2583/2/{frame.name}"] = frame.read_bytes()
        mask = shared(f"sdss_stripe82/fpM-002583-{band}2-0136.fits")
        server.files[f"/photo/redux/301/2583/objcs/2/{mask.stem}.fit.gz"] = mask.read_bytes()
    psf = shared("sdss_stripe82/psField-002583-2-0136.fits")
    server.files[f"/photo/redux/301/2583/objcs/2/{psf.stem}.fit"] = psf.read_bytes()
    table = shared("sdss_stripe82/photoField-002583-2.fits")
    objects = write_table(tmp_path / "objects.csv", [{"id": "a", "ra": 323.269, "dec": -0.7002}])
    options = ("--fields", table, "--server", server.address, "--delay", 0, "--bands", "g,r", "--masks")
    result = made("sdss", objects, tmp_path / "s", *options)
    assert result.said.startswith("1 object, 2 frames,")
    series = result.survey["a"]
    field = Table.read(table, hdu=1)
    field = field[field["FIELD"] == 136][0]
    print(series.mjd, field["MJD"], series.sky_sigma, series.gain, series.psf_fwhm, np.isnan(series.frames).mean())
