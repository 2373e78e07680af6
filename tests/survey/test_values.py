"""The rules for values, each at its limits."""

import numpy as np
import pytest

from ictconvention.survey.values import (
    flaw_of_id,
    flaw_of_number,
    flaw_of_pixels,
    flaw_of_positive,
    flaw_of_precision,
    flaw_of_times,
)


@pytest.mark.parametrize(
    ("mjd", "fact"),
    [
        (15_000.0, None),
        (400_000.0, None),
        (14_999.9, "15000"),
        (-1.0, "1858"),
        (2_460_000.5, "2400000.5"),
        (450_000.0, "2954"),
        (1_677_290_640.0, "1970"),
        (np.nan, "MJD"),
        (np.inf, "MJD"),
    ],
)
def test_a_time_that_is_no_mjd_is_named_by_what_it_is(mjd: float, fact: str | None) -> None:
    flaw = flaw_of_times(np.array([58_000.0, mjd]))
    assert (flaw is None) == (fact is None)
    if flaw is not None and fact is not None:
        assert flaw.code == "E-VALUE-TIME"
        assert fact in f"{flaw.found}; {flaw.fix}"


@pytest.mark.parametrize(
    ("times", "coarse"),
    [
        (np.array([60_000.3]), False),
        (np.array([60_000.3], dtype="f4"), True),
        (np.array([60_000.0], dtype=">f4"), True),
        (np.array([15_000.0], dtype="f4"), True),
        (np.array([8_000.0], dtype="f4"), False),  # as npz files count their times
        (np.array([60_000]), False),
        (np.array([np.nan], dtype="f4"), False),
    ],
)
def test_a_type_that_cannot_tell_exposures_apart_is_refused(times: np.ndarray, coarse: bool) -> None:
    assert (flaw_of_precision("mjd", times) is not None) == coarse


def test_the_precision_is_said_in_minutes() -> None:
    flaw = flaw_of_precision("mjd", np.array([60_000.3], dtype="f4"))
    assert flaw is not None
    assert flaw.code == "E-VALUE-PRECISION"
    assert all(fact in flaw.found for fact in ("float32", "60000", "5.6 minutes"))


@pytest.mark.parametrize(
    "id_", ["", " a", "a\n", "nan", "None", "--", "N/A", "1.69e+17", "1.69E17", "169830580431093809.0", 2.0**53, None]
)
def test_what_is_no_name_is_no_id(id_: object) -> None:
    assert flaw_of_id(id_) is not None


@pytest.mark.parametrize("id_", ["a", "1e5", "12e34", "123.0", "169830580431093809", 123.0, 2.0**53 - 1, 7, "Nana"])
def test_what_may_be_a_name_is_one(id_: object) -> None:
    assert flaw_of_id(id_) is None


@pytest.mark.parametrize("value", [-9.0, -99.0, -999.0, 99.0, 9999.0])
@pytest.mark.parametrize("name", ["redshift", "dec", "psf_fwhm"])
def test_marks_of_something_missing_are_no_values(name: str, value: float) -> None:
    assert (flaw_of_number(name, value) is None) == (name == "dec" and value == -9.0)
    assert flaw_of_number(name, np.nan) is None


@pytest.mark.parametrize(
    ("value", "sound"), [(1.0, True), (np.nan, True), (0.0, False), (-1.0, False), (np.inf, False)]
)
@pytest.mark.parametrize("name", ["psf_fwhm", "sky_sigma", "gain"])
def test_seeing_noise_and_gain_are_positive(name: str, value: float, sound: bool) -> None:
    assert (flaw_of_positive(name, np.array([1.0, value])) is None) == sound


def test_a_frame_without_a_pixel_is_named() -> None:
    frames = np.zeros((3, 4, 4))
    frames[:, 0] = np.nan
    assert flaw_of_pixels(frames) is None
    frames[2] = np.inf
    flaw = flaw_of_pixels(frames)
    assert flaw is not None
    assert flaw.code == "E-VALUE-PIXELS"
    assert "frame 2" in flaw.found
