"""Where frames came from, of a survey of many nights: few files open and few rows in memory, and the same rows."""

import os
import resource
import shutil
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.ingestion.found import FoundFrame
from ictconvention.ingestion.pipeline import ingest
from ictconvention.survey.growth import frame_sources
from ictconvention.survey.growth.compact import compact
from ictconvention.survey.growth.frame_sources import FrameSources
from ictconvention.survey.growth.side_tables import FRAME_SOURCES_FILE
from ictconvention.survey.survey import Survey
from tests.ingestion.growing.nights import options
from tests.refusals import refused

NIGHTS, OBJECTS = 18, 5


def found(night: int) -> Iterator[FoundFrame]:
    """Read a night: a frame of each object."""
    for number in range(OBJECTS):
        pixels = np.full((8, 8), night, np.float32)
        yield FoundFrame(f"o{number}", pixels, "g", 58000.0 + night, f"{night}.avro")


def add(out: Path, night: int) -> None:
    ingest(options(out, into=night > 0), found, [night], {})


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("grown") / "s"
    for night in range(NIGHTS):
        add(out, night)
    return out


def open_tables() -> int:
    """Return how many tables of sources this process has open."""
    links = Path("/proc/self/fd").iterdir()
    return sum(os.path.realpath(one).endswith(FRAME_SOURCES_FILE) for one in links)


def files_of(sources: FrameSources, survey: Survey) -> list[str]:
    shard, row = (np.concatenate([survey.frame_places(i)[k] for i in range(len(survey))]) for k in (0, 1))
    taken = sources.take(shard, row)
    assert taken is not None
    return list(taken.column("file").to_pylist())


@pytest.mark.parametrize(("files", "rows"), [(32, 10**6), (3, 10**6), (3, OBJECTS), (1, 1)])
def test_few_files_and_rows_of_many_nights_say_the_same(
    grown: Path, monkeypatch: pytest.MonkeyPatch, files: int, rows: int
) -> None:
    monkeypatch.setattr(frame_sources, "MOST_OPEN", files)
    monkeypatch.setattr(frame_sources, "MOST_ROWS", rows)
    survey = Survey.open(grown)
    sources = FrameSources(survey)
    for _ in range(2):
        assert files_of(sources, survey) == [f"{night}.avro" for _ in range(OBJECTS) for night in range(NIGHTS)]
        assert 1 <= open_tables() <= min(files, NIGHTS)
        kept = [table.num_rows for _, table in sources._kept.values()]
        assert len(kept) == max(1, min(rows // OBJECTS, NIGHTS))


def test_a_table_that_is_opened_again_is_not_that_of_another_survey(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_sources, "MOST_OPEN", 2)
        out = tmp_path / "s"
        for night in range(4):
            add(out, night)
        survey = Survey.open(out)
        sources = FrameSources(survey)
        compact(out)
        with refused(SurveyError, "E-SURVEY-CHANGED", where=out):
            files_of(sources, survey)


def _add_with_few_files(out: Path) -> None:
    there = sum(1 for _ in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (there + 18, there + 18))
    frame_sources.MOST_OPEN = 4
    add(out, NIGHTS)


def test_a_night_is_added_where_fewer_files_may_be_open_than_there_are_nights(grown: Path, tmp_path: Path) -> None:
    out = shutil.copytree(grown, tmp_path / "s")
    process = get_context("fork").Process(target=_add_with_few_files, args=(out,))
    process.start()
    process.join()
    assert process.exitcode == 0
    survey = Survey.open(out)
    assert len(survey.files.deltas) == NIGHTS
    assert files_of(FrameSources(survey), survey)[:: NIGHTS + 1] == ["0.avro"] * OBJECTS
