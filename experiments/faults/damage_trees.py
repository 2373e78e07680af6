"""Ways to damage what JSON and YAML hold: a value of another type or size, a key too many or too few, deep nesting."""

import hashlib
import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from numpy.random import Generator

from experiments.faults.draws import one_of

STRANGE: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 2, 10**18, 2**63, -(2**63) - 1, 10**400, 0.5, -0.5, 1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf"), "", "text", "0", "1", "nan", "null", "a\0b", "\ud800", "../../x"),
    *("/dev/zero", "x" * 300, "ä", "${oc.env:HOME}", "${nowhere}", "?", " ", "a,b", "[1]", [], {}, [[]], [None], [1]),
    *({"a": 1}, {"": None}, [{"a": [1]}], ["text"], [0.5, "text"], [[1, 2], [3]]),
)
DEEP = 100_000
Place = tuple[Any, Any]  # a list or mapping, and an index or key in it


def strange(rng: Generator) -> Any:
    """Return a value that does not belong where it is put."""
    return deepcopy(one_of(STRANGE, rng))


def places_in(tree: Any) -> list[Place]:
    """Return every place of a tree that holds a value."""
    found: list[Place] = []
    inside = [tree]
    while inside:
        one = inside.pop()
        listed = list(one.items()) if isinstance(one, dict) else list(enumerate(one)) if isinstance(one, list) else []
        found += [(one, key) for key, _ in listed]
        inside += [value for _, value in listed]
    return found


def _near(value: Any, rng: Generator) -> Any:
    """Return a value that is like another, of another type or a little off."""
    if isinstance(value, bool):
        return one_of((not value, str(value), int(value)), rng)
    if isinstance(value, int | float):
        return one_of((str(value), [value], -value, value + 1, value * 1e10, value / 3, bool(value)), rng)
    if isinstance(value, str):
        return one_of(([value], value.upper(), value[:-1], value + "x", {value: value}, value.encode().hex()), rng)
    if isinstance(value, list):
        ways = (value[::-1], value[:-1], value + value, dict(enumerate(value)), [value], tuple(value[:1]), str(value))
        made = one_of(ways, rng)
        return {str(key): one for key, one in made.items()} if isinstance(made, dict) else made
    if isinstance(value, dict):
        return one_of((list(value), list(value.values()), [value], {**value, "more": 1}, str(value)), rng)
    return "text"


def change_value(tree: Any, rng: Generator) -> str:
    places = places_in(tree)
    if not places:
        return "nothing in it"
    inside, key = one_of(places, rng)
    before = inside[key]
    inside[key] = _near(before, rng) if rng.random() < 0.5 else strange(rng)
    return f"{key!r}: {str(before)[:40]!r} to {str(inside[key])[:40]!r}"


def remove_key(tree: Any, rng: Generator) -> str:
    places = places_in(tree)
    if not places:
        return "nothing in it"
    inside, key = one_of(places, rng)
    del inside[key]
    return repr(key)


def add_key(tree: Any, rng: Generator) -> str:
    mappings = [one for one in (tree, *(inside[key] for inside, key in places_in(tree))) if isinstance(one, dict)]
    if not mappings:
        return "nothing in it"
    name = one_of(("more", "", "id", "__class__", "_target_", "x" * 300), rng)
    one_of(mappings, rng)[name] = strange(rng)
    return repr(name)


def rename_key(tree: Any, rng: Generator) -> str:
    places = [(inside, key) for inside, key in places_in(tree) if isinstance(inside, dict)]
    if not places:
        return "nothing in it"
    inside, key = one_of(places, rng)
    inside[f"{key}_"] = inside.pop(key)
    return repr(key)


CHANGES: Sequence[Callable[[Any, Generator], str]] = (
    *(change_value, change_value, change_value, change_value, remove_key, add_key, rename_key),
)


def change_tree(tree: Any, rng: Generator) -> str:
    """Change a tree of lists and mappings once or twice, and say how."""
    times = 1 + int(rng.random() < 0.2)
    return "; ".join(f"{way.__name__} {way(tree, rng)}" for way in rng.choice(list(CHANGES), times))  # type: ignore[arg-type]


def change_json(path: Path, rng: Generator) -> str:
    tree = json.loads(path.read_text(encoding="utf-8"))
    said = change_tree(tree, rng)
    path.write_text(json.dumps(tree, indent=1), encoding="utf-8", errors="surrogatepass")
    return said


def change_json_and_hash(path: Path, rng: Generator) -> str:
    """Change a file that holds a hash of its content, and give it the hash of the new one."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    said = change_tree(tree, rng)
    if isinstance(tree, dict):
        if "sha256" in tree:  # of a survey
            rest = {key: value for key, value in tree.items() if key != "sha256"}
            tree["sha256"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
        elif "hash" in tree:  # of a split
            rest = {key: tree[key] for key in ("parts", "classes", "excluded", "rule", "linking_length") if key in tree}
            tree["hash"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(tree, indent=1), encoding="utf-8", errors="surrogatepass")
    return said


def nest_deeply(path: Path, rng: Generator) -> str:
    text = path.read_text(encoding="utf-8")
    opened, closed = one_of((("[", "]"), ('{"a":', "}")), rng)
    deep = opened * DEEP + "1" + closed * DEEP
    whole = rng.random() < 0.5 or ":" not in text
    first = text.find(":") + 1
    path.write_text(deep if whole else f"{text[:first]} {deep}, {text[first:].lstrip()}", encoding="utf-8")
    return "the whole" if whole else "a value"


def repeat_key(path: Path, rng: Generator) -> str:
    tree = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(tree, dict) or not tree:
        return "nothing in it"
    key = one_of(list(tree), rng)
    text = json.dumps(tree)
    other = json.dumps(strange(rng))
    path.write_text(f"{text[:-1]}, {json.dumps(key)}: {other}}}", encoding="utf-8")
    return repr(key)


def write_other_json(path: Path, rng: Generator) -> str:
    text = one_of(("null", "1", "[]", "{}", '"text"', "NaN", "1e999", "9" * 5000, "\ufeff{}", "{'a': 1}", "true"), rng)
    path.write_text(text, encoding="utf-8")
    return text[:20]


OF_JSON = (
    *(change_json, change_json, change_json, change_json, change_json_and_hash, change_json_and_hash),
    *(nest_deeply, repeat_key, write_other_json),
)


def change_yaml(path: Path, rng: Generator) -> str:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    said = change_tree(tree, rng)
    path.write_text(yaml.safe_dump(tree), encoding="utf-8", errors="surrogatepass")
    return said


def write_strange_yaml(path: Path, rng: Generator) -> str:
    text = (
        *("!!python/object/apply:os.system ['true']\n", "a: &a [*a]\n", "a: *b\n", "a: 1\na: 2\n", "- 1\n", "text\n"),
        *("\ta: 1\n", "a: [1\n", "? [1]\n: 2\n", "1: 2\n", "null: 1\n", "a: 2001-01-01\n", "a: 0x1f\n", "---\n---\n"),
        *("a: !!binary aGk=\n", "a: ${oc.env:HOME}\n", "a: ${a}\n", "a: ${oc.decode:'1'}\n", "a: ???\n", "[" * 5000),
        *("defaults:\n  - nowhere\n", "defaults: 1\n", "# @package _global_\nseed: 3\n", "_target_: os.system\n"),
        *("a: " + "9" * 5000 + "\n", "a: 1e999\n", "a: .nan\n", '"a\\0b": 1\n', "a: !!set {b}\n", "%YAML 9.9\n---\n"),
    )
    one = one_of(text, rng)
    before = path.read_text(encoding="utf-8") if rng.random() < 0.5 else ""
    path.write_text(before + one, encoding="utf-8")
    return f"{one[:30]!r}{' after the rest' if before else ''}"


OF_YAML = (change_yaml, change_yaml, change_yaml, write_strange_yaml)
