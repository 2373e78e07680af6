"""The one reader of JSON: a plain file, an object, and each of its values of the type that it should have."""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ictconvention.core.errors import IctConventionError, readable_os_errors
from ictconvention.core.plain_file import read_plain

DEEPEST = 100  # levels of lists and objects within each other
MOST_DIGITS = 300  # of a whole number; a float holds no larger one
ABSENT: Any = None  # default of a key of a shape that may be absent; where it is there, null must be allowed
LONGEST_VALUE = 60  # letters of a value that a message repeats


class Shape(BaseModel):
    """The types of what a record says; keys that it does not name may be there, of any type."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


@dataclass(frozen=True)
class JsonRecord:
    """A kind of JSON file: what is in it, and how one that is not so is refused.

    Parameters
    ----------
    shape : type
        Type of the content, which pydantic checks: a `Shape`, or a dict of such.
    error : type
        Type of the error.
    code : str
        Code of the error.
    fix : str
        What to do about it.
    what : str
        What the file should be, such as "a status of a run".
    """

    shape: Any
    error: type[IctConventionError]
    code: str
    fix: str
    what: str = "a record"

    def read(self, path: Path) -> dict[str, Any]:
        """Return the content of a file.

        Raises
        ------
        FileSystemError
            It is no plain file, or cannot be read.
        IctConventionError
            Of the kind's own type: it is not JSON, nested too deeply, names a key twice, or holds a number that is not
            finite; or a value is of another type than it should be, which is named by its place.
        """
        with readable_os_errors(f"reading {path.name}", path):
            text = read_plain(path)
        return self.parse(text, path)

    def parse(self, text: bytes, path: Path) -> dict[str, Any]:
        """Return the content of the bytes of a file; errors as of `read`."""
        try:
            content = parse_json(text)
        except ValueError as error:
            raise self.error(f"this is not JSON: {error}", path, self.fix, self.code) from None
        if not isinstance(content, dict):
            raise self.error(f"this is not {self.what}: it holds no object", path, self.fix, self.code)
        self.check(content, path)
        return content

    def check(self, content: dict[str, Any], path: Path) -> None:
        """Refuse content of another shape; errors as of `read`."""
        try:
            _adapter(self.shape).validate_python(content, strict=True)
        except ValidationError as error:
            raise self.error(f"this is not {self.what}: {_first_flaw(error)}", path, self.fix, self.code) from None


def parse_json(text: bytes | str) -> Any:
    """Return what JSON says.

    Raises
    ------
    ValueError
        It is not JSON, nested more than `DEEPEST` levels deep, names a key twice, or holds a number that is not finite.
    """
    try:
        content = json.loads(
            text, object_pairs_hook=_once, parse_float=_finite, parse_int=_whole, parse_constant=_finite
        )
        if b"\\ud" in (text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")).lower():
            json.dumps(content, ensure_ascii=False).encode("utf-8")  # half of a pair is no letter
    except RecursionError:
        raise ValueError(f"nested more than {DEEPEST} levels deep") from None
    level = [content]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _inner(one)]
        if not level:
            return content
    raise ValueError(f"nested more than {DEEPEST} levels deep")


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def _inner(value: Any) -> list[Any]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in values if isinstance(one, dict | list)]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of JSON; a name that stands twice would lose one of its values."""
    built = dict(pairs)
    if len(built) < len(pairs):
        raise ValueError("a name stands twice in it")
    return built


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {_short(text)} is not finite")
    return number


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _first_flaw(error: ValidationError) -> str:
    """Return the first thing that pydantic found, in words."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"])) or "it"
    if first["type"] == "missing":
        return f"{place} is missing"
    return f"{place} is {_short(repr(first['input']))}; {first['msg'].replace('Input should be', 'it should be')}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."
