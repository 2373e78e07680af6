"""The commands and the Python of the README run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Commands that are not run here, each with the reason.
NOT_RUN = {
    "make setup": "makes the environment that these tests run in; .ci/run does it",
    "source .venv/bin/activate": "the tests' environment is active",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


def shell_commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder that looks like a clone, but whose surveys are its own."""
    for entry in ("experiments", "conf", "ictconvention"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    return tmp_path


def test_every_command_runs(clone: Path) -> None:
    commands = shell_commands()
    assert len(commands) > len(NOT_RUN)
    assert set(NOT_RUN) <= set(commands)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in commands:
        if command in NOT_RUN:
            continue
        result = subprocess.run(command, shell=True, cwd=clone, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{command}: {result.stderr}"
    assert (clone / "sn_ia.png").exists()
    assert (clone / "split.json").exists()


def test_the_python_runs(clone: Path) -> None:
    source = "\n".join(blocks("python"))
    result = subprocess.run([sys.executable, "-c", source], cwd=clone, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "(3, 32, 32) [53990.2  53990.21 53995.2 ] 0.21" in result.stdout


def test_every_file_it_names_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    for link in links:
        assert (ROOT / link).exists(), link


def test_every_command_of_the_command_line_is_described() -> None:
    from ictconvention.cli import app

    text = (ROOT / "README.md").read_text()
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert names
    for name in names:
        assert f"`ictconvention {name}" in text
