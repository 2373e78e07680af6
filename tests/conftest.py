"""Small surveys that the tests share, and the way to the real data that some of them need."""

import csv
import gc
import gzip
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from hypothesis import settings

from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter

pytest_plugins = ["tests.small_runs", "tests.hub"]
gc.disable()  # nothing that is imported is garbage; see `pytest_collection_finish`
# No deadline: the first example pays for imports. Under CI the examples are the same every time.
settings.register_profile("ictconvention", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("ictconvention")

ROOT = Path(__file__).parent.parent
LONGEST = "test_every_command_and_the_python_run"
long_test = pytest.mark.skipif(  # what `make test` has no time for; `make test-long` runs it
    "ICTCONVENTION_LONG_TESTS" not in os.environ, reason="a quarter of a minute or more: ICTCONVENTION_LONG_TESTS=1"
)
HEADER = SurveyHeader(
    name="tiny", bands=("u", "g", "r", "i", "z"), classes=("AGN", "SN Ia", "Variable", "SN Other"), pixel_scale=0.396
)
SNTYPES: dict[int, tuple[str | None, str | None]] = {
    110: ("AGN", "spectroscopic"),
    118: ("SN Ia", "spectroscopic"),
    120: ("SN Ia", "spectroscopic"),
}
SNTYPES |= {103: ("SN Ia", "photometric"), 106: ("SN Ia", "photometric"), 5: ("Variable", None), 0: (None, None)}
SNTYPES |= {t: ("SN Other", "spectroscopic") for t in range(111, 116)}
SNTYPES |= {t: ("SN Other", "photometric") for t in (101, 102, 104, 105)}


def image_series(number: int, frames: int, header: SurveyHeader = HEADER) -> dict[str, Any]:
    """Return the arguments of `SurveyWriter.add` for one object, drawn from its number."""
    rng = np.random.default_rng(number)
    size = header.stamp_size
    return {
        "id": f"sn{number:04d}",
        "frames": rng.normal(size=(frames, size, size)).astype(header.dtype),
        "band": rng.integers(0, len(header.bands), frames),
        "mjd": 53600 + np.sort(rng.uniform(0, 90, frames)),
        "psf_fwhm": rng.uniform(1.0, 1.8, frames),
        "sky_sigma": rng.uniform(0.02, 0.2, frames),
        "class_name": header.classes[number % len(header.classes)],
        "label_source": ("spectroscopic", "photometric", None)[number % 3],
        "redshift": float(rng.uniform(0, 1)),
        "ra": float(rng.uniform(0, 360)),
        "dec": float(rng.uniform(-1.25, 1.25)),
    }


def write_survey(path: Path, objects: list[dict[str, Any]], header: SurveyHeader = HEADER) -> Survey:
    with SurveyWriter(path, header) as writer:
        for arguments in objects:
            writer.add(**arguments)
    return Survey.open(path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest test, then the files of slow ones: no process of the suite waits for another's last one.

    A file stays whole: what its tests share is made once.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow") is not None}
    items.sort(key=lambda item: (item.name != LONGEST, item.path not in slow))


def pytest_collection_finish() -> None:
    """Keep what was imported out of the collector's way, which would visit a million objects again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """Leave out the waits for the disk, milliseconds for each file: the power does not fail in a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def lines(caplog: pytest.LogCaptureFixture) -> None:
    """Let `caplog.messages` be the lines that the package says."""
    caplog.set_level(logging.INFO, "ictconvention")


@pytest.fixture
def objects() -> list[dict[str, Any]]:
    return [image_series(number, frames) for number, frames in enumerate((3, 40, 1, 17, 99, 8))]


@pytest.fixture
def survey(tmp_path: Path, objects: list[dict[str, Any]]) -> Survey:
    return write_survey(tmp_path / "tiny", objects)


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Return a function to a real data file; the test is skipped, saying so, where the file is absent."""
    folder = Path(os.environ.get("ICTCONVENTION_TEST_DATA", ROOT.parent / "shared" / "data"))

    def path(name: str) -> Path:
        if not (folder / name).exists():
            pytest.skip(f"real data not here: {folder / name} (set ICTCONVENTION_TEST_DATA)")
        return folder / name

    return path


@pytest.fixture(scope="session")
def population(shared: Callable[[str], Path]) -> Table:
    """Return the candidates of the SDSS-II Supernova Survey but the 41 'SNIa?', with classes as in ICT-ConvEntion."""
    with gzip.open(shared("sdss_population/sdss_sn_population.csv.gz"), "rt") as file:
        rows = [row for row in csv.DictReader(file) if row["SNTYPE"] != "119"]
    return objects_table(
        [row["SNID"] for row in rows],
        [SNTYPES[int(row["SNTYPE"])] for row in rows],
        [float(row["RA"]) for row in rows],
        [float(row["DECL"]) for row in rows],
    )


def objects_table(
    ids: list[str], labels: list[tuple[str | None, str | None]], ra: list[float], dec: list[float]
) -> Table:
    """Return an object table as `Survey.object_table` does."""
    columns = {}
    for name, values in (("class", [c for c, _ in labels]), ("label_source", [s for _, s in labels])):
        columns[name] = MaskedColumn([value or "" for value in values], mask=[value is None for value in values])
    return Table({"id": np.array(ids, dtype=str), "ra": ra, "dec": dec, **columns})


KINDS = {  # single-label classes, two-label classes, and no class
    "AGN": ("AGN", "spectroscopic"),
    "Variable": ("Variable", None),
    "SN Ia": ("SN Ia", "spectroscopic"),
    "pSN Ia": ("SN Ia", "photometric"),
    "SN Other": ("SN Other", "spectroscopic"),
    "pSN Other": ("SN Other", "photometric"),
    "Unknown": (None, None),
}
ARCSEC = 1 / 3600


def crowd(counts: dict[str, int] | None = None, neighbours: int = 0, rng: np.random.Generator | None = None) -> Table:
    """Return objects of the given kinds on a grid, some of them moved next to another."""
    rng = rng or np.random.default_rng(0)
    labels = [KINDS[kind] for kind, count in (counts or dict.fromkeys(KINDS, 30)).items() for _ in range(count)]
    n = len(labels)
    ra, dec = (np.arange(n) * 0.1) % 360, np.zeros(n)
    for i, j in rng.integers(0, n, (neighbours, 2)):
        ra[i], dec[i] = ra[j], dec[j] + 5 * ARCSEC
    return objects_table([f"o{i}" for i in rng.permutation(n)], labels, ra.tolist(), dec.tolist())
