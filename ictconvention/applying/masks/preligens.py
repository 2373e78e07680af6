"""Shares as the challenge of land cover asks for them: its columns, its classes, its ids."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, did_you_mean, find_repeated, shorten

ABSENT = ("no_data", "clouds")  # classes that the challenge leaves out: 0 in every row
CLASSES = ("artificial", "cultivated", "broadleaf", "coniferous", "herbaceous", "natural", "snow", "water")
COLUMNS = ("sample_id", *ABSENT, *CLASSES)
ENDING = re.compile(r"\.tiff?$", re.IGNORECASE)


def check_challenge(classes: Sequence[str], ids: Sequence[str], output: Path) -> None:
    """Refuse what the table of the challenge cannot hold, before hours are spent on it.

    Raises
    ------
    UsageError
        A class is none of the challenge's, two objects would have one sample_id, or the file is no CSV.
    """
    if output.suffix.lower() != ".csv":
        found = f"the challenge takes CSV, and this name ends in {output.suffix or 'nothing'}"
        raise UsageError(found, output, "end the name in .csv", "E-FILES-ENDING")
    if other := [name for name in classes if name not in CLASSES]:
        found = f"the challenge has no class {other[0]!r}{did_you_mean(other[0], CLASSES)}"
        fix = f"leave --format out, or take a run on {', '.join(CLASSES)}"
        raise UsageError(found, "--format", fix, "E-CLASS-UNKNOWN")
    if repeated := find_repeated(sample_id(id_) for id_ in ids):
        found = f"several objects would have the sample_id {shorten(repeated, 3)}"
        raise UsageError(found, "--format", "leave --format out, or predict them apart", "E-ID-DUPLICATE")


def sample_id(id_: str) -> str:
    """Return an id as the challenge has it: what follows the last slash, without the ending of an image."""
    return ENDING.sub("", id_.rpartition("/")[2])


def challenge_table(ids: Sequence[str], shares: NDArray[np.float64], classes: Sequence[str]) -> Table:
    """Return the rows of the challenge; each sums to 1, and a class that the run does not know has 0.

    Parameters
    ----------
    ids : sequence of str
        Ids of the objects.
    shares : array (n, classes)
        Shares of the classes, rows that sum to 1.
    classes : sequence of str
        Some of the challenge's, see `check_challenge`.
    """
    columns = {name: np.zeros(len(ids)) for name in (*ABSENT, *CLASSES)}
    for number, name in enumerate(classes):
        columns[name] = shares[:, number] / shares.sum(1)
    return Table({"sample_id": np.array([sample_id(id_) for id_ in ids], dtype=str), **columns})
