"""An archive of two fields of one run and one of another night, with a star on them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ingestion.commands import write_table
from tests.ingestion.sdss.archive_server import SCALE, ArchiveServer, MadeField, fields_table, serving

STAR = (10.005, -0.495, 40.0)  # position [deg] and flux [nanomaggies]
OTHER = (10.0055, -0.4955, 20.0)
FIRST = MadeField(4203, 2, 100, 10.0)
NEXT = MadeField(4203, 2, 101, 10.0 + 100 * SCALE, tai=FIRST.tai + 100 * 0.026322)  # 20 rows of it overlap
LATER = MadeField(5555, 2, 50, 10.0, tai=FIRST.tai + 3 * 86400)


@dataclass
class Night:
    """An archive, a table of its fields and a table of objects."""

    server: ArchiveServer
    fields: Path
    objects: Path
    out: Path

    def options(self, *more: object) -> list[object]:
        return ["--fields", self.fields, "--server", self.server.address, "--delay", 0, *more]

    @property
    def cache(self) -> Path:
        return self.out.with_name(f"{self.out.name}-frames")

    @property
    def left(self) -> list[str]:
        """Files in the cache."""
        return sorted(path.name for path in self.cache.rglob("*") if path.is_file())


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    fields = [FIRST, NEXT, LATER]
    listed = [
        {"id": name, "ra": ra, "dec": dec, "class": "AGN"} for name, (ra, dec, _) in (("star", STAR), ("other", OTHER))
    ]
    with serving() as server:
        for one in fields:
            server.add(one, [STAR, OTHER], bands="gr")
        yield Night(
            server,
            fields_table(tmp_path / "fields.csv", fields),
            write_table(tmp_path / "objects.csv", listed),
            tmp_path / "survey",
        )


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the list of the waits [s], none of which is waited."""
    waited: list[float] = []
    sleep = time.sleep

    def short(seconds: float) -> None:
        if seconds >= 1:
            waited.append(seconds)
        else:
            sleep(seconds)

    monkeypatch.setattr("ictconvention.ingestion.sdss.archive.time.sleep", short)
    return waited
