"""`make` brings the environment up to date where it is, and deletes none that somebody has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with our Makefile and an environment whose pip notes its words, older than pyproject.toml."""
    folder = tmp_path / "clone"
    (folder / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / ".venv" / "mine").write_text("of the user")
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    pip = folder / ".venv" / "bin" / "pip"
    pip.write_text('#!/bin/sh\necho "$@" >> pip.log\n')
    pip.chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    os.utime(folder / ".venv" / ".ready", (0, 0))
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    return folder


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", *words], cwd=folder, env=kept, capture_output=True, text=True)


def test_an_environment_that_is_older_than_its_requirements_is_updated_in_place(clone: Path) -> None:
    made = make(clone, "setup")
    assert made.returncode == 0, made.stderr
    assert (clone / ".venv" / "mine").read_text() == "of the user"
    assert "install" in (clone / "pip.log").read_text()
    assert "constraints.txt" in (clone / "pip.log").read_text()
    make(clone, "setup")
    assert len((clone / "pip.log").read_text().splitlines()) == 1  # it is up to date


def test_an_environment_of_another_python_is_left_alone_and_the_way_is_said(clone: Path) -> None:
    other = clone / "python3.12"
    other.write_text('#!/bin/sh\necho "/elsewhere 3 12 0"\n')
    other.chmod(0o755)
    made = make(clone, "setup", f"PYTHON={other}")
    assert made.returncode != 0
    assert "rm -rf .venv" in made.stdout
    assert (clone / ".venv" / "mine").exists()
    assert not (clone / "pip.log").exists()


def test_an_environment_whose_python_is_gone_is_left_alone_and_the_way_is_said(clone: Path) -> None:
    (clone / ".venv" / "bin" / "python").unlink()
    (clone / ".venv" / "bin" / "python").symlink_to("/gone/python3")
    made = make(clone, "setup")
    assert made.returncode != 0
    assert "rm -rf .venv" in made.stdout
    assert (clone / ".venv" / "mine").exists()
