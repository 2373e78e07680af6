"""The files that brokers give alerts in: Avro, tar archives of it, and Parquet. Nothing is unpacked to the disk."""

import tarfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ictconvention.core.errors import UsageError
from ictconvention.core.plain_file import check_plain, open_plain
from ictconvention.files.avro_file import read_avro
from ictconvention.files.folders import files_below
from ictconvention.files.reading import ForeignError, UnreadableError, unreadable

AVRO, PARQUET, TAR = (".avro",), (".parquet",), (".tar", ".tar.gz", ".tgz")
FILES_AT_ONCE = 256  # Avro files of a unit
ROWS_AT_ONCE = 256  # rows of Parquet in memory
LEAST_ROW = 64  # bytes of an alert in Parquet
WHOLE = "which leaves out what stamps need: take the survey's own packets, in Avro or Parquet"
OF_BROKERS = {  # fields that brokers' own forms have and the surveys' packets do not, and whose they are
    "oid": f"an alert in ALeRCE's own form, {WHOLE}",
    "i:objectId": f"a table of Fink's portal, {WHOLE}, as Fink's data transfer gives them",
    "r:diaObjectId": f"a table of Fink's portal, {WHOLE}, as Fink's data transfer gives them",
    "locus_id": f"a locus of ANTARES, {WHOLE}",
}
Alert = Mapping[str, Any]


@dataclass(frozen=True)
class AlertSource:
    """A survey's kind of alerts.

    Parameters
    ----------
    command : str
        What reads it, such as "ingest ztf".
    wanted : mapping
        The fields that are read, where a file has them, and of records the fields within.
    others : mapping
        Fields of which these alerts have none, and whose they are.
    """

    command: str
    wanted: Mapping[str, tuple[str, ...] | None]
    others: Mapping[str, str]

    def check(self, fields: Collection[str]) -> None:
        """Raise a `ForeignError` that names the command for alerts of another survey."""
        others = {**OF_BROKERS, **self.others}
        if other := next((whose for name, whose in others.items() if name in fields), None):
            raise ForeignError(other)


@dataclass(frozen=True, slots=True)
class AlertUnit:
    """Files that are read at once, and of a Parquet file the row group."""

    files: tuple[str, ...]
    row_group: int | None = None


def find_alerts(source: Path, command: str = "ingest ztf") -> tuple[Path, list[AlertUnit]]:
    """Return the folder of alert files, and what is to be read.

    Parameters
    ----------
    source : Path
        A file (.avro, .parquet, .tar, .tar.gz or .tgz), or a folder of such.
    command : str
        What is run, for errors.

    Raises
    ------
    UsageError
        There is none, or fastavro is needed and not installed.
    """
    if source.is_file():
        folder, names = source.parent, [source.name]
    elif source.is_dir():
        folder = source
        names = files_below(source, AVRO + PARQUET + TAR)
    else:
        raise UsageError("there is no such file or folder", source, "check the path", "E-FILES-MISSING")
    parquet, tar = ([name for name in names if name.lower().endswith(kind)] for kind in (PARQUET, TAR))
    avro = [name for name in names if name.lower().endswith(AVRO) or not Path(name).suffix]  # a link that leads nowhere
    if not (avro or parquet or tar):
        raise UsageError(
            "no alert file is there",
            source,
            f"give files that end in {', '.join(AVRO + PARQUET + TAR)}",
            "E-INGEST-NOTHING",
        )
    if (avro or tar) and find_spec("fastavro") is None:
        fix = "install the extra: pip install -c constraints.txt '.[ztf]'"
        raise UsageError("the package fastavro is not installed", command, fix, "E-PACKAGE-MISSING")
    units = [AlertUnit(tuple(avro[i : i + FILES_AT_ONCE])) for i in range(0, len(avro), FILES_AT_ONCE)]
    units += [AlertUnit((name,)) for name in tar]
    for name in parquet:
        try:
            with open_plain(folder / name) as file:
                groups = pq.ParquetFile(file).num_row_groups
        except Exception:  # noqa: BLE001 - the reader says more of it, wherever it breaks
            groups = 1
        units += [AlertUnit((name,), group) for group in range(groups)]
    return folder, units


def read_alerts(
    folder: Path, unit: AlertUnit, kind: AlertSource, cutout: str, schema: Any = None
) -> Iterator[tuple[str, Alert | Exception]]:
    """Yield the place and the content of each alert; where a file breaks, the place and the reason.

    Parameters
    ----------
    folder : Path
        That the names of files are relative to.
    unit : AlertUnit
        What to read.
    kind : AlertSource
        Whose alerts they shall be.
    cutout : str
        The one cutout that is read of Parquet.
    schema : dict, optional
        Avro schema of files that hold a broker's message, see `read_avro`.
    """
    for name in unit.files:
        try:
            if name.lower().endswith(PARQUET):
                yield from _parquet(folder / name, name, unit.row_group, kind, cutout)
            elif name.lower().endswith(TAR):
                yield from _tar(folder / name, name, kind, schema)
            else:
                with open_plain(folder / name) as stream:
                    yield from _avro(stream, (folder / name).stat().st_size, name, kind, schema)
        except Exception as error:  # noqa: BLE001 - rubbish may break the readers anywhere, or claim all the memory
            yield name, _broken(error)


def _broken(error: Exception) -> UnreadableError:
    if isinstance(error, ForeignError):
        return error
    return unreadable("no whole alert file", error)


def _avro(stream: IO[bytes], size: int, place: str, kind: AlertSource, schema: Any) -> Iterator[tuple[str, Alert]]:
    for number, alert in enumerate(read_avro(stream, size, schema)):
        kind.check(alert.keys())
        yield (f"{place}#{number}" if number else place), alert


def _tar(path: Path, name: str, kind: AlertSource, schema: Any) -> Iterator[tuple[str, Alert | Exception]]:
    """Yield the alerts of the Avro files in an archive; one that is broken is no reason to leave out the next."""
    with open_plain(path) as file, tarfile.open(fileobj=file) as archive:
        for member in archive:
            wanted = member.isfile() and member.name.lower().endswith(AVRO)  # a link may lead anywhere
            stream = archive.extractfile(member) if wanted else None
            if stream is None:
                continue
            place = f"{name}[{member.name}]"
            try:
                yield from _avro(stream, member.size, place, kind, schema)
            except (tarfile.TarError, OSError):  # of the archive itself
                raise
            except Exception as error:  # noqa: BLE001 - rubbish may break the reader anywhere
                yield place, _broken(error)
        _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Raise a TarError where an archive is read to a damaged header, which tarfile takes for its end."""
    source = archive.fileobj
    assert source is not None
    source.seek(archive.offset)
    mark = source.read(tarfile.BLOCKSIZE)
    if mark.strip(b"\0") or len(mark) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError(f"damaged at its byte {archive.offset}: what follows cannot be read")
    while source.read(1 << 20):  # at its end gzip compares a checksum
        pass


def _parquet(
    path: Path, name: str, row_group: int | None, kind: AlertSource, cutout: str
) -> Iterator[tuple[str, Alert]]:
    check_plain(path)
    size = path.stat().st_size
    with open_plain(path) as content, pq.ParquetFile(content) as file:
        kind.check(file.schema_arrow.names)
        _check_size(file.metadata, size)
        paths = [file.schema.column(number).path for number in range(len(file.schema))]
        columns = _columns(file.schema_arrow, paths, kind, cutout)
        groups = None if row_group is None else [row_group]
        number = 0
        for batch in file.iter_batches(ROWS_AT_ONCE, groups, columns):
            for alert in batch.to_pylist():
                yield f"{name}#{number}" if row_group in (None, 0) else f"{name}#{row_group}.{number}", alert
                number += 1


def _check_size(metadata: pq.FileMetaData, size: int) -> None:
    """Refuse a file that claims more rows or values than its bytes can hold: it would take all the memory or time."""
    if metadata.num_rows * LEAST_ROW > size + 2**16:
        raise UnreadableError(f"{metadata.num_rows} rows in {size} bytes")
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        values = max((group.column(i).num_values for i in range(group.num_columns)), default=0)
        if values > size + 2**20:
            raise UnreadableError(f"{values} values of a column in {size} bytes")


def _columns(schema: pa.Schema, paths: Sequence[str], kind: AlertSource, cutout: str) -> list[str]:
    """Return those of the paths of a Parquet file that are wanted; how the levels of a list are called is its writer's.

    Raises
    ------
    UnreadableError
        A record is none.
    """
    found = []
    for name, inner in kind.wanted.items():
        if name not in schema.names or (name.startswith("cutout") and name != cutout):
            continue
        kept = schema.field(name).type
        record = kept.value_type if pa.types.is_list(kept) or pa.types.is_large_list(kept) else kept
        if pa.types.is_null(record):
            continue  # of no alert
        if inner is not None and not pa.types.is_struct(record):
            raise UnreadableError(f"column {name} is of type {kept}")
        own = [path for path in paths if path.split(".")[0] == name]
        found += [path for path in own if inner is None or path.split(".")[-1] in inner]
    return found
