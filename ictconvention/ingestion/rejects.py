"""What was left out of a survey: a table beside it, and a limit on its share."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import pyarrow as pa
import pyarrow.compute as pc

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import SurveyError, UsageError, readable_os_errors, shorten
from ictconvention.core.output_place import check_place
from ictconvention.core.plain_file import open_plain
from ictconvention.ingestion.found import REJECT_LINES, Reject
from ictconvention.ingestion.growing_table import GrowingTable

COLUMNS = ("object", "file", "reason")
AT_ONCE = 4096  # rejects that are objects of Python at a time


class Rejects(Sequence[Reject]):
    """What was left out, in order, in little memory.

    Parameters
    ----------
    table : Table
        As of `REJECT_LINES`.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    @classmethod
    def of(cls, rejects: Iterable[Reject]) -> "Rejects":
        """Return some rejects."""
        lines = GrowingTable(REJECT_LINES)
        for one in rejects:
            lines.append(line_of(one))
        return cls(lines.table())

    @classmethod
    def joined(cls, parts: Iterable["Rejects"]) -> "Rejects":
        """Return those of all parts, one after the other."""
        return cls(pa.concat_tables([REJECT_LINES.empty_table(), *(part._table for part in parts)]))

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, key: int) -> Reject: ...
    @overload
    def __getitem__(self, key: slice) -> "Rejects": ...
    def __getitem__(self, key: int | slice) -> "Reject | Rejects":
        """Return one, or some."""
        places = range(len(self))[key]
        if isinstance(places, range):
            return Rejects(self._table.take(pa.array(places, pa.int64())))
        return Reject(**self._table.slice(places, 1).to_pylist()[0])

    def __iter__(self) -> Iterator[Reject]:
        for first in range(0, len(self), AT_ONCE):
            for row in self._table.slice(first, AT_ONCE).to_pylist():
                yield Reject(**row)

    def __add__(self, others: Iterable[Reject]) -> "Rejects":
        return Rejects.joined([self, others if isinstance(others, Rejects) else Rejects.of(others)])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Rejects({list(self)!r})"

    @property
    def flaws(self) -> int:
        """How many were not left out by choice."""
        return int(pc.sum(self._table.column("flaw")).as_py() or 0)

    def objects(self) -> set[str]:
        """Return the ids of the objects that something was left out of."""
        return {*pc.unique(self._table.column("object")).to_pylist()} - {""}

    def without(self, reason: str) -> "Rejects":
        """Return those that were left out for another reason."""
        return Rejects(self._table.filter(pc.not_equal(self._table.column("reason"), reason)))


def line_of(reject: Reject) -> list[str | bool]:
    """Return a row as of `REJECT_LINES`; bytes of a file's name that are no UTF-8 are written as escapes."""
    values = [getattr(reject, name) for name in REJECT_LINES.names]
    return [
        value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        if isinstance(value, str)
        else value
        for value in values
    ]


def rejects_path(survey: Path) -> Path:
    """Return the file of the rejects of a survey: beside it, since it also tells why there is none."""
    return survey.with_name(f"{survey.name}-rejects.csv")


def check_rejects_place(survey: Path) -> None:
    """Refuse, before anything is read, to write rejects over a file that is not a table of rejects, such as a source.

    Raises
    ------
    UsageError
        It is another file, or would lie in a survey or a run.
    FileSystemError
        It is not a plain file.
    """
    path = check_place(rejects_path(survey), "saving the rejects") if survey.parent.is_dir() else rejects_path(survey)
    if path.exists():
        with readable_os_errors("reading the rejects of an earlier try", path), open_plain(path) as file:
            first = file.readline(200)
        if first.strip() != ",".join(COLUMNS).encode():
            found = f"the rejects are written to {path.name}, and a file of this name is something else"
            raise UsageError(found, path, "give the survey another name, or move this file", "E-FILES-PROTECTED")


def save_rejects(rejects: Rejects, survey: Path) -> Path | None:
    """Write the table (object, file, reason); where nothing was left out, remove one that an earlier try left."""
    check_rejects_place(survey)
    path = rejects_path(survey)
    if not rejects:
        path.unlink(missing_ok=True)
        return None
    with whole_file(path, "saving the rejects") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([reject.object, reject.file, reject.reason] for reject in rejects)
    return path


def reasons(rejects: Rejects, most: int = 5) -> list[str]:
    """Return the chief reasons, each with its number and an example."""
    counts, examples = Counter[str](), dict[str, Reject]()
    for reject in rejects:
        kind = _kind(reject)
        counts[kind] += 1
        examples.setdefault(kind, reject)
    lines = [
        f"{number} x {examples[kind].reason} ({_named(examples[kind])})" for kind, number in counts.most_common(most)
    ]
    return [*lines, f"and {len(counts) - most} other reasons"] if len(counts) > most else lines


def check_share(
    rejects: Rejects, frames: int, most: float, table: Path | None, survey: Path, frames_each: int = 1
) -> None:
    """Refuse a survey of which too much was left out, or all; each reject stands for `frames_each` frames.

    Raises
    ------
    SurveyError
        With the chief reasons.
    """
    lost = rejects.flaws
    share = lost * frames_each / max(lost * frames_each + frames, 1)
    if frames and share <= most:
        return
    kinds = reasons(rejects, 3)
    found = f"{lost} rejected, {frames} frames left" if frames else "no frame is left"
    found += f": {'; '.join(kinds)}" if kinds else ": the source holds none"
    fix = "fix the source" + (f"; {table} lists all rejects" if table else "")
    fix += f", or allow more: --max-rejects {min(1.0, share + 0.01):.2f}" if frames else ""
    raise SurveyError(found, survey, fix, "E-INGEST-REJECTS")


def _kind(reject: Reject) -> str:
    """Return a reason without its numbers and names, which differ from one to the next."""
    return " ".join(word for word in reject.reason.split() if not any(c.isdigit() or c in "'\"/[" for c in word))


def _named(reject: Reject) -> str:
    return shorten([name for name in (reject.object, reject.file) if name])
