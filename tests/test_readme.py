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


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that looks like a clone, but whose surveys are its own, where all commands were run."""
    folder = tmp_path_factory.mktemp("clone")
    for entry in ("experiments", "conf", "ictconvention", "train.py"):
        (folder / entry).symlink_to(ROOT / entry)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for command in shell_commands():
        if command not in NOT_RUN:
            result = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True)
            assert result.returncode == 0, f"{command}: {result.stderr}"
    return folder


def test_every_command_runs(clone: Path) -> None:
    assert len(shell_commands()) > len(NOT_RUN)
    assert set(NOT_RUN) <= set(shell_commands())
    assert (clone / "sn_ia.png").exists()
    assert (clone / "split.json").exists()
    assert len(list((clone / "runs" / "ict_sdss").glob("fold0-seed0-*/result.json"))) == 1


def test_the_python_runs(clone: Path) -> None:
    source = "\n".join(blocks("python"))
    result = subprocess.run([sys.executable, "-c", source], cwd=clone, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "(3, 32, 32) [53990.2  53990.21 53995.2 ] 0.21" in result.stdout
    assert "{'loss': " in result.stdout
    assert "test/f1_macro" in result.stdout
    assert (clone / "views.png").stat().st_size > 50_000


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
