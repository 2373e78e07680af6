"""Ways to damage alerts in Avro: their schema, their values, and their compressed stamps."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from numpy.random import Generator

from experiments.faults.damage_trees import change_tree
from experiments.faults.draws import one_of
from tests.ingestion.alert_packets import schema

NUMBERS: Sequence[Any] = (None, float("nan"), float("inf"), -1.0, 0.0, 1e30, -999.0, 1e-320, 2458000.5, 95.0, 400.0)
TEXTS: Sequence[Any] = (None, "", "nan", "text", "t", "f", "1", "a\0b", "x" * 300, "../x", "ä")


def change_alert(path: Path, rng: Generator) -> str:
    """Change a value of an alert within its type."""
    one = _first(path)
    inside = one["candidate"] if rng.random() < 0.6 else one
    if rng.random() < 0.2 and one["prv_candidates"]:
        inside = one_of(one["prv_candidates"], rng)
    name = one_of(sorted(key for key in inside if not isinstance(inside[key], dict | list)), rng)
    before = inside[name]
    if isinstance(before, str):
        inside[name] = one_of(TEXTS, rng)
    elif isinstance(before, int):
        inside[name] = one_of((0, -1, 4, 2**31 - 1, before + 1), rng)
    else:
        inside[name] = one_of(NUMBERS, rng)
    try:
        _write(path, one)
    except (TypeError, ValueError, OverflowError):  # its type does not allow that: the number 0, or an empty text
        inside[name] = "" if isinstance(before, str) else None if before is None else type(before)(0)
        _write(path, one)
    return f"{name}: {str(before)[:20]!r} to {str(inside[name])[:20]!r}"


def change_cutout(path: Path, rng: Generator) -> str:
    one = _first(path)
    name = one_of(("cutoutScience", "cutoutDifference", "cutoutTemplate"), rng)
    content = one[name]["stampData"]
    made = (
        None,
        b"",
        content[: len(content) // 2],
        bytes(content[:20]) + rng.bytes(20) + content[40:],
        rng.bytes(200),
        np.zeros(63).tobytes(),
        content + content,
    )
    which = int(rng.integers(len(made)))
    if made[which] is None:
        one[name] = None
    else:
        one[name]["stampData"] = made[which]
    _write(path, one)
    return f"{name} {which}"


def change_schema(path: Path, rng: Generator) -> str:
    """Change the schema that the header of the file holds, and leave the values as they are."""
    content = path.read_bytes()
    with path.open("rb") as file:
        written = fastavro.reader(file).metadata["avro.schema"]
    tree = json.loads(written)
    said = change_tree(tree, rng)
    made = json.dumps(tree).encode("utf-8", "surrogatepass")
    before = written.encode()
    at = content.find(before)
    if at < 0:
        return "no schema"
    length = _packed(len(before))
    path.write_bytes(content[: at - len(length)] + _packed(len(made)) + made + content[at + len(before) :])
    return said


def _first(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        one: Any = next(fastavro.reader(file))
    return one


def _packed(number: int) -> bytes:
    """Return a number as Avro writes it."""
    value, made = number << 1, bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _write(path: Path, one: dict[str, Any]) -> None:
    file = io.BytesIO()
    fastavro.writer(file, schema(), [one])
    path.write_bytes(file.getvalue())


OF_AVRO = (change_alert, change_alert, change_alert, change_cutout, change_schema)
