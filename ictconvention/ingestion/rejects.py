"""What was left out of a survey: a table beside it, and a limit on its share."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import SurveyError, UsageError, readable_os_errors, shorten
from ictconvention.core.output_place import check_place
from ictconvention.core.plain_file import open_plain
from ictconvention.ingestion.found import Reject

COLUMNS = ("object", "file", "reason")


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


def save_rejects(rejects: Sequence[Reject], survey: Path) -> Path | None:
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


def reasons(rejects: Sequence[Reject], most: int = 5) -> list[str]:
    """Return the chief reasons, each with its number and an example."""
    counts = Counter(_kind(reject) for reject in rejects)
    examples = {_kind(reject): reject for reject in reversed(rejects)}
    lines = [
        f"{number} x {examples[kind].reason} ({_named(examples[kind])})" for kind, number in counts.most_common(most)
    ]
    return [*lines, f"and {len(counts) - most} other reasons"] if len(counts) > most else lines


def check_share(
    rejects: Sequence[Reject], frames: int, most: float, table: Path | None, survey: Path, frames_each: int = 1
) -> None:
    """Refuse a survey of which too much was left out, or all; each reject stands for `frames_each` frames.

    Raises
    ------
    SurveyError
        With the chief reasons.
    """
    lost = sum(reject.flaw for reject in rejects)
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
