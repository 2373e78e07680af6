"""What to do where a class has too few objects for a fold: only what was tried, and draws every fold."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ictconvention.core.errors import SplitError
from ictconvention.survey.labels.targets import SINGLE

MOST_FOLDS = 5  # that are tried where fewer were asked for
Draws = Callable[[str, int, Sequence[str] | None], bool]


@dataclass(frozen=True)
class Way:
    """A change of the rule by which every fold can be drawn.

    Parameters
    ----------
    count : int, optional
        Another number of folds.
    single : bool
        Whether one stage takes all labels.
    classes : tuple of str, optional
        The classes that are kept.
    index : int, optional
        Another fold, where there are too few of them for the one that was asked for.
    """

    count: int | None = None
    single: bool = False
    classes: tuple[str, ...] | None = None
    index: int | None = None

    def as_keys(self, stages: Sequence[str]) -> str:
        """Return it as keys of a run that trains some stages."""
        words = []
        if self.single:
            words.append(f"fold={SINGLE}")
            words += ["stage.finetune.max_epochs=0"] if len(stages) > 1 else []
        words += [f"fold.{name}={x}" for name, x in (("count", self.count), ("index", self.index)) if x is not None]
        if self.classes is not None:
            quoted = ('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in self.classes)
            words.append(f"survey.classes=[{','.join(quoted)}]")
        return shlex.join(words)

    def as_flags(self) -> str | None:
        """Return it as options of the command `split`; None where `--classes`, a list with commas, cannot name them."""
        if any("," in name or name != name.strip() for name in self.classes or ()):
            return None
        words = ["--protocol", SINGLE] if self.single else []
        for name, x in (("--count", self.count), ("--index", self.index)):
            words += [name, str(x)] if x is not None else []
        words += ["--classes", ",".join(self.classes)] if self.classes is not None else []
        return shlex.join(words)


class TooFewError(SplitError):
    """A class has too few objects for a fold; `ways` says what would do."""

    def __init__(self, found: str, where: str | Path, fix: str, code: str, ways: Sequence[Way] = ()) -> None:
        super().__init__(found, where, fix, code)
        self.ways = tuple(ways)


def too_few(found: str, where: str | Path, ways: Sequence[Way], stages: Sequence[str], code: str) -> TooFewError:
    """Return the error whose fix names the ways as keys of a run that trains some stages."""
    return TooFewError(found, where, name_ways(way.as_keys(stages) for way in ways), code, ways)


def name_ways(words: Iterable[str]) -> str:
    """Return the fix that names some ways."""
    return ", or ".join([*(f"take {word}" for word in words), "label more objects"])


def find_ways(draws: Draws, rule: Mapping[str, Any], sizes: Mapping[str, int]) -> list[Way]:
    """Try what would do in place of a rule by which a fold cannot be drawn.

    Parameters
    ----------
    draws : function
        Whether all folds can be drawn, by protocol, count and the classes that are kept (None: all).
    rule : mapping
        Protocol, index and count that cannot be.
    sizes : mapping
        Objects of each class that may be tested against.

    Returns
    -------
    list of Way
        The nearest number of folds; a single stage, with as many folds as can be; the largest classes. Whatever fails
        is left out.
    """
    protocol, count = str(rule["protocol"]), int(rule["count"])
    counts = sorted(range(2, max(count, MOST_FOLDS) + 1), key=lambda other: (abs(other - count), other))
    counts = [other for other in counts if other <= max(MOST_FOLDS, *sizes.values())]
    ways = []
    if (other := next((k for k in counts if k != count and draws(protocol, k, None)), None)) is not None:
        ways.append(Way(count=other, index=_index(rule, other)))
    if protocol != SINGLE and (other := next((k for k in counts if draws(SINGLE, k, None)), None)) is not None:
        ways.append(Way(count=None if other == count else other, single=True, index=_index(rule, other)))
    largest = sorted(sizes, key=lambda name: -sizes[name])
    for kept in range(len(largest) - 1, 1, -1):
        classes = tuple(name for name in sizes if name in largest[:kept])
        if draws(protocol, count, classes):
            ways.append(Way(classes=classes))
            break
    return ways


def _index(rule: Mapping[str, Any], count: int) -> int | None:
    """Return the fold to ask for where there are so many; None where the one of the rule may stay."""
    return None if int(rule["index"]) < count else 0
