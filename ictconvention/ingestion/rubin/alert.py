"""What a record of a Rubin alert says of a detection: whose it is, when, in which band, and what is against it.

Fields are taken by name, so that schemas 7 to 11 are read alike, from Avro and from the Parquet of brokers.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.found import UNKNOWN
from ictconvention.ingestion.readers.alert_files import Alert, AlertSource

BANDS = ("u", "g", "r", "i", "z", "y")
TIMES = "TAI, middle of the exposure: midpointMjdTai of the alerts; UTC is 37 s less"
MOVING = "a moving source: an alert with ssObjectId and no diaObjectId"
EXACT = 2**53  # the whole numbers up to here are doubles
FLAGS = (  # a detection with one of these is none, or has no flux
    "psfFlux_flag",
    "centroid_flag",
    "pixelFlags_nodataCenter",
    "pixelFlags_saturatedCenter",
    "pixelFlags_offimage",
    "pixelFlags_injectedCenter",  # an artificial source
    "pixelFlags_injected_templateCenter",
)
WITHDRAWN = "timeWithdrawnMjdTai"
MEASURED = ("midpointMjdTai", "band", "psfFlux", "psfFluxErr", WITHDRAWN)
OF_ZTF = "an alert of ZTF, not of Rubin: take ictconvention ingest ztf"
ALERTS = AlertSource(
    "ingest rubin",
    {
        "diaSourceId": None,
        "diaSource": (*MEASURED, "diaObjectId", "ssObjectId", "ra", "dec", "ixxPSF", "iyyPSF", "reliability", *FLAGS),
        "diaObject": ("diaObjectId", "ra", "dec"),
        "prvDiaSources": (*MEASURED, "reliability", *FLAGS),
        "prvDiaForcedSources": MEASURED,
        "prvDiaNondetectionLimits": ("midpointMjdTai", "band", "diaNoise"),
        "cutoutScience": None,
        "cutoutDifference": None,
    },
    dict.fromkeys(("objectId", "candidate", "candid"), OF_ZTF),
)


def read_id(alert: Alert) -> str | None:
    """Return the id of an alert's object, as text; None of a moving source.

    Raises
    ------
    UnreadableError
        It has neither id, two, or only one that lost its digits as a double.
    """
    records = [one for name in ("diaSource", "diaObject") if isinstance(one := alert.get(name), Mapping)]
    given: list[Any] = [_from_text(one.get("diaObjectId")) for one in records]
    ids = {int(one) for one in given if not _is_nothing(one) and _is_exact(one)}
    if len(ids) > 1:
        raise UnreadableError(f"two diaObjectIds: {', '.join(map(str, sorted(ids)))}")
    if ids:
        return str(ids.pop())
    if unusable := [one for one in given if not _is_nothing(one)]:
        raise UnreadableError(f"diaObjectId is {unusable[0]!r}: no id, or a double, which has lost its last digits")
    if all(_is_nothing(_from_text(one.get("ssObjectId"))) for one in records):
        raise UnreadableError("the alert has neither diaObjectId nor ssObjectId")
    return None


def _from_text(value: Any) -> Any:
    """Return a whole number that was written as text, as some do to keep its digits; anything else as it is."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def _is_nothing(value: Any) -> bool:
    return value is None or value == 0 or value != value  # a NaN is unlike itself


def _is_exact(value: Any) -> bool:
    return isinstance(value, int | np.integer) or (isinstance(value, float) and value.is_integer() and value < EXACT)


def flags_of(record: Alert) -> list[str]:
    """Return what is against a detection: the flags that are set, and a withdrawal."""
    return [name for name in FLAGS if record.get(name)] + (["withdrawn"] if is_withdrawn(record) else [])


def is_withdrawn(record: Alert) -> bool:
    """Return whether Rubin has taken a measurement back."""
    return not _is_nothing(record.get(WITHDRAWN))


def time_of(record: Alert) -> float:
    """Return the middle of the exposure [MJD, TAI]."""
    mjd = number_of(record, "midpointMjdTai")
    if not 0 < mjd < 1e6:
        raise UnreadableError(f"midpointMjdTai is {record.get('midpointMjdTai')!r}")
    return mjd


def band_of(record: Alert) -> str:
    """Return the band."""
    if (band := record.get("band")) not in BANDS:
        raise UnreadableError(f"unknown band: {band!r}, not one of {', '.join(BANDS)}")
    return str(band)


def number_of(record: Alert, name: str) -> float:
    """Return a number of a record, NaN where it is null."""
    value = record.get(name)
    return UNKNOWN if value is None else float(value)


def place_of_object(alert: Alert, source: Alert) -> tuple[float, float]:
    """Return the position of an alert's object, by its detections until then, or of the detection alone [deg]."""
    of_object = alert.get("diaObject")
    for record in (of_object if isinstance(of_object, Mapping) else {}, source):
        ra, dec = number_of(record, "ra"), number_of(record, "dec")
        if 0 <= ra <= 360 and -90 <= dec <= 90:
            return ra, dec
    raise UnreadableError("the alert has no position")
