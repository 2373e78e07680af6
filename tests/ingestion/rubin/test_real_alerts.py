"""Real Rubin alerts, 15 of the sky and 50 of a simulated one: what they say of themselves agrees with the stamps."""

import io
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from ictconvention.files.reading import open_fits, read_image
from ictconvention.ingestion.rubin.cutouts import Cutout, read_cutout
from ictconvention.ingestion.rubin.rotation import SkyGrid, turn_north_up
from tests.ingestion.commands import drawn, frame_bytes, made
from tests.ingestion.rubin_packets import NANOJANSKY, SCALE

pytestmark = pytest.mark.real_data
SKY_AVRO, SKY_PARQUET = "rubin_alerts/on_sky_schema_10_0.avro", "rubin_alerts/on_sky_schema_10_0.parquet"
SIMULATED = "rubin_alerts/simulated_schema_7_1.parquet"
MOST = ("--max-rejects", 0.6)


def records(path: Path) -> dict[str, dict[str, Any]]:
    """Return the alerts by the id of their object."""
    if path.suffix == ".parquet":
        alerts = pq.read_table(path).to_pylist()
    else:
        with path.open("rb") as file:
            alerts = list(fastavro.reader(file))
    return {str(one["diaSource"]["diaObjectId"]): one for one in alerts}


def turned_by(north: NDArray[np.float64]) -> float:
    """Return by how much north lies to the right of up in an image [deg]."""
    return float(np.degrees(np.arctan2(north[0], north[1]))) % 360


def psf_stamp(alert: dict[str, Any], cut: Cutout, ra: float, dec: float) -> NDArray[np.float64]:
    """Return the PSF of a detection as it would lie in a stamp about a position, north up."""
    with open_fits(alert["cutoutDifference"]) as hdus:
        psf = read_image(hdus, "PSFIMAGE")[0].astype(np.float64)
    source = alert["diaSource"]
    east = (source["ra"] - ra) * np.cos(np.radians(dec)) * 3600
    x, y = (np.array(psf.shape[::-1]) - 1) / 2 - east * cut.grid.east - (source["dec"] - dec) * 3600 * cut.grid.north
    return turn_north_up(psf, SkyGrid(float(x), float(y), cut.grid.east, cut.grid.north), 26, SCALE)[0]


@pytest.mark.parametrize(
    ("file", "said", "moving"),
    [
        (SKY_AVRO, "3 objects, 3 frames, 0 rejected", 0),
        (SKY_PARQUET, "9 objects, 9 frames, 1 rejected", 2),
        (SIMULATED, "32 objects, 32 frames, 18 rejected", 0),
    ],
)
def test_all_alerts_are_read_or_rejected_by_their_flags(
    tmp_path: Path, shared: Callable[[str], Path], file: str, said: str, moving: int
) -> None:
    result = made("rubin", shared(file), tmp_path / "s", *MOST)
    assert result.said == said
    flagged = [row for row in result.rejects if "moving" not in row["reason"]]
    assert all("psfFlux_flag" in row["reason"] for row in flagged)
    assert len(result.rejects) - len(flagged) == moving
    assert set(result.survey.ids) <= set(records(shared(file)))  # no digit is lost
    for series in result.survey:
        assert 0.75 < np.isfinite(series.frames).mean() <= 1
        assert 0.6 < series.psf_fwhm[0] < 1.4
        assert 0.001 < series.sky_sigma[0] < 0.1


@pytest.mark.parametrize("file", [SKY_AVRO, SKY_PARQUET, SIMULATED])
def test_times_places_angles_and_sky_are_those_of_the_alerts(
    tmp_path: Path, shared: Callable[[str], Path], file: str
) -> None:
    survey = made("rubin", shared(file), tmp_path / "s", *MOST).survey
    alerts = records(shared(file))
    for series in survey:
        source, of_object = alerts[series.id]["diaSource"], alerts[series.id]["diaObject"]
        assert series.mjd[0] == pytest.approx(source["midpointMjdTai"], abs=1e-9)
        ra, dec = series.metadata["ra"], series.metadata["dec"]
        assert (ra, dec) == pytest.approx((of_object["ra"], of_object["dec"]), abs=1e-9)
        with open_fits(alerts[series.id]["cutoutScience"]) as hdus:
            angle = hdus[0].header.get("ROTPA")
        grid = read_cutout(alerts[series.id]["cutoutScience"], ra, dec).grid
        if angle is not None:
            assert turned_by(grid.north) == pytest.approx(angle, abs=1.2)  # of the camera's middle
        assert turned_by(np.array([grid.east[1], -grid.east[0]])) == pytest.approx(turned_by(grid.north), abs=0.5)
        around = np.hypot(*(np.indices((26, 26)) - 12.5)) > 10
        if file != SIMULATED:  # whose hosts fill the stamps
            assert abs(np.nanmedian(series.frames[0][around])) < 0.7 * series.sky_sigma[0]  # no sky is left
    drawn(survey, survey.ids[0])


@pytest.mark.parametrize(("file", "number", "spread"), [(SKY_PARQUET, 8, 0.02), (SIMULATED, 32, 0.012)])
def test_the_psf_flux_of_a_stamp_is_that_of_the_alert(
    tmp_path: Path, shared: Callable[[str], Path], file: str, number: int, spread: float
) -> None:
    """Scale, units, place and rotation at once; the PSF's image, of sum 1, gives 1 % more than psfFlux in all."""
    survey = made("rubin", shared(file), tmp_path / "s", "--cutout", "difference", *MOST).survey
    alerts, ratios = records(shared(file)), []
    for series in survey:
        alert = alerts[series.id]
        source, ra, dec = alert["diaSource"], series.metadata["ra"], series.metadata["dec"]
        if source.get("isDipole"):
            continue
        model = psf_stamp(alert, read_cutout(alert["cutoutDifference"], ra, dec), ra, dec)
        known = np.isfinite(series.frames[0]) & np.isfinite(model)
        flux = (series.frames[0] * model)[known].sum() / (model[known] ** 2).sum()
        ratios.append(flux / (source["psfFlux"] * NANOJANSKY))
    assert len(ratios) == number
    assert np.median(ratios) == pytest.approx(1.011, abs=0.005)
    assert np.percentile(np.abs(np.array(ratios) - 1.011), 90) < spread


def test_detections_lie_in_the_middle_within_half_a_pixel(shared: Callable[[str], Path], tmp_path: Path) -> None:
    """In the cutouts by their WCS, and in the stamps by their light: the PSF fits best at the alert's position."""
    for file in (SKY_AVRO, SKY_PARQUET):
        result = made("rubin", shared(file), tmp_path / Path(file).name, "--cutout", "difference")
        for series in result.survey:
            alert = records(shared(file))[series.id]
            source = alert["diaSource"]
            cut = read_cutout(alert["cutoutDifference"], source["ra"], source["dec"])
            assert (cut.grid.column, cut.grid.row) == pytest.approx((14.5, 14.5), abs=0.5)
            if source["isDipole"] or abs(source["psfFlux"] / source["psfFluxErr"]) < 5.15:
                continue
            ra, dec = series.metadata["ra"], series.metadata["dec"]
            here = shift_of_best_fit(series.frames[0], psf_stamp(alert, cut, ra, dec))
            assert np.hypot(*here) <= 0.75, (series.id, here)


def shift_of_best_fit(stamp: NDArray[np.floating], model: NDArray[np.float64]) -> tuple[int, int]:
    """Return the shift in whole pixels at which a model fits best."""
    best = {}
    for shift in np.ndindex(7, 7):
        right, up = shift[0] - 3, shift[1] - 3
        moved = np.roll(np.nan_to_num(model), (up, right), (0, 1))
        known = np.isfinite(stamp)
        flux = (stamp * moved)[known].sum() / (moved[known] ** 2).sum()
        best[right, up] = float(((stamp - flux * moved)[known] ** 2).sum())
    return min(best, key=best.__getitem__)


def test_the_photometry_of_real_alerts_is_kept_but_for_what_was_withdrawn(
    tmp_path: Path, shared: Callable[[str], Path]
) -> None:
    result = made("rubin", shared(SKY_AVRO), tmp_path / "s")
    alerts = records(shared(SKY_AVRO))
    seen = result.photometry
    detected = [(id_, one["visit"]) for id_, alert in alerts.items() for one in alert["prvDiaSources"]]
    assert len(detected) == len(set(detected)) + 1 == 1040  # one object has two detections in one visit
    framed = {(one.id, f"{mjd:.5f}") for one in result.survey for mjd in one.mjd}
    newest = {key for key in zip(seen["id"], (f"{mjd:.5f}" for mjd in seen["mjd"]), strict=True)} & framed
    assert newest == framed  # each alert's own detection
    assert Counter(seen["kind"])["detection"] == len(set(detected)) + len(framed)
    forced = [record for one in alerts.values() for record in one["prvDiaForcedSources"]]
    assert Counter(seen["kind"])["forced"] == sum(record["timeWithdrawnMjdTai"] is None for record in forced)
    assert np.isfinite(seen["limit"]).all()
    for series in result.survey:
        source = alerts[series.id]["diaSource"]
        assert series.metadata["first_detection"] < source["midpointMjdTai"] - 1
        assert series.metadata["reliability"] == pytest.approx(source["reliability"])
    keys = list(zip(seen["id"], seen["band"], np.round(seen["mjd"], 5), seen["kind"], strict=True))
    flux = dict(zip(keys, seen["flux"], strict=True))
    ratio = [flux[*key[:3], "forced"] / flux[key] for key in keys if (*key[:3], "forced") in flux]
    assert len(ratio) > 500
    assert np.median(ratio) == pytest.approx(1, abs=0.2)  # at the object's place in the one, at the detection's else


@pytest.mark.parametrize("version", [10, 11])
def test_real_messages_are_read_by_the_published_schema(
    tmp_path: Path, shared: Callable[[str], Path], version: int
) -> None:
    names = {"alert": "alert", "diaSource": "diaSource", "diaForcedSource": "diaForcedSource", "diaObject": "diaObject"}
    for name in names:
        content = shared(f"rubin_alerts/{name}-{version}.json").read_bytes()
        (tmp_path / f"lsst.v{version}_0.{name}.avsc").write_bytes(content)
    path = tmp_path / f"lsst.v{version}_0.alert.avsc"
    text = path.read_text()
    for name in ("ssSource", "mpc_orbits"):  # whose schemas are not at hand
        text = text.replace(f'"lsst.v{version}_0.{name}"', '"string"')
    path.write_text(text)
    schema = fastavro.schema.load_schema(str(path))
    (tmp_path / "packets").mkdir()
    for id_, alert in records(shared(SKY_AVRO)).items():
        file = io.BytesIO()
        file.write(b"\x00" + struct.pack(">I", 1000))
        fastavro.schemaless_writer(file, schema, alert | {"ssSource": None, "mpc_orbits": None})
        (tmp_path / "packets" / f"{id_}.avro").write_bytes(file.getvalue())
    result = made("rubin", tmp_path / "packets", tmp_path / "s", "--schema", path)
    whole = made("rubin", shared(SKY_AVRO), tmp_path / "t")
    assert frame_bytes(result.survey) == frame_bytes(whole.survey)
