"""Describe a split: how many objects of each class, or stratum of redshift, a part has, and what labels are worth."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from astropy.table import Table as ObjectTable
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ictconvention.core.errors import pluralize
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.labels.groups import positions_of
from ictconvention.survey.labels.selected import find_selection
from ictconvention.survey.labels.strata import OF_MASK, OF_REDSHIFT, STRATA, STRATUM, by_class_or_redshift
from ictconvention.survey.labels.targets import SINGLE, least_objects
from ictconvention.survey.masks.strata import LEAST, stratum_name
from ictconvention.survey.split import Split


def counts_table(split: Split, header: SurveyHeader) -> Table:
    """Return the split as Table 1 of the paper has it: a row per class, or stratum, a column per part."""
    rule = split.rule
    title = f"fold {rule['index']} of {rule['count']}, {rule['protocol']}, seed {rule['seed']}" if rule else "own split"
    title = escape(f"survey {header.full_name}: {title}")
    strata = sorted({name for name in split.classes.values() if name is not None} - {*header.classes})
    of_masks = set(strata) & {stratum_name(name) for name in header.classes}
    first = "chips" if of_masks else "redshift" if strata else "class"
    table = numbers_table(title, first, *(part.replace("_", "\n") for part in split.parts))
    counts = split.counts()
    for name in (*([] if strata else header.classes), *strata, None):
        row = [counts[part][name] for part in split.parts]
        if any(row):
            table.add_row(("unknown" if strata else "no class") if name is None else escape(name), *map(str, row))
    table.add_section()
    table.add_row("all", *(str(counts[part].total()) for part in split.parts))
    return table


def numbers_table(title: str, first: str, *columns: str) -> Table:
    """Return a table without rows: a first column of names, the others of numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def notes(split: Split, objects: ObjectTable) -> Iterator[str]:
    """Yield what the counts do not show: which labels test, and what is left out.

    Parameters
    ----------
    split : Split
        A split of these objects.
    objects : Table
        Columns id, class, label_source, ra and dec, as of `Survey.object_table`.
    """
    tested = np.isin(np.asarray(objects["id"]), split.parts["test"])
    objects = by_class_or_redshift(objects)
    spectroscopic = np.ma.filled(np.ma.asarray(objects["label_source"]), "") == "spectroscopic"
    doubtful = sorted({str(split.classes[str(id_)]) for id_ in objects["id"][tested & ~spectroscopic]})
    kind = objects.meta.get(STRATA, "class")
    if kind == OF_MASK:
        yield (
            "chips by the rarest class of their masks, or the next rarest where that is the rarest "
            f"in fewer than {LEAST} scenes; those of one scene stay in one part"
        )
    elif doubtful and kind == OF_REDSHIFT:
        yield "tested against redshifts that no label_source says are spectroscopic"
    elif doubtful:
        yield f"tested against labels that are not spectroscopic: {', '.join(doubtful)}"
    if split.rule:
        placed = np.isfinite(np.add(*positions_of(objects))).any()
        yield describe_least(str(split.rule["protocol"]), int(split.rule["count"]), bool(placed), kind)
    if kind == OF_REDSHIFT and (selection := find_selection(objects)) is not None:
        yield selection.said
    for reason, number in sorted(Counter(map(str, split.excluded.values())).items()):
        yield f"left out: {pluralize(number, 'object')} ({reason})"
    yield f"hash: {split.hash}"


def describe_least(protocol: str, count: int, placed: bool = True, kind: str = "class") -> str:
    """Say how many objects each class needs at least for such folds; in sky groups where objects have positions.

    `kind` is "class", or what strata are of, such as "redshift".
    """
    groups = ", in as many sky groups" if placed else ""
    if kind == OF_MASK:
        groups = ", in as many scenes where they have a `scene`"
    needs = f"each {STRATUM.get(kind, kind)} needs at least {least_objects(protocol, count)} objects to test{groups}"
    if kind == OF_MASK:
        return f"{needs}, for {count} folds, {protocol}"
    labels = "redshifts" if kind == OF_REDSHIFT else "labels"
    fewer = "" if (protocol, count) == (SINGLE, 2) else f" ({least_objects(SINGLE, 2)} for 2 folds, {SINGLE})"
    return f"{needs}, for {count} folds, {protocol}{fewer}; photometric {labels} do not test"
