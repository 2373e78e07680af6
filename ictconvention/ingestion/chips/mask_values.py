"""What the numbers of a mask mean: from the values in files to positions among a survey's classes, or ignored."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import UsageError, find_repeated, shorten
from ictconvention.files.reading import UnreadableError
from ictconvention.survey.masks.mask_file import IGNORED

# The names of the values 0 to 9 in the masks of Preligens' challenge; the first two are no land cover.
PRELIGENS = (
    *("no_data", "clouds", "artificial", "cultivated", "broadleaf", "coniferous", "herbaceous", "natural", "snow"),
    "water",
)
PRELIGENS_IGNORED = (0, 1)
LARGEST = 65_535  # value of a mask
WHERE = "options of ingest chips"
UNKNOWN = -1
MOST = 5  # unknown values of a mask that a message has an option for


@dataclass(frozen=True)
class MaskValues:
    """What values of masks mean.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes, in the order of the survey's header.
    positions : mapping
        The position of a class, or `IGNORED`, by the value in files.
    """

    classes: tuple[str, ...]
    positions: Mapping[int, int]

    @property
    def said(self) -> dict[str, str]:
        """What each value means, in words: a class, or ignored."""
        named = (*self.classes, *("ignored" for _ in range(IGNORED + 1 - len(self.classes))))
        return {str(value): named[position] for value, position in self.positions.items()}

    def encode(self, values: NDArray[np.integer], nodata: float | None = None) -> NDArray[np.uint8]:
        """Return positions of classes, `IGNORED` where a pixel is none.

        Parameters
        ----------
        values : array (H, W)
            As in the file.
        nodata : float, optional
            The value that the file says stands for no data.

        Raises
        ------
        UnreadableError
            A value has no meaning, or two.
        """
        table = np.full(LARGEST + 1, UNKNOWN, dtype=np.int16)
        table[list(self.positions)] = list(self.positions.values())
        if nodata is not None and float(nodata).is_integer() and 0 <= nodata <= LARGEST:
            position = int(table[int(nodata)])
            if position not in (UNKNOWN, IGNORED):
                own = f"value {nodata:g} is the class {self.classes[position]}, and by the file's nodata no value"
                raise UnreadableError(f"{own}: --ignore {nodata:g} ignores it, or take the tag out of the file")
            table[int(nodata)] = IGNORED
        outside = (values < 0) | (values > LARGEST)
        coded = np.where(outside, UNKNOWN, table[np.where(outside, 0, values)])
        if (wrong := coded == UNKNOWN).any():
            unknown = np.unique(values[wrong]).tolist()
            ignored = [value for value, position in self.positions.items() if position == IGNORED]
            option = f"--ignore {','.join(map(str, [*ignored, *unknown]))}"  # which replaces what is ignored now
            leave_out = option if min(unknown) >= 0 and max(unknown) <= LARGEST and len(unknown) <= MOST else "--ignore"
            found = f"unknown mask value {shorten(map(str, unknown))}"
            raise UnreadableError(f"{found}: name it by --classes, or leave it out by {leave_out}")
        return np.asarray(coded, dtype=np.uint8)


def parse_mask_values(
    classes: Sequence[str] | None = None, ignore: str | Sequence[int | str] | int | None = None
) -> MaskValues:
    """Return what the values of masks mean, from what a user says; without that, as in Preligens' challenge.

    Parameters
    ----------
    classes : sequence of str, optional
        The names of the values 0, 1, 2 and so on, or VALUE=NAME of each.
    ignore : text with commas, or whole numbers, optional
        Values that are no class; where they have a name, that is left out.

    Raises
    ------
    UsageError
        A value is no whole number, stands twice, or no class is left.
    """
    ignored = _ignored(ignore, classes is None)
    named = _named(PRELIGENS if classes is None else classes)
    kept = {value: name for value, name in named.items() if value not in ignored}
    if twice := find_repeated(kept.values()):
        raise UsageError(
            f"two values are the class {shorten(twice)}",
            WHERE,
            "give each class a name of its own",
            "E-COMMAND-CONFLICT",
        )
    if not 1 <= len(kept) <= IGNORED:
        found = f"{len(kept)} classes are left of --classes, without those of --ignore"
        raise UsageError(found, WHERE, f"leave 1 to {IGNORED} classes", "E-COMMAND-VALUE")
    positions = {value: number for number, value in enumerate(kept)}
    return MaskValues(tuple(kept.values()), positions | dict.fromkeys(ignored, IGNORED))


def _named(classes: Sequence[str]) -> dict[int, str]:
    """Return the name of each value."""
    if not any("=" in name for name in classes):
        return {value: _name(name) for value, name in enumerate(classes)}
    named: dict[int, str] = {}
    for text in classes:
        number, equals, name = (part.strip() for part in text.partition("="))
        if not equals:
            found = f"--classes names {text} without its value, and other classes with it"
            raise UsageError(found, WHERE, "give VALUE=NAME for all, or names alone", "E-COMMAND-VALUE")
        if (value := _value(number, "--classes")) in named:
            raise UsageError(f"value {value} is named twice", WHERE, "name each value once", "E-COMMAND-CONFLICT")
        named[value] = _name(name)
    return named


def _ignored(ignore: str | Sequence[int | str] | int | None, usual: bool) -> tuple[int, ...]:
    if ignore is None:
        return PRELIGENS_IGNORED if usual else ()
    given = ignore.split(",") if isinstance(ignore, str) else [ignore] if isinstance(ignore, int) else ignore
    return tuple(dict.fromkeys(_value(str(one).strip(), "--ignore") for one in given))


def _value(text: str, option: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > LARGEST:
        found = f"{text!r} of {option} is no value of a mask"
        raise UsageError(found, WHERE, f"give whole numbers from 0 to {LARGEST}", "E-COMMAND-VALUE")
    return int(text)


def _name(name: str) -> str:
    if not name.strip():
        raise UsageError(
            "a class without a name", WHERE, "name each class once: --classes water,forest", "E-COMMAND-VALUE"
        )
    return name.strip()
