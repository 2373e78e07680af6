"""The commands that let a survey grow, from alerts as they come night by night."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.core.errors import IctConventionError, UsageError
from ictconvention.survey.growth.side_tables import read_photometry
from ictconvention.survey.survey import Survey
from tests.ingestion.alert_packets import alert, detection, limit, write_avro
from tests.ingestion.commands import made, write_table
from tests.refusals import check_refusal

IDS = ("ZTF18aaaaaaa", "ZTF18aaaaaab", "ZTF18aaaaaac")
OPTIONS = ("--bands", "g,r", "--classes", "AGN,SN Ia", "--name", "alerts")


def ingest(*words: object) -> list[str]:
    """Run `ictconvention ingest`, and return what it says; the error of one that fails."""
    result = CliRunner().invoke(app, ["ingest", *map(str, words), "--jobs", "1"])
    if isinstance(result.exception, IctConventionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    """Write three nights of alerts, each with what was seen before, in a folder for each and all in one; and labels."""
    everything = []
    for night in range(3):
        of_night = [
            alert(id_, day, fid=1 + number % 2, previous=[detection(day - 1, fid=1 + number % 2), limit(day - 2)])
            for number, id_ in enumerate(IDS)
            for day in (night + 0.1 * number,)
            if night != number  # each object misses a night
        ]
        everything += of_night
        (tmp_path / f"{night}").mkdir()
        write_avro(tmp_path / f"{night}" / "alerts.avro", of_night)
    (tmp_path / "all").mkdir()
    write_avro(tmp_path / "all" / "alerts.avro", everything)
    write_table(tmp_path / "labels.csv", [{"id": IDS[2], "class": "AGN"}, {"id": IDS[0], "class": "SN Ia"}])
    return tmp_path


def test_alerts_of_three_nights_make_the_survey_of_all(alerts: Path) -> None:
    labels = ("--objects", alerts / "labels.csv")
    one = made("ztf", alerts / "all", alerts / "one", *OPTIONS, *labels)
    ingest("ztf", alerts / "0", alerts / "s", *OPTIONS, *labels)
    for night in (1, 2):
        lines = ingest("ztf", alerts / f"{night}", "--into", alerts / "s", *labels)
    grown = Survey.open(alerts / "s")
    assert lines[-1] == one.said == f"{len(grown)} objects, {grown.lengths.sum()} frames, 0 rejected"
    assert grown.ids == one.survey.ids == (IDS[2], IDS[0], IDS[1])
    for here, there in zip(grown, one.survey, strict=True):
        assert here.frames.tobytes() == there.frames.tobytes()
        assert (here.mjd.tolist(), dict(here.metadata)) == (there.mjd.tolist(), dict(there.metadata))
    measured = read_photometry(grown)
    assert measured is not None
    assert repr(measured.to_pydict()) == repr(one.photometry)
    result = CliRunner().invoke(app, ["compact", str(alerts / "s")])
    assert result.exit_code == 0, result.output
    assert repr(made_photometry(alerts / "s")) == repr(one.photometry)
    check = CliRunner().invoke(app, ["check", str(alerts / "s")])
    assert check.exit_code == 0
    assert all(state[:8] in check.stdout for state in grown.lineage)


def made_photometry(survey: Path) -> object:
    from tests.ingestion.commands import table

    return table(survey / "photometry.parquet")


def test_a_dry_run_of_a_night_says_what_the_survey_would_hold(alerts: Path) -> None:
    ingest("ztf", alerts / "0", alerts / "s", *OPTIONS)
    before = Survey.open(alerts / "s").hash
    dry = ingest("ztf", alerts / "1", "--into", alerts / "s", "--dry-run")
    assert Survey.open(alerts / "s").hash == before
    assert ingest("ztf", alerts / "1", "--into", alerts / "s")[-1] == dry[-1]


@pytest.mark.parametrize("words", [[], ["s", "--into", "s"], ["s", "--relabel"]])
def test_a_survey_is_named_once(alerts: Path, words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        ingest("ztf", alerts / "0", *words)
    check_refusal(caught.value, "E-COMMAND-CONFLICT")
