"""A survey that was made before a watch began: its frames come first in the series of its objects."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ictconvention.applying.watching.series import CANDIDATE, RECALLED
from ictconvention.cli.main import app
from ictconvention.core.errors import SurveyError, UsageError
from tests.applying.watching.streams import Broker, by_candidate, packets_of, rows_in, ztf_alerts, ztf_survey
from tests.applying.watching.test_watch import check_same, predicted, watched
from tests.refusals import refused

OBJECTS, EACH, BEFORE = range(4), 4, 8  # half of the alerts are in the survey


def recalled(out: Path) -> int:
    """Return how many frames of a survey a watch has kept."""
    tables = [pq.read_table(file) for file in (out / "state").glob("*.lines.parquet")]
    return sum(table.column(CANDIDATE).to_pylist().count(RECALLED) for table in tables)


def test_rows_are_what_predict_says_of_the_survey_and_the_stream_together(
    points_run: Path, broker: Broker, tmp_path: Path
) -> None:
    alerts = ztf_alerts(OBJECTS, EACH) + ztf_alerts([9], 2)  # one that the survey does not know
    packets = packets_of(alerts)
    survey = ztf_survey(tmp_path / "before", packets[:BEFORE])
    broker.put("later", packets[BEFORE:])
    watched(points_run, broker.address("later"), tmp_path / "out", "--survey", survey.path, "--batch", 3)
    rows = by_candidate(rows_in(tmp_path / "out"))
    assert rows.keys() == {one["candid"] for one in alerts[BEFORE:]}
    expected = predicted(points_run, ztf_survey(tmp_path / "all", packets))
    newest = {one["objectId"]: one["candid"] for one in alerts}
    for id_, candidate in newest.items():
        check_same(rows[candidate], expected[id_])
    watched(points_run, broker.address("later"), tmp_path / "without", "--batch", 3)
    without = by_candidate(rows_in(tmp_path / "without"))
    more = {row["id"]: row["frames"] - without[candidate]["frames"] for candidate, row in rows.items()}
    assert more == {id_: 0 if id_ == alerts[-1]["objectId"] else BEFORE // len(OBJECTS) for id_ in newest}


def test_alerts_that_are_in_the_survey_too_have_their_rows_and_no_frame_counts_twice(
    points_run: Path, broker: Broker, tmp_path: Path
) -> None:
    packets = packets_of(ztf_alerts(OBJECTS, EACH))
    survey = ztf_survey(tmp_path / "all", packets)
    broker.put("both", packets)
    watched(points_run, broker.address("both"), tmp_path / "alone", "--batch", 5)
    watched(points_run, broker.address("both"), tmp_path / "out", "--survey", survey.path, "--batch", 5)
    alone, rows = by_candidate(rows_in(tmp_path / "alone")), by_candidate(rows_in(tmp_path / "out"))
    assert rows.keys() == alone.keys()
    for candidate, row in rows.items():
        check_same(row, alone[candidate])


def test_what_was_recalled_is_kept_and_a_survey_of_later_adds_what_is_not_known_yet(
    points_run: Path, broker: Broker, tmp_path: Path
) -> None:
    alerts = ztf_alerts([1], each=6)
    packets = packets_of(alerts)
    survey = ztf_survey(tmp_path / "before", packets[:2])
    broker.put("recalled", packets[2:4])
    watched(points_run, broker.address("recalled"), tmp_path / "out", "--survey", survey.path)
    broker.put("recalled", packets[4:5])
    lines = watched(points_run, broker.address("recalled"), tmp_path / "out")
    assert [str(survey.path) in line for line in lines if line.startswith("warning")] == [True]
    broker.put("recalled", packets[5:])
    watched(points_run, broker.address("recalled"), tmp_path / "out", "--survey", survey.path)
    broker.put("begun", packets[2:3])
    watched(points_run, broker.address("begun"), tmp_path / "begun")
    broker.put("begun", packets[3:4])
    watched(points_run, broker.address("begun"), tmp_path / "begun", "--survey", survey.path)
    assert [row["frames"] for row in rows_in(tmp_path / "out")] == [3, 4, 5, 6]
    assert recalled(tmp_path / "out") == 2
    assert [row["frames"] for row in rows_in(tmp_path / "begun")] == [1, 4]


def test_who_dies_after_a_survey_was_asked_asks_it_no_second_time(
    points_run: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packets = packets_of(ztf_alerts([1], each=4))
    survey = ztf_survey(tmp_path / "before", packets[:2])
    broker.put("dies", packets[2:])

    def die(*arguments: object) -> None:
        raise ZeroDivisionError

    words = [broker.address("dies"), str(points_run), "-o", str(tmp_path / "out"), "--survey", str(survey.path)]
    with monkeypatch.context() as held:
        held.setattr("ictconvention.applying.watching.watch.survey_of_batch", die)
        assert isinstance(CliRunner().invoke(app, ["watch", *words]).exception, ZeroDivisionError)
    watched(points_run, broker.address("dies"), tmp_path / "out", "--survey", survey.path)
    assert [row["frames"] for row in rows_in(tmp_path / "out")] == [3, 4]
    assert recalled(tmp_path / "out") == 2


def test_a_survey_of_other_frames_is_refused(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    alerts = ztf_alerts([1], each=2)
    alerts[0]["candidate"]["fid"] = 3
    broker.put("other", packets_of(alerts))
    for options, named in (
        ({"cutout": "difference"}, "difference"),
        ({"size": 20}, "20"),
        ({"simulated": True}, "simulated"),
        ({"bin_pixels": True}, "2.02"),
        ({"sky": False}, "sky"),
        ({"zero_point": 26.0}, "zero_point"),
        ({"bands": ["i"]}, "g, r"),
    ):
        survey = ztf_survey(tmp_path / named.replace(", ", ""), packets_of(alerts), **options)
        with refused(UsageError, "E-SURVEY-UNSUITED", named, where=survey.path):
            watched(points_run, broker.address("other"), tmp_path / "out", "--survey", survey.path)
    with refused(SurveyError, "E-SURVEY-MISSING", where="nowhere"):
        watched(points_run, broker.address("other"), tmp_path / "out", "--survey", tmp_path / "nowhere")
    assert rows_in(tmp_path / "out") == []


@pytest.mark.parametrize("bands", [["r"], ["g", "r", "i"]])
def test_of_other_bands_those_of_the_run_count(
    points_run: Path, broker: Broker, tmp_path: Path, bands: list[str]
) -> None:
    alerts = ztf_alerts([1], each=4)  # g and r in turn
    packets = packets_of(alerts)
    survey = ztf_survey(tmp_path / "before", packets[:3], bands=bands)
    broker.put(f"bands-{len(bands)}", packets[3:])
    watched(points_run, broker.address(f"bands-{len(bands)}"), tmp_path / "out", "--survey", survey.path)
    assert [one["candidate"]["fid"] for one in alerts[:3]] == [2, 1, 2]  # r, g, r
    assert [row["frames"] for row in rows_in(tmp_path / "out")] == [3 if bands == ["r"] else 4]
