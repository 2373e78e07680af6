"""Single messages of a broker are read by a schema file, and only by the right one."""

import json
from pathlib import Path

import fastavro
import pytest

from tests.ingestion.alert_packets import schema as ztf_schema
from tests.ingestion.commands import frame_bytes, made, refusal
from tests.ingestion.rubin_packets import alert, message, schema, write_alerts
from tests.refusals import check_refusal


@pytest.fixture
def packets(tmp_path: Path) -> Path:
    """Return a folder with a message for each of three alerts."""
    folder = tmp_path / "packets"
    folder.mkdir()
    for day in range(3):
        (folder / f"{day}.avro").write_bytes(message(alert(day=day)))
    return folder


def plain(version: int = 10) -> str:
    return json.dumps({key: value for key, value in schema(version).items() if not key.startswith("__")})


@pytest.mark.parametrize("of_registry", [False, True])
def test_messages_with_their_schema_are_alerts(tmp_path: Path, packets: Path, of_registry: bool) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"schema": plain(), "id": 1000}) if of_registry else plain())
    result = made("rubin", packets, tmp_path / "s", "--schema", file, "--jobs", 2)
    assert result.said == "1 object, 3 frames, 0 rejected"
    whole = write_alerts(tmp_path / "a.avro", [alert(day=day) for day in range(3)])
    assert frame_bytes(result.survey) == frame_bytes(made("rubin", whole, tmp_path / "t").survey)
    mixed = made("rubin", whole, tmp_path / "u", "--schema", file)  # a container has its own
    assert mixed.said == result.said


def test_a_schema_finds_its_records_in_the_files_beside_it(tmp_path: Path, packets: Path) -> None:
    parts = json.loads(plain())
    (tmp_path / "source.avsc").write_text(json.dumps(parts["fields"][1]["type"] | {"name": "source"}))
    parts["fields"][1]["type"] = "source"
    (tmp_path / "alert.avsc").write_text(json.dumps(parts))
    result = made("rubin", packets, tmp_path / "s", "--schema", tmp_path / "alert.avsc")
    assert result.said == "1 object, 3 frames, 0 rejected"


def test_a_message_without_a_schema_names_the_option(tmp_path: Path, packets: Path) -> None:
    check_refusal(refusal("rubin", packets, tmp_path / "s"), "E-INGEST-REJECTS", "--schema"[2:], "1000")


def test_a_message_of_another_schema_is_refused(tmp_path: Path, packets: Path) -> None:
    (tmp_path / "seven.json").write_text(plain(7))
    error = refusal("rubin", packets, tmp_path / "s", "--schema", tmp_path / "seven.json")
    check_refusal(error, "E-INGEST-REJECTS", "schema", where=tmp_path / "s")


@pytest.mark.parametrize("content", ["", "rubbish", "{}", '{"type": "record", "name": "a"}', '{"schema": "rubbish"}'])
def test_a_file_that_is_no_schema_is_refused(tmp_path: Path, packets: Path, content: str) -> None:
    (tmp_path / "schema.json").write_text(content)
    error = refusal("rubin", packets, tmp_path / "s", "--schema", tmp_path / "schema.json")
    check_refusal(error, "E-COMMAND-VALUE", where=tmp_path / "schema.json")


def test_a_schema_of_other_alerts_or_none_at_all_is_refused(tmp_path: Path, packets: Path) -> None:
    other = {key: value for key, value in ztf_schema().items() if not key.startswith("__")}
    fastavro.parse_schema(other)
    (tmp_path / "ztf.json").write_text(json.dumps(other))
    error = refusal("rubin", packets, tmp_path / "s", "--schema", tmp_path / "ztf.json")
    check_refusal(error, "E-COMMAND-VALUE", "Rubin", where="ztf.json")
    error = refusal("rubin", packets, tmp_path / "s", "--schema", tmp_path / "none.json")
    check_refusal(error, "E-FILES-MISSING", where="none.json")
