"""When an image was exposed, from its header: the middle of the exposure, as MJD in UTC, or the reason why not.

A date without an hour and a placeholder (0, -999, a year before 1900) are passed over, a time in another scale
(TIMESYS) is converted, and two keywords that contradict each other are refused.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from astropy.time import Time

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.headers.headers import EXPOSURE_KEYS, Headers
from ictconvention.survey.values import EARLIEST_MJD, JULIAN_ZERO, LATEST_MJD

MEANING = "UTC, middle of the exposure"  # of the times of frames from CCD images
DAY = 86_400.0  # [s]
LONGEST = 0.5  # [days] from the start to the middle of the exposures of a night
SAME = 60.0  # [s]; times that differ by more than the exposure and this contradict each other
DRIFT_ROWS = 2048  # rows that an object crosses in SDSS's camera during the exposure
HOUR_KEYS = ("TIME-OBS", "TIME-BEG", "UTC-OBS", "UTSTART", "UT-START", "UTC", "UT", "TAIHMS")
DATE_KEYS = {"DATE-AVG": "middle", "DATE-MID": "middle", "DATE-BEG": "start", "DATE-OBS": "start", "DATE-END": "end"}
MJD_KEYS = {"MJD-AVG": "middle", "MJD-MID": "middle", "MJD-BEG": "start", "MJD-OBS": "start", "MJD_OBS": "start",
            "MJD-END": "end"}  # fmt: skip
LOOSE_KEYS = dict.fromkeys(("OBSMJD", "MJD", "JD", "JD-OBS", "OBSJD"), "start")  # no standard has them
SCALES = {"UTC": "utc", "UT": "utc", "GMT": "utc", "UT1": "utc", "TAI": "tai", "IAT": "tai", "TT": "tt", "TDT": "tt",
          "ET": "tt", "TDB": "tdb", "TCB": "tcb", "TCG": "tcg"}  # fmt: skip
_DATE = re.compile(r"(\d{4})[-/](\d\d?)[-/](\d\d?)")
_OLD_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d)")  # day, month and year of the 20th century, as FITS had it until 1999
_MIDNIGHT = re.compile(r"00:00:00(\.0*)?")  # beside another hour, what software makes of a date without one
_HOUR = re.compile(r"(\d\d?)[: ](\d\d?)(?:[: ](\d\d?(?:\.\d*)?))?\s*(Z|UTC?|[+-]\d\d:?(?:\d\d)?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exposure:
    """When the pixels of an image were exposed.

    Parameters
    ----------
    mjd : float
        The middle of the exposure of the first row [MJD, UTC].
    per_row : float
        How much later that of the next row is [days]: in a drift scan alone, else 0.
    """

    mjd: float
    per_row: float = 0.0

    def at(self, row: float) -> float:
        """Return the middle of the exposure of a row, counted from 0 [MJD, UTC]."""
        return self.mjd + max(row, 0.0) * self.per_row


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time that a keyword tells: which, what it says of the exposure, and the time [MJD, UTC]."""

    keys: str
    of: str
    mjd: float

    def middle(self, exposure: float) -> float:
        half = {"start": 0.5, "middle": 0.0, "end": -0.5}[self.of]
        return self.mjd + half * exposure / DAY


class _NoTimeError(ValueError):
    """What a keyword holds is not a time; the text says why."""


def read_exposure(headers: Headers) -> Exposure:
    """Return when an image was exposed.

    Where the exposure time is unknown, it is the time from start to end, or nothing. In a drift scan of SDSS (CCDMODE
    DRIFT), TAI is when the first row was read: the end of its exposure; each later row was exposed a little later.

    Raises
    ------
    UnreadableError
        No keyword tells the time: naming those tried and what they hold; or two contradict each other.
    """
    scale = re.split(r"[\s(]", headers.text("TIMESYS"))  # a realisation may follow, as in UTC(NIST)
    if scale[0] and scale[0].upper() not in SCALES:
        raise UnreadableError(f"TIMESYS is {headers.text('TIMESYS')!r}: the time scale is unknown")
    tried: list[str] = []
    moments = list(_moments(headers, SCALES[scale[0].upper()] if scale[0] else "utc", tried))
    if not moments:
        keys = ", ".join(("TAI", *MJD_KEYS, *DATE_KEYS, *LOOSE_KEYS))
        found = "; ".join(tried) or f"none of the keywords {keys} is there"
        raise UnreadableError(f"no date: {found}; and no column mjd")
    start, end = (next((moment.mjd for moment in moments if moment.of == of), math.nan) for of in ("start", "end"))
    span = (end - start) * DAY if 0 < end - start < 1 else 0.0  # [s] from the first to the last moment
    exposure = span if math.isnan(headers.exposure) else headers.exposure
    if math.isnan(headers.number(*EXPOSURE_KEYS)) and (held := headers.text(*EXPOSURE_KEYS)):
        raise UnreadableError(f"the exposure time is {held!r}, no number of seconds")
    best = min(moments, key=lambda moment: ("middle", "start", "end").index(moment.of))
    middle = best.middle(exposure)
    if best.of == "start" and span > exposure + SAME:  # several exposures with pauses
        middle = (start + end) / 2
    for other in moments:
        if best.of == "middle" and other.of == "start" and 0 <= best.mjd - other.mjd < LONGEST:
            continue  # of several exposures together
        if abs(other.middle(exposure) - middle) * DAY > max(exposure, span) + SAME:
            both = f"{best.keys} (MJD {best.mjd:.5f}) and {other.keys} (MJD {other.mjd:.5f})"
            raise UnreadableError(f"two dates, {both}: they contradict each other; the column mjd may say which holds")
    if headers.text("CCDMODE").upper() != "DRIFT" or "TAI" not in best.keys:
        return Exposure(middle)
    clock = headers.number("C_OBS")  # [microseconds] a row
    row = clock * 1e-6 if clock > 0 else exposure / DRIFT_ROWS
    return Exposure(best.mjd - exposure / 2 / DAY, row / DAY)  # it was read, and its exposure over, at that time


def _moments(headers: Headers, scale: str, tried: list[str]) -> Iterator[_Moment]:
    """Yield the times that the keywords tell, and add to a list why others tell none."""
    if headers.value("TAI") is not None:
        seconds = headers.number("TAI")
        try:
            yield _Moment("TAI", "start", _utc(_checked_mjd(seconds / DAY, seconds), "tai"))
        except _NoTimeError as error:
            tried.append(f"TAI {error}")
    for key, of in (MJD_KEYS | DATE_KEYS | LOOSE_KEYS).items():
        if headers.value(key) is not None:
            try:
                keys, mjd = (_dated if key in DATE_KEYS else _counted)(headers, key, scale)
                yield _Moment(keys, of, mjd)
            except _NoTimeError as error:
                tried.append(f"{key} {error}")


def _counted(headers: Headers, key: str, scale: str) -> tuple[str, float]:
    """Return the keyword of a count of days, and the time [MJD, UTC]."""
    number, julian = headers.number(key), "JD" in key and "MJD" not in key
    if re.fullmatch(r"[+-]?\d+", headers.text(key)) and number >= EARLIEST_MJD:  # as some number their nights
        raise _NoTimeError(f"is {headers.text(key)}, a day without an hour")
    if math.isnan(number):
        raise _NoTimeError(f"is {headers.text(key)!r}, no number")
    if julian and number < JULIAN_ZERO + EARLIEST_MJD:
        raise _NoTimeError(f"is {number:.10g}, no Julian date since 1900")
    return key, _utc(_checked_mjd(number - JULIAN_ZERO if julian else number, number), scale)


def _checked_mjd(mjd: float, held: float) -> float:
    if math.isnan(mjd) or mjd < EARLIEST_MJD:
        raise _NoTimeError(f"is {held:.10g}, no date since 1900")
    if mjd > LATEST_MJD:
        raise _NoTimeError(f"is {held:.10g}, which looks like a Julian date")
    return mjd


def _dated(headers: Headers, key: str, scale: str) -> tuple[str, float]:
    """Return the keywords that make up a date, and the time [MJD, UTC]."""
    text = headers.text(key)
    if match := _DATE.match(text):
        year, month, day = map(int, match.groups())
    elif match := _OLD_DATE.fullmatch(text):
        day, month, year = (int(part) for part in match.groups())
        year += 1900
    else:
        raise _NoTimeError(f"is {text!r}, no date")
    try:
        mjd = date(year, month, day).toordinal() - date(1858, 11, 17).toordinal()
    except ValueError:
        raise _NoTimeError(f"is {text!r}, no date") from None
    _checked_mjd(mjd, mjd)
    keys, hour = key, text[match.end() :].lstrip("T ")
    begins = key in ("DATE-OBS", "DATE-BEG")  # the hours are those of the start
    found = next((other for other in HOUR_KEYS if begins and _HOUR.fullmatch(headers.text(other))), None)
    if not hour or (_MIDNIGHT.fullmatch(hour) and found):
        if found is None:
            held = [f"{other} is {headers.text(other)!r}" for other in HOUR_KEYS if headers.text(other)]
            none = f"and {', '.join(held)}" if held else f"and none of {', '.join(HOUR_KEYS)} is there"
            raise _NoTimeError(f"is {text!r} without an hour, {none if begins else 'and it is not the start'}")
        keys, hour = f"{key} with {found}", headers.text(found)
        scale = "tai" if found == "TAIHMS" else scale if found == "TIME-OBS" else "utc"
    clock = _HOUR.fullmatch(hour)
    if clock is None:
        raise _NoTimeError(f"is {text!r}, no date with an hour")
    hours, minutes, seconds, zone = int(clock[1]), int(clock[2]), float(clock[3] or 0), (clock[4] or "").upper()
    if hours > 23 or minutes > 59 or seconds >= 61:
        raise _NoTimeError(f"is {hour!r} o'clock")
    mjd_hour = mjd + (hours * 3600 + minutes * 60 + seconds) / DAY
    if zone:
        digits = re.sub(r"\D", "", zone).ljust(4, "0")
        sign = -1 if zone.startswith("-") else 1
        return keys, mjd_hour - sign * (int(digits[:2]) * 60 + int(digits[2:])) / 1440
    return keys, _utc(mjd_hour, scale)


def _utc(mjd: float, scale: str) -> float:
    return mjd if scale == "utc" else float(Time(mjd, format="mjd", scale=scale).utc.mjd)
