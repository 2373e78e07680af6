"""The objects of which stamps are wanted: a table of one's own, or the candidates of the SDSS-II Supernova Survey."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError
from ictconvention.files.user_table import UserTable, read_number, read_text, read_user_table
from ictconvention.ingestion.found import Reject
from ictconvention.ingestion.readers.ccd import read_positions

PUBLISHED = ("snid", "sntype", "ra", "decl")  # columns of the table of Sako et al. 2018, in small letters
LABELS: dict[int, tuple[str | None, str | None]] = {  # class and its source by SNTYPE, as in Table 1 of ICT-ConvEntion
    0: (None, None),  # "Unknown"
    5: ("Variable", None),
    110: ("AGN", "spectroscopic"),
    **dict.fromkeys((118, 120), ("SN Ia", "spectroscopic")),
    **dict.fromkeys((103, 106), ("SN Ia", "photometric")),
    **dict.fromkeys(range(111, 116), ("SN Other", "spectroscopic")),
    **dict.fromkeys((101, 102, 104, 105), ("SN Other", "photometric")),
}
INCONCLUSIVE = 119  # "SNIa?", which the paper leaves out
MISSING = (-9.0, 999.0)  # what stands in a number's place
KEPT = {  # further columns of the published table, by the names that they have in a survey
    "peak_mjd": "peakmjd",
    "mw_ebv": "mwebv",
    "host_separation": "hostgal_snsep",
    "host_r": "hostgal_mag_r",
}


def read_candidates(
    path: Path, renamed: Mapping[str, str] | None = None
) -> tuple[dict[str, dict[str, Any]], NDArray[np.float64], NDArray[np.float64], list[Reject]]:
    """Read the objects of a table: with id, ra, dec and what else is known, or with SNID, SNTYPE, RA and DECL.

    Returns
    -------
    objects : dict
        As arguments of `SurveyWriter.add`, by id.
    ra, dec : arrays (n,)
        [deg]
    rejects : list of Reject
        Candidates whose spectrum left the class open.

    Raises
    ------
    UsageError
        A column or a position is missing, an id stands twice, or a type is unknown.
    """
    table = None if renamed else read_user_table(path, (), (*PUBLISHED, "redshift_helio", *KEPT.values()))
    if table is None or not {*PUBLISHED} <= table.rows[0].keys():
        return *read_positions(path, renamed), []
    objects, rejects = _published(table)
    if not objects:
        raise UsageError("every candidate is of type 119", path, "give others too", "E-TABLE-EMPTY")
    ra, dec = (np.array([own[name] for own in objects.values()]) for name in ("ra", "dec"))
    return objects, ra, dec, rejects


def _published(table: UserTable) -> tuple[dict[str, dict[str, Any]], list[Reject]]:
    objects: dict[str, dict[str, Any]] = {}
    rejects: list[Reject] = []
    for where, row in table.located:
        id_, kind = read_text(row, "snid"), read_text(row, "sntype")
        if id_ is None or kind is None or not re.fullmatch(r"\d+", kind) or int(kind) not in {*LABELS, INCONCLUSIVE}:
            found = f"SNID is {id_}, SNTYPE {kind}"
            known = ", ".join(map(str, sorted({*LABELS, INCONCLUSIVE})))
            raise UsageError(found, where, f"give a type of Sako et al. 2018: {known}", "E-VALUE-RANGE")
        if id_ in objects:
            raise UsageError(f"SNID {id_} stands twice", where, "give each candidate one row", "E-ID-DUPLICATE")
        if int(kind) == INCONCLUSIVE:
            rejects.append(Reject(id_, "", "an inconclusive spectrum (SNTYPE 119), which the paper leaves out", False))
            continue
        ra, dec = (read_number(row, name, where) for name in ("ra", "decl"))
        if {ra, dec} & {*MISSING} or not (-180 <= ra <= 360 and -90 <= dec <= 90):
            raise UsageError(f"RA is {ra:g}, DECL {dec:g}", where, "give both in degrees", "E-VALUE-RANGE")
        class_name, source = LABELS[int(kind)]
        own = {name: _known(read_number(row, theirs, where)) for name, theirs in KEPT.items()}
        objects[id_] = {
            "class_name": class_name,
            "label_source": source,
            "redshift": _known(read_number(row, "redshift_helio", where)),
            "ra": ra % 360,
            "dec": dec,
            "sntype": int(kind),
            **own,
        }
    return objects, rejects


def _known(number: float) -> float | None:
    """Return a number, None where it is missing."""
    return None if np.isnan(number) or number in MISSING else number
