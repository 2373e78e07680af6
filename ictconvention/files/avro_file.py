"""Read the records of an Avro file, block by block, each bounded: a small file never takes much memory or time.

The container is that of the Avro specification 1.11, "Object Container Files"; fastavro decodes what is in its blocks.
"""

import bz2
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import IO, Any, cast

from ictconvention.files.reading import ForeignError, UnreadableError

MAGIC = b"Obj\x01"
CONFLUENT = 0  # first byte of a packet in Confluent's wire format, then four of the schema's number
HEADER = {  # after the four bytes of `MAGIC`
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": 16}},
    ],
}
MOST_PACKED = 2**26  # bytes of a block
MOST_UNPACKED = 2**24  # bytes that a block may unpack to, or four times its own
MOST_OF_FILE = 2**26  # bytes that all blocks may unpack to, or twenty times the file's own
Unpack = Callable[[bytes, int], bytes]


class BoundedStream:
    """A stream that is never asked for more than is left of it: a damaged length would take all the memory.

    Parameters
    ----------
    stream : file
        Opened for reading bytes.
    size : int
        Bytes that it holds.
    """

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self.left = size

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, or what is left."""
        content = self._stream.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(content)
        return content


class NoSchemaError(ForeignError):
    """A broker's message, which only its schema can read."""


def read_avro(stream: IO[bytes], size: int, schema: Any = None) -> Iterator[Mapping[str, Any]]:
    """Yield the records of an Avro file, or the one of a broker's message.

    Parameters
    ----------
    stream : file
        Opened for reading bytes.
    size : int
        Bytes that it holds.
    schema : dict, optional
        Parsed schema of a message in Confluent's wire format; a container has its own.

    Raises
    ------
    UnreadableError
        It is neither, is a message of another schema, is damaged, or unpacks to more than such a file may.
    """
    from fastavro import parse_schema, schemaless_reader

    bounded = BoundedStream(stream, size)
    start = bounded.read(4)
    if schema is not None and len(start) == 4 and start[0] == CONFLUENT:
        yield _message(bounded, schema)
        return
    header = _header(start, bounded)
    schema = parse_schema(json.loads(header["meta"]["avro.schema"]))
    _refuse_items_of_no_size(schema)
    unpack = _unpacking(header["meta"].get("avro.codec", b"null").decode())
    allowed = max(MOST_OF_FILE, 20 * size)
    while bounded.left:
        count, content = _block(bounded, unpack, allowed)
        if bounded.read(16) != header["sync"]:
            raise UnreadableError("damaged: a block does not end where it should")
        allowed -= len(content)
        records = BytesIO(content)
        for _ in range(count):
            record = schemaless_reader(records, schema, None)
            if not isinstance(record, Mapping):
                raise UnreadableError("a record is not an alert")
            yield cast(Mapping[str, Any], record)
        if records.tell() < len(content):
            raise UnreadableError("damaged: a block holds more than its records")


def _message(stream: BoundedStream, schema: Any) -> Mapping[str, Any]:
    """Return the record of a message, whose first four bytes are read."""
    from fastavro import schemaless_reader

    if stream.left > MOST_PACKED:
        raise UnreadableError(f"a message of {stream.left} bytes")
    _refuse_items_of_no_size(schema)
    content = BytesIO(stream.read()[1:])
    try:
        record = schemaless_reader(content, schema, None)
    except Exception as error:  # rubbish may break the decoder anywhere
        raise UnreadableError(f"no message of this schema: {error or type(error).__name__}") from error
    if content.read(1):
        raise UnreadableError("no message of this schema: it holds more than one record")
    if not isinstance(record, Mapping):
        raise UnreadableError("a record is not an alert")
    return cast(Mapping[str, Any], record)


def _header(start: bytes, stream: BoundedStream) -> Any:
    from fastavro import schemaless_reader

    if start != MAGIC:
        if len(start) == 4 and start[0] == CONFLUENT:
            number = int.from_bytes(start[1:] + stream.read(1), "big")
            raise NoSchemaError(
                f"a message in Confluent's wire format, whose schema (number {number}) is with the broker: "
                "save it with its schema, as an Avro file"
            )
        raise UnreadableError("no Avro file")
    return schemaless_reader(cast(Any, stream), cast(Any, HEADER), None)


def _block(stream: BoundedStream, unpack: Unpack, allowed: int) -> tuple[int, bytes]:
    """Return the number of records of the next block, and its bytes, unpacked."""
    count, packed = _long(stream), _long(stream)
    if packed > stream.left:
        raise UnreadableError("truncated")
    if not 0 <= packed <= MOST_PACKED:
        raise UnreadableError(f"a block of {packed} bytes")
    most = min(max(MOST_UNPACKED, 4 * packed), allowed)
    content = unpack(stream.read(packed), most)
    if len(content) > most:
        raise UnreadableError(f"it unpacks to more than {most} bytes")
    if not 0 <= count <= len(content):
        raise UnreadableError(f"damaged: a block of {len(content)} bytes with {count} records")
    return count, content


def _long(stream: BoundedStream) -> int:
    """Return the next whole number, of variable length, in zigzag code."""
    value = shift = 0
    while True:
        byte = stream.read(1)
        if not byte or shift > 63:
            raise UnreadableError("truncated" if not byte else "damaged: a number of more than 64 bits")
        value |= (byte[0] & 127) << shift
        if byte[0] < 128:
            return (value >> 1) ^ -(value & 1)
        shift += 7


def _unpacking(codec: str) -> Unpack:
    """Return the function that unpacks a block to at most so many bytes, and one more if there are more."""
    match codec:
        case "null":
            return lambda content, most: content
        case "deflate":
            return lambda content, most: zlib.decompressobj(-15).decompress(content, most + 1)
        case "bzip2":
            return lambda content, most: bz2.BZ2Decompressor().decompress(content, most + 1)
        case "xz":
            return lambda content, most: lzma.LZMADecompressor().decompress(content, most + 1)
        case "snappy":
            return _unpack_snappy
        case "zstandard":
            return _unpack_zstandard
    raise UnreadableError(f"packed by {codec}: pack it again by deflate, or not at all")


def _unpack_snappy(content: bytes, most: int) -> bytes:
    """Unpack a block that says its size first, in a whole number of variable length, and its checksum last."""
    import pyarrow as pa

    size = shift = 0
    for byte in content[:5]:
        size |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if size > most:
        raise UnreadableError(f"it unpacks to more than {most} bytes")
    unpacked = bytes(pa.decompress(content[:-4], size, codec="snappy", asbytes=True))
    if zlib.crc32(unpacked) != int.from_bytes(content[-4:], "big"):
        raise UnreadableError("damaged: the checksum of a block is another")
    return unpacked


def _unpack_zstandard(content: bytes, most: int) -> bytes:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return bytes(stream.read(most + 1))


def _refuse_items_of_no_size(schema: Any) -> None:
    """Refuse arrays whose items take no bytes: a few bytes could stand for any number of them."""
    named: dict[str, Any] = {}

    def smallest(one: Any) -> int:
        """Return the fewest bytes that a value takes, 0 or 1."""
        if isinstance(one, list):
            for kind in one:
                smallest(kind)
            return 1  # the branch's number
        if isinstance(one, str):
            return 0 if one == "null" else smallest_of_named(one)
        kind = one["type"]
        if kind == "array" and not smallest(one["items"]):
            raise UnreadableError("an array of items without a size")
        if kind == "map":
            smallest(one["values"])
        if kind in ("record", "error"):
            named[one["name"]] = 1  # while it is being looked at
            sizes = [smallest(field["type"]) for field in one["fields"]]
            named[one["name"]] = int(any(sizes))
            return int(any(sizes))
        if kind == "fixed":
            named[one["name"]] = int(one["size"] > 0)
            return int(one["size"] > 0)
        return smallest(kind) if isinstance(kind, dict | list) else 0 if kind == "null" else 1

    def smallest_of_named(name: str) -> int:
        return int(named.get(name, 1))

    smallest(schema)
