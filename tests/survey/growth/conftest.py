"""Small surveys that have grown."""

from pathlib import Path

import pytest

from tests.ingestion.growing.nights import add_night


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Make a survey of two nights, to be changed."""
    out = tmp_path / "s"
    add_night(out, 0)
    add_night(out, 1)
    return out
