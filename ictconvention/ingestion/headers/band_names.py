"""Names that headers have for a band, and the band: a table that comes with the package, and one of the user's."""

import csv
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from ictconvention.core.errors import UsageError
from ictconvention.files.user_table import read_text, read_user_table
from ictconvention.ingestion.found import USUAL_BANDS
from ictconvention.ingestion.headers.headers import Headers

BAND_KEYS = ("BAND", "FILTER")


def read_band_names(own: Path | None = None) -> dict[str, str]:
    """Return the band of each alias; those of a user's table with the columns alias and band come before the package's.

    Raises
    ------
    UsageError
        The user's table cannot be read, or a cell is empty.
    """
    text = files("ictconvention.ingestion.headers").joinpath("band_names.csv").read_text(encoding="utf-8")
    names = {_key(row["alias"]): row["band"] for row in csv.DictReader(text.splitlines())}
    if own is not None:
        for where, row in read_user_table(own, ("alias", "band")).located:
            alias, band = read_text(row, "alias"), read_text(row, "band")
            if alias is None or band is None:
                raise UsageError("this row lacks an alias or its band", where, "give both", "E-VALUE-MISSING")
            names[_key(alias)] = band
    return names


def find_band(headers: Headers, names: Mapping[str, str]) -> str | None:
    """Return the band of an image, None where no keyword names it.

    The table is asked for the whole name, then for ever fewer of its first words: 'g DECam SDSS c0001 4720.0 1520.0'
    is 'g DECam'. Of a name that is not in it, the first word counts where that is a usual band; else it stays as it is.
    """
    text = " ".join(headers.text(*BAND_KEYS).split())
    words = re.sub(r"[_-]", " ", text).split()
    for count in range(len(words), 0, -1):
        if (band := names.get(_key(" ".join(words[:count])))) is not None:
            return band
    return words[0] if words and words[0] in USUAL_BANDS else text or None


def _key(name: str) -> str:
    """Return a name with one way to write it; the case of a single letter counts, since R is not r."""
    words = re.sub(r"[\s._-]+", " ", name).strip()
    return words if len(words) == 1 else words.lower()
