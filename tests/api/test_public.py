"""The names of `import ictconvention as ict`: light, complete for type checkers, and each with an example that runs."""

import ast
import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import ictconvention as ict
from ictconvention.configuration import functions, identity, registry
from tests.conftest import ROOT

HEAVY = ("torch", "numpy", "astropy", "lightning", "hydra", "pyarrow", "matplotlib")


def test_importing_it_loads_nothing() -> None:
    code = f"""
import sys
import ictconvention as ict
dir(ict)
print(*(name for name in {HEAVY} if name in sys.modules))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.split() == []


def test_a_survey_needs_no_torch() -> None:
    code = "import sys, ictconvention as ict; ict.open, ict.SurveyWriter, ict.Split; print('torch' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.split() == ["False"]


def test_the_stub_has_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse((ROOT / "ictconvention" / "__init__.pyi").read_text())
    found = {}
    for node in tree.body:
        for one in node.names if isinstance(node, ast.ImportFrom) else ():
            assert isinstance(node, ast.ImportFrom)
            there = "" if one.name == one.asname else f":{one.name}"
            found[one.asname] = f"{str(node.module).removeprefix('ictconvention.')}{there}"
    assert found == ict._HOMES  # type: ignore[attr-defined]
    listed = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    assert sorted(ast.literal_eval(listed[0])) == sorted(ict.__all__)
    assert sorted(dir(ict)) == sorted([*ict.__all__, "__version__"])


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        ict.trian  # type: ignore[attr-defined]  # noqa: B018


def test_a_function_is_not_hidden_by_a_room_of_its_name() -> None:
    code = "import ictconvention.ingestion.pipeline, ictconvention as ict; print(callable(ict.ingest))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert said.split() == ["True"]
    rooms = {path.name for path in (ROOT / "ictconvention").iterdir() if path.is_dir()}
    assert not rooms & set(ict.__all__)


def documented(name: str) -> Any:
    """Return what documents a name: a value is documented by its class."""
    return identity.Role if name == "SHAPES" else getattr(ict, name)


@pytest.fixture
def names(work: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the examples may use; what they register is forgotten again."""
    registry.all_networks()  # those of ours stay registered
    monkeypatch.setattr(registry, "_networks", dict(registry._networks))
    monkeypatch.setattr(functions, "_functions", {kind: dict(of) for kind, of in functions._functions.items()})
    return {
        "__name__": __name__,
        "ict": ict,
        "torch": torch,
        "survey": ict.open(work / "miniature"),
        "run": ict.load(finished),
        "folder": tmp_path,
    }


@pytest.mark.parametrize("name", ict.__all__)
def test_every_public_name_has_an_example_that_runs(name: str, names: dict[str, Any]) -> None:
    examples = doctest.DocTestFinder(recurse=False).find(documented(name), name, globs=dict(names))
    assert examples
    assert examples[0].examples, f"{name} has no example"
    said: list[str] = []
    ended = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples[0], out=said.append, clear_globs=False)
    assert ended.failed == 0, "".join(said)
