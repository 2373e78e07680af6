"""Read real light curves to be painted into stamps: tables of one row per measurement, and ragged npz files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import (
    SurveyError,
    UsageError,
    did_you_mean,
    find_repeated,
    pluralize,
    readable_os_errors,
    shorten,
)
from ictconvention.core.magnitudes import flux_error, nanomaggies
from ictconvention.core.plain_file import open_plain
from ictconvention.files.reading import UnreadableError, npz_arrays
from ictconvention.files.user_table import read_id, read_number, read_objects, read_text, read_user_table
from ictconvention.simulation.sdss.passbands import BANDS
from ictconvention.simulation.sdss.strata import CLASSES
from ictconvention.survey.values import flaw_of_fluxes, flaw_of_number, flaw_of_precision, flaw_of_times

LEAST_POINTS = 5
FLUXCAL_ZERO_POINT = 27.5  # [AB mag] of the unit of fluxcal
NPZ_EPOCH = 53000.0  # [MJD] that npz files count their times from
MISSING = (5.0, 35.0)  # magnitudes in npz files that are not between these are missing
OF_HOSTS = ("redshift", "host_r", "host_separation")
FORMATS = (".ecsv", ".parquet", ".csv", ".fits", ".npz")


@dataclass(frozen=True)
class RealCurve:
    """One real light curve.

    Parameters
    ----------
    id : str
        Its object.
    class_name : str
        One of `CLASSES`.
    mjd, band, flux, error : arrays (n,)
        Times [days], positions in ugriz, fluxes and errors [nanomaggies], in time order.
    redshift, host_r, host_separation : float or None
        Redshift; r magnitude [AB mag] and distance [arcsec] of the host; where known.
    """

    id: str
    class_name: str
    mjd: NDArray[np.float64]
    band: NDArray[np.int64]
    flux: NDArray[np.float64]
    error: NDArray[np.float64]
    redshift: float | None = None
    host_r: float | None = None
    host_separation: float | None = None


def read_light_curves(sources: Sequence[str]) -> list[RealCurve]:
    """Read files of light curves.

    Parameters
    ----------
    sources : sequence of str
        Each a file, or 'CLASS=file' for a file without a class column. A table (ecsv, parquet, csv, fits) has one row
        per measurement: id, class, mjd, band (u, g, r, i, z), flux [nanomaggies] or mag [AB], error (of the same),
        and if known redshift, host_r, host_separation. An npz holds `offset` and either mjd, mag, err of shape (n, 5),
        or mjd, band, fluxcal, fluxcalerr; times count from MJD 53000.

    Raises
    ------
    UsageError
        When a name is not a file of light curves, or the class is unknown.
    SurveyError
        When columns, bands, classes or values are wrong, naming file and objects.
    """
    curves: list[RealCurve] = []
    for source in sources:
        name, _, file = source.rpartition("=")
        path = Path(file)
        if name and name not in CLASSES:
            known = f"choose {', '.join(CLASSES)}"
            raise UsageError(
                f"class {name!r} is unknown{did_you_mean(name, CLASSES)}", source, known, "E-CLASS-UNKNOWN"
            )
        if path.suffix not in FORMATS:
            found = f"{path.suffix or 'no ending'!r} is not a format of light curves"
            raise UsageError(found, source, f"give a file that ends in {', '.join(FORMATS)}", "E-FILES-ENDING")
        with readable_os_errors("reading the light curves", path):
            open_plain(path).close()
        curves += _read_npz(path, name) if path.suffix == ".npz" else _read_table(path, name)
    if twice := find_repeated(curve.id for curve in curves):
        raise SurveyError(
            f"ids stand twice: {shorten(twice)}", ", ".join(sources), "give each object its own id", "E-ID-DUPLICATE"
        )
    return curves


def _read_table(path: Path, class_name: str) -> list[RealCurve]:
    table = read_user_table(path, ("id", "mjd", "band", "error"), ("class", "flux", "mag", *OF_HOSTS))
    if not class_name and "class" not in table.rows[0]:
        raise SurveyError(
            "the table lacks the column class", path, "add it, or give the file as CLASS=file", "E-TABLE-COLUMN"
        )
    value = next((name for name in ("flux", "mag") if name in table.rows[0]), None)
    if value is None:
        raise SurveyError(
            "the table lacks the column flux or mag", path, "give nanomaggies, or AB magnitudes", "E-TABLE-COLUMN"
        )
    of_objects = ("id", *OF_HOSTS) if class_name else ("id", "class", *OF_HOSTS)
    points: dict[str, list[tuple[float, ...]]] = {}
    for where, row in table.located:
        if not class_name:
            _known(where, "class", read_text(row, "class"), CLASSES)
        band = _known(where, "band", read_text(row, "band"), BANDS)
        numbers = (read_number(row, name, where) for name in ("mjd", value, "error"))
        points.setdefault(read_id(row, where), []).append((band, *numbers))
    rows = ((where, {name: row.get(name) for name in of_objects}) for where, row in table.located)
    curves = []
    for id_, own in read_objects(rows, numbers=OF_HOSTS[1:]).items():
        band, mjd, flux, error = np.array(points[id_]).T
        if value == "mag":
            flux, error = _from_magnitudes(flux, error)
        known = {name: own[name] for name in OF_HOSTS}
        curves.append(_curve(id_, class_name or own["class_name"], mjd, band, flux, error, known, path))
    _check_lengths(curves, path)
    return curves


def _known(where: str, what: str, name: str | None, known: Sequence[str]) -> int:
    """Return the place of a band or class among those that are known."""
    if name is None or name not in known:
        found = f"unknown {what} {name!r}{did_you_mean(str(name), known)}"
        raise SurveyError(found, where, f"use {', '.join(known)}", "E-VALUE-RANGE")
    return list(known).index(name)


def _read_npz(path: Path, class_name: str) -> list[RealCurve]:
    if not class_name:
        raise UsageError(
            "an npz file of light curves names no class", path, f"give it as CLASS={path}", "E-COMMAND-VALUE"
        )
    try:
        data = npz_arrays(path)
    except UnreadableError as error:
        fix = "restore it from a copy; split it where it is too large"
        raise SurveyError(f"this is not an npz file of light curves: {error}", path, fix, "E-TABLE-DAMAGED") from error
    wide = {"mjd", "mag", "err"} <= data.keys()
    long = {"mjd", "band", "fluxcal", "fluxcalerr"} <= data.keys()
    if "offset" not in data or not (wide or long):
        found = f"it holds {', '.join(data)}"
        raise SurveyError(
            found, path, "it needs offset, and mjd, mag, err or mjd, band, fluxcal, fluxcalerr", "E-TABLE-COLUMN"
        )
    _check_npz(data, wide, path)
    offset = data["offset"]
    names = next((data[name] for name in ("id", "dbid", "cid") if name in data), np.arange(len(offset) - 1))
    if len(set(names.tolist())) < len(names):
        names = np.arange(len(names))  # a number cut out of a longer name may stand twice
    redshift = data.get("z")
    curves = []
    for k, (start, end) in enumerate(pairwise(offset)):
        here = slice(int(start), int(end))
        mjd = data["mjd"][here].astype(np.float64)
        if wide:
            magnitude, sigma = data["mag"][here].astype(np.float64), data["err"][here].astype(np.float64)
            known = (magnitude > MISSING[0]) & (magnitude < MISSING[1]) & (sigma > 0)
            band = np.broadcast_to(np.arange(5), magnitude.shape)[known]
            mjd = mjd[known]
            flux, sigma = _from_magnitudes(magnitude[known], sigma[known])
        else:
            band = data["band"][here].astype(np.int64)
            unit = nanomaggies(FLUXCAL_ZERO_POINT)
            flux, sigma = data["fluxcal"][here] * unit, data["fluxcalerr"][here] * unit
        z = None if redshift is None or not redshift[k] > 0 else float(redshift[k])
        id_ = f"{path.stem}-{names[k]}"
        curves.append(_curve(id_, class_name, mjd + NPZ_EPOCH, band, flux, sigma, {"redshift": z}, path))
    _check_lengths(curves, path)
    return curves


def _check_npz(data: Mapping[str, NDArray[Any]], wide: bool, path: Path) -> None:
    """Refuse arrays of other types or shapes than they should have, and offsets that are none."""
    columns = ("mjd", "mag", "err") if wide else ("mjd", "band", "fluxcal", "fluxcalerr")
    shape = (len(np.atleast_1d(data["mjd"])), 5) if wide else (len(np.atleast_1d(data["mjd"])),)
    for name in columns:
        if data[name].shape != shape or data[name].dtype.kind not in "fiu":
            found = f"{name} is of type {data[name].dtype} and shape {data[name].shape}, not numbers of shape {shape}"
            raise SurveyError(found, path, "give one value per measurement", "E-VALUE-SHAPE")
    if flaw := flaw_of_precision("mjd", data["mjd"]):
        raise SurveyError(flaw.found, path, flaw.fix, flaw.code)
    offset = data["offset"]
    if not offset.size or offset.ndim != 1 or offset.dtype.kind not in "iu" or offset[0] != 0 or offset[-1] != shape[0]:
        raise SurveyError(
            "offset does not go from 0 to the number of rows",
            path,
            "give offset[k]:offset[k + 1] per object",
            "E-TABLE-DAMAGED",
        )
    if (np.diff(offset.astype(np.int64)) < 0).any() or len(offset) < 2:
        raise SurveyError(
            "offset decreases or holds no object", path, "give offset[k]:offset[k + 1] per object", "E-TABLE-DAMAGED"
        )
    if "z" in data and data["z"].dtype.kind not in "fiu":
        raise SurveyError(f"z is of type {data['z'].dtype}", path, "give numbers", "E-VALUE-TYPE")
    for name in ("id", "dbid", "cid", "z"):
        if name in data and data[name].shape != (len(offset) - 1,):
            raise SurveyError(
                f"{name} has shape {data[name].shape} for {len(offset) - 1} objects",
                path,
                "give one each",
                "E-VALUE-SHAPE",
            )
    if not wide and not np.isin(data["band"], np.arange(5)).all():
        raise SurveyError("a band is none of 0 to 4", path, "number the bands u, g, r, i, z from 0", "E-BAND-UNKNOWN")


def _curve(
    id_: str,
    class_name: str,
    mjd: NDArray[Any],
    band: NDArray[Any],
    flux: NDArray[Any],
    error: NDArray[Any],
    extra: Mapping[str, float | None],
    path: Path,
) -> RealCurve:
    """Check one light curve's values and put it in time order."""
    where = f"{path}, object {id_}"
    known = [(name, value) for name, value in extra.items() if value is not None]
    flaws = (
        flaw_of_times(np.asarray(mjd)),
        flaw_of_fluxes(np.asarray(flux), np.asarray(error)),
        *(flaw_of_number(name, value) for name, value in known),
    )
    for flaw in flaws:
        if flaw is not None:
            raise SurveyError(flaw.found, where, flaw.fix, flaw.code)
    order = np.argsort(mjd, kind="stable")
    arrays = (np.asarray(values)[order].astype(np.float64) for values in (mjd, flux, error))
    times, fluxes, errors = arrays
    return RealCurve(id_, class_name, times, np.asarray(band)[order].astype(np.int64), fluxes, errors, **extra)


def _check_lengths(curves: list[RealCurve], path: Path) -> None:
    short = [curve.id for curve in curves if len(curve.mjd) < LEAST_POINTS]
    if short:
        found = f"{pluralize(len(short), 'light curve')} of fewer than {LEAST_POINTS} points: {shorten(short)}"
        raise SurveyError(found, path, "leave them out: there is nothing to smooth", "E-VALUE-SMALL")


def _from_magnitudes(magnitude: NDArray[Any], error: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flux = nanomaggies(magnitude)
    return flux, flux_error(flux, error)
