"""Shares of the classes are read from a file of a user, and their mistakes named."""

from pathlib import Path

import numpy as np

from ictconvention.applying.class_shares import read_shares
from ictconvention.core.errors import UsageError
from tests.refusals import refused


def test_shares_are_read_from_a_file_and_mistakes_named(tmp_path: Path) -> None:
    classes = ("AGN", "SN Ia")
    (tmp_path / "shares.json").write_text('{"SN Ia": 1, "AGN": 3}')
    (tmp_path / "shares.csv").write_text("class,share\r\nSN Ia,0.2\r\nAGN,0.6\r\n")
    for name in ("shares.json", "shares.csv"):
        np.testing.assert_allclose(read_shares(tmp_path / name, classes), [0.75, 0.25])
    for content, code, *facts in (
        ('{"SN Ia": 1, "AGM": 3}', "E-CLASS-UNKNOWN", "'AGM'", "did you mean AGN?"),
        ('{"SN Ia": 1}', "E-SHARES-CLASSES", "AGN"),
        ('{"SN Ia": 1, "AGN": 0}', "E-VALUE-RANGE", "AGN is 0"),
        ('{"SN Ia": 1, "AGN": "many"}', "E-VALUE-TYPE", "'many'"),
        ("SN Ia 1", "E-TABLE-DAMAGED", "JSON"),
    ):
        (tmp_path / "shares.json").write_text(content)
        with refused(UsageError, code, *facts, where=tmp_path / "shares.json"):
            read_shares(tmp_path / "shares.json", classes)
    (tmp_path / "shares.csv").write_text("class,share\nSN Ia,0.2\nAGN,0.6\nAGN,0.2\n")
    with refused(UsageError, "E-SHARES-CLASSES", "'AGN'", where="/shares.csv, row 3"):
        read_shares(tmp_path / "shares.csv", classes)
    with refused(UsageError, "E-FILES-MISSING", "did you mean uniform?", where="--prior"):
        read_shares(Path("unifrom"), classes)
