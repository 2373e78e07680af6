"""A watched stream: a row for each alert, as `predict` has it of all alerts until then; nothing is lost."""

import json
import random
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ictconvention.applying.apply import apply_runs
from ictconvention.applying.predict import PredictOptions
from ictconvention.applying.watching.address import parse_address
from ictconvention.applying.watching.kind import HowRead, choose_kind
from ictconvention.applying.watching.output import RejectsFile
from ictconvention.applying.watching.packets import Packets, Schemas
from ictconvention.applying.watching.topic import Message, Topic
from ictconvention.cli.main import app
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import FileSystemError, IctConventionError, UsageError
from ictconvention.ingestion.found import Reject
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from tests.applying.watching.streams import (
    ANSWER,
    Broker,
    by_candidate,
    packets_of,
    rows_in,
    rubin_alerts,
    rubin_run,
    ztf_alerts,
    ztf_run,
    ztf_survey,
)
from tests.applying.watching.watching_process import begin_watch
from tests.ingestion import rubin_packets
from tests.ingestion.alert_packets import Alert, avro_bytes, cutout
from tests.refusals import refused

IDLE = 0.1  # [s] after which a watch of a test ends, where nothing waits
COMPARED = ("AGN", "SN Ia", "entropy", "distance", "novelty", "frames", "seen_in_training")


def watched(run: Path, address: str, out: Path, *words: object, seconds: float = 0.2) -> list[str]:
    """Run `ictconvention watch` until nothing comes, and return its lines; the error of one that fails."""
    usual = ["--until-idle", IDLE, "--seconds", seconds]
    result = CliRunner().invoke(app, ["watch", address, *map(str, [run, "-o", out, *usual, *words])])
    if isinstance(result.exception, IctConventionError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def predicted(run: Path, survey: Survey) -> dict[str, dict[str, Any]]:
    table = apply_runs([read_trained(run)], survey, PredictOptions()).table
    return {str(row["id"]): {name: row[name] for name in COMPARED} for row in table}


def check_same(row: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in COMPARED:
        assert float(row[name]) == pytest.approx(float(expected[name]), rel=1e-4, abs=1e-6), name


def test_rows_are_what_predict_says_of_the_survey_of_all_alerts_until_then(
    points_run: Path, broker: Broker, tmp_path: Path
) -> None:
    alerts = ztf_alerts(range(5), each=4)
    packets = packets_of(alerts)
    broker.put("same", packets)
    watched(points_run, broker.address("same"), tmp_path / "out", "--batch", 7)
    rows = by_candidate(rows_in(tmp_path / "out"))
    assert rows.keys() == {one["candid"] for one in alerts}
    assert len({round(row["distance"], 3) for row in rows.values()}) > 15  # they differ, so that to be equal says much
    for end in (5, 13, 20):
        expected = predicted(points_run, ztf_survey(tmp_path / f"until-{end}", packets[:end]))
        newest = {one["objectId"]: one["candid"] for one in alerts[:end]}
        for id_, candidate in newest.items():
            check_same(rows[candidate], expected[id_])
            assert rows[candidate]["id"] == id_


@pytest.mark.parametrize("bin_pixels", [False, True])
def test_a_run_of_difference_images_gets_difference_images(broker: Broker, tmp_path: Path, bin_pixels: bool) -> None:
    run = ztf_run(tmp_path, "experiment=convention_sdss", cutout="difference", bin_pixels=bin_pixels)
    packets = packets_of(ztf_alerts(range(3), each=3))
    topic = f"difference-{bin_pixels}"
    broker.put(topic, packets)
    watched(run, broker.address(topic), tmp_path / "out")
    survey = ztf_survey(tmp_path / "all", packets, cutout="difference", bin_pixels=bin_pixels)
    rows = rows_in(tmp_path / "out")
    for id_, expected in predicted(run, survey).items():
        check_same(max((row for row in rows if row["id"] == id_), key=lambda row: row["mjd"]), expected)
    with refused(UsageError, "E-SURVEY-UNSUITED", "difference", "science"):
        watched(run, broker.address(topic), tmp_path / "other", "--cutout", "science")


def test_rubin_packets_in_the_wire_format_are_read_by_their_schema(broker: Broker, tmp_path: Path) -> None:
    run = rubin_run(tmp_path)
    alerts = rubin_alerts(range(3))
    broker.put("rubin", [rubin_packets.message(one) for one in alerts])
    broker.put("rubin", [rubin_packets.message(rubin_packets.alert(None, 50))])  # a moving source
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    plain = {key: value for key, value in rubin_packets.schema().items() if not key.startswith("__")}
    (schemas / "1000.avsc").write_text(json.dumps(plain))
    lines = watched(run, broker.address("rubin"), tmp_path / "out", "--schema", schemas)
    assert "rejected=0 moving=1" in lines[-1]
    rows = by_candidate(rows_in(tmp_path / "out"))
    assert rows.keys() == {one["diaSourceId"] for one in alerts}
    rubin_packets.write_alerts(tmp_path / "all.avro", alerts)
    from ictconvention.api.ingest import ingest

    survey = ingest("rubin", tmp_path / "all.avro", tmp_path / "all", bands="g,r,i", jobs=1).survey
    expected = predicted(run, survey)
    for one in alerts[-3:]:
        check_same(rows[one["diaSourceId"]], expected[rows[one["diaSourceId"]]["id"]])
    with refused(UsageError, "E-STREAM-SCHEMA", "1000"):
        watched(run, broker.address("rubin"), tmp_path / "without")
    (schemas / "1000.avsc").write_text("rubbish")
    with refused(UsageError, "E-COMMAND-VALUE", where="1000.avsc"):
        watched(run, broker.address("rubin"), tmp_path / "damaged", "--schema", schemas)


def test_bad_packets_are_rejects_with_their_place_and_the_stream_goes_on(
    points_run: Path, broker: Broker, tmp_path: Path
) -> None:
    alerts = ztf_alerts(range(2), each=3)
    good = packets_of(alerts)
    truncated, flat = good[0][:-200], dict(alerts[0], candid=77)
    flat["cutoutScience"] = {"fileName": "a", "stampData": b"no gzip"}
    odd = [b"", b"rubbish", b"\x00" * 9, b'{"objectId": "a"}', truncated, rubin_packets.message(rubin_packets.alert())]
    odd += [avro_bytes([flat]), avro_bytes([alerts[0], alerts[1]])]  # the last: a packet of two alerts
    broker.put("bad", [*good[:3], *odd, *good[3:]])
    watched(points_run, broker.address("bad"), tmp_path / "out", "--batch", 4)
    assert by_candidate(rows_in(tmp_path / "out")).keys() == {one["candid"] for one in alerts}
    lines = (tmp_path / "out" / "rejects.csv").read_text().splitlines()
    assert lines[0] == "object,file,reason"
    assert [line.split(",")[1] for line in lines[1:]] == [f"bad[0]@{3 + number}" for number in range(7)]
    assert lines[7].startswith(alerts[0]["objectId"])
    again = packets_of(alerts)
    broker.put("bad", again)
    lines = watched(points_run, broker.address("bad"), tmp_path / "out")
    assert f"alerts={len(again)} rows=0 duplicates={len(again)}" in lines[-1]
    assert len(rows_in(tmp_path / "out")) == len(alerts)


def test_a_packet_that_no_network_stands_is_a_reject(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    alerts = ztf_alerts(range(3), each=2)
    alerts[4]["candidate"] |= {"ra": 400.0}
    rng = np.random.default_rng(0)
    alerts[3]["cutoutScience"] = cutout(rng.normal(0, 1, (63, 63)).astype(np.float32) * np.float32(1e37))
    alerts[3]["candidate"] |= {"magzpsci": 16.0}
    broker.put("poison", packets_of(alerts))
    watched(points_run, broker.address("poison"), tmp_path / "out")
    rows = by_candidate(rows_in(tmp_path / "out"))
    assert rows.keys() == {one["candid"] for number, one in enumerate(alerts) if number not in (3, 4)}
    lines = (tmp_path / "out" / "rejects.csv").read_text().splitlines()[1:]
    assert sorted(line.split(",")[1] for line in lines) == ["poison[0]@3", "poison[0]@4"]


def test_two_detections_of_one_exposure_are_one_frame(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    first, second = ztf_alerts([1], each=2)
    copied, other = dict(first, candid=5), dict(second, candid=6)
    other["cutoutScience"] = first["cutoutScience"]
    broker.put("twice", packets_of([first, copied, second, other]))
    lines = watched(points_run, broker.address("twice"), tmp_path / "out", "--batch", 1)
    assert "rows=2 duplicates=1 rejected=1" in lines[-1]
    assert [row["frames"] for row in rows_in(tmp_path / "out")] == [1, 2]


def test_rows_go_to_a_topic_too(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    alerts = ztf_alerts(range(2), each=2)
    broker.put("in", packets_of(alerts), partitions=2)
    broker.put("out", [])
    watched(points_run, broker.address("in"), tmp_path / "out", "--to", broker.address("out"))
    rows = by_candidate(rows_in(tmp_path / "out"))
    sent = by_candidate([json.loads(one) for one in broker.contents("out")])
    assert sent.keys() == rows.keys()
    assert all(sent[candidate]["AGN"] == rows[candidate]["AGN"] for candidate in rows)


def test_a_lag_above_the_limit_is_said(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    broker.put("slow", packets_of(ztf_alerts(range(2), each=3)))
    lines = watched(points_run, broker.address("slow"), tmp_path / "out", "--batch", 2, "--max-lag", 3)
    warnings = [line for line in lines if line.startswith("warning")]
    assert len(warnings) == 2  # above it, and again within
    assert [line.rpartition("lag=")[2] for line in lines if line.startswith("alerts=")] == ["4", "2", "0"]


def test_the_folder_is_of_one_way_of_reading(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    broker.put("folder", packets_of(ztf_alerts([1], each=1)))
    watched(points_run, broker.address("folder"), tmp_path / "out")
    with refused(UsageError, "E-COMMAND-CONFLICT", "zero_point", where=tmp_path / "out"):
        watched(points_run, broker.address("folder"), tmp_path / "out", "--zero-point", 26)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with refused(UsageError, "E-FILES-EXISTS", "thesis.txt"):
        watched(points_run, broker.address("folder"), tmp_path / "mine")
    (tmp_path / "out" / "state" / "1.npy").unlink()
    with refused(UsageError, "E-STREAM-STATE", "1.npy"):
        watched(points_run, broker.address("folder"), tmp_path / "out")


def test_kafka_that_does_not_answer_and_topics_that_are_not_there(
    points_run: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ictconvention.applying.watching.topic.ANSWER", 0.5)
    with refused(FileSystemError, "E-SERVER-FAILS", where="kafka://127.0.0.1:1/alerts"):
        watched(points_run, "kafka://127.0.0.1:1/alerts", tmp_path / "out")
    with refused(UsageError, "E-STREAM-TOPIC", "alertz", where=broker.servers):
        watched(points_run, broker.address("alertz"), tmp_path / "out")
    for text in ("localhost/alerts", "kafka://localhost", "kafka:///alerts", "kafka://a b/c", "kafka://h:port/c"):
        with refused(UsageError, "E-COMMAND-VALUE"):
            parse_address(text)
    assert str(parse_address("kafka://a,b:1/c")) == "kafka://a:9092,b:1/c"


@pytest.mark.parametrize("line", ["group.id=mine", "security.protocol", "=x"])
def test_settings_of_kafka_that_cannot_be(points_run: Path, broker: Broker, tmp_path: Path, line: str) -> None:
    (tmp_path / "kafka.properties").write_text(f"# mine\nclient.rack=a\n{line}\n")
    with refused(UsageError, "E-COMMAND-CONFLICT" if "mine" in line else "E-COMMAND-VALUE", where="line 3"):
        watched(points_run, broker.address("any"), tmp_path / "out", "--kafka", tmp_path / "kafka.properties")


def test_a_run_that_knows_no_alerts_is_refused(finished: Path, broker: Broker, tmp_path: Path) -> None:
    with refused(UsageError, "E-SURVEY-UNSUITED", "g", "i", where=finished):
        choose_kind(_with_scale(finished, 0.7), HowRead())


def _with_scale(run: Path, scale: float) -> Any:
    from dataclasses import replace

    trained = read_trained(run)
    return replace(trained, survey={**trained.survey, "pixel_scale": scale})


def test_messages_that_the_brokers_removed_are_said(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    """A watch whose offset is beyond the end of the topic, as of a new topic with an old name, begins anew."""
    from confluent_kafka import Consumer, TopicPartition

    broker.put("new", packets_of(ztf_alerts([1], each=2)))
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": "mine"})
    consumer.commit(offsets=[TopicPartition("new", 0, 99)], asynchronous=False)
    consumer.close()
    lines = watched(points_run, broker.address("new"), tmp_path / "out", "--group", "mine")
    assert any(line.startswith("warning") and "99" in line for line in lines)
    assert len(rows_in(tmp_path / "out")) == 2


def test_messages_that_are_removed_while_it_watches_are_passed_over(
    points_run: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A position that the brokers do not have (any more) is found out by the client only when it fetches."""
    original, calls = Topic._ends, 0

    def ends(topic: Topic, number: int, cached: bool = False) -> tuple[int, int]:
        nonlocal calls
        calls += 1
        return (99, 99) if calls == 1 else original(topic, number, cached)

    broker.put("removed", packets_of(ztf_alerts([1], each=2)))
    monkeypatch.setattr(Topic, "_ends", ends)
    lines = watched(points_run, broker.address("removed"), tmp_path / "out", "--until-idle", 3)
    assert any(line.startswith("warning") and "99" in line for line in lines)
    assert len(rows_in(tmp_path / "out")) == 2


def test_messages_that_grew_too_old_before_they_were_read_are_counted(
    points_run: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers keep a topic for some days: its oldest message lies after that which the watch stopped at."""
    from confluent_kafka import Consumer, TopicPartition

    alerts = ztf_alerts([1], each=4)
    broker.put("old", packets_of(alerts))
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": "late"})
    consumer.commit(offsets=[TopicPartition("old", 0, 1)], asynchronous=False)
    consumer.close()
    monkeypatch.setattr(Topic, "_ends", lambda topic, number, cached=False: (0, 0) if number else (3, 4))
    lines = watched(points_run, broker.address("old"), tmp_path / "out", "--group", "late")
    [warning] = [line for line in lines if line.startswith("warning")]
    assert "2 messages of old" in warning
    assert [row["candidate"] for row in rows_in(tmp_path / "out")] == [alerts[3]["candid"]]

    said: list[str] = []
    topic = Topic(parse_address(broker.address("old")), "slow", {}, say=said.append)
    topic._assign({0: 1})
    topic._skip_removed(0)  # as where the client finds out while it fetches
    found = collect_some(topic, 1)
    topic.close()
    assert [one.offset for one in found] == [3]
    assert ["2 messages of old" in line for line in said] == [True]


def test_it_does_not_end_while_kafka_does_not_say_what_waits(
    points_run: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[int | None] = [None, 3, None, 0]
    broker.put("away", [])
    monkeypatch.setattr(
        "ictconvention.applying.watching.topic.Topic.lag", lambda topic, ask=False: answers.pop(0) if ask else None
    )
    broker.put("away", packets_of(ztf_alerts([1], each=1)))
    watched(points_run, broker.address("away"), tmp_path / "out")
    assert answers == []


def test_newest_skips_nothing_of_a_topic_that_was_begun(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    """Brokers forget a group after some days; the folder does not."""
    alerts = ztf_alerts([1], each=3)
    packets = packets_of(alerts)
    broker.put("newest", packets[:1])
    watched(points_run, broker.address("newest"), tmp_path / "out", "--newest")
    assert rows_in(tmp_path / "out") == []
    broker.put("newest", packets[1:])
    watched(points_run, broker.address("newest"), tmp_path / "out", "--newest", "--group", "of-which-nothing-is-known")
    assert by_candidate(rows_in(tmp_path / "out")).keys() == {one["candid"] for one in alerts}


def test_a_partition_is_begun_whole_or_not_at_all(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that was added while the brokers did not answer is begun at the next look."""
    from confluent_kafka import KafkaError, KafkaException

    broker.put("grows", [b"a", b"b"], partitions=2)
    both, original = Topic._partitions, Topic._ends
    monkeypatch.setattr(Topic, "_partitions", lambda topic: [0])
    topic = Topic(parse_address(broker.address("grows")), "grown", {})
    monkeypatch.setattr(Topic, "_partitions", both)

    def away(*arguments: Any) -> tuple[int, int]:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    monkeypatch.setattr(Topic, "_ends", away)
    topic._look_again = 0
    found = topic.collect(9, 0.3, lambda: False)
    monkeypatch.setattr(Topic, "_ends", original)
    topic._look_again = 0
    found += collect_some(topic, 2 - len(found))
    topic.close()
    assert sorted(one.content for one in found) == [b"a", b"b"]


@pytest.mark.parametrize("scale", [0.396, 0.396127])
def test_a_run_of_sdss_knows_no_alerts_of_rubin(finished: Path, scale: float) -> None:
    with refused(UsageError, "E-SURVEY-UNSUITED", where=finished):
        choose_kind(_with_scale(finished, scale), HowRead())


def test_a_run_whose_survey_was_made_of_other_things_is_refused(finished: Path) -> None:
    with refused(UsageError, "E-SURVEY-UNSUITED", "rubin", where=finished):
        choose_kind(_with_scale(finished, 0.4), HowRead())


def test_files_of_rows_may_move_and_are_never_overwritten(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    import shutil

    out, packets = tmp_path / "out", packets_of(ztf_alerts([1], each=2))
    broker.put("moved", packets[:1])
    watched(points_run, broker.address("moved"), out)
    file = out / "predictions-00000001.parquet"
    whole = file.read_bytes()
    shutil.copytree(out / "state", tmp_path / "state")
    shutil.rmtree(out / "state")
    broker.put("moved", packets[1:])
    with refused(UsageError, "E-STREAM-STATE", where=file):
        watched(points_run, broker.address("moved"), out)
    assert file.read_bytes() == whole
    shutil.copytree(tmp_path / "state", out / "state", dirs_exist_ok=True)
    file.unlink()
    watched(points_run, broker.address("moved"), out)
    assert [one.name for one in out.glob("*predictions*")] == ["predictions-00000002.parquet"]


def test_the_record_is_not_touched_while_another_process_holds_the_folder(
    points_run: Path, broker: Broker, tmp_path: Path
) -> None:
    broker.put("held", [])
    (tmp_path / "out").mkdir()
    with folder_lock(tmp_path / "out"), refused(FileSystemError, "E-FILES-LOCKED"):
        watched(points_run, broker.address("held"), tmp_path / "out")
    assert not (tmp_path / "out" / "watch.json").exists()


def test_alerts_of_one_broken_object_do_not_stop_the_stream(
    points_run: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three objects in a row without a number do, in however many batches."""

    def diverged(*arguments: Any) -> Any:
        raise UsageError("no number", "here", "train again", "E-NETWORK-NAN")

    monkeypatch.setattr("ictconvention.applying.watching.watch.predict_survey", diverged)
    broken = packets_of(ztf_alerts([1], each=4))
    broker.put("broken", broken)
    lines = watched(points_run, broker.address("broken"), tmp_path / "out")
    assert "rows=0 duplicates=0 rejected=4" in lines[-1]
    broker.put("all-broken", [broken[0], *packets_of(ztf_alerts([2, 3], each=1))])
    with refused(UsageError, "E-NETWORK-NAN", "3"):
        watched(points_run, broker.address("all-broken"), tmp_path / "other", "--batch", 1)


def test_photometry_of_a_packet_whose_frame_is_bad_is_kept(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    alerts = ztf_alerts([1], each=3)
    alerts[1]["cutoutScience"] = {"fileName": "a", "stampData": b"no gzip"}
    alerts[2]["prv_candidates"] = []
    packets = packets_of(alerts)
    for batch in (1, 3):
        broker.put(f"kept-{batch}", packets)
        watched(points_run, broker.address(f"kept-{batch}"), tmp_path / f"{batch}", "--batch", batch)
    single, joint = (by_candidate(rows_in(tmp_path / f"{batch}")) for batch in (1, 3))
    assert len(single) == 2
    for candidate, row in single.items():
        check_same(row, joint[candidate])


def test_one_schema_that_is_known_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "1000.avsc").write_text(
        json.dumps({key: value for key, value in rubin_packets.schema().items() if not key.startswith("__")})
    )
    packets = Packets(Schemas(tmp_path, "Rubin"))
    good = rubin_packets.message(rubin_packets.alert())
    other = good[:1] + (703).to_bytes(4, "big") + good[5:]
    for content in (other, good, other, good):
        [_] = packets.read(content)
    with refused(UsageError, "E-STREAM-SCHEMA", "703"):
        list(packets.read(other))


def test_what_is_left_out_by_choice_is_counted_apart(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    alerts = ztf_alerts([1], each=2)
    alerts[0]["prv_candidates"][0]["fid"] = 9
    broker.put("choice", packets_of(alerts))
    lines = watched(points_run, broker.address("choice"), tmp_path / "out")
    assert "rows=2 duplicates=0 rejected=0 moving=0 left_out=1" in lines[-1]
    assert not (tmp_path / "out" / "rejects.csv").exists()


def test_a_torn_line_of_rejects_is_written_again(tmp_path: Path) -> None:
    first, second = Reject("a", "t[0]@1", "no\ngood"), Reject("b", "t[0]@2", "bad")
    RejectsFile(tmp_path).add([first, second])
    whole = (tmp_path / "rejects.csv").read_bytes()
    (tmp_path / "rejects.csv").write_bytes(whole[:-3])
    assert RejectsFile(tmp_path).add([first, second]) == 1
    assert (tmp_path / "rejects.csv").read_bytes() == whole


def collect_some(topic: Topic, number: int) -> list[Message]:
    """Return the next messages of a topic, which on a busy machine come after more than one look."""
    found: list[Message] = []
    until = time.monotonic() + ANSWER
    while len(found) < number and time.monotonic() < until:
        found += topic.collect(9, 0.3, lambda: False)
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


STEPS = ["series.KnownSeries.prepare", "output.RejectsFile.add", "output.RowsTopic.send"]  # in their order
STEPS += ["output.WatchFolder.save_rows", "series.KnownSeries.complete", "output.WatchFolder.publish_rows"]
STEPS += ["topic.Topic.commit"]


def packets_with_rubbish(alerts: list[Alert]) -> list[bytes]:
    packets = packets_of(alerts)
    return [*packets[:4], b"rubbish", *packets[4:]]


@pytest.fixture(scope="module")
def calm(points_run: Path, broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a watch of these alerts leaves that nothing disturbs."""
    broker.put("undisturbed", packets_with_rubbish(ztf_alerts(range(3), each=3)))
    out = tmp_path_factory.mktemp("calm") / "out"
    watched(points_run, broker.address("undisturbed"), out, "--batch", 4)
    return out


@pytest.mark.parametrize(("step", "before"), [(STEPS[0], True), *((step, False) for step in STEPS)])
def test_who_dies_before_or_after_a_step_resumes_with_each_row_once(
    points_run: Path,
    broker: Broker,
    calm: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    before: bool,
) -> None:
    """Before the first step, or after one of them, which is before the next."""
    alerts = ztf_alerts(range(3), each=3)
    topic, out = f"{step.rpartition('.')[2]}-{before}", tmp_path / "out"
    broker.put(topic, packets_with_rubbish(alerts))
    broker.put(f"{topic}-rows", [])
    words = ("--batch", 4, "--to", broker.address(f"{topic}-rows"))
    with monkeypatch.context() as patch:
        module, owner, name = step.split(".")
        kind = getattr(import_module(f"ictconvention.applying.watching.{module}"), owner)
        original, calls = getattr(kind, name), 0

        def dying(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            result = None if before and calls == 2 else original(*arguments)
            if calls == 2:
                raise KeyboardInterrupt
            return result

        patch.setattr(kind, name, dying)
        result = CliRunner().invoke(
            app, ["watch", broker.address(topic), str(points_run), "-o", str(out), *map(str, words)]
        )
        assert isinstance(result.exception, KeyboardInterrupt | SystemExit)
        assert calls == 2
    watched(points_run, broker.address(topic), out, *words)
    rows, expected = by_candidate(rows_in(out)), by_candidate(rows_in(calm))
    assert rows.keys() == expected.keys() == {one["candid"] for one in alerts}
    for candidate, row in rows.items():
        check_same(row, expected[candidate])
    assert (out / "rejects.csv").read_text() == (calm / "rejects.csv").read_text().replace("undisturbed[", f"{topic}[")
    sent = {json.loads(one)["candidate"] for one in broker.contents(f"{topic}-rows")}
    assert sent == rows.keys()  # at least once


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    alerts = ztf_alerts(range(12), each=5)
    bad = [b"rubbish"] * 3
    packets = [*packets_of(alerts[:30]), *bad, *packets_of(alerts[30:])]
    for topic in ("killed", "calm"):
        broker.put(topic, packets, partitions=1)
    process = begin_watch(points_run, broker.address("calm"), tmp_path / "calm", IDLE)
    process.join(120)
    assert process.exitcode == 0
    rng, out = random.Random(3), tmp_path / "killed"
    for _ in range(8):
        rows = len(list(out.glob("predictions-*.parquet")))
        process = begin_watch(points_run, broker.address("killed"), out, 1e9)
        wait_for(lambda rows=rows: len(list(out.glob("*/*.npy"))) > rows)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.6))
        process.kill()
        process.join()
    process = begin_watch(points_run, broker.address("killed"), out, IDLE)
    process.join(120)
    assert process.exitcode == 0
    calm, rows_ = by_candidate(rows_in(tmp_path / "calm")), by_candidate(rows_in(out))
    assert rows_.keys() == calm.keys() == {one["candid"] for one in alerts}
    for candidate, row in rows_.items():
        check_same(row, calm[candidate])
    assert len((out / "rejects.csv").read_text().splitlines()) == 4


@pytest.mark.slow
def test_sigterm_ends_after_the_batch_at_hand(points_run: Path, broker: Broker, tmp_path: Path) -> None:
    from confluent_kafka import Consumer, TopicPartition

    alerts = ztf_alerts(range(10), each=6)
    broker.put("term", packets_of(alerts))
    out = tmp_path / "out"
    process = begin_watch(points_run, broker.address("term"), out, 1e9)
    wait_for(lambda: bool(list(out.glob("predictions-*.parquet"))))
    process.terminate()
    process.join(120)
    assert process.exitcode == 0
    rows = rows_in(out)
    assert 0 < len(rows) < len(alerts)
    group = json.loads((out / "watch.json").read_text())["group"]
    consumer = Consumer({"bootstrap.servers": broker.servers, "group.id": group})
    [place] = consumer.committed([TopicPartition("term", 0)], timeout=ANSWER)
    consumer.close()
    assert place.offset == len(rows)
    watched(points_run, broker.address("term"), out)
    assert by_candidate(rows_in(out)).keys() == {one["candid"] for one in alerts}
