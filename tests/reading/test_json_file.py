"""JSON is read by one door: what is no plain file, no JSON, too deep or of another type is refused with its place."""

import json
from pathlib import Path
from typing import Any

import pytest

from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.reading.json_file import ABSENT, DEEPEST, JsonRecord, Shape, parse_json
from tests.core.test_plain_file import ODD, make_odd, within
from tests.refusals import refused


class Inner(Shape):
    names: list[str]


class Outer(Shape):
    number: int
    inner: Inner = ABSENT


RECORD = JsonRecord(Outer, UsageError, "E-RUN-DAMAGED", "write it again", "a record of a test")


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    content = {"number": 1, "inner": {"names": ["a"]}, "more": [None, 1.5]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert RECORD.read(tmp_path / "a.json") == content


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[" * 100_000, str(DEEPEST)),
        ('{"a":' * 500 + "1" + "}" * 500, str(DEEPEST)),
        ("[]", "object"),
        ("{", "JSON"),
        ('{"number": 1, "number": 2}', "twice"),
        ('{"number": NaN}', "NaN"),
        ('{"number": 1, "more": 1e400}', "1e400"),
        ('{"number": ' + "9" * 400 + "}", "400"),
        ('{"number": ' + "9" * 5000 + "}", "5000"),
        ('{"number": 1, "more": "\\ud800"}', "JSON"),
        ('{"number": "1"}', "number"),
        ('{"number": true}', "number"),
        ('{"number": null}', "number"),
        ("{}", "number"),
        ('{"number": 1, "inner": null}', "inner"),
        ('{"number": 1, "inner": {"names": ["a", 2]}}', "inner.names.1"),
    ],
)
def test_what_is_no_such_record_is_refused_with_its_place(tmp_path: Path, text: str, fact: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with refused(UsageError, "E-RUN-DAMAGED", fact, where="/a.json"):
        RECORD.read(tmp_path / "a.json")


def test_a_message_repeats_no_more_than_a_line_of_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"number": "x" * 10_000}))
    with pytest.raises(UsageError) as caught:
        RECORD.read(tmp_path / "a.json")
    assert len(caught.value.found) < 200


@pytest.mark.parametrize("kind", ODD)
def test_no_door_opens_what_is_no_plain_file(tmp_path: Path, kind: str) -> None:
    code = "E-FILES-MISSING" if kind == "a link to nowhere" else "E-FILES-KIND"
    path = make_odd(tmp_path, kind)
    with within(5), refused(FileSystemError, code, where=path):
        RECORD.read(path)


def test_the_deepest_nesting_that_is_allowed_is_read() -> None:
    value: Any = 1
    for _ in range(DEEPEST):
        value = [value]
    assert parse_json(json.dumps(value)) == value
    with pytest.raises(ValueError, match=str(DEEPEST)):
        parse_json(json.dumps([value]))
