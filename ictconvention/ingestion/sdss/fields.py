"""Which fields of the imaging survey show which objects: a table of fields, matched with positions.

A field is what one column of the camera saw during 36 seconds of a run: a frame in each band. SkyServer has them:

    SELECT f.run, f.rerun, f.camcol, f.field, f.raMin, f.raMax, f.decMin, f.decMax, f.score,
      f.calibStatus_u, f.calibStatus_g, f.calibStatus_r, f.calibStatus_i, f.calibStatus_z
    FROM Field AS f JOIN Run AS r ON r.run = f.run
    WHERE r.stripe = 82 AND f.mjd_r BETWEEN 53600 AND 54450

The archive's photoField files have the same columns, a vector of five in the place of five columns. Without psField
files (`--no-psf`) the seeing needs psfWidth, psf2GSigma1, psf2GSigma2 and psf2GB of each band too, the noise gain and
darkVariance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.files.user_table import read_number, read_text, read_user_table
from ictconvention.ingestion.sdss.seeing import Five, full_widths

BANDS = ("u", "g", "r", "i", "z")  # in the order of the archive's vectors
RERUN = "301"  # the one reduction that DR8 and later have
NEEDED = ("run", "camcol", "field", "ramin", "ramax", "decmin", "decmax")
PER_BAND = {  # columns of SkyServer, without their band, and of photoField
    "psf_width": ("psfwidth", "psf_width"),
    "psf_sigma1": ("psf2gsigma1", "psf_sigma1_2g"),
    "psf_sigma2": ("psf2gsigma2", "psf_sigma2_2g"),
    "psf_b": ("psf2gb", "psf_b_2g"),
    "gain": ("gain", "gain"),
    "dark_variance": ("darkvariance", "dark_variance"),
    "calib_status": ("calibstatus", "calib_status"),
}
UNKNOWN: Five = (np.nan,) * 5


@dataclass(frozen=True)
class Field:
    """A field of a run.

    Parameters
    ----------
    run, camcol, field : int
        Its number.
    rerun : str
        The reduction.
    ra_start, ra_span : float
        Where its right ascensions begin, and how far they go [deg].
    dec_min, dec_max : float
        [deg]
    score : float
        Quality, 0 to 1; NaN where unknown.
    psf_width, psf_sigma1, psf_sigma2, psf_b : five numbers
        In u, g, r, i, z, see `full_widths`; NaN where unknown.
    gain, dark_variance, calib_status : five numbers
        [electrons per DN, DN^2, flags]
    """

    run: int
    camcol: int
    field: int
    rerun: str
    ra_start: float
    ra_span: float
    dec_min: float
    dec_max: float
    score: float = np.nan
    psf_width: Five = UNKNOWN
    psf_sigma1: Five = UNKNOWN
    psf_sigma2: Five = UNKNOWN
    psf_b: Five = UNKNOWN
    gain: Five = UNKNOWN
    dark_variance: Five = UNKNOWN
    calib_status: Five = UNKNOWN

    @property
    def name(self) -> str:
        """Run, column and field, as in the names of files."""
        return f"{self.run:06d}-{self.camcol}-{self.field:04d}"

    @property
    def psf_fwhm(self) -> Five:
        """The width of a star's image at half maximum [arcsec]; NaN where the table does not say it."""
        return full_widths(self.psf_width, self.psf_sigma1, self.psf_sigma2, self.psf_b)

    @property
    def photometric(self) -> bool | None:
        """Whether the sky was clear, by bit 0 of `calib_status` in all bands; None where the table does not say it."""
        known = [int(status) for status in self.calib_status if not np.isnan(status)]
        return all(status & 1 for status in known) if known else None


@dataclass(frozen=True)
class FieldVisit:
    """A field and the objects on it: what is fetched and cut at once.

    Parameters
    ----------
    field : Field
    ids : tuple of str
    ra, dec : tuples of float
        Positions of the objects [deg].
    reference : Field, optional
        A field of a clear night that shows the same stars.
    """

    field: Field
    ids: tuple[str, ...]
    ra: tuple[float, ...]
    dec: tuple[float, ...]
    reference: Field | None = None


def read_fields(path: Path, renamed: Mapping[str, str] | None = None) -> list[Field]:
    """Read a table of fields, as the query above gives it, or a photoField file.

    Raises
    ------
    UsageError
        A column is missing, or a number is none; or a field stands twice.
    """
    optional = (
        "rerun",
        "score",
        *(vector for _, vector in PER_BAND.values()),
        *(f"{name}_{band}" for name, _ in PER_BAND.values() for band in BANDS),
    )
    table = read_user_table(path, NEEDED, optional, renamed)
    fields = [_field(row, where) for where, row in table.located]
    if len({(one.run, one.camcol, one.field) for one in fields}) < len(fields):
        found = "a field stands twice"
        raise UsageError(found, path, "give each field one row, of one rerun", "E-ID-DUPLICATE")
    return fields


def _field(row: Mapping[str, Any], where: str) -> Field:
    numbers = {name: read_number(row, name, where) for name in (*NEEDED, "score")}
    whole = [numbers[name] for name in ("run", "camcol", "field")]
    if not all(number >= 0 and number == int(number) for number in whole):  # of NaN neither holds
        found = f"run, camcol and field are {', '.join(f'{number:g}' for number in whole)}"
        raise UsageError(found, where, "give whole numbers", "E-VALUE-TYPE")
    bounds = [numbers[name] for name in ("ramin", "ramax", "decmin", "decmax")]
    if not (np.isfinite(bounds).all() and numbers["decmin"] < numbers["decmax"]):
        found = f"ramin, ramax, decmin and decmax are {', '.join(f'{number:g}' for number in bounds)}"
        raise UsageError(found, where, "give the bounds of the field in degrees", "E-VALUE-RANGE")
    start, span = bounds[0] % 360, (bounds[1] - bounds[0]) % 360
    if span > 180:  # the least and the greatest number, of a field across right ascension 0
        start, span = bounds[1] % 360, 360 - span
    five = {name: _five(row, name, where) for name in PER_BAND}
    run, camcol, field = map(int, whole)
    rerun = read_text(row, "rerun") or RERUN
    return Field(run, camcol, field, rerun, start, span, bounds[2], bounds[3], numbers["score"], **five)


def _five(row: Mapping[str, Any], name: str, where: str) -> Five:
    scalar, name_of_vector = PER_BAND[name]
    vector = row.get(name_of_vector)
    if isinstance(vector, list) and len(vector) == len(BANDS):
        numbers = [float(number) for number in vector]
    else:
        numbers = [read_number(row, f"{scalar}_{band}", where) for band in BANDS]
    u, g, r, i, z = (number if number > -1000 else np.nan for number in numbers)  # -9999 stands for none
    return u, g, r, i, z


def match_fields(
    fields: Sequence[Field], ids: Sequence[str], ra: NDArray[np.float64], dec: NDArray[np.float64]
) -> list[FieldVisit]:
    """Return the fields that show an object, with their objects, in the order of run, column and field.

    Neighbouring fields of a run overlap: of two that show an object in one exposure, that counts on which it lies
    farther from the edge.

    Parameters
    ----------
    fields : sequence of Field
        Fields in any order.
    ids : sequence of str
        Ids of the objects.
    ra, dec : arrays (n,)
        Positions of the objects [deg].
    """
    order = np.argsort(ra)
    twice = np.concatenate([ra[order], ra[order] + 360])  # of fields across right ascension 0 too
    best: dict[tuple[int, int, int], tuple[float, int]] = {}
    for number, field in enumerate(fields):
        begin, end = np.searchsorted(twice, [field.ra_start, field.ra_start + field.ra_span], side="left")
        for place in order[np.arange(begin, end) % len(order)]:
            if field.dec_min <= dec[place] <= field.dec_max:
                inside = (ra[place] - field.ra_start) % 360
                margin = min(inside, field.ra_span - inside)
                key = (int(place), field.run, field.camcol)
                if key not in best or margin > best[key][0]:
                    best[key] = (margin, number)
    on: dict[int, list[int]] = {}
    for (place, _, _), (_, number) in best.items():
        on.setdefault(number, []).append(place)
    visits = []
    for number in sorted(on, key=lambda number: (fields[number].run, fields[number].camcol, fields[number].field)):
        places = sorted(on[number])
        right, up = (tuple(float(values[place]) for place in places) for values in (ra, dec))
        visits.append(FieldVisit(fields[number], tuple(ids[place] for place in places), right, up))
    return visits


def check_visits(
    visits: Sequence[FieldVisit],
    fields: Sequence[Field],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    where: Path,
) -> None:
    """Refuse a table of fields that shows none of the objects.

    Raises
    ------
    UsageError
        Saying which sky each table covers.
    """
    if visits:
        return
    theirs = min(one.dec_min for one in fields), max(one.dec_max for one in fields)
    found = f"none of the {len(fields)} fields shows an object: the fields have declinations {theirs[0]:.2f} to"
    found += f" {theirs[1]:.2f} degrees, the objects {dec.min():.2f} to {dec.max():.2f}"
    found += f"; right ascensions of fields begin at {min(one.ra_start for one in fields):.2f}"
    raise UsageError(found, where, "give the fields of the objects' sky", "E-INGEST-MISMATCH")
