"""Labels of chosen classes alone: the objects of the others stay, without a label."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ictconvention.core.errors import SurveyError, did_you_mean, find_repeated, shorten

UNLABELLED = -1  # in place of the position of a class


def check_chosen(classes: Sequence[str], known: Sequence[str], where: Path) -> tuple[str, ...]:
    """Return the chosen classes.

    Parameters
    ----------
    classes : sequence of str
        Those whose labels count.
    known : sequence of str
        Classes of the survey.
    where : Path
        Folder of the survey.

    Raises
    ------
    SurveyError
        The survey has no such class, one is named twice, or none is named.
    """
    for name in classes:
        if name not in known:
            found = f"no class {name!r}{did_you_mean(name, known)}"
            fix = f"choose among {', '.join(known)} (survey.classes)" if known else "leave out survey.classes"
            raise SurveyError(found, where, fix, "E-CLASS-UNKNOWN")
    if not classes or find_repeated(classes):
        found = f"classes are {shorten(classes) or 'none'}"
        raise SurveyError(found, "survey.classes", "name at least one class, each once", "E-CONFIG-VALUE")
    return tuple(classes)


def keep_labels(objects: pa.Table, classes: Sequence[str]) -> pa.Table:
    """Return a table of objects in which those of other classes have neither class nor label source."""
    kept = pc.is_in(objects.column("class"), value_set=pa.array(classes, pa.string()))
    for name in ("class", "label_source"):
        column = objects.column(name)
        own = pc.if_else(kept, column, pa.scalar(None, column.type))
        objects = objects.set_column(objects.schema.get_field_index(name), name, own)
    return objects
