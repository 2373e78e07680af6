"""The pages of the reference that are read off the code, as Markdown: commands, keys of the configuration, errors.

Sphinx is not needed here, so that a test can ask whether every command, key and code is there.
"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from ictconvention.cli.main import app
from ictconvention.configuration.identity import CONTENT, LABEL, PLACE, roles_of
from ictconvention.configuration.registry import find_network, find_task_entry
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.error_codes import CODES

CONF = Path(__file__).parents[2] / "conf"
KEY = re.compile(r"^(?P<indent> *)(?P<key>\w+):(?P<rest>.*)$")


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(text: str) -> str:
    """Return a text as code, or nothing where there is none."""
    return f"`{text}`" if text else ""


# Commands ----------------------------------------------------------------------------------------------------------


def commands(group: Any = None, before: str = "ictconvention") -> Iterator[tuple[str, Any]]:
    """Return every command with its words, such as `ictconvention ingest ztf`, in the order of `--help`."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():
        if getattr(command, "commands", None):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}", command


def describe_command(words: str, command: Any) -> str:
    """Return the section of a command: what it does, how it is called, its arguments and options."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    call = " ".join([words, *("[OPTIONS]" for _ in options[:1]), *(_place(one) for one in arguments)])
    rows = [(code(_place(one)), one.help or "", _default(one)) for one in arguments]
    rows += [(code(", ".join([*one.opts, *one.secondary_opts])), one.help or "", _default(one)) for one in options]
    parts = [f"## {words}", (command.help or "").strip(), f"```text\n{call}\n```"]
    if rows:
        parts.append(table(("argument or option", "meaning", "default"), rows))
    return "\n\n".join(parts)


def _place(argument: Any) -> str:
    name = (argument.metavar or argument.name.upper()).strip("[]")
    name += "..." if argument.nargs == -1 and not name.endswith("...") else ""
    return name if argument.required else f"[{name}]"


def _default(one: Any) -> str:
    if one.required:
        return "required"
    if isinstance(one.show_default, str):
        return one.show_default
    return "" if one.default in (None, False, ()) or one.show_default is False else code(str(one.default))


def commands_page() -> str:
    """Return the sections of all commands."""
    return "\n\n".join(describe_command(words, command) for words, command in commands()) + "\n"


# Configuration -----------------------------------------------------------------------------------------------------


def keys_of(path: Path) -> list[tuple[str, str, str]]:
    """Return the keys of a file of conf with value and comment, the inner ones as outer.inner; none of `defaults`."""
    rows: list[tuple[str, str, str]] = []
    above: list[tuple[int, str]] = []
    for line in path.read_text().splitlines():
        if rows and re.match(r" +#", line):  # a comment that goes on
            rows[-1] = (*rows[-1][:2], f"{rows[-1][2]} {line.strip(' #')}")
        if not (match := KEY.match(line)):
            continue
        indent = len(match["indent"])
        above = [one for one in above if one[0] < indent]
        key = ".".join([*(name for _, name in above), match["key"]])
        above.append((indent, match["key"]))
        value, _, comment = match["rest"].partition(" #") if not match["rest"].startswith("#") else ("", "", "")
        if not key.startswith("defaults"):
            rows.append((key, value.strip(), comment.strip()))
    return rows


def types_of_keys(options: Any = RunOptions, before: str = "") -> dict[str, str]:
    """Return the type of each key in words, such as `cosine or constant`, or `integer, at least 1`."""
    hints, said = get_type_hints(options, include_extras=True), {}
    for one in fields(options):
        hint = hints[one.name]
        inner = [kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and is_dataclass(kind)]
        if inner:
            said |= types_of_keys(inner[0], f"{before}{one.name}.")
        else:
            said[f"{before}{one.name}"] = say_type(hint)
    return said


NAMES = {int: "integer", float: "number", bool: "true or false", str: "text", type(None): "null"}
BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def say_type(hint: Any) -> str:
    """Return a type with its range in words."""
    origin = get_origin(hint)
    if origin is Annotated:
        first, *marks = get_args(hint)
        bounds = [
            f"{word} {value:g}"
            for mark in marks
            for part in getattr(mark, "metadata", [mark])
            for name, word in BOUNDS.items()
            if (value := getattr(part, name, None)) is not None
        ]
        return ", ".join([say_type(first), *bounds])
    if origin is Literal:
        return " or ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in get_args(hint))
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(say_type(part) for part in get_args(hint)))
    if origin is tuple:
        return f"list of {say_type(get_args(hint)[0])}"
    return NAMES.get(hint, "")


def own_options(path: Path) -> Any:
    """Return the options of a network's or a task's own, whose keys a file has; None: it is of another group."""
    if path.parent.name not in ("model", "task"):
        return None
    kind = next(value for key, value, _ in keys_of(path) if key == "kind")
    return find_network(kind).options if path.parent.name == "model" else find_task_entry(kind).options


def configuration_page() -> str:
    """Return a section for the keys of the root, and one for each group with a table for each of its choices."""

    def rows(path: Path, prefix: str) -> list[tuple[str, ...]]:
        types, roles = types_of_keys(), roles_of(RunOptions)
        if (own := own_options(path)) is not None:
            types, roles = types | types_of_keys(own, prefix), roles | roles_of(own, prefix)
        found, said = [], {}
        for key, value, comment in keys_of(path):
            whole = f"{prefix}{key}"
            comment = comment or said.get(key.split(".")[-1], "")  # of finetune as of pretrain
            said[key.split(".")[-1]] = comment
            role = roles.get(whole)
            counts = (
                "" if role is None else "no" if role & (PLACE | LABEL) else "by content" if role & CONTENT else "yes"
            )
            if value.startswith("*"):
                found.append((code(f"{whole}.*"), "", "as of the stage before", "", counts))
            elif (value or comment) and not value.startswith("&"):
                found.append((code(whole), code(value), comment, types.get(whole, ""), counts))
        return found

    header = ("key", "value", "meaning", "type and range", "in the hash")
    parts = ["## Keys of the root", table(header, rows(CONF / "train.yaml", ""))]
    for folder in sorted(one for one in CONF.iterdir() if one.is_dir() and one.name != "hydra"):
        parts.append(f"## {folder.name}")
        for path in sorted(folder.glob("*.yaml")):
            whole = "@package _global_" in path.read_text().split("\n", 1)[0]
            intro = [line[1:].strip() for line in path.read_text().splitlines() if line.startswith("# ")]
            intro = [line for line in intro if not line.startswith("@package")]
            parts.append(f"### {folder.name}={path.stem}")
            parts += [" ".join(intro)] if intro else []
            found = rows(path, "" if whole else f"{folder.name}.")
            if whole and found:
                parts.append(
                    "```yaml\n" + re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).strip() + "\n```"
                )
            elif found:
                parts.append(table(header, found))
    return "\n\n".join(parts) + "\n"


# Errors ------------------------------------------------------------------------------------------------------------

AREAS = {
    "BAND": "bands",
    "CLASS": "classes",
    "COMMAND": "the command line",
    "COMPARE": "comparisons",
    "CONFIG": "the configuration of a run",
    "EXPLAIN": "explanations",
    "EXPORT": "exports",
    "FILES": "files and folders",
    "FOREST": "forests",
    "ID": "ids",
    "IMAGE": "images",
    "INGEST": "surveys made of images that you have",
    "MACHINE": "the machine",
    "MODULE": "modules of your own",
    "NETWORK": "networks",
    "PACKAGE": "packages",
    "PREDICT": "predictions",
    "RUN": "runs",
    "SERVER": "servers",
    "SHARES": "class shares",
    "SPLIT": "splits",
    "STREAM": "streams of alerts",
    "SURVEY": "surveys",
    "SWEEP": "sweeps",
    "TABLE": "tables",
    "TRAINING": "training",
    "VALUE": "values",
    "WEIGHTS": "weights",
}


def errors_page() -> str:
    """Return a section for each area of the codes: E-AREA-KIND."""
    parts = []
    for area in dict.fromkeys(name.split("-")[1] for name in sorted(CODES)):
        rows = [(code(name), CODES[name]) for name in sorted(CODES) if name.split("-")[1] == area]
        parts += [f"## E-{area}: {AREAS.get(area, area.lower())}", table(("code", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"
