"""When an image was exposed: the middle of the exposure in UTC, or a refusal that names what the keywords hold."""

from typing import Any

import pytest
from astropy.io import fits
from astropy.time import Time

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.headers.dates import Exposure, read_exposure
from ictconvention.ingestion.headers.headers import Headers

DAY = 86_400.0
START = 57124.125  # 2015-04-12T03:00:00
LEAP = 35.0  # [s] of TAI before UTC then
MIDDLE = START + 50 / DAY
SECOND = 0.02 / DAY


def exposed(**cards: Any) -> Exposure:
    """Return what a header says; a double underscore stands for a hyphen."""
    header = fits.Header({key.replace("__", "-"): value for key, value in cards.items()})
    return read_exposure(Headers(fits.Header(), header))


@pytest.mark.parametrize(
    "cards",
    [
        {"DATE__OBS": "2015-04-12T03:00:00"},
        {"DATE__OBS": "2015-04-12 03:00:00.0"},
        {"DATE__OBS": "2015-04-12T03:00"},
        {"DATE__OBS": "2015/04/12", "UT": "3:00:00"},
        {"DATE__OBS": "2015-04-12T02:59:60.0"},
        {"DATE__OBS": "2015-04-12T03:00:00Z"},
        {"DATE__OBS": "2015-04-12T03:00:00+00:00"},
        {"DATE__OBS": "2015-04-12T05:30:00+0230"},
        {"DATE__OBS": "2015-04-11T22:00:00-05"},
        {"DATE__OBS": "2015-04-12T03:00:00Z", "TIMESYS": "TAI"},  # the zone stands beside the time
        {"DATE__OBS": "2015-04-12", "TIME__OBS": "03:00:00.00"},
        {"DATE__OBS": "2015-04-12", "UT": "03:00:00"},
        {"DATE__OBS": "2015-04-12", "UTC__OBS": "03:00:00"},
        {"DATE__OBS": "2015-04-12", "UTSTART": "03:00:00"},
        {"DATE__OBS": "2015-04-12T00:00:00.000", "TIME__OBS": "03:00:00"},
        {"DATE__OBS": "2015-04-12", "TAIHMS": "03:00:35.00"},
        {"DATE__OBS": "2015-04-12", "TAI": (START * DAY + LEAP)},
        {"DATE__OBS": "2015-04-12T03:00:35", "TIMESYS": "TAI"},
        {"DATE__OBS": "2015-04-12T03:01:07.184", "TIMESYS": "TT"},
        {"DATE__OBS": "2015-04-12T03:01:07.184", "TIMESYS": "TDB"},
        {"DATE__OBS": "2015-04-12T03:00:00", "TIMESYS": "UTC approximate"},
        {"DATE__BEG": "2015-04-12T03:00:00"},
        {"DATE__AVG": "2015-04-12T03:00:50"},
        {"DATE__END": "2015-04-12T03:01:40"},
        {"DATE__BEG": "2015-04-12T03:00:00", "DATE__END": "2015-04-12T03:01:40"},
        {"DATE__OBS": "2015-04-12", "MJD__OBS": START},
        {"MJD__OBS": START},
        {"MJD_OBS": START},
        {"MJD__BEG": START},
        {"MJD__AVG": MIDDLE},
        {"MJD__END": START + 100 / DAY},
        {"MJD__OBS": START, "MJD__END": START + 100 / DAY},
        {"OBSMJD": START},
        {"MJD": START},
        {"JD": START + 2_400_000.5},
        {"MJD__OBS": str(START)},
        {"MJD__OBS": f" {START} "},
        {"MJD__OBS": 0.0, "DATE__OBS": "2015-04-12T03:00:00"},
        {"MJD__OBS": -999.0, "JD": 0.0, "DATE__OBS": "2015-04-12T03:00:00"},
        {"MJD__OBS": " ", "DATE__OBS": "2015-04-12T03:00:00"},
        {"MJD__OBS": "UNKNOWN", "DATE__OBS": "2015-04-12T03:00:00"},
        {"MJD__OBS": START + LEAP / DAY, "TIMESYS": "TAI"},
    ],
)
@pytest.mark.parametrize("exposure", [100.0, "100.0"])
def test_the_middle_of_the_exposure_in_utc(cards: dict[str, Any], exposure: object) -> None:
    found = exposed(EXPTIME=exposure, **cards)
    assert found.at(0) == found.at(1000) == pytest.approx(MIDDLE, abs=SECOND)


@pytest.mark.parametrize("key", ["EXPTIME", "EXPOSURE", "EXPOSED"])
def test_the_exposure_time_has_several_names_and_may_be_missing(key: str) -> None:
    cards: dict[str, Any] = {key: 200}
    assert exposed(MJD__OBS=START, **cards).mjd == pytest.approx(START + 100 / DAY, abs=SECOND)
    assert exposed(MJD__OBS=START).mjd == START
    assert exposed(MJD__OBS=START, MJD__END=START + 0.01).mjd == pytest.approx(START + 0.005)


def test_an_exposure_time_that_is_no_number_is_refused() -> None:
    assert exposed(MJD__OBS=START, EXPTIME=-999.0).mjd == START  # stands for unknown
    with pytest.raises(UnreadableError, match="the exposure time is '100 s'"):
        exposed(MJD__OBS=START, EXPTIME="100 s")


def test_exposures_with_pauses_have_their_middle_between_first_and_last() -> None:
    middle = exposed(EXPTIME=600, DATE__BEG="2015-04-12T03:00:00", DATE__END="2015-04-12T03:30:00").mjd
    assert middle == pytest.approx(START + 900 / DAY, abs=SECOND)


def test_a_date_of_the_last_century_counts_from_1900() -> None:
    expected = Time("1998-04-12T03:00:00", scale="utc").mjd
    assert exposed(DATE__OBS="12/04/98", UT="03:00:00").mjd == pytest.approx(expected, abs=SECOND)


@pytest.mark.parametrize(
    ("cards", "reasons"),
    [
        ({}, ["none of the keywords", "DATE-OBS", "MJD-OBS", "TAI", "JD"]),
        ({"DATE__OBS": "2015-04-12"}, ["DATE-OBS is '2015-04-12' without an hour", "TIME-OBS", "UTC-OBS", "TAIHMS"]),
        ({"DATE__OBS": "2015-04-12", "UT": 3.0}, ["without an hour", "UT is '3.0'"]),
        ({"DATE__OBS": "12/04/98"}, ["'12/04/98' without an hour"]),
        ({"DATE__OBS": "12/04/1998", "UT": "03:00:00"}, ["'12/04/1998', no date"]),
        ({"DATE__OBS": "yesterday"}, ["DATE-OBS is 'yesterday', no date"]),
        ({"DATE__OBS": "2015-02-30T03:00:00"}, ["'2015-02-30T03:00:00', no date"]),
        ({"DATE__OBS": "2015-04-12T25:00:00"}, ["'25:00:00' o'clock"]),
        ({"DATE__AVG": "2015-04-12", "UT": "03:00:00"}, ["it is not the start"]),
        ({"MJD__OBS": START + 2_400_000.5}, ["MJD-OBS is 2457124.625", "Julian date"]),
        ({"MJD__OBS": START - 50_000}, ["MJD-OBS is 7124.125, no date since 1900"]),
        ({"JD": START}, ["JD is 57124.125, no Julian date"]),
        ({"MJD__OBS": 0, "DATE__OBS": "2015-04-12"}, ["MJD-OBS is 0", "without an hour"]),
        ({"MJD__OBS": START, "TIMESYS": "LOCAL"}, ["TIMESYS is 'LOCAL'"]),
        (
            {"MJD__OBS": START, "DATE__OBS": "2015-04-12T03:05:00"},
            ["MJD-OBS (MJD 57124.12500)", "DATE-OBS (MJD 57124.12847)", "contradict"],
        ),
    ],
)
def test_a_date_that_cannot_be_had_names_what_the_keywords_hold(cards: dict[str, Any], reasons: list[str]) -> None:
    with pytest.raises(UnreadableError) as error:
        exposed(EXPTIME=100.0, **cards)
    for reason in reasons:
        assert reason in str(error.value)


@pytest.mark.parametrize("later", [0.0, 100.0, 155.0])
def test_a_keyword_that_means_the_middle_or_the_end_contradicts_no_start(later: float) -> None:
    date = Time(START, later / DAY, format="mjd", scale="utc").isot
    assert exposed(EXPTIME=100.0, MJD__OBS=START, DATE__OBS=date).mjd == pytest.approx(START, abs=200 / DAY)


def test_each_row_of_a_drift_scan_has_its_own_time() -> None:
    """SDSS: TAI is when the first row was read, the end of its exposure; a row follows each 26.322 milliseconds."""
    cards: dict[str, Any] = {"DATE__OBS": "2001-09-20", "TAIHMS": "06:24:41.19", "TAI": 4507683881.19, "TIMESYS": "TAI"}
    scan = exposed(EXPTIME="53.907456", CCDMODE="DRIFT", C_OBS=26322, **cards)
    read = 4507683881.19 / DAY - 32 / DAY
    assert scan.at(0) == pytest.approx(read - 53.907456 / 2 / DAY, abs=SECOND)
    assert scan.at(1024) == pytest.approx(read, abs=SECOND)
    assert scan.at(1488) == pytest.approx(read + (1488 - 1024) * 0.026322 / DAY, abs=SECOND)
    staring = exposed(EXPTIME="53.907456", CCDMODE="STARING", **cards)
    assert staring.at(1488) == staring.at(0) == pytest.approx(read + 53.907456 / 2 / DAY, abs=SECOND)


@pytest.mark.parametrize("night", [{"MJD": 58004}, {"MJD-OBS": 58004}, {"JD": 2458004}, {"MJD": "58004"}])
def test_the_number_of_a_night_is_no_time_and_contradicts_none(night: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError, match="without an hour"):
        exposed(**night)
    full = exposed(**{"DATE-OBS": "2017-09-07T05:00:00"}, **night)
    assert full.mjd == pytest.approx(58003 + 5 / 24)


def test_the_middle_of_exposures_with_pauses_is_what_the_header_says() -> None:
    known: dict[str, Any] = {"DATE-OBS": "2017-09-07T05:00:00", "DATE-AVG": "2017-09-07T06:30:00", "EXPTIME": 900.0}
    assert exposed(**known).mjd == pytest.approx(58003 + 6.5 / 24)


@pytest.mark.parametrize("scale", ["UTC(NIST)", "UTC (NIST)", "utc"])
def test_a_realisation_of_a_time_scale_is_that_scale(scale: str) -> None:
    assert exposed(MJD__OBS=58003.25, TIMESYS=scale).mjd == pytest.approx(58003.25)
