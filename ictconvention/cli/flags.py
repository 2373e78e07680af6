"""The flags of the command that trains, by their long and short names: Hydra's, as its users expect them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ictconvention.configuration.composing.folders import FLAG
from ictconvention.core.errors import UsageError, did_you_mean

SHORT_NAMES = {"-h": "--help", "-m": "--multirun", "-c": "--cfg", "-i": "--info", "-p": "--package", "-cd": FLAG}
SHOWN = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
}


@dataclass(frozen=True)
class Request:
    """What a command line asks for.

    Parameters
    ----------
    words : sequence of str
        Overrides, and `--config-dir=FOLDER`, each in one word.
    helps : bool
        Whether it asks how to call it.
    several : bool
        Whether it is a sweep.
    shown : sequence of str
        Flags by which Hydra shows what it composes, in place of a run.
    """

    words: tuple[str, ...]
    helps: bool = False
    several: bool = False
    shown: tuple[str, ...] = ()


def read_flags(arguments: Sequence[str]) -> Request:
    """Take the flags out of a command line; what is no known flag stays, and is refused as an override.

    Raises
    ------
    UsageError
        A flag lacks its value or has a wrong one, or two flags exclude each other.
    """
    words: list[str] = []
    given: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        name = SHORT_NAMES.get(name, name)
        if name in ("--help", "--multirun", "--resolve") and not equals:
            given[name] = ""
        elif name == "--info" and not equals:
            given[name] = rest.pop(0) if rest and rest[0] in SHOWN[name] else "all"
        elif name in (FLAG, "--package", *SHOWN):
            if not equals and (not rest or rest[0].startswith("-") or "=" in rest[0]):
                choices = "|".join(SHOWN.get(name, ("FOLDER" if name == FLAG else "PACKAGE",)))
                raise UsageError(f"{word} has no value", word, f"write {name} {choices}", "E-COMMAND-VALUE")
            value = value if equals else rest.pop(0)
            if name == FLAG:
                words.append(f"{FLAG}={value}")
            else:
                given[name] = value
        else:
            words.append(word)
    _check(given)
    shown = [name if value == "" else f"{name}={value}" for name, value in given.items()]
    return Request(
        tuple(words),
        "--help" in given,
        "--multirun" in given,
        tuple(flag for flag in shown if flag not in ("--help", "--multirun")),
    )


def _check(given: dict[str, str]) -> None:
    for name, choices in SHOWN.items():
        if name in given and given[name] not in choices:
            found = f"{name} is {given[name]!r}{did_you_mean(given[name], choices)}"
            raise UsageError(found, name, f"take {', '.join(choices)}", "E-COMMAND-VALUE")
    if "--help" in given:
        return
    if len(alone := [name for name in ("--cfg", "--info", "--multirun") if name in given]) > 1:
        raise UsageError(
            f"{alone[0]} and {alone[1]} exclude each other", alone[1], f"leave out {alone[1]}", "E-COMMAND-CONFLICT"
        )
    for name in ("--package", "--resolve"):
        if name in given and "--cfg" not in given:
            raise UsageError(
                f"{name} says what --cfg shows, and there is no --cfg",
                name,
                f"write --cfg job {name}",
                "E-COMMAND-CONFLICT",
            )
