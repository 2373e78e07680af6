"""A split of a survey into the parts of a run: what a valid one is, how it is saved, checked and counted."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from astropy.table import Table
from pydantic import Field, NonNegativeInt, model_validator

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import SplitError, did_you_mean, pluralize, shorten
from ictconvention.reading.json_file import ABSENT, JsonRecord, Shape
from ictconvention.survey.labels.groups import find_groups, name_bonds
from ictconvention.survey.labels.strata import by_class_or_redshift
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
UNLABELLED = "pretrain_unlabelled"


class RuleShape(Shape):
    """The types of how a split was drawn."""

    protocol: str = ABSENT
    index: NonNegativeInt = ABSENT
    count: NonNegativeInt = ABSENT
    seed: NonNegativeInt = ABSENT

    @model_validator(mode="after")
    def is_whole(self) -> Self:
        """Refuse half a rule: a split that was drawn has all of it, one made by hand has none."""
        if self.model_fields_set and (missing := sorted(RuleShape.model_fields.keys() - self.model_fields_set)):
            raise ValueError(f"it lacks {', '.join(missing)}")
        return self


class SplitShape(Shape):
    """The types of what a file of a split says."""

    parts: dict[str, list[str]] = ABSENT
    classes: dict[str, str | None] = ABSENT
    excluded: dict[str, str] = ABSENT
    rule: RuleShape = ABSENT
    linking_length: Annotated[float, Field(ge=0)] = ABSENT
    hash: str = ABSENT


SPLIT = JsonRecord(
    SplitShape,
    SplitError,
    "E-SPLIT-FORMAT",
    'it should read {"parts": {"test": ["id", ...], ...}}, with ids in quotes',
    "a split",
)


@dataclass(frozen=True)
class Split:
    """Ids per part.

    Parameters
    ----------
    parts : mapping of str to tuple of str
        The ids of each of `PARTS`, sorted.
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

    parts: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, str | None]
    excluded: Mapping[str, str] = field(default_factory=dict)
    rule: Mapping[str, Any] = field(default_factory=dict)
    linking_length: float = LINKING_LENGTH

    @property
    def hash(self) -> str:
        """SHA-256 of all of it, the rule and the classes too: equal splits have equal hashes."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def counts(self) -> dict[str, Counter[str | None]]:
        """Count the objects of each class in each part."""
        return {part: Counter(self.classes[id_] for id_ in ids) for part, ids in self.parts.items()}

    def save(self, path: str | Path, record: bool = False) -> None:
        """Write the split as JSON: its hash, the rule, the ids per part, and the class of every object.

        Parameters
        ----------
        path : str or Path
            Path of the file.
        record : bool
            Whether it is that of a run, in its folder; see `whole_file`.

        Raises
        ------
        UsageError
            When the file lies in a survey or a run.
        FileSystemError
            When the file cannot be written; an older one is then left as it was.
        """
        path = Path(path)
        text = json.dumps({"format": FORMAT, "version": VERSION, "hash": self.hash, **asdict(self)}, indent=1) + "\n"
        with whole_file(path, "saving the split", record) as partial:
            partial.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path, objects: Table, stages: Sequence[str] | None = None) -> "Split":
        """Read a split and check it against a survey.

        A file made by hand needs only `{"parts": {"test": ["id", ...], ...}}`; objects that it does not mention are
        left out. It is held to the same rules.

        Parameters
        ----------
        path : str or Path
            A JSON file.
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
        entries = SPLIT.read(path)
        if not entries.get("parts"):
            raise SplitError("not a split: it has no parts", path, SPLIT.fix, "E-SPLIT-FORMAT")
        parts = {part: tuple(ids) for part, ids in entries["parts"].items()}
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
            sorted_parts = {part: tuple(sorted(parts.get(part, ()))) for part in PARTS}
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
                own = {key: entries[key] for key in ("classes", "excluded", "rule", "linking_length")}
            except KeyError as error:
                raise SplitError(f"the file lacks {error}", path, "make the split again", "E-SPLIT-FORMAT") from error
            split = cls(parts, **own)
            if nameless := sorted({id_ for ids in parts.values() for id_ in ids} - split.classes.keys()):
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
        each stage and in the test part; no object without class outside the unlabelled part.

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
        self._check_survey(objects, where)
        part_of: dict[str, str] = {}
        for part, ids in self.parts.items():
            for id_ in ids:
                if id_ in part_of:
                    places = f"{part_of[id_]} and {part}" if part_of[id_] != part else f"{part}, twice"
                    raise SplitError(
                        f"object {id_} is in {places}", where, "name each object in one part, once", "E-SPLIT-LEAK"
                    )
                part_of[id_] = part
        unlabelled = [id_ for id_, part in part_of.items() if self.classes[id_] is None and part != UNLABELLED]
        if unlabelled:
            found = f"objects without a class in a labelled part: {shorten(unlabelled)}"
            raise SplitError(found, where, f"move them to {UNLABELLED}, or leave them out", "E-SPLIT-LABELS")
        self._check_groups(objects, part_of, where)
        present = sorted({name for name in self.classes.values() if name is not None})
        counts = self.counts()
        training = [f"{stage}_train" for stage in (STAGES if stages is None else stages)]
        for part in [*(part for part in training if stages is not None or self.parts.get(part)), "test"]:
            if absent := [name for name in present if not counts.get(part, Counter())[name]]:
                found = f"no object of {', '.join(absent)} in {part}"
                fix = "put some of the class into it; or leave the class out (survey.classes), and all its objects too"
                raise SplitError(found, where, fix, "E-SPLIT-LABELS")

    def _check_survey(self, objects: Table, where: str | Path) -> None:
        actual = classes_of(objects)
        if not self.rule:
            unknown = sorted({id_ for ids in self.parts.values() for id_ in ids if id_ not in actual})
            if unknown:
                found = f"{pluralize(len(unknown), 'id')} not in the survey: {shorten(unknown)}"
                near = did_you_mean(unknown[0], actual)
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
            "of another class now": [id_ for id_, name in self.classes.items() if actual.get(id_, name) != name],
        }
        listed = [
            f"{pluralize(len(ids), 'id')} {what}: {shorten(sorted(ids))}" for what, ids in differences.items() if ids
        ]
        if found := "; ".join(listed):
            raise SplitError(
                f"the split is for another survey: {found}", where, "make a split for this survey", "E-SPLIT-MISMATCH"
            )

    def _check_groups(self, objects: Table, part_of: Mapping[str, str], where: str | Path) -> None:
        groups: dict[int, list[str]] = {}
        reach = max(self.linking_length, reach_of(objects))
        group_of = find_groups(objects, reach)
        for id_, group in zip(map(str, objects["id"]), group_of, strict=True):
            if id_ in part_of:
                groups.setdefault(int(group), []).append(id_)
        torn = [ids for ids in groups.values() if len({part_of[id_] for id_ in ids}) > 1]
        if torn:
            pairs = shorten(f"{' with '.join(f'{id_} ({part_of[id_]})' for id_ in ids)}" for ids in torn)
            groups_torn = f"{pluralize(len(torn), 'group')} of {name_bonds(objects, reach)}"
            found = f"torn apart: {groups_torn}: {pairs}"
            fix = "neighbours share pixels: put each group into one part, or leave members out"
            raise SplitError(found, where, fix, "E-SPLIT-LEAK")


def classes_of(objects: Table) -> dict[str, str | None]:
    """Return the class of every object, None where it is masked."""
    column = objects["class"]
    masked = np.ma.getmaskarray(column)
    names = np.ma.getdata(column)
    return {
        id_: None if hidden else str(name)
        for id_, name, hidden in zip(map(str, objects["id"]), names, masked, strict=True)
    }


def reach_of(objects: Table) -> float:
    """Return the separation within which these objects are neighbours [arcsec]; `Survey.object_table` says it."""
    return float(objects.meta.get("LINKING", LINKING_LENGTH))
