"""Overrides, KEY=VALUE: written so that they can be pasted into a shell, and read so that each mistake has its fix.

Two grammars meet in an override, the shell's and Hydra's: both take a space, a bracket or a quote for their own.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ictconvention.configuration.checking.known_keys import keys_taking, known_keys
from ictconvention.configuration.composing.folders import SEARCHPATH, ConfigFolders, names_folder, registered
from ictconvention.configuration.registry import (
    default_options,
    default_task_options,
    import_module,
    own_networks,
    own_tasks,
)
from ictconvention.core.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import Override

WITHOUT_CHOICE = ("experiment", "profile")  # groups that may be null
TYPOGRAPHERS = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb"  # quotes that no shell knows


def override(key: str, value: object) -> str:
    """Return KEY=VALUE as Hydra reads it back: a text has quotes where it needs them, a list is [a,b]."""
    return f"{key}={_written(value)}"


def command(words: Iterable[str]) -> str:
    """Return words as one line for a shell, each in quotes where it needs them."""
    return " ".join(map(_shell_word, words))


@cache
def override_parser() -> "OverridesParser":
    """Return Hydra's reader of overrides; making one takes longer than reading a word."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create()


def hydra_words(words: Sequence[str]) -> list[str]:
    """Return overrides as Hydra takes them: the folders of a user in one key, then the others as they are."""
    path = ConfigFolders.named_in(words).searchpath
    return [*([override(SEARCHPATH, path)] if path else []), *(word for word in words if not names_folder(word))]


def check_overrides(words: Sequence[str], several: bool = False) -> list["Override"]:
    """Parse overrides, and refuse what is none or means something else than it seems to.

    A key may stand twice: the last one holds, as in Hydra, so that words can be added to a command. What names a folder
    of choices is checked and not returned.

    Parameters
    ----------
    words : sequence of str
        As they come from the shell.
    several : bool
        Whether a key may have several values (in a sweep).

    Raises
    ------
    UsageError
        The message says what to type instead.
    """
    folders = ConfigFolders.named_in(words)
    words = [word for word in words if not names_folder(word)]
    parsed = [_parsed(words, place, folders) for place in range(len(words))]
    for word, one in zip(words, parsed, strict=True):
        key = word.partition("=")[0].lstrip("+")
        if key.startswith(("hydra.", "hydra/")) and not several:
            raise UsageError(f"{key} is a key of a sweep", word, "add -m, or leave it out", "E-CONFIG-SWEEP")
        if one.is_sweep_override() and not several:
            raise _several(one, word)
        if key.startswith("hydra") and "_target_" in word:
            found = f"{key} would let Hydra call code by its name, which no override does"
            raise UsageError(found, word, "choose what there is: hydra/launcher=NAME", "E-CONFIG-VALUE")
    for one in parsed:
        if one.key_or_group == "model.module" and not one.is_sweep_override() and isinstance(one.value(), str):
            import_module(str(one.value()))
    store_own()
    for word, one in zip(words, parsed, strict=True):
        key = word.partition("=")[0].lstrip("+")
        if key in folders.groups:
            _check_choice(key, one, folders)
    return parsed


def store_own() -> None:
    """Let Hydra know what of a user's own was imported: networks are choices of `model`, tasks of `task`."""
    from hydra.core.config_store import ConfigStore

    for name, entry in own_networks().items():
        ConfigStore.instance().store(name=name, group="model", node=default_options(entry))
    for name in own_tasks():
        ConfigStore.instance().store(name=name, group="task", node=default_task_options(name))


def unknown_choice(group: str, choice: str, folders: ConfigFolders) -> UsageError:
    """Return the error about a choice that a group does not have; a path is answered with the name that was meant."""
    choices = folders.choices(group)
    if not choices:
        fix = "leave it out, or install the plugin that brings it"
        return UsageError(f"{group} has no choice {choice!r}", group, fix, "E-CONFIG-CHOICE")
    listed = ", ".join(choices)
    folder = group == "survey" and Path(choice).is_dir() and bool(choice)
    if not re.search(r"[/\\~]|\.ya?ml$", choice) and not folder:
        return UsageError(
            f"{group} has no choice {choice!r}{did_you_mean(choice, choices)}",
            ", ".join(str(path / group) for path in folders.paths if (path / group).is_dir()),
            f"choose {listed}",
            "E-CONFIG-CHOICE",
        )
    found = f"{group} has no choice {choice!r}: it takes a name, no path"
    stem = re.sub(r"\.ya?ml$", "", choice.replace("\\", "/").rsplit("/", 1)[-1])
    if stem in choices and not folder:
        fix = f"write {group}={stem}; the choices are {listed}"
    elif group == "survey":
        path = str(Path(choice).expanduser())
        fix = f"for a survey in a folder write {command(['survey=path', override('survey.path', path)])}"
    else:
        fix = f"choose {listed}; other values are set one by one, KEY=VALUE"
    return UsageError(found, group, fix, "E-CONFIG-CHOICE")


@contextmanager
def silent_hydra() -> Iterator[None]:
    """Drop the warnings of Hydra and OmegaConf about their own interfaces, which no user can act on."""
    import warnings

    with warnings.catch_warnings():
        for module in ("hydra", "omegaconf"):
            warnings.filterwarnings("ignore", module=rf"{module}(\.|$)")
        warnings.filterwarnings("ignore", message=r"(?s).*hydra\.cc")  # shown at the place of the caller
        yield


def _written(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{','.join(_written(one) for one in value)}]"
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z_./][\w./+-]*", text, re.ASCII) and _stays_text(text) else _quoted(text)


def _stays_text(text: str) -> bool:
    """Return whether Hydra reads a plain word as this text: not as a number, nor as true or null."""
    return override_parser().parse_override(f"key={text}").value() == text


def _quoted(text: str) -> str:
    from hydra.core.override_parser.types import Quote, QuotedString

    plain = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)  # `${` begins a reference to another key
    return QuotedString(plain, Quote.single).with_quotes()


def _shell_word(word: str) -> str:
    if shlex.quote(word) == word:
        return word
    return f'"{word}"' if "'" in word and not re.search(r'["$`\\!\n]', word) else shlex.quote(word)


def _parsed(words: Sequence[str], place: int, folders: ConfigFolders) -> "Override":
    from hydra.errors import HydraException

    word = words[place]
    key, equals, value = word.partition("=")
    if word.startswith("-"):
        raise _dashed(word)
    if word.startswith("~"):
        found = f"{word} would take away what a run needs, and another value would silently stand in its place"
        raise UsageError(found, word, f"set what you want instead, {word[1:].partition('=')[0]}=...", "E-CONFIG-SYNTAX")
    if not equals or not key or (not value and place + 1 < len(words) and "=" not in words[place + 1]):
        raise _no_pair(words, place)
    if not value and key in folders.groups:
        raise unknown_choice(key, value, folders)
    try:
        return override_parser().parse_override(word)
    except (HydraException, ValueError, RecursionError):  # the latter of a number without end, or of many brackets
        raise _unreadable(key, value, words[place + 1 :], folders) from None


def _dashed(word: str) -> UsageError:
    name = re.sub(r"\W", "_", word.lstrip("-").partition("=")[0])
    keys = [key for key in known_keys() if name in (key, *key.split("."))]
    keys = [key for key in keys if not any(other.startswith(f"{key}.") for other in keys)]
    listed = f" (did you mean {', '.join(keys[:6])}?)" if keys else did_you_mean(name, known_keys())
    return UsageError(
        f"{word} is not an override{listed}",
        word,
        "write KEY=VALUE, without dashes; --help lists the keys",
        "E-CONFIG-SYNTAX",
    )


def _no_pair(words: Sequence[str], place: int) -> UsageError:
    """Return the error about a word without a key, an equals sign or a value."""
    word, following = words[place], words[place + 1] if place + 1 < len(words) else ""
    pair = word
    while "=" not in pair[:-1] and place + 1 < len(words):  # KEY = VALUE
        place += 1
        pair += words[place]
    if "=" in word + following[:1] and re.fullmatch(r"[^=]+=[^=]+", pair):
        fix = f"write {command([pair])}"
        return UsageError(
            "there is a space beside an equals sign", f"{word} {following}".strip(), fix, "E-CONFIG-SYNTAX"
        )
    if word.startswith("="):
        return UsageError(f"{word} has no key", word, "write KEY=VALUE; --help lists the keys", "E-CONFIG-SYNTAX")
    key, given, value = words[place - 1].partition("=") if place else ("", "", "")
    if given and (key in keys_taking(str) or word not in set(known_keys())):
        whole = _shell_word(override(key, f"{value} {word}"))
        fix = f"a value with a space is quoted, {whole}; else write KEY=VALUE"
        return UsageError(f"{word} is not an override: it has no equals sign", word, fix, "E-CONFIG-SYNTAX")
    if separated := re.fullmatch(r"([\w.]+):(.+)", word):
        return UsageError(
            f"{word} has no equals sign", word, f"write {command([override(*separated.groups())])}", "E-CONFIG-SYNTAX"
        )
    if word in ("train", "python", "train.py"):
        return UsageError(f"{word} is not an override", word, "leave it out", "E-CONFIG-SYNTAX")
    return UsageError(
        f"{word} has no value", word, f"write {word}=VALUE; --help lists the groups and keys", "E-CONFIG-SYNTAX"
    )


def _unreadable(key: str, value: str, following: Sequence[str], folders: ConfigFolders) -> UsageError:
    """Return the error about a value in which Hydra sees letters of its own."""
    if not re.fullmatch(r"\+{0,2}[\w./@:-]+", key):
        near = did_you_mean(key, known_keys())
        return UsageError(
            f"{key!r} is not a name of a key{near}", key, "write KEY=VALUE; --help lists the keys", "E-CONFIG-SYNTAX"
        )
    if key in folders.groups:
        return unknown_choice(key, value, folders)
    if value.startswith("="):
        once = f"{key}={value.lstrip('=')}"
        return UsageError(f"{key} has two equals signs", key, f"write {_shell_word(once)}", "E-CONFIG-SYNTAX")
    if value[:1] in TYPOGRAPHERS:
        last = next((n for n, word in enumerate(following) if word[-1:] in TYPOGRAPHERS), -1)
        whole = " ".join([value, *following[: last + 1]]) if value[-1:] not in TYPOGRAPHERS else value
        found = f"{key} is {whole}, in a typographer's quotes, which no shell knows"
        return UsageError(
            found, key, f"write {_shell_word(override(key, whole.strip(TYPOGRAPHERS)))}", "E-CONFIG-SYNTAX"
        )
    if value.startswith("~"):
        found = f"{key} is {value}, and no shell opens ~ in the midst of a word"
        return UsageError(
            found, key, f"write {_shell_word(override(key, str(Path(value).expanduser())))}", "E-CONFIG-SYNTAX"
        )
    quote = f"quote it: {_shell_word(override(key, value))}"
    if value[:1] in ("[", "{", "'", '"'):
        found = f"{key} is {value}, whose brackets or quotes do not close, or hold no list"
        return UsageError(
            found,
            key,
            f"write a list as '{key}=[a,b]', in quotes for the shell; if it is a text, {quote}",
            "E-CONFIG-SYNTAX",
        )
    return UsageError(
        f"{key} is {value}, with letters that mean something else unless it is quoted", key, quote, "E-CONFIG-SYNTAX"
    )


def _several(one: "Override", word: str) -> UsageError:
    key, _, value = word.partition("=")
    fixes = ["give one value", f"add -m for a sweep, a run for each: -m {_shell_word(word)}"]
    if key in keys_taking(tuple[str, ...]):
        fixes[0] = f"write a list as {_shell_word(f'{key}=[{value}]')}"
    elif re.fullmatch(r"\d+,\d+", value):
        fixes[0] = f"give one value (a decimal has a point: {key}={value.replace(',', '.')})"
    elif not one.is_choice_sweep() or not re.fullmatch(r"[\w.,+-]+", value):
        fixes[0] = f"quote a value that has a comma: {_shell_word(override(key, value))}"
    return UsageError("one key has several values", word, ", or ".join(fixes), "E-CONFIG-SWEEP")


def _check_choice(group: str, one: "Override", folders: ConfigFolders) -> None:
    from hydra.core.override_parser.types import ChoiceSweep

    if one.is_add() or one.is_force_add():
        raise UsageError(
            f"+ adds a group, and {group} is there", group, f"leave out the +: {group}=CHOICE", "E-CONFIG-SYNTAX"
        )
    value: Any = one._value  # the choices of a sweep too, which value() refuses to give
    for choice in value.list if isinstance(value, ChoiceSweep) else [value]:
        match getattr(choice, "text", choice):
            case None if group in WITHOUT_CHOICE:
                continue
            case list() | dict():
                raise UsageError(
                    f"{group} takes one choice, not several values", group, f"write {group}=CHOICE", "E-CONFIG-SWEEP"
                )
            case int() | float() | str() | None as name:
                text = "null" if name is None else str(name)
                if folders.find(group, text) is None and text not in registered(group):
                    raise unknown_choice(group, text, folders)
