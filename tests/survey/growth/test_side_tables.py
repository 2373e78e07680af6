"""Tables beside the frames: none is missing unseen, none is of another state, and of equal measurements one counts."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ictconvention.core.errors import SurveyError
from ictconvention.ingestion.found import Found, FoundFrame, Measurement
from ictconvention.ingestion.pipeline import ingest
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.bands import select_bands
from ictconvention.survey.growth.compact import compact
from ictconvention.survey.growth.frame_sources import FrameSources
from ictconvention.survey.growth.side_tables import (
    FRAME_SOURCES_FILE,
    PHOTOMETRY_FILE,
    read_photometry,
    side_files,
)
from ictconvention.survey.photometry.table import SurveyPoints
from ictconvention.survey.survey import Survey
from tests.ingestion.growing.nights import add_night, options
from tests.refusals import refused


def rows(table: pa.Table | None) -> str:
    """Return the rows of a table, NaN as any other value."""
    return repr(None if table is None else table.to_pylist())


READERS = {PHOTOMETRY_FILE: read_photometry, FRAME_SOURCES_FILE: FrameSources}


@pytest.mark.parametrize("folder", ["", "delta-00001"])
@pytest.mark.parametrize("name", READERS)
def test_a_table_that_is_missing_is_refused_and_no_night_is_added_without_it(two: Path, name: str, folder: str) -> None:
    path = two / folder / name
    path.unlink()
    survey = Survey.open(two)
    with refused(SurveyError, "E-SURVEY-DAMAGED", "ictconvention check", where=path):
        READERS[name](survey)
    with refused(SurveyError, "E-SURVEY-DAMAGED", where=path):
        add_night(two, 2)
    assert Survey.open(two).hash == survey.hash
    assert [(flaw.code, Path(str(flaw.where))) for flaw in audit_survey(two).flaws] == [("E-SURVEY-DAMAGED", path)]


def test_frame_sources_of_other_frames_are_refused(two: Path) -> None:
    (two / FRAME_SOURCES_FILE).write_bytes((two / "delta-00001" / FRAME_SOURCES_FILE).read_bytes())
    with refused(SurveyError, "E-SURVEY-DAMAGED", where=two / FRAME_SOURCES_FILE):
        FrameSources(Survey.open(two))


def test_a_survey_of_some_bands_has_no_frame_sources_and_misses_none(two: Path, tmp_path: Path) -> None:
    red = select_bands(Survey.open(two), ["r"], tmp_path / "r")
    assert not side_files(red, FRAME_SOURCES_FILE)
    assert FrameSources(red).take(np.zeros(1, int), np.zeros(1, int)) is None
    assert len(side_files(red, PHOTOMETRY_FILE)) == 1


def test_one_that_was_opened_before_it_was_compacted_reads_no_table_of_the_plain_form(two: Path) -> None:
    """The rows of the plain form are of the same frames in another order."""
    add_night(two, 2)
    grown, first = Survey.open(two), Survey.open(two, state=Survey.open(two).lineage[0])
    sources = FrameSources(grown)  # its files are open, and stay what they were
    place = grown.frame_places(3)
    before = rows(sources.take(*place))
    compact(two)
    for survey in (grown, first):
        for reader in (read_photometry, FrameSources, SurveyPoints):
            with refused(SurveyError, "E-SURVEY-CHANGED", where=two):
                reader(survey)
    assert before == rows(sources.take(*place))
    now = Survey.open(two, state=grown.hash)
    assert now.hash == grown.hash != now.files.header_hash
    assert rows(FrameSources(now).take(*now.frame_places(3))) == before
    add_night(two, 3)
    assert rows(FrameSources(now).take(*now.frame_places(3))) == before  # a night changes nothing of an earlier state


def test_one_that_was_opened_before_a_night_was_added_reads_its_own_tables(two: Path) -> None:
    before = Survey.open(two)
    measured = rows(read_photometry(before))
    add_night(two, 2)
    assert rows(read_photometry(before)) == measured != rows(read_photometry(Survey.open(two)))


FLAGS = (
    ("", "bad"),
    ("bad", ""),
    ("bad", "worse"),
    ("", ""),
    ("bad", "", "worse"),
    ("a", "b", ""),
)  # by day: as it came


def alerts(night: int) -> Iterator[Found]:
    """Read a night: a frame, and what it says of the measurements of earlier days."""
    yield FoundFrame("one", np.full((8, 8), night, np.float32), "g", 58000.0 + night, f"{night}.avro")
    for day, flags in enumerate(FLAGS):
        if night < len(flags):
            yield Measurement("one", 57000.0 + day, "g", float(night), 0.1, np.nan, "forced", flags[night])


def test_of_equal_measurements_the_first_counts_that_its_source_has_nothing_against(tmp_path: Path) -> None:
    """In one ingest, in nights one by one, in the compact form, and whatever came together in a file."""
    ingest(options(tmp_path / "one"), alerts, [0, 1, 2], {})
    ingest(options(tmp_path / "file"), lambda nights: chain(*map(alerts, nights)), [(0, 1, 2)], {})
    for night in range(3):
        ingest(options(tmp_path / "s", into=night > 0), alerts, [night], {})
    kept = [(0.0, ""), (1.0, ""), (0.0, "bad"), (0.0, ""), (1.0, ""), (2.0, "")]
    grown = Survey.open(tmp_path / "s")
    for survey in (Survey.open(tmp_path / "one"), Survey.open(tmp_path / "file"), grown):
        table = read_photometry(survey)
        assert table is not None
        assert list(zip(*(table.column(name).to_pylist() for name in ("flux", "flag")), strict=True)) == kept
        assert SurveyPoints(survey).of(survey[0]).flux.tolist() == [0, 1, 0, 1, 2]
    assert rows(read_photometry(compact(grown.path).survey)) == rows(read_photometry(Survey.open(tmp_path / "one")))
