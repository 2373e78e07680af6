"""TAO and other surveys with one multi-extension FITS file per object: a table of epochs, then an image for each.

TAO's files lie in a folder for each class; CLASS in their headers is a remark, such as 'AGN? SDSS 22,1 mag Galaxy'.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.io import fits

from ictconvention.core.errors import UsageError
from ictconvention.files.folders import files_below
from ictconvention.files.reading import FITS_ENDINGS, UnreadableError, open_fits, read_image, reason_of
from ictconvention.ingestion.fitting import CutoutOptions, Fitting
from ictconvention.ingestion.found import Found, Reject, place_of
from ictconvention.survey.values import flaw_of_precision

COLUMNS = ("HDU_Ext", "MJD")  # of the table in HDU 1: which HDU, and when [days]
ID_KEY, CLASS_KEY, RA_KEY, DEC_KEY = "CRTS_ID", "CLASS", "RA_(J2000)", "DEC_(J2000)"  # of its header


@dataclass(frozen=True, slots=True)
class TaoOptions(CutoutOptions):
    """How files are read; `band` is the name of the one band."""

    fitting: Fitting = Fitting(sky=True)
    band: str = "clear"


def find_files(folder: Path) -> list[str]:
    """Return the FITS files below a folder, relative to it.

    Raises
    ------
    UsageError
        There is none.
    """
    if not folder.is_dir():
        raise UsageError(
            "there is no such folder", folder, "give the folder that holds the FITS files", "E-FILES-MISSING"
        )
    if not (names := files_below(folder, FITS_ENDINGS)):
        raise UsageError(
            "no FITS file is there", folder, "give the folder that holds the FITS files", "E-INGEST-NOTHING"
        )
    return names


def read_objects(
    folder: Path, names: Sequence[str], progress: Callable[[int, int], object] = lambda done, total: None
) -> tuple[dict[str, str], dict[str, dict[str, Any]], list[Reject]]:
    """Read who is in the files, from the headers alone.

    Returns
    -------
    files : dict
        The id of each file's object.
    objects : dict
        What is known of each, as arguments of `SurveyWriter.add`: its position; its class, the name of the folder
        that its file lies in, or what its header says where the file lies in no folder of its own; and what the
        header says of it in the column header_class.
    rejects : list of Reject
        Files that cannot be read, or whose object is that of another file.
    """
    files: dict[str, str] = {}
    objects: dict[str, dict[str, Any]] = {}
    rejects = []
    owners: dict[str, str] = {}
    for number, name in enumerate(names):
        progress(number, len(names))
        try:
            with open_fits(folder / name) as hdus:
                header = _table(hdus).header
                id_ = _text(header, ID_KEY) or Path(name).name.partition(".")[0]
                own = _description(name, header)
        except (UnreadableError, OSError) as error:
            rejects.append(Reject("", name, reason_of(error)))
            continue
        if id_ in owners:
            rejects.append(Reject(id_, name, f"one id for two objects: {owners[id_]} has it too"))
            continue
        owners[id_] = name
        files[name], objects[id_] = id_, own
    return files, objects, rejects


def _description(name: str, header: fits.Header) -> dict[str, Any]:
    said = _text(header, CLASS_KEY)
    own: dict[str, Any] = {"class_name": Path(name).parent.name or said, "header_class": said}
    ra, dec = header.get(RA_KEY), header.get(DEC_KEY)
    if isinstance(ra, int | float) and isinstance(dec, int | float) and 0 <= ra <= 360 and abs(dec) <= 90:
        own |= {"ra": float(ra), "dec": float(dec)}
    return own


def read_tao(options: TaoOptions, file: tuple[str, str]) -> Iterator[Found]:
    """Yield the frames of a file, given by its name and the id of its object."""
    name, id_ = file
    try:
        with open_fits(options.folder / name) as hdus:
            table = _table(hdus)
            for row in range(len(table.data)):
                yield _frame(options, hdus, table, row, name, id_)
    except (UnreadableError, OSError) as error:
        yield Reject(id_, name, reason_of(error))


def _frame(options: TaoOptions, hdus: fits.HDUList, table: Any, row: int, name: str, id_: str) -> Found:
    hdu = str(int(table.data["HDU_Ext"][row]))
    try:
        pixels, _, _ = read_image(hdus, hdu)
        if pixels.ndim != 2:
            raise UnreadableError(f"an image of {pixels.ndim} axes")
    except UnreadableError as error:
        return Reject(id_, place_of(name, hdu), str(error))
    return options.frame(id_, pixels, options.band, float(table.data["MJD"][row]), name, hdu)


def _table(hdus: fits.HDUList) -> Any:
    if len(hdus) < 2 or not isinstance(hdus[1], fits.BinTableHDU | fits.TableHDU):
        raise UnreadableError("HDU 1 is not a table of epochs")
    if absent := [name for name in COLUMNS if name not in hdus[1].columns.names]:
        raise UnreadableError(
            f"the table in HDU 1 lacks {' and '.join(absent)}: it has {', '.join(hdus[1].columns.names)}"
        )
    if not hdus[1].header["NAXIS2"]:
        raise UnreadableError("the table in HDU 1 has no row")
    if flaw := flaw_of_precision("mjd", np.asarray(hdus[1].data["MJD"])):
        raise UnreadableError(f"{flaw.found}, in HDU 1")
    if (unit := hdus[1].columns["MJD"].unit) and unit.strip() and u.Unit(unit, parse_strict="silent") != u.day:
        raise UnreadableError(f"MJD is in {unit} in HDU 1: give days")
    return hdus[1]


def _text(header: fits.Header, key: str) -> str | None:
    value = header.get(key)
    return None if value is None or not str(value).strip() else str(value).strip()
