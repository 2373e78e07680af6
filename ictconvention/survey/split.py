"""A split of a survey into the parts of a run: what a valid one is, how it is saved, checked and counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import SplitError, did_you_mean, pluralize, shorten
from ictconvention.core.plain_file import read_plain
from ictconvention.reading.id_column import IdColumn
from ictconvention.reading.text_column import TextColumn
from ictconvention.survey.labels.groups import STATES, find_groups, name_bonds
from ictconvention.survey.labels.split_file import (
    COMPACT,
    SPLIT,
    hash_split,
    read_compact,
    read_entries,
    write_json,
    write_parquet,
)
from ictconvention.survey.labels.strata import STRATA, STRATUM, by_class_or_redshift, name_label
from ictconvention.survey.labels.targets import STAGES
from ictconvention.survey.neighbours import LINKING_LENGTH

FORMAT = "ictconvention split"
VERSION = 1
# Every object with a class is in one of the first five; objects without one are in the unlabelled part or left out.
# A simulated survey may have an additional test part, of another composition.
PARTS = (
    "pretrain_train",
    "pretrain_validation",
    "finetune_train",
    "finetune_validation",
    "test",
    "pretrain_unlabelled",
    "extra_test",
)
UNLABELLED_PART = "pretrain_unlabelled"


@dataclass(frozen=True)
class Split:
    """Ids per part.

    Parameters
    ----------
    parts : mapping of str to sequence of str
        The ids of each of `PARTS`, sorted; they read as tuples, and equal them.
    classes : mapping of str to str or None
        Class of every object of the survey that it was made for.
    excluded : mapping of str to str
        Objects of the survey in no part, with the reason.
    rule : mapping
        How it was drawn: protocol, index, count, seed; empty for a split made by hand.
    linking_length : float
        Objects linked by neighbours nearer than this [arcsec] are in one part.

    Examples
    --------
    >>> split = ict.split(survey)
    >>> split.save(folder / "split.json")
    >>> ict.Split.load(folder / "split.json", survey.object_table()) == split
    True
    """

    parts: Mapping[str, Sequence[str]]
    classes: Mapping[str, str | None]
    excluded: Mapping[str, str | None] = field(default_factory=dict)
    rule: Mapping[str, Any] = field(default_factory=dict)
    linking_length: float = LINKING_LENGTH

    def __post_init__(self) -> None:
        """Keep ids and texts as columns: millions of them are no Python objects."""
        columns = {part: ids if isinstance(ids, IdColumn) else IdColumn(ids) for part, ids in self.parts.items()}
        object.__setattr__(self, "parts", columns)
        object.__setattr__(self, "classes", _as_column(self.classes))
        object.__setattr__(self, "excluded", _as_column(self.excluded))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all of it, the rule and the classes too: equal splits have equal hashes."""
        return hash_split(self._content)

    @property
    def _content(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def counts(self) -> dict[str, Counter[str | None]]:
        """Count the objects of each class in each part."""
        return {part: _as_column(self.classes).count(ids) for part, ids in self.parts.items()}

    def save(self, path: str | Path, record: bool = False) -> None:
        """Write the split: its hash, the rule, the ids per part, and the class of every object.

        Parameters
        ----------
        path : str or Path
            Path of the file: JSON, or where it ends in .parquet a table of a row per object, for millions of them.
        record : bool
            Whether it is that of a run, in its folder; see `whole_file`.

        Raises
        ------
        UsageError
            When the file lies in a survey or a run.
        FileSystemError
            When the file cannot be written; an older one is then left as it was.
        """
        path, entries = Path(path), {"format": FORMAT, "version": VERSION, "hash": self.hash}
        write = write_parquet if path.suffix == COMPACT else write_json
        with whole_file(path, "saving the split", record) as partial:
            write(self._content, entries, partial)
            if write is write_parquet and Split(**own_entries(read_compact(read_plain(partial)))).hash != self.hash:
                found = "its parts are not sorted, or an object is in two of them, or has no class, nor null"
                raise SplitError(found, path, "correct it, see `check`; or save it as .json", "E-SPLIT-FORMAT")

    @classmethod
    def load(cls, path: str | Path, objects: Table, stages: Sequence[str] | None = None) -> "Split":
        """Read a split and check it against a survey.

        A file made by hand needs only `{"parts": {"test": ["id", ...], ...}}`; objects that it does not mention are
        left out. It is held to the same rules.

        Parameters
        ----------
        path : str or Path
            A JSON file, or a Parquet that `save` wrote.
        objects : Table
            Objects of the survey: `survey.object_table()`.
        stages : sequence of str, optional
            Stages that train; see `check`.

        Raises
        ------
        SplitError
            When the file is damaged or was edited, is for another survey, or breaks a rule; with the ids.
        """
        path, objects = Path(path), by_class_or_redshift(objects)
        entries = read_entries(path, SPLIT)
        if not entries.get("parts"):
            raise SplitError("not a split: it has no parts", path, SPLIT.fix, "E-SPLIT-FORMAT")
        parts = {part: IdColumn(ids) for part, ids in entries["parts"].items()}
        for part in parts:
            if part not in PARTS:
                raise SplitError(
                    f"unknown part {part!r}{did_you_mean(part, PARTS)}",
                    path,
                    f"use {', '.join(PARTS)}",
                    "E-SPLIT-FORMAT",
                )
        classes = classes_of(objects)
        if not {"hash", "format"} & entries.keys():  # made by hand
            named = {id_ for ids in parts.values() for id_ in ids}
            excluded = {id_: "not mentioned" for id_ in classes if id_ not in named}
            sorted_parts = {part: sorted(parts.get(part, ())) for part in PARTS}
            split = cls(sorted_parts, classes, excluded, linking_length=reach_of(objects))
        else:
            if entries.get("format") != FORMAT or entries.get("version") != VERSION:
                found = f"format {entries.get('format')!r}, version {entries.get('version')!r}"
                raise SplitError(found, path, f"this release reads {FORMAT!r}, version {VERSION}", "E-SPLIT-VERSION")
            if absent := [part for part in PARTS if part not in parts]:
                raise SplitError(
                    f"the file lacks the part {shorten(absent)}", path, "make the split again", "E-SPLIT-FORMAT"
                )
            try:
                saved = entries["hash"]
                own = own_entries(entries)
            except KeyError as error:
                raise SplitError(f"the file lacks {error}", path, "make the split again", "E-SPLIT-FORMAT") from error
            split = cls(**own)
            known = _as_column(split.classes).ids
            if nameless := sorted({id_ for ids in parts.values() for id_ in known.lacking(ids)}):
                found = f"the file names no class, nor null, of {shorten(nameless)}"
                raise SplitError(found, path, "make the split again", "E-SPLIT-FORMAT")
            if split.hash != saved:
                fix = "make the split again; if you edited it on purpose, keep only `parts`, remove all other entries"
                raise SplitError(
                    "the file was changed after it was saved: its hash is another", path, fix, "E-SPLIT-HASH"
                )
        split.check(objects, path, stages)
        return split

    def check(self, objects: Table, where: str | Path = "split", stages: Sequence[str] | None = None) -> None:
        """Refuse a split that is for another survey or breaks a rule.

        The rules: no id in two parts; no group (see `find_groups`) in two parts; every class in the training part of
        each stage and in the test part; no object without class outside the unlabelled part. Where no object has a
        class, strata of redshift count as such.

        Parameters
        ----------
        objects : Table
            Objects of the survey: `survey.object_table()`.
        where : str or Path
            Names the split in messages.
        stages : sequence of str, optional
            Stages that train, 'pretrain' and 'finetune'; by default those whose training part holds objects.

        Raises
        ------
        SplitError
            Naming the ids.
        """
        objects = by_class_or_redshift(objects)
        kind = name_label(objects)
        actual, nowhere = classes_of(objects), np.zeros(0, dtype=np.int64)
        place = {part: actual.ids.positions(ids) for part, ids in self.parts.items()}
        if actual != self.classes or any((at < 0).any() for at in place.values()):
            stratum = STRATUM.get(objects.meta.get(STRATA, ""), "class").removeprefix("stratum of ")
            self._check_survey(actual, where, stratum, objects.meta.get(STATES, 1))
        if np.bincount(np.concatenate([nowhere, *place.values()])).max(initial=0) > 1:
            raise self._in_two_parts(where)
        labelled = [at for part, at in place.items() if part != UNLABELLED_PART]
        if unlabelled := [id_ for at in labelled for id_ in actual.ids.take(at[actual.codes[at] < 0])]:
            found = f"objects without a {kind} in a labelled part: {shorten(unlabelled)}"
            raise SplitError(found, where, f"move them to {UNLABELLED_PART}, or leave them out", "E-SPLIT-LABELS")
        self._check_groups(objects, place, where)
        training = [f"{stage}_train" for stage in (STAGES if stages is None else stages)]
        for part in [*(part for part in training if stages is not None or self.parts.get(part)), "test"]:
            numbers = np.bincount(actual.codes[place.get(part, nowhere)] + 1, minlength=len(actual.names) + 1)[1:]
            absent = [name for name, number in zip(actual.names, numbers, strict=True) if not number]
            if absent:
                found = f"no object of {', '.join(absent)} in {part}"
                fix = "put some of them into it"
                fix += "; or leave the class out (survey.classes), and all its objects too" if kind == "class" else ""
                raise SplitError(found, where, fix, "E-SPLIT-LABELS")

    def _check_survey(self, actual: TextColumn, where: str | Path, kind: str, states: int = 1) -> None:
        if not self.rule:
            unknown = sorted({id_ for ids in self.parts.values() for id_ in ids if id_ not in actual})
            if unknown:
                found = f"{pluralize(len(unknown), 'id')} not in the survey: {shorten(unknown)}"
                near = did_you_mean(unknown[0], actual.ids.near(unknown[0]))
                if not any(id_ in actual for ids in self.parts.values() for id_ in ids):
                    near = f"; none of its ids is there: the survey has {shorten(sorted(actual), 3)}"
                raise SplitError(
                    f"{found}{near}",
                    where,
                    "correct them, or choose the survey that the split is for",
                    "E-SPLIT-MISMATCH",
                )
        mentioned = {id_ for ids in self.parts.values() for id_ in ids} | self.classes.keys()
        differences = {
            "not in the survey": [id_ for id_ in mentioned if id_ not in actual],
            "not in the split": [id_ for id_ in actual if id_ not in mentioned],
            f"of another {kind} now": [id_ for id_, name in self.classes.items() if actual.get(id_, name) != name],
        }
        listed = [
            f"{pluralize(len(ids), 'id')} {what}: {shorten(sorted(ids))}" for what, ids in differences.items() if ids
        ]
        if found := "; ".join(listed):
            fix = "make a split for this survey"
            if states > 1:  # nights were added, perhaps after the split was made
                fix += ", or train on the state that the split is of, by survey.state=HASH: `ictconvention check` lists"
                fix += f" its {states} states"
            raise SplitError(f"the split is for another survey: {found}", where, fix, "E-SPLIT-MISMATCH")

    def _in_two_parts(self, where: str | Path) -> SplitError:
        part_of: dict[str, str] = {}
        for part, id_ in ((part, id_) for part, ids in self.parts.items() for id_ in ids):
            if id_ in part_of:
                break
            part_of[id_] = part
        places = f"{part_of[id_]} and {part}" if part_of[id_] != part else f"{part}, twice"
        fix = "name each object in one part, once"
        return SplitError(f"object {id_} is in {places}", where, fix, "E-SPLIT-LEAK")

    def _check_groups(self, objects: Table, place: Mapping[str, NDArray[np.integer]], where: str | Path) -> None:
        part = np.full(len(objects), -1)
        for number, members in enumerate(place.values()):
            part[members] = number
        here, reach = np.flatnonzero(part >= 0), max(self.linking_length, reach_of(objects))
        group = find_groups(objects, reach)[here]
        least, most = np.full(len(objects), len(place)), np.full(len(objects), -1)
        np.minimum.at(least, group, part[here])
        np.maximum.at(most, group, part[here])
        if not (torn := (most > least)[group]).any():
            return
        names, groups = list(place), dict[int, list[str]]()
        for number, row in zip(group[torn].tolist(), here[torn].tolist(), strict=True):
            groups.setdefault(number, []).append(f"{objects['id'][row]} ({names[part[row]]})")
        pairs = shorten(" with ".join(members) for members in groups.values())
        found = f"torn apart: {pluralize(len(groups), 'group')} of {name_bonds(objects, reach)}: {pairs}"
        fix = "neighbours share pixels: put each group into one part, or leave members out"
        raise SplitError(found, where, fix, "E-SPLIT-LEAK")


def own_entries(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a split is made of from the entries of its file; a `KeyError` names what it lacks."""
    return {one.name: entries[one.name] for one in fields(Split)}


def _as_column(texts: Mapping[str, str | None]) -> TextColumn:
    return texts if isinstance(texts, TextColumn) else TextColumn.of(texts)


def classes_of(objects: Table) -> TextColumn:
    """Return the class of every object, None where it is masked."""
    column = objects["class"]
    names = pa.array(np.ma.getdata(column).astype(str), pa.string(), mask=np.ma.getmaskarray(column))
    return TextColumn.from_column(IdColumn(np.asarray(objects["id"]).astype(str)), names)


def reach_of(objects: Table) -> float:
    """Return the separation within which these objects are neighbours [arcsec]; `Survey.object_table` says it."""
    return float(objects.meta.get("LINKING", LINKING_LENGTH))
