"""The Avro schema of single messages: a file as the schema's repository has it, or as a broker's registry gives it."""

import json
from pathlib import Path
from typing import Any, Literal

from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.core.plain_file import open_plain

FIX = "give lsst.v10_0.alert.avsc with its neighbours of the same version, or what the registry gives for the schema"
MOST_SCHEMA = 2**24  # bytes
SurveyName = Literal["Rubin", "ZTF"]
FIELDS: dict[SurveyName, str] = {"Rubin": "diaSource", "ZTF": "candidate"}  # that alerts have


def read_schema(path: Path, of: SurveyName = "Rubin") -> Any:
    """Return a parsed schema.

    Parameters
    ----------
    path : Path
        Of the record of an alert; records that it names and does not hold lie beside it, each in a file of its name
        (`lsst.v10_0.diaSource.avsc`). Or the answer of a schema registry, `{"schema": "..."}`.
    of : "Rubin" or "ZTF"
        Whose alerts it shall be of.

    Raises
    ------
    UsageError
        There is none, fastavro is not installed, or it is no schema of an alert.
    """
    if not path.exists():
        raise UsageError("there is no such file", path, "check the path of --schema", "E-FILES-MISSING")
    try:
        from fastavro import parse_schema
        from fastavro.schema import UnknownType, load_schema
    except ImportError as error:
        fix = "install the extra: pip install -c constraints.txt '.[ztf]'"
        raise UsageError("the package fastavro is not installed", "ingest rubin", fix, "E-PACKAGE-MISSING") from error
    with readable_os_errors("reading the schema", path), open_plain(path) as file:
        content = file.read(MOST_SCHEMA)
    try:
        written = json.loads(content)
        if isinstance(written, dict) and isinstance(written.get("schema"), str):
            written = json.loads(written["schema"])
        try:
            parsed = parse_schema(written)
        except UnknownType:  # it is in a file of its name
            parsed = load_schema(str(path))
    except Exception as error:  # a damaged schema may break the parser anywhere
        raise UsageError(f"no Avro schema: {error or type(error).__name__}", path, FIX, "E-COMMAND-VALUE") from error
    record = parsed[-1] if isinstance(parsed, list) else parsed
    known = record.get("fields", []) if isinstance(record, dict) else []
    if FIELDS[of] not in {field.get("name") for field in known}:
        raise UsageError(f"the schema is not that of {of}'s alerts", path, FIX, "E-COMMAND-VALUE")
    return parsed
