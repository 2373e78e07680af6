"""ZTF alerts, in Avro packets, nightly tar archives of them, or Parquet: one cutout each, and photometry.

Cutouts exist for detections only. What an alert says of earlier times (`prv_candidates`, `fp_hists`) is photometry
without pixels, and kept as such.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ictconvention.data.sources.alert_files import AlertUnit, alerts_of
from ictconvention.data.sources.fitting import Fitting
from ictconvention.data.sources.flux import nanomaggies_per_count
from ictconvention.data.sources.found import Found, FoundFrame, Measurement, Reject
from ictconvention.data.sources.reading import UnreadableError, gunzipped, image_of, opened_fits

PIXEL_SCALE = 1.01  # [arcsec]
SIDE = 63  # of a cutout [pixels]
BANDS = {1: "g", 2: "r", 3: "i"}  # by fid
JD_OF_MJD = 2400000.5
MOST_CUTOUT = 2**20  # bytes that a cutout may unpack to; one of ZTF's has 19 000
POSITIVE, NEGATIVE = ("t", "1", "true"), ("f", "0", "false")  # isdiffpos: science minus reference, or the reverse
Cutout = Literal["science", "difference"]
CUTOUTS: dict[Cutout, str] = {"science": "cutoutScience", "difference": "cutoutDifference"}


@dataclass(frozen=True, slots=True)
class ZtfOptions:
    """How alerts are read.

    Parameters
    ----------
    folder : Path
        That the names of files are relative to.
    cutout : "science" or "difference"
        Which image. Differences are science minus reference in all frames: the cutout of a negative detection, which
        is the reverse, changes its sign.
    fitting : Fitting
        How the cutouts come to stamps.
    """

    folder: Path
    cutout: Cutout = "science"
    fitting: Fitting = Fitting(sky=True)

    @property
    def pixel_scale(self) -> float:
        """Of the stamps [arcsec]."""
        return PIXEL_SCALE * (2 if self.fitting.how == "bin" else 1)


def read_ztf(options: ZtfOptions, unit: AlertUnit) -> Iterator[Found]:
    """Yield the frame and the photometry of each alert of some files, and a reject for what cannot be read."""
    for place, alert in alerts_of(options.folder, unit, CUTOUTS[options.cutout]):
        if isinstance(alert, Exception):
            yield Reject("", place, str(alert))
            continue
        id_ = str(alert.get("objectId") or "")
        try:
            found: list[Found] = [_frame(options, alert, id_, place), *_photometry(alert, id_)]
        except (ValueError, TypeError) as error:  # UnreadableError is a ValueError
            yield Reject(id_, place, str(error))
            continue
        yield from found


def _frame(options: ZtfOptions, alert: Mapping[str, Any], id_: str, place: str) -> FoundFrame:
    candidate = _field(alert, "candidate", "alert")
    jd, fid = float(_field(candidate, "jd", "candidate")), _field(candidate, "fid", "candidate")
    zero_point = float(_field(candidate, "magzpsci", "candidate"))
    if fid not in BANDS:
        raise UnreadableError(f"unknown band: fid is {fid!r}, not {', '.join(map(str, BANDS))}")
    if not 15 < zero_point < 35:
        raise UnreadableError(f"the zero point magzpsci is {zero_point:g}")
    name = CUTOUTS[options.cutout]
    pixels = cutout_pixels(_field(_field(alert, name, "alert"), "stampData", name))
    stamp = options.fitting.stamp(pixels, zero_point)
    sign = _sign(candidate) if options.cutout == "difference" else 1
    return FoundFrame(
        id_,
        sign * stamp.pixels,
        BANDS[fid],
        jd - JD_OF_MJD,
        place,
        sky_sigma=stamp.sky_sigma,
        x=stamp.x,
        y=stamp.y,
        ra=float(_field(candidate, "ra", "candidate")),
        dec=float(_field(candidate, "dec", "candidate")),
        first_detection=_first_detection(alert, jd) - JD_OF_MJD,
    )


def cutout_pixels(content: bytes) -> np.ndarray[Any, np.dtype[np.floating]]:
    """Return the pixels of a gzip-compressed FITS cutout.

    Raises
    ------
    UnreadableError
        It is damaged, truncated, of another size, or unpacks to more than `MOST_CUTOUT` bytes.
    """
    with opened_fits(gunzipped(content, MOST_CUTOUT)) as hdus:
        pixels, _, _ = image_of(hdus, None)
    if pixels.shape != (SIDE, SIDE):  # at the edge of a chip, where the object is not in its middle
        raise UnreadableError(f"a cutout of {' x '.join(map(str, pixels.shape))} pixels, not {SIDE} x {SIDE}")
    return pixels


def _field(record: Mapping[str, Any], name: str, what: str) -> Any:
    if not isinstance(record, Mapping) or record.get(name) is None:
        raise UnreadableError(f"the {what} lacks {name}")
    return record[name]


def _history(alert: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the records of other times of an alert, none where it has none."""
    records = alert.get(name) or []
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        raise UnreadableError(f"{name} of the alert is no list of records")
    return records


def _sign(record: Mapping[str, Any]) -> int:
    """Return the sign of a detection in the difference of science minus reference."""
    word = str(_field(record, "isdiffpos", "candidate")).lower()
    if word not in POSITIVE + NEGATIVE:
        raise UnreadableError(f"isdiffpos is {word!r}, neither t nor f")
    return 1 if word in POSITIVE else -1


def _first_detection(alert: Mapping[str, Any], jd: float) -> float:
    """Return the earliest detection that an alert and its `prv_candidates` show [JD].

    Not `jdstarthist`, which may be another outburst, or noise, years before.
    """
    detected = [one for one in _history(alert, "prv_candidates") if one.get("candid") is not None]
    return min([jd, *(float(one["jd"]) for one in detected if not _missing(one.get("jd")))])


def _photometry(alert: Mapping[str, Any], id_: str) -> Iterator[Measurement]:
    """Yield what an alert knows of other times, in nanomaggies of science minus reference."""
    for previous in _history(alert, "prv_candidates"):
        if previous.get("fid") not in BANDS or _missing(previous.get("jd")):
            continue
        limit = _flux(previous.get("diffmaglim"))
        flux = error = np.nan
        if np.isfinite(size := _flux(previous.get("magpsf"))) and previous.get("isdiffpos") is not None:
            flux = _sign(previous) * size
            error = size * float(previous.get("sigmapsf") or np.nan) * np.log(10) / 2.5
        kind = "limit" if np.isnan(flux) else "detection"
        yield Measurement(id_, previous["jd"] - JD_OF_MJD, BANDS[previous["fid"]], flux, error, limit, kind)
    for forced in _history(alert, "fp_hists"):
        counts: Any = forced.get("forcediffimflux")
        factor = _flux(forced.get("magzpsci"))
        if forced.get("fid") not in BANDS or _missing(forced.get("jd")) or _missing(counts) or np.isnan(factor):
            continue
        uncertainty: Any = forced.get("forcediffimfluxunc")
        error = np.nan if _missing(uncertainty) else float(uncertainty) * factor
        mjd, band = forced["jd"] - JD_OF_MJD, BANDS[forced["fid"]]
        yield Measurement(id_, mjd, band, float(counts) * factor, error, _flux(forced.get("diffmaglim")), "forced")


def _flux(magnitude: Any) -> float:
    """Return the flux of a magnitude [nanomaggies], NaN where there is none; ZTF marks those by -999 too."""
    return np.nan if _missing(magnitude) or magnitude <= -999 else nanomaggies_per_count(float(magnitude))


def _missing(value: Any) -> bool:
    return value is None or not np.isfinite(value) or value <= -99998  # ZTF's mark of a missing number
