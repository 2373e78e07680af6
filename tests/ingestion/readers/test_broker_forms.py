"""The forms in which brokers give alerts: whole packets are read, whatever packs them; others are named."""

import struct
import zlib
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.files.test_avro_file import container
from tests.ingestion import alert_packets as ztf
from tests.ingestion import rubin_packets as rubin
from tests.ingestion.commands import frame_bytes, made, refusal
from tests.refusals import check_refusal

SCIENCE = {"name": "science", "type": "bytes"}
ALERCE = {  # of its multi-stream schema
    "type": "record",
    "name": "alert",
    "fields": [
        {"name": "oid", "type": "string"},
        {"name": "tid", "type": "string"},
        {"name": "candid", "type": ["long", "string"]},
        {"name": "mjd", "type": "double"},
        {
            "name": "stamps",
            "type": {"type": "record", "name": "stamps", "fields": [{"name": "science", "type": "bytes"}]},
        },
    ],
}
PORTAL: dict[str, Any] = {"i:objectId": ["ZTF18aaaaaaa"], "i:jd": [2458000.5], "b:cutoutScience_stampData": [b""]}
RUBIN_PORTAL: dict[str, Any] = {"r:diaObjectId": [rubin.OBJECT], "r:midpointMjdTai": [61000.0]}


def test_a_night_that_the_observatory_packed_by_snappy_is_read(tmp_path: Path) -> None:
    alerts = [rubin.alert(day=day) for day in range(2)]
    plain = rubin.write_alerts(tmp_path / "plain.avro", alerts)
    with plain.open("rb") as file:
        reader: Any = fastavro.block_reader(file)
        blocks = [(block.num_records, block.bytes_.getvalue()) for block in reader]
        packed = [
            (number, bytes(pa.compress(content, codec="snappy", asbytes=True)) + struct.pack(">I", zlib.crc32(content)))
            for number, content in blocks
        ]
        (tmp_path / "snappy.avro").write_bytes(container(reader.writer_schema, packed, "snappy"))
    one, other = (made("rubin", tmp_path / f"{name}.avro", tmp_path / name) for name in ("plain", "snappy"))
    assert frame_bytes(one.survey) == frame_bytes(other.survey)
    assert other.said == "1 object, 2 frames, 0 rejected"


def test_columns_that_a_broker_adds_and_its_names_of_lists_do_not_matter(tmp_path: Path) -> None:
    alerts = [rubin.alert() | {"prvDiaSources": [rubin.earlier(-3)], "prvDiaForcedSources": [rubin.forced(-4)]}]
    more = {"brokerIngestMjd": 61000.1, "lsst_schema_version": "lsst.v10_0", "xm": {"simbad": "Unknown"}, "clf": [0.1]}
    table = pa.Table.from_pylist([one | more for one in alerts])
    seen = []
    for compliant in (True, False):
        path = tmp_path / f"{compliant}.parquet"
        pq.write_table(table, path, use_compliant_nested_type=compliant)
        seen.append(made("rubin", path, tmp_path / f"s{compliant}").photometry)
    for name in ("prvDiaSources", "prvDiaForcedSources"):  # as polars writes lists
        place = table.schema.get_field_index(name)
        kind = pa.large_list(table.schema.field(name).type.value_type)
        table = table.set_column(place, name, table.column(name).cast(kind))
    pq.write_table(table, tmp_path / "large.parquet")
    seen.append(made("rubin", tmp_path / "large.parquet", tmp_path / "large").photometry)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["kind"] == ["forced", "detection", "detection"]  # the last is the alert's own


@pytest.mark.parametrize("command", ["ztf", "rubin"])
def test_forms_without_what_stamps_need_are_named(tmp_path: Path, command: str) -> None:
    (tmp_path / "own").mkdir()
    with (tmp_path / "own" / "a.avro").open("wb") as file:
        one = {"oid": "ZTF18aaaaaaa", "tid": "ZTF", "candid": 1, "mjd": 58000.0, "stamps": {"science": b""}}
        fastavro.writer(file, ALERCE, [one])
    (tmp_path / "portal").mkdir()
    pq.write_table(pa.table(PORTAL), tmp_path / "portal" / "a.parquet")
    (tmp_path / "rubin").mkdir()
    pq.write_table(pa.table(RUBIN_PORTAL), tmp_path / "rubin" / "a.parquet")
    for folder, broker in (("own", "ALeRCE"), ("portal", "Fink"), ("rubin", "Fink")):
        error = refusal(command, tmp_path / folder, tmp_path / "s")
        check_refusal(error, "E-INGEST-REJECTS", broker, "packets")


def test_one_packet_a_file_as_buckets_and_archives_have_them(tmp_path: Path) -> None:
    for day in range(3):  # named as Pitt-Google names those of ZTF
        ztf.write_avro(tmp_path / f"ZTF18aaaaaaa.{day}.ztf_20220401_programid1.avro", [ztf.alert(day=day)])
    assert made("ztf", tmp_path, tmp_path / "s").said == "1 object, 3 frames, 0 rejected"
