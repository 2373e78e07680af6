"""ZTF alerts, in Avro packets, nightly tar archives of them, or Parquet: one cutout each, and photometry.

Cutouts exist for detections only. The fluxes that an alert has of its own exposure and of earlier ones (`candidate`,
`prv_candidates`, `fp_hists`) are kept as photometry, beside the frames. Cutouts come with north down and east left;
their rows are turned over.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.magnitudes import flux_error
from ictconvention.files.reading import UnreadableError, gunzip, open_fits, read_image
from ictconvention.ingestion.fitting import CutoutOptions, Fitting
from ictconvention.ingestion.found import Found, FoundFrame, Measurement, Reject
from ictconvention.ingestion.headers.calibration import nanomaggies_per_count
from ictconvention.ingestion.readers.alert_files import Alert, AlertSource, AlertUnit, read_alerts
from ictconvention.survey.values import JULIAN_ZERO, flaw_of_times

PIXEL_SCALE = 1.01  # [arcsec]
SIDE = 63  # of a cutout [pixels]
CHIP = {"xpos": 3072, "ypos": 3080}  # sides of a readout quadrant [pixels], by the candidate's place in it
ORIENTATION = "north up, east left"  # of the stamps
TIMES = "UTC, start of the exposure"  # of the frames: the alert's jd
BANDS = {1: "g", 2: "r", 3: "i"}  # by fid
MOST_CUTOUT = 2**20  # bytes that a cutout may unpack to; one of ZTF's has 19 000
POSITIVE, NEGATIVE = ("t", "1", "true"), ("f", "0", "false")  # isdiffpos: science minus reference, or the reverse
Cutout = Literal["science", "difference"]
CUTOUTS: dict[Cutout, str] = {"science": "cutoutScience", "difference": "cutoutDifference"}
DETECTED = ("jd", "fid", "magpsf", "sigmapsf", "diffmaglim", "isdiffpos")  # what a detection says of itself
OF_RUBIN = "an alert of Rubin, not of ZTF: take ictconvention ingest rubin"
ALERTS = AlertSource(
    "ingest ztf",
    {
        "objectId": None,
        "candidate": (*DETECTED, "magzpsci", "ra", "dec", "xpos", "ypos"),
        "prv_candidates": (*DETECTED, "candid"),
        "fp_hists": ("jd", "fid", "forcediffimflux", "forcediffimfluxunc", "magzpsci", "diffmaglim", "procstatus"),
        "cutoutScience": ("stampData",),
        "cutoutDifference": ("stampData",),
    },
    dict.fromkeys(("diaSource", "diaSourceId", "diaObject", "diaObjectId"), OF_RUBIN),
)


@dataclass(frozen=True, slots=True)
class ZtfOptions(CutoutOptions):
    """How alerts are read; the zero point is that of alerts without magzpsci, as those of ZTF's first months are.

    Parameters
    ----------
    cutout : "science" or "difference"
        Which image. Differences are science minus reference in all frames: the cutout of a negative detection, which
        is the reverse, changes its sign.
    """

    fitting: Fitting = Fitting(sky=True)
    cutout: Cutout = "science"


def read_ztf(options: ZtfOptions, unit: AlertUnit) -> Iterator[Found]:
    """Yield the frame and the photometry of each alert of some files, and a reject for what cannot be read."""
    for place, alert in read_alerts(options.folder, unit, ALERTS, CUTOUTS[options.cutout]):
        if isinstance(alert, Exception):
            yield Reject("", place, str(alert))
        else:
            yield from take_ztf(options, alert, place)


def take_ztf(options: ZtfOptions, alert: Alert, place: str) -> Iterator[Found]:
    """Yield the frame and the photometry of an alert, found at a place; or a reject for what cannot be read."""
    id_ = str(alert.get("objectId") or "").strip()
    try:
        frame = _frame(options, alert, id_, place)
    except (ValueError, TypeError) as error:  # UnreadableError is a ValueError
        yield Reject(id_, place, str(error))
        return
    yield frame
    yield from _photometry(alert, id_, place)


def _frame(options: ZtfOptions, alert: Alert, id_: str, place: str) -> FoundFrame:
    _field(alert, "objectId", "alert")
    candidate = _field(alert, "candidate", "alert")
    jd, fid = float(_field(candidate, "jd", "candidate")), _field(candidate, "fid", "candidate")
    if fid not in BANDS:
        raise UnreadableError(f"unknown band: fid is {fid!r}, not {', '.join(map(str, BANDS))}")
    name = CUTOUTS[options.cutout]
    pixels = cutout_pixels(_field(_field(alert, name, "alert"), "stampData", name), candidate)
    x, y = (_from_middle(candidate.get(axis)) for axis in ("xpos", "ypos"))
    stamp = options.fitting.stamp(pixels[::-1], _zero_point(options, candidate), place=(x, -y))
    sign = _sign(candidate) if options.cutout == "difference" else 1
    return FoundFrame(
        id_,
        sign * stamp.pixels,
        BANDS[fid],
        jd - JULIAN_ZERO,
        place,
        sky_sigma=stamp.sky_sigma,
        x=stamp.x,
        y=stamp.y,
        ra=float(_field(candidate, "ra", "candidate")),
        dec=float(_field(candidate, "dec", "candidate")),
        first_detection=_first_detection(alert, jd) - JULIAN_ZERO,
    )


def cutout_pixels(content: bytes, candidate: Alert) -> NDArray[np.floating]:
    """Return the pixels of a gzip-compressed FITS cutout, (63, 63), as they are packed: north down, east left.

    A cutout that was cut off at the edge of its chip is completed by NaN on the side where the candidate says so.

    Raises
    ------
    UnreadableError
        It is damaged, truncated, of another size, or unpacks to more than `MOST_CUTOUT` bytes.
    """
    with open_fits(gunzip(content, MOST_CUTOUT)) as hdus:
        pixels, _, _ = read_image(hdus, None)
    size = f"a cutout of {' x '.join(map(str, pixels.shape))} pixels, not {SIDE} x {SIDE}"
    if pixels.ndim != 2 or max(pixels.shape) > SIDE:
        raise UnreadableError(size)
    width = []
    for side, axis in zip(pixels.shape, ("ypos", "xpos"), strict=True):
        lost = SIDE - side
        centre: Any = candidate.get(axis)
        if lost and (centre is None or not np.isfinite(centre)):
            raise UnreadableError(f"{size}, and no {axis} tells which edge cut it off")
        centre = round(centre) if lost else 0
        below, above = SIDE // 2 + 1 - centre, centre + SIDE // 2 - CHIP[axis]  # pixels count from 1
        if lost and abs(max(below, above) - lost) > 1:
            raise UnreadableError(f"{size}, and {axis} {centre} is not that near to an edge")
        width.append((lost, 0) if below > above else (0, lost))
    return np.pad(pixels, width, constant_values=np.nan)


def _from_middle(position: Any) -> float:
    """Return where a place lies from the cutout's middle pixel, the one nearest to it [pixels]; 0 where unknown."""
    return 0.0 if position is None or not np.isfinite(position) else float(position - round(position))


def _zero_point(options: ZtfOptions, candidate: Alert) -> float:
    """Return the zero point of a science image [AB mag]."""
    given: Any = candidate.get("magzpsci")
    if _missing(given) or given <= -999:
        given = options.zero_point
    if given is None:
        raise UnreadableError("no zero point: the candidate lacks magzpsci; give --zero-point")
    if not 15 < given < 35:
        raise UnreadableError(f"the zero point magzpsci is {given:g}")
    return float(given)


def _field(record: Alert, name: str, what: str) -> Any:
    if not isinstance(record, Mapping) or record.get(name) is None:
        raise UnreadableError(f"the {what} lacks {name}")
    return record[name]


def _history(alert: Alert, name: str) -> list[Any]:
    """Return the records of other times of an alert, none where it has none."""
    records = alert.get(name)
    return records if isinstance(records, list) else []


def _sign(record: Alert) -> int:
    """Return the sign of a detection in the difference of science minus reference."""
    word = str(_field(record, "isdiffpos", "candidate")).lower()
    if word not in POSITIVE + NEGATIVE:
        raise UnreadableError(f"isdiffpos is {word!r}, neither t nor f")
    return 1 if word in POSITIVE else -1


def _first_detection(alert: Alert, jd: float) -> float:
    """Return the earliest detection that an alert and its `prv_candidates` show [JD].

    Not `jdstarthist`, which may be another outburst, or noise, years before.
    """
    earliest = jd
    for one in _history(alert, "prv_candidates"):
        try:
            earliest = min(earliest, _mjd(one) + JULIAN_ZERO) if one.get("candid") is not None else earliest
        except (AttributeError, ValueError, TypeError):
            continue  # it is reported with the photometry
    return earliest


def _photometry(alert: Alert, id_: str, place: str) -> Iterator[Measurement | Reject]:
    """Yield what an alert measures, in nanomaggies of science minus reference; what is flawed is named.

    The newest flux, of the alert's own exposure, is in its candidate; those of other times are in lists.
    """
    read: dict[str, Callable[[Alert, str], Measurement | None]] = {
        "candidate": _newest,
        "prv_candidates": _earlier,
        "fp_hists": _forced,
    }
    for name, measured in read.items():
        own = name == "candidate"
        records = [alert[name]] if own else _history(alert, name)
        if not own and alert.get(name) and not isinstance(alert[name], list):
            yield Reject(id_, f"{place}[{name}]", "photometry left out: this is not a list", flaw=False)
        for number, record in enumerate(records):
            try:
                if (found := measured(record, id_)) is not None:
                    yield found
            except (AttributeError, ValueError, TypeError) as error:  # UnreadableError is a ValueError
                yield Reject(id_, f"{place}[{name} {number}]", f"photometry left out: {error}", flaw=False)


def _newest(record: Alert, id_: str) -> Measurement | None:
    """Return the detection that an alert is of; None where its candidate has no flux, or no time, as its frame."""
    if np.isnan(_flux(record, "magpsf")) or flaw_of_times(np.array([float(record["jd"]) - JULIAN_ZERO])):
        return None
    return _earlier(record, id_)


def _earlier(record: Alert, id_: str) -> Measurement:
    """Return a detection or a limit of `prv_candidates`."""
    mjd, band = _mjd(record), _band(record)
    limit, size = _flux(record, "diffmaglim"), _flux(record, "magpsf")
    if np.isnan(size) or record.get("isdiffpos") is None:
        return Measurement(id_, mjd, band, np.nan, np.nan, limit, "limit")
    error = flux_error(size, float(record.get("sigmapsf") or np.nan))
    return Measurement(id_, mjd, band, _sign(record) * size, error, limit, "detection")


def _forced(record: Alert, id_: str) -> Measurement | None:
    """Return a measurement of `fp_hists`; None where the record has none."""
    counts: Any = record.get("forcediffimflux")
    factor = _flux(record, "magzpsci")
    if _missing(counts) or np.isnan(factor):
        return None
    uncertainty: Any = record.get("forcediffimfluxunc")
    error = np.nan if _missing(uncertainty) else float(uncertainty) * factor
    status = str(record.get("procstatus") or "0").strip()
    flag = "" if status == "0" else f"procstatus {status}"
    limit = _flux(record, "diffmaglim")
    return Measurement(id_, _mjd(record), _band(record), float(counts) * factor, error, limit, "forced", flag)


def _mjd(record: Alert) -> float:
    jd: Any = record.get("jd")
    if _missing(jd):
        raise UnreadableError("no date")
    mjd = float(jd) - JULIAN_ZERO
    if flaw := flaw_of_times(np.array([mjd])):
        raise UnreadableError(flaw.found)
    return mjd


def _band(record: Alert) -> str:
    if record.get("fid") not in BANDS:
        raise UnreadableError(f"unknown band: fid is {record.get('fid')!r}")
    return BANDS[record["fid"]]


def _flux(record: Alert, name: str) -> float:
    """Return the flux of a magnitude [nanomaggies], NaN where there is none; ZTF marks those by -999 too."""
    magnitude: Any = record.get(name)
    if _missing(magnitude) or magnitude <= -999:
        return np.nan
    if not 0 < magnitude < 40:
        raise UnreadableError(f"{name} is {magnitude:g}, no magnitude")
    return nanomaggies_per_count(float(magnitude))


def _missing(value: Any) -> bool:
    return value is None or not np.isfinite(value) or value <= -99998  # ZTF's mark of a missing number
