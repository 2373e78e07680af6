"""Packets of a stream: their bytes, with or without their schema, become alerts."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.files.avro_file import CONFLUENT, NoSchemaError, read_avro
from ictconvention.files.reading import UnreadableError, unreadable
from ictconvention.ingestion.readers.alert_files import Alert
from ictconvention.ingestion.rubin.schema import SurveyName, read_schema

WIRE = 5  # bytes before the record of a packet in Confluent's wire format: 0, and the number of its schema
ENDINGS = (".avsc", ".json")
MOST_WITHOUT = 3  # packets of one schema that is not known, after which no more are read


class Schemas:
    """The schemas of packets in Confluent's wire format, which have but its number.

    Parameters
    ----------
    path : Path, optional
        One schema, of all packets; or a folder with one for each number: 703.avsc, or 703.json as a registry gives it.
    of : "ZTF" or "Rubin"
        Whose alerts they are.

    Raises
    ------
    UsageError
        There is none, or no schema of such alerts.
    """

    def __init__(self, path: Path | None, of: SurveyName) -> None:
        self._path, self._of = path, of
        self._known: dict[int, Any] = {}
        self._only = None
        if path is None:
            return
        if not path.is_dir():
            self._only = read_schema(path, of)
            return
        numbers = [one for one in path.iterdir() if one.stem.isdecimal() and one.suffix in ENDINGS]
        if not numbers:
            fix = "name each file by its schema's number, such as 703.avsc"
            raise UsageError("no schema with a number is there", path, fix, "E-FILES-MISSING")
        self._known = {int(one.stem): read_schema(one, of) for one in numbers}

    def of(self, number: int) -> Any:
        """Return the schema of a number; a file that was added to the folder since is seen.

        Raises
        ------
        NoSchemaError
            It is not known.
        """
        if self._only is not None:
            return self._only
        if number not in self._known and self._path is not None:
            files = [self._path / f"{number}{ending}" for ending in ENDINGS]
            if file := next((one for one in files if one.is_file()), None):
                self._known[number] = read_schema(file, self._of)
        if number not in self._known:
            place = "give it by --schema" if self._path is None else f"it is not in {self._path}"
            raise NoSchemaError(f"a packet of schema {number}, which it does not hold: {place}")
        return self._known[number]


class Packets:
    """The packets of a stream, one after the other.

    Parameters
    ----------
    schemas : Schemas
        Of packets that do not hold their own.
    """

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self._without = Counter[int | None]()  # packets of each schema that is not known

    def read(self, content: bytes) -> Iterator[Alert | UnreadableError]:
        """Yield the alerts of a packet, one or several; or why it cannot be read.

        Raises
        ------
        UsageError
            Several packets of one schema lack it: not they are at fault, but what the command was given.
        """
        number = _schema_number(content)
        try:
            alerts = list(self._alerts(content, number))
        except NoSchemaError as error:
            self._without[number] += 1
            if self._without[number] >= MOST_WITHOUT:
                found = f"{pluralize(self._without[number], 'packet')} of one schema cannot be read: {error}"
                fix = "give the schema, or the folder with one for each number: --schema PATH"
                raise UsageError(found, "--schema", fix, "E-STREAM-SCHEMA") from error
            yield error
        except UnreadableError as error:
            yield error
        except UsageError:
            raise
        except Exception as error:  # noqa: BLE001 - rubbish may break the decoder anywhere
            yield unreadable("no alert", error)
        else:
            self._without.pop(number, None)
            yield from alerts

    def _alerts(self, content: bytes, number: int | None) -> Iterator[Mapping[str, Any]]:
        schema = None
        if number is not None:
            schema = self._schemas.of(number)
        elif content[:1] == b"{":
            raise UnreadableError(_describe_json(content))
        yield from read_avro(BytesIO(content), len(content), schema)


def _schema_number(content: bytes) -> int | None:
    """Return the number of the schema of a packet in the wire format; None of another packet."""
    wire = len(content) > WIRE and content[0] == CONFLUENT
    return int.from_bytes(content[1:WIRE], "big") if wire else None


def _describe_json(content: bytes) -> str:
    try:
        names = list(json.loads(content))[:3]
    except (ValueError, RecursionError):
        return "no Avro"
    return f"JSON ({', '.join(map(str, names))} ...), and not the survey's own packet in Avro"
