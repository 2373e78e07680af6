"""Avro files: read as fastavro reads them, and never more than such a file may hold."""

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from ictconvention.files.avro_file import MOST_UNPACKED, read_avro
from ictconvention.files.reading import ForeignError, UnreadableError
from tests.ingestion.alert_packets import alert, avro_bytes, schema
from tests.ingestion.commands import refusal
from tests.refusals import check_refusal

SYNC = bytes(range(16))


def number(value: int) -> bytes:
    """Return a whole number as Avro writes it."""
    value = (value << 1) ^ (value >> 63)
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def container(schema: Any, blocks: list[tuple[int, bytes]], codec: str = "deflate") -> bytes:
    """Return a file with blocks of so many records, packed already."""
    meta = {"avro.schema": json.dumps(schema).encode(), "avro.codec": codec.encode()}
    entries = b"".join(number(len(k)) + k.encode() + number(len(v)) + v for k, v in meta.items())
    header = b"Obj\x01" + number(len(meta)) + entries + number(0) + SYNC
    return header + b"".join(number(n) + number(len(content)) + content + SYNC for n, content in blocks)


def deflated(size: int, byte: bytes = b"\x00") -> bytes:
    packing = zlib.compressobj(9, wbits=-15)
    return b"".join(packing.compress(byte * 2**20) for _ in range(size // 2**20)) + packing.flush()


def read(content: bytes) -> list[Any]:
    return list(read_avro(io.BytesIO(content), len(content)))


@pytest.mark.parametrize("codec", ["null", "deflate", "bzip2", "xz"])
def test_records_are_those_that_fastavro_reads(codec: str) -> None:
    content = avro_bytes([alert(day=day) for day in range(5)], codec=codec)
    assert read(content) == list(fastavro.reader(io.BytesIO(content)))
    together = io.BytesIO()
    fastavro.writer(together, schema(), [alert(day=day) for day in range(5)], codec=codec)  # in one block
    assert len(read(together.getvalue())) == 5


def snappied(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="snappy", asbytes=True)) + struct.pack(">I", zlib.crc32(content))


def zstandard(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


@pytest.mark.parametrize(("codec", "pack"), [("snappy", snappied), ("zstandard", zstandard)])
def test_blocks_packed_as_observatories_and_brokers_do_are_unpacked(codec: str, pack: Callable[[bytes], bytes]) -> None:
    record = number(300) + b"a" * 300
    whole = container(ID, [(2, pack(2 * record)), (1, pack(record))], codec)
    assert [one["objectId"] for one in read(whole)] == ["a" * 300] * 3


def test_a_block_of_snappy_with_another_checksum_is_damaged() -> None:
    record = number(300) + b"a" * 300
    with pytest.raises(UnreadableError, match="checksum"):
        read(container(ID, [(1, snappied(record)[:-1] + b"?")], "snappy"))


ID = {"type": "record", "name": "alert", "fields": [{"name": "objectId", "type": "string"}]}
NULLS = {"name": "n", "type": {"type": "array", "items": "null"}}
EMPTY = {"name": "e", "type": {"type": "array", "items": {"type": "record", "name": "nothing", "fields": []}}}
BOMBS: dict[str, Callable[[], bytes]] = {  # packed by the test that needs it
    "a block of 64 MiB": lambda: container(ID, [(1, deflated(2**26))]),
    "an id of 20 million letters": lambda: container(ID, [(1, deflated(20 * 2**20, b"a"))]),
    "nulls without end": lambda: container({**ID, "fields": [NULLS]}, [(1, number(2**50) + number(0))], "null"),
    "records of nothing without end": lambda: container({**ID, "fields": [EMPTY]}, [(1, number(2**50))], "null"),
    "alerts of nothing without end": lambda: container({**ID, "fields": []}, [(2**50, b"")], "null"),
    "blocks of too many bytes": lambda: container(ID, [(1, deflated(2**24, b"\x02"))] * 20),
    "a block of snappy that claims 4 GiB": lambda: container(ID, [(1, b"\xff\xff\xff\xff\x0f" + bytes(99))], "snappy"),
    "a block of zstandard of 64 MiB": lambda: container(ID, [(1, zstandard(bytes(2**26)))], "zstandard"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_unpacks_without_end_is_refused(bomb: str) -> None:
    content = BOMBS[bomb]()
    assert len(content) < 400_000
    with pytest.raises(UnreadableError):
        read(content)


def test_a_block_may_fill_its_bound_and_no_byte_more() -> None:
    text = b"a" * (MOST_UNPACKED - 4)
    record = number(len(text)) + text
    assert len(record) == MOST_UNPACKED
    assert len(read(container(ID, [(1, zlib.compress(record, wbits=-15))]))[0]["objectId"]) == len(text)
    more = number(len(text) + 1) + text + b"a"
    with pytest.raises(UnreadableError, match=f"more than {MOST_UNPACKED} bytes"):
        read(container(ID, [(1, zlib.compress(more, wbits=-15))]))


def test_a_message_without_its_schema_is_named_with_the_number_of_it(tmp_path: Path) -> None:
    packet = io.BytesIO()
    fastavro.schemaless_writer(packet, schema(), alert())
    content = b"\x00" + struct.pack(">I", 703) + packet.getvalue()
    with pytest.raises(ForeignError, match="703"):
        read(content)
    (tmp_path / "a.avro").write_bytes(content)
    error = refusal("ztf", tmp_path / "a.avro", tmp_path / "s")
    check_refusal(error, "E-INGEST-REJECTS", "Confluent", where=tmp_path / "s")


def test_alerts_of_rubin_are_named_as_such(tmp_path: Path) -> None:
    fields = [{"name": "diaSourceId", "type": "long"}, {"name": "cutoutScience", "type": ["null", "bytes"]}]
    with (tmp_path / "a.avro").open("wb") as file:
        rubin = {"type": "record", "name": "alert", "fields": fields}
        fastavro.writer(file, rubin, [{"diaSourceId": 1, "cutoutScience": b""}])
    error = refusal("ztf", tmp_path / "a.avro", tmp_path / "s")
    check_refusal(error, "E-INGEST-REJECTS", "Rubin", where=tmp_path / "s")


def test_all_blocks_together_unpack_to_no_more_than_a_file_may_hold() -> None:
    text = b"a" * (MOST_UNPACKED // 2)
    block = 1, zlib.compress(number(len(text)) + text, wbits=-15)
    assert len(read(container(ID, [block] * 7))) == 7
    with pytest.raises(UnreadableError, match="unpacks to more than"):
        read(container(ID, [block] * 9))
