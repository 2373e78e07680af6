"""The house: every module in a room, rooms from the ground up, imports that point down only and never in a circle."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

import ictconvention
from tests.conftest import ROOT

PACKAGE = ROOT / "ictconvention"
ROOMS = (  # from the ground up; sub-rooms stand on the floor of their room
    *("core", "reading", "survey", "measuring", "configuration", "files", "simulation", "ingestion", "feeding"),
    *(
        "evaluation",
        "drawing",
        "tasks",
        "networks",
        "learning",
        "runs",
        "training",
        "sweeping",
        "applying",
        "reporting",
        "api",
        "cli",
    ),
)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.name != "__init__.py"
}


def imports_of(module: str) -> set[str]:
    """Return the modules of the package that one imports, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
    return found & MODULES.keys() - {module}


BY_NAME = {  # what a module asks for by its name, when it is needed, of a room above
    "ictconvention.configuration.registry": {"networks", "tasks"},  # ours, as those of a user
    "ictconvention.sweeping.prepared": {"cli"},  # a job is a process of the command line
    "ictconvention.survey.series": {"drawing"},  # what a notebook shows of a survey and a series
}


def named_in(module: str) -> set[str]:
    """Return the rooms above a module that a text in it names, in whatever way it imports them."""
    texts = {
        node.value
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    above = set(ROOMS[ROOMS.index(room_of(module)) + 1 :])
    return {room for room in above if any(text.split(".")[:2] == ["ictconvention", room] for text in texts)}


def room_of(module: str) -> str:
    return module.split(".")[1]


def test_every_module_is_in_a_room() -> None:
    assert {room_of(module) for module in MODULES} == set(ROOMS)
    assert [path.name for path in PACKAGE.glob("*.py")] == ["__init__.py"]
    listed = re.findall(r"^    (\w+) {2,}", str(ictconvention.__doc__), re.MULTILINE)
    assert tuple(listed) == ROOMS


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down(room: str) -> None:
    above = set(ROOMS[ROOMS.index(room) + 1 :])
    up = [
        f"{module} imports {other}"
        for module in MODULES
        if room_of(module) == room
        for other in sorted(imports_of(module))
        if room_of(other) in above
    ]
    assert not up


def test_three_modules_ask_for_a_room_above_and_no_others() -> None:
    assert {module: rooms for module in MODULES if (rooms := named_in(module))} == BY_NAME


def test_no_imports_go_in_a_circle() -> None:
    left = {module: imports_of(module) for module in MODULES}
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert not left


def test_a_room_holds_at_most_twelve_files() -> None:
    sizes = Counter(module.rpartition(".")[0] for module in MODULES)
    assert not {room: size for room, size in sizes.items() if size > 12}


def test_every_room_says_what_it_holds() -> None:
    for folder in {path.parent for path in MODULES.values()}:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))), folder


def test_tests_mirror_the_rooms() -> None:
    """A test of rooms together stands above them."""
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")} - {Path()}
    assert folders <= {path.parent.relative_to(PACKAGE) for path in MODULES.values()}
