"""The two files of a split, JSON for people and Parquet for many objects, and the hash of what they say."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, model_validator

from ictconvention.core.errors import SplitError, readable_os_errors
from ictconvention.core.plain_file import read_plain
from ictconvention.reading.id_column import AT_ONCE, IdColumn
from ictconvention.reading.json_file import ABSENT, JsonRecord, Shape, parse_json
from ictconvention.reading.parquet_file import read_parquet
from ictconvention.reading.text_column import TextColumn

COMPACT = ".parquet"  # suffix of the second
MAGIC = b"PAR1"  # with which any Parquet begins
MANY = 100_000  # objects of which a run keeps the second
RECORD = b"ictconvention split"  # key of the Parquet's metadata that holds all but the columns
COLUMNS = ("id", "class", "part", "excluded")


class RuleShape(Shape):
    """The types of how a split was drawn."""

    protocol: str = ABSENT
    index: NonNegativeInt = ABSENT
    count: NonNegativeInt = ABSENT
    seed: NonNegativeInt = ABSENT

    @model_validator(mode="after")
    def is_whole(self) -> Self:
        """Refuse half a rule: a split that was drawn has all of it, one made by hand has none."""
        if self.model_fields_set and (missing := sorted(RuleShape.model_fields.keys() - self.model_fields_set)):
            raise ValueError(f"it lacks {', '.join(missing)}")
        return self


class SplitShape(Shape):
    """The types of what a file of a split says."""

    parts: dict[str, list[str]] = ABSENT
    classes: dict[str, str | None] = ABSENT
    excluded: dict[str, str] = ABSENT
    rule: RuleShape = ABSENT
    linking_length: Annotated[float, Field(ge=0)] = ABSENT
    hash: str = ABSENT


SPLIT = JsonRecord(
    SplitShape,
    SplitError,
    "E-SPLIT-FORMAT",
    'it should read {"parts": {"test": ["id", ...], ...}}, with ids in quotes',
    "a split",
)


def read_entries(path: Path, record: JsonRecord) -> dict[str, Any]:
    """Return the entries of a split file, JSON or Parquet; errors as of `JsonRecord.read`."""
    with readable_os_errors(f"reading {path.name}", path):
        content = read_plain(path)
    if not content.startswith(MAGIC):
        return record.parse(content, path)
    try:
        entries = read_compact(content)
    except ValueError as error:
        raise record.error(f"this is not {record.what}: {error}", path, record.fix, record.code) from None
    columns: dict[str, Any] = {"parts": {part: [] for part in entries["parts"]}, "classes": {}, "excluded": {}}
    record.check({**entries, **columns}, path)
    return entries


def hash_split(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a split's entries, as of one JSON text with sorted keys, which is never whole in memory."""
    digest = hashlib.sha256()
    for piece in _pieces(content):
        digest.update(piece.encode())
    return digest.hexdigest()


def write_json(content: Mapping[str, Any], entries: Mapping[str, Any], path: Path) -> None:
    """Write a split as JSON: the entries (format, version, hash), then its content."""
    plain = {name: dict(value.items()) if isinstance(value, Mapping) else value for name, value in content.items()}
    plain["parts"] = {part: list(ids) for part, ids in content["parts"].items()}
    path.write_text(json.dumps({**entries, **plain}, indent=1) + "\n", encoding="utf-8")


def write_parquet(content: Mapping[str, Any], entries: Mapping[str, Any], path: Path) -> None:
    """Write a split as Parquet: a row per object with its id, class, part, and the reason where it is left out."""
    ids: IdColumn = content["classes"].ids
    parts = dict(content["parts"])
    part = np.full(len(ids), -1, dtype=np.int32)
    for number, members in enumerate(parts.values()):
        part[ids.positions(members)] = number
    reasons: TextColumn = content["excluded"]
    reason = np.full(len(ids), -1, dtype=np.int32)
    reason[ids.positions(reasons.ids)] = reasons.codes
    record = {**entries, "rule": dict(content["rule"]), "linking_length": content["linking_length"]}
    columns = (
        ids.column,
        content["classes"].texts(),
        TextColumn(ids, tuple(parts), part).texts(),
        TextColumn(ids, reasons.names, reason).texts(),
    )
    table = pa.table(dict(zip(COLUMNS, columns, strict=True)))
    record["parts"] = list(parts)
    table = table.replace_schema_metadata({RECORD: json.dumps(record).encode()})
    pq.write_table(table, path, write_page_checksum=True, compression="zstd")


def read_compact(content: bytes) -> dict[str, Any]:
    """Return the entries of a split from the bytes of its Parquet: those of its JSON, in columns.

    Raises
    ------
    ValueError
        It is damaged, or no split.
    """
    table = read_parquet(content, COLUMNS)
    if any(table.schema.field(name).type != pa.string() for name in COLUMNS) or table.column("id").null_count:
        raise ValueError("a column is not of texts, or an object has no id")
    if (text := (table.schema.metadata or {}).get(RECORD)) is None:
        raise ValueError("it is not a split")
    record = parse_json(text)
    if not isinstance(record, dict) or not isinstance(names := record.pop("parts", None), list):
        raise ValueError("it names no parts")
    ids = IdColumn(table.column("id"))
    part = TextColumn.from_column(ids, table.column("part"))
    excluded = TextColumn.from_column(ids, table.column("excluded"))
    left_out = np.flatnonzero(excluded.codes >= 0)
    return {
        **record,
        "parts": {name: _members(part, name) for name in names},
        "classes": TextColumn.from_column(ids, table.column("class")),
        "excluded": TextColumn(_taken(ids, left_out), excluded.names, excluded.codes[left_out]),
    }


def _members(part: TextColumn, name: str) -> IdColumn:
    """Return the ids of a part, sorted."""
    if name not in part.names:
        return IdColumn([])
    here = part.codes == part.names.index(name)
    order = part.ids.order
    return _taken(part.ids, order[here[order]])


def _taken(ids: IdColumn, places: NDArray[np.integer]) -> IdColumn:
    return IdColumn(ids.column.take(pa.array(places)))


def _pieces(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield `json.dumps(content, sort_keys=True)` in pieces."""
    opening = "{"
    for name in sorted(content):
        yield f"{opening}{json.dumps(name)}: "
        opening = ", "
        match content[name]:
            case TextColumn() as texts:
                yield from _enclosed("{", (json.dumps(some)[1:-1] for some in texts.in_order()))
            case parts if name == "parts":
                inner = "{"
                for part in sorted(parts):
                    yield f"{inner}{json.dumps(part)}: "
                    ids = parts[part]
                    some = (list(ids[first : first + AT_ONCE]) for first in range(0, len(ids), AT_ONCE))
                    yield from _enclosed("[", (json.dumps(one)[1:-1] for one in some))
                    inner = ", "
                yield "}" if parts else "{}"
            case other:
                yield json.dumps(dict(other) if isinstance(other, Mapping) else other, sort_keys=True)
    yield "}"


def _enclosed(bracket: str, pieces: Iterable[str]) -> Iterator[str]:
    """Yield the pieces of a list or an object, with commas between them."""
    yield bracket
    separated = chain.from_iterable((", ", piece) for piece in pieces)
    next(separated, None)
    yield from separated
    yield "]" if bracket == "[" else "}"
