"""North is up and east is left by the sky itself: for every camera, order of axes and kind of coordinates."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.headers.celestial import read_wcs
from ictconvention.ingestion.orientation import ExactTurn, turns_north_up
from tests.ingestion.commands import made, write_table
from tests.ingestion.images import DEC, RA, SCALE, TPV, TURNS, Sky

NORTH, EAST = 0 * units.deg, 90 * units.deg
SIDE = 48  # pixels of the images


def header(turn: str, kind: str, ra: float = RA, dec: float = DEC) -> fits.Header:
    """Return the header of an image whose middle is at a position, its pixels turned so against north and east."""
    inverse = np.linalg.inv(np.array(TURNS[turn], dtype=float))  # from a step east and north to one in pixels
    cards: dict[str, Any] = {"NAXIS": 2, "NAXIS1": SIDE, "NAXIS2": SIDE, "CUNIT1": "deg", "CUNIT2": "deg"}
    cards |= {"CRPIX1": (SIDE + 1) / 2, "CRPIX2": (SIDE + 1) / 2}
    centre = SkyCoord(ra, dec, unit="deg")
    sky = np.linalg.inv(inverse)
    names, at = ("RA---TAN", "DEC--TAN"), (ra, dec)
    if kind == "galactic":
        frame, names = centre.galactic, ("GLON-TAN", "GLAT-TAN")
        at = (frame.l.deg, frame.b.deg)
        north, east = (centre.directional_offset_by(angle, 1 * units.arcsec).galactic for angle in (NORTH, EAST))
        steps = [frame.spherical_offsets_to(one) for one in (east, north)]
        sky = np.array([[angle.arcsec for angle in one] for one in steps]).T @ sky
    if kind == "swapped":
        names, at, sky = names[::-1], at[::-1], sky[::-1]
    cards |= {"CTYPE1": names[0], "CTYPE2": names[1], "CRVAL1": at[0], "CRVAL2": at[1]}
    cards |= {f"CD{i + 1}_{j + 1}": float(sky[i, j]) * SCALE / 3600 for i in (0, 1) for j in (0, 1)}
    return fits.Header(cards)


@pytest.mark.parametrize("place", [(RA, DEC), (0.0, -45.0), (359.9999, 70.0), (266.0, -89.99), (10.0, 89.99)])
@pytest.mark.parametrize("kind", ["equatorial", "swapped", "galactic"])
@pytest.mark.parametrize("turn", list(TURNS))
def test_a_step_north_is_up_and_one_east_is_left(turn: str, kind: str, place: tuple[float, float]) -> None:
    wcs = read_wcs(header(turn, kind, *place))
    centre = SkyCoord([place[0]], [place[1]], unit="deg")
    start = np.stack(wcs.world_to_pixel(centre))
    np.testing.assert_allclose(start[:, 0], (SIDE - 1) / 2, atol=1e-3)
    (found,) = turns_north_up(wcs, centre)
    for angle, wanted in ((NORTH, (0, 10)), (EAST, (-10, 0))):
        there = np.stack(wcs.world_to_pixel(centre.directional_offset_by(angle, 10 * SCALE * units.arcsec)))
        _, x, y = found.applied(np.zeros((3, 3)), *(there - start)[:, 0])
        np.testing.assert_allclose((x, y), wanted, atol=0.2)


@pytest.mark.parametrize("kind", ["swapped", "galactic"])
@pytest.mark.parametrize("turn", ["north up, east left", "mirrored, turned by 90 degrees"])
def test_companions_to_the_north_and_the_east_stand_so_in_the_stamp(tmp_path: Path, turn: str, kind: str) -> None:
    cards = header(turn, kind)
    wcs = WCS(cards)
    star = SkyCoord(RA, DEC, unit="deg")
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    pixels = np.random.default_rng(0).normal(100, 0.1, (SIDE, SIDE))
    for angle, steps, flux in ((NORTH, 0, 1000.0), (NORTH, 9, 500.0), (EAST, 6, 250.0)):
        at = wcs.world_to_pixel(star.directional_offset_by(angle, steps * SCALE * units.arcsec))
        pixels += flux * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 2) / (2 * np.pi)
    cards.update({"FILTER": "r", "MAGZERO": 22.5, "MJD-OBS": 58000.0})
    (tmp_path / "images").mkdir()
    fits.PrimaryHDU(pixels.astype(np.float32), cards).writeto(tmp_path / "images" / "a.fits")
    listed = write_table(tmp_path / "o.csv", [{"id": "a", "ra": RA, "dec": DEC}])
    result = made("ccd", tmp_path / "images", tmp_path / "s", "--positions", listed)
    header_of = result.survey.header
    assert header_of.orientation == "north up, east left"
    assert header_of.provenance["mjd"] == "UTC, middle of the exposure"
    frame, x0, y0 = result.survey["a"].frames[0], result.sources["x"][0], result.sources["y"][0]
    across = np.arange(32) - 15.5
    for dx, dy, flux in ((0, 0, 1000), (0, 9, 500), (-6, 0, 250)):
        near = np.hypot(across[None] - x0 - dx, across[:, None] - y0 - dy) < 3
        assert frame[near].sum() == pytest.approx(flux, rel=0.05)


@pytest.mark.parametrize("kind", ["TAN", "TPV"])
def test_a_polynomial_that_scamp_calls_tan_is_read_as_tpv(kind: str) -> None:
    distorted = Sky(projection="TPV").header()
    distorted["CTYPE1"], distorted["CTYPE2"] = f"RA---{kind}", f"DEC--{kind}"
    places = Sky(projection="TPV").wcs.pixel_to_world([0, 150], [0, 20])
    assert read_wcs(distorted).pixel_to_world([0, 150], [0, 20]).separation(places).arcsec.max() < 1e-6
    assert places.separation(Sky().wcs.pixel_to_world([0, 150], [0, 20])).arcsec.min() > 1


@pytest.mark.parametrize(
    ("cards", "reason"),
    [
        ({key: value for key, value in TPV.items() if key.startswith("PV1")}, "without PV2_1"),
        (TPV | {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-6}, "it is not known which holds"),
        ({"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX"}, "RA---TNX holds a distortion that is not read"),
        ({"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", **TPV, "PV1_1": 3.0}, "times as large"),
        ({"PV1_1": 5.0, "PV1_2": 40.0}, "CRPIX maps to 150.000000, 52.000000, but CRVAL is 150.000000, 2.000000"),
        ({"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"}, "the axes are ELAT and ELON, not RA and DEC"),
        ({"CRVAL2": 95.0}, "no sound WCS"),
    ],
)
def test_a_wcs_that_would_lead_to_another_place_is_refused(cards: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableError, match="no sound WCS") as error:
        read_wcs(Sky().header(**cards))
    assert reason in str(error.value)


@pytest.mark.parametrize("kept", [{}, {"CDELT1": 0.4 / 3600}])
def test_a_wcs_that_says_no_size_is_none(kept: dict[str, float]) -> None:
    """By the standard a pixel without CDELT and CD would be a degree."""
    header = Sky().header()
    for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2", "CDELT1", "CDELT2"):
        header.remove(key, ignore_missing=True)
    header.update(kept)
    with pytest.raises(UnreadableError, match="no WCS in the header"):
        read_wcs(header)


def test_each_object_near_a_pole_has_a_turn_of_its_own() -> None:
    """Around the pole in the middle of an image, north leads inwards from each side."""
    wcs = read_wcs(header("north up, east left", "equatorial", 0.0, 90.0))
    centre = (SIDE - 1) / 2
    around = wcs.pixel_to_world([centre, centre, centre - 20, centre + 20], [centre - 20, centre + 20, centre, centre])
    turns = turns_north_up(wcs, around)
    assert [turn.flip for turn in turns] == [False] * 4
    assert sorted(turn.quarters for turn in turns) == [0, 1, 2, 3]
    assert turns[0] == ExactTurn()
