"""Photometry beside the frames: what counts of it, each exposure once; and a table that is not what it was."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.bands import select_bands
from ictconvention.survey.format import TABLES, sha256
from ictconvention.survey.photometry.table import (
    MEASUREMENTS,
    PHOTOMETRY_FILE,
    SurveyPoints,
    check_photometry,
    has_photometry,
)
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from tests.alerts import measurement, small_alerts, write_alerts
from tests.conftest import HEADER, image_series
from tests.refusals import refused

SECOND = 1 / 86400  # [days]


def points_of(path: Path, *rows: dict[str, Any]) -> Any:
    """Return the points of one object with frames in g at 53600 and in r at 53610, of the rows of a table."""
    one = image_series(0, 2) | {"band": [1, 2], "mjd": [53600.0, 53610.0]}
    survey = write_alerts(path / "survey", [one, image_series(1, 3)], rows)
    return SurveyPoints(survey).of(survey[0])


def test_an_exposure_that_has_a_frame_counts_once(tmp_path: Path) -> None:
    """Same band and time; another band at that time, and the same band the night after, are others."""
    rows = [measurement("sn0000", 53600.0 + shift, band=band) for shift, band in ((0, "g"), (5 * SECOND, "g"))]
    rows += [measurement("sn0000", 53600.0, band="r"), measurement("sn0000", 53601.0, band="g")]
    rows += [measurement("sn0000", 53610.0 - 5 * SECOND), measurement("sn0000", 53610.0 - 60 * SECOND)]
    found = points_of(tmp_path, *rows)
    assert found.band.tolist() == [2, 1, 2]
    np.testing.assert_allclose(found.mjd, [53600.0, 53601.0, 53610.0 - 60 * SECOND])


def test_what_differs_from_the_reference_in_a_frame_counts_where_it_is_asked_for(tmp_path: Path) -> None:
    """What alerts detect has frames: without their exposures no flux above the limit would be left."""
    rows = [measurement("sn0000", 53600.0, band="g", flux=9.0), measurement("sn0000", 53600.0, band="g", kind="limit")]
    rows.append(measurement("sn0000", 53605.0, band="g", flux=0.2))
    one = image_series(0, 2) | {"band": [1, 2], "mjd": [53600.0, 53610.0]}
    survey = write_alerts(tmp_path / "survey", [one], rows)
    whole = SurveyPoints(survey, of_frames=True)
    for points in (whole, pickle.loads(pickle.dumps(whole))):
        np.testing.assert_allclose(points.of(survey[0]).flux, [9.0, 0.2])
    np.testing.assert_allclose(SurveyPoints(survey).of(survey[0]).flux, [0.2])


def test_of_one_exposure_a_forced_flux_counts_before_a_detection_and_a_limit(tmp_path: Path) -> None:
    rows = [
        measurement("sn0000", 53605.0, kind="limit", flux=np.nan, error=np.nan),
        measurement("sn0000", 53605.0, kind="detection", flux=3.0),
        measurement("sn0000", 53605.0 + 2 * SECOND, kind="forced", flux=2.0),
        measurement("sn0000", 53604.0, kind="detection", flux=4.0),
        measurement("sn0000", 53604.0, kind="limit", flux=np.nan, error=np.nan),
    ]
    found = points_of(tmp_path, *rows)
    assert found.flux.tolist() == [4.0, 2.0]
    assert found.error.tolist() == [pytest.approx(0.1)] * 2


def test_what_its_source_has_something_against_is_left_out_and_a_limit_says_how_deep_it_is(tmp_path: Path) -> None:
    rows = [
        measurement("sn0000", 53601.0, flag="procstatus 57"),
        measurement("sn0000", 53602.0, kind="limit", flux=np.nan, error=np.nan, limit=0.5),
        measurement("sn0000", 53603.0, kind="limit", flux=np.nan, error=np.nan, limit=np.nan, flag="diaNoise 3"),
        measurement("sn0000", 53604.0, error=np.nan, limit=1.0),  # a flux without an error
        measurement("sn0000", 53605.0, error=np.nan, limit=np.nan),
        measurement("sn0000", 53606.0, band="w"),  # not of this survey, and nor is the object
        measurement("sn9999", 53606.0),
    ]
    found = points_of(tmp_path, *rows)
    assert found.is_limit.tolist() == [True] * 3
    np.testing.assert_allclose(found.mjd, [53602, 53603, 53604])
    np.testing.assert_allclose(found.error, [0.1, np.nan, 0.2], rtol=1e-6)


def test_what_is_called_a_limit_is_one_whatever_flux_stands_beside_it(tmp_path: Path) -> None:
    rows = [
        measurement("sn0000", 53602.0, kind="limit", flux=3.0, error=0.1, limit=0.5),
        measurement("sn0000", 53603.0, kind="limit", flux=3.0, error=0.1, limit=np.nan),
        measurement("sn0000", 53604.0, kind="forced", flux=3.0, error=0.1, limit=0.5),
    ]
    found = points_of(tmp_path, *rows)
    assert found.is_limit.tolist() == [True, True, False]
    np.testing.assert_allclose(found.error, [0.1, np.nan, 0.1], rtol=1e-6)


def test_each_object_has_its_own_in_time_order_also_in_a_selection_and_another_process(tmp_path: Path) -> None:
    survey = small_alerts(tmp_path / "survey")
    whole, some = SurveyPoints(survey), survey.select(["sn0004", "sn0001"])
    for series in some:
        expected = whole.of(series)
        assert len(expected) > 15
        assert (np.diff(expected.mjd) >= 0).all()
        for other in (SurveyPoints(some), pickle.loads(pickle.dumps(whole))):
            np.testing.assert_array_equal(other.of(series).photometry, expected.photometry)
            np.testing.assert_array_equal(other.of(series).mjd, expected.mjd)


def test_a_survey_without_photometry_or_in_another_unit_is_refused(survey: Survey, tmp_path: Path) -> None:
    assert not has_photometry(survey)
    with refused(UsageError, "E-SURVEY-UNSUITED", PHOTOMETRY_FILE, "sequence.photometry", where=survey.path):
        check_photometry(survey)
    other = write_alerts(tmp_path / "nJy", [image_series(0, 3)], [], replace(HEADER, flux_unit="nJy"))
    with refused(UsageError, "E-SURVEY-UNSUITED", "nJy", where=other.path):
        SurveyPoints(other)


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_table_that_is_not_what_was_written_is_refused_and_a_flaw_of_the_survey(tmp_path: Path, harm: str) -> None:
    survey = small_alerts(tmp_path / "survey", objects=2)
    table = survey.path / PHOTOMETRY_FILE
    assert not audit_survey(survey.path).flaws
    if harm == "missing":
        table.unlink()
    else:
        pq.write_table(pq.read_table(table).slice(1), table)
    code = "E-SURVEY-DAMAGED" if harm == "missing" else "E-SURVEY-HASH"
    with refused(SurveyError, code, where=PHOTOMETRY_FILE):
        SurveyPoints(survey)
    assert [flaw.code for flaw in audit_survey(survey.path).flaws] == [code]


@pytest.mark.parametrize(
    "column", [("mjd", pa.array([5e4, np.nan])), ("band", None), ("kind", pa.array(["forced", "guessed"]))]
)
def test_a_table_that_holds_what_cannot_be_is_refused(tmp_path: Path, column: tuple[str, Any]) -> None:
    """It was written so, with its checksum."""
    table = pa.Table.from_pylist([measurement("sn0000", 53601.0), measurement("sn0000", 53602.0)], MEASUREMENTS)
    name, values = column
    place = table.column_names.index(name)
    table = table.remove_column(place) if values is None else table.set_column(place, name, values)
    written = tmp_path / PHOTOMETRY_FILE
    pq.write_table(table, written)
    header = replace(HEADER, provenance={TABLES: {PHOTOMETRY_FILE: sha256(written)}})
    with SurveyWriter(tmp_path / "survey", header) as writer:
        writer.add(**image_series(0, 3))
        writer.copy_beside(written)
    with refused(SurveyError, "E-SURVEY-DAMAGED", where=PHOTOMETRY_FILE):
        SurveyPoints(Survey.open(tmp_path / "survey"))


def test_a_survey_of_some_bands_keeps_the_photometry_in_them(tmp_path: Path) -> None:
    survey = small_alerts(tmp_path / "survey", objects=3, frames=20)
    some = select_bands(survey, ["i", "g"], tmp_path / "some")
    for series in some:
        expected = SurveyPoints(survey).of(survey[series.id])
        here = np.isin(expected.band, [1, 3])
        found = SurveyPoints(some).of(series)
        np.testing.assert_array_equal(found.mjd, expected.mjd[here])
        assert [("i", "g")[b] for b in found.band] == ["ugriz"[b] for b in expected.band[here]]
