"""What a Rubin alert measures: detections, its own too, forced photometry and limits; and the first detection."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.found import Measurement, Reject
from ictconvention.ingestion.readers.alert_files import Alert
from ictconvention.ingestion.rubin.alert import band_of, flags_of, is_withdrawn, number_of, time_of
from ictconvention.ingestion.rubin.cutouts import NANOJANSKY

SIGMAS = 5  # of a limit


def read_photometry(alert: Alert, id_: str, place: str, least: float) -> Iterator[Measurement | Reject]:
    """Yield what an alert measures, in nanomaggies of science minus template; what is flawed is named.

    The newest flux, of the alert's own exposure, is that of its diaSource; those of other times are in lists.

    Parameters
    ----------
    alert : mapping
        Of an object.
    id_, place : str
        Of the object, and where the alert is.
    least : float
        Detections of a lower reliability are flagged.
    """
    read: dict[str, Callable[[Alert], Measurement | None]] = {
        "diaSource": lambda record: _detection(record, id_, least),
        "prvDiaSources": lambda record: _detection(record, id_, least),
        "prvDiaForcedSources": lambda record: _forced(record, id_),
        "prvDiaNondetectionLimits": lambda record: _limit(record, id_),
    }
    for name, measured in read.items():
        own = name == "diaSource"
        if not own and alert.get(name) and not isinstance(alert[name], list):
            yield Reject(id_, f"{place}[{name}]", "photometry left out: this is not a list", flaw=False)
        for number, record in enumerate([alert[name]] if own else _records(alert, name)):
            try:
                found = None if is_withdrawn(record) else measured(record)
            except (AttributeError, ValueError, TypeError) as error:  # UnreadableError is a ValueError
                yield Reject(id_, f"{place}[{name} {number}]", f"photometry left out: {error}", flaw=False)
                continue
            if found is not None:
                yield found


def first_detection(alert: Alert, mjd: float, least: float) -> float:
    """Return the earliest detection that an alert and its `prvDiaSources` show [MJD, TAI].

    Detections with a flag, withdrawn, or of a reliability below `least` do not count. Not `firstDiaSourceMjdTai`,
    which is null in what brokers give.
    """
    earliest = mjd
    for record in _records(alert, "prvDiaSources"):
        try:
            if not (flags_of(record) or is_doubtful(record, least)):
                earliest = min(earliest, time_of(record))
        except (AttributeError, ValueError, TypeError):
            continue  # it is reported with the photometry
    return earliest


def is_doubtful(record: Alert, least: float) -> bool:
    """Return whether a detection's reliability is below the least, or unknown where there is one."""
    return least > 0 and not number_of(record, "reliability") >= least


def _detection(record: Alert, id_: str, least: float) -> Measurement | None:
    flags = flags_of(record) + (["reliability"] if is_doubtful(record, least) else [])
    return _measured(record, id_, "detection", " ".join(flags))


def _forced(record: Alert, id_: str) -> Measurement | None:
    return _measured(record, id_, "forced", "")


def _measured(record: Alert, id_: str, kind: str, flag: str) -> Measurement | None:
    """Return a measurement with its limit, 5 times its error; None where its flux is null, as at a chip's edge."""
    flux, error = number_of(record, "psfFlux"), number_of(record, "psfFluxErr")
    if np.isnan(flux):
        return None
    if error <= 0:
        raise UnreadableError(f"psfFluxErr is {error:g}")
    limit = SIGMAS * error * NANOJANSKY
    return Measurement(id_, time_of(record), band_of(record), flux * NANOJANSKY, error * NANOJANSKY, limit, kind, flag)


def _limit(record: Alert, id_: str) -> Measurement:
    """Return a non-detection of schema 7, whose limit stays unknown: no schema says what `diaNoise` is, or its unit.

    Later schemas have forced photometry in its place.
    """
    flag = f"diaNoise {number_of(record, 'diaNoise'):g}"
    return Measurement(id_, time_of(record), band_of(record), np.nan, np.nan, np.nan, "limit", flag)


def _records(alert: Alert, name: str) -> list[Any]:
    """Return the records of other times of an alert, none where it has none."""
    records = alert.get(name)
    return [one if isinstance(one, Mapping) else {} for one in records] if isinstance(records, list) else []
