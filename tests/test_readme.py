"""The commands and the Python of the README and of the pages in docs/ run as they stand there."""

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ictconvention as ict
from ictconvention.cli.main import main
from ictconvention.configuration.stages import STAGES
from ictconvention.runs.run_folder import RunFolder
from ictconvention.simulation import simulate as simulation
from ictconvention.survey.survey import Survey
from tests.conftest import ROOT
from tests.small_runs import read_json, result_of

# What is run, in this order, in one folder and one Python. Other pages show commands as text, with paths of a
# reader's own in them, and the tutorials run when the site is built.
PAGES = (
    "README.md",
    "docs/ten-minutes.md",
    "docs/reference/exported-model.md",
    "docs/guides/publish.md",
    "docs/guides/python.md",
    "docs/reference/survey.md",
    "docs/guides/splits.md",
    "docs/guides/networks.md",
    "docs/guides/own-loop.md",
)
# Commands that are not run here, each with the reason.
NOT_RUN = {
    "make setup": "makes the environment that these tests run in; .ci/run does it",
    "source .venv/bin/activate": "the tests' environment is active",
}


def blocks(language: str) -> list[str]:
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def shell_commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return list(dict.fromkeys(line for line in lines if line))  # the README's first ones are in ten-minutes too


def run(command: str, patch: pytest.MonkeyPatch) -> None:
    """Run a line of the shell in this process: one that must end without an error."""
    program, *words = [part for word in shlex.split(command) for part in matches(word)]
    if program == "python":
        patch.setattr(sys, "argv", words)
        runpy.run_path(words[0], run_name="__main__")
        return
    assert program == "ictconvention", command
    patch.setattr(sys, "argv", [program, *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, command


def matches(word: str) -> list[str]:
    """Return the paths that match a word, sorted, or the word itself, as a shell does."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def once_each(simulate: Callable[..., Survey]) -> Callable[..., Survey]:
    """Simulate each survey once, and copy it to where it is asked for again: the same seed gives the same bytes."""
    made: dict[tuple[Any, ...], Path] = {}

    def found(path: Path, objects: int, seed: int, jobs: int, extra_test: int, *more: Any, **given: Any) -> Survey:
        if (key := (objects, seed, extra_test, *given.values())) in made:
            shutil.copytree(made[key], path)
        else:
            made[key] = simulate(path, objects, seed, jobs, extra_test, *more, **given).path.absolute()
        return Survey.open(path)

    return found


def check_first_run(folder: Path) -> None:
    """Look whether the first command learns what it says, in less than a minute of one core."""
    assert result_of(folder)["test_uniform"]["balanced_accuracy"] > 0.45  # chance: 0.25
    assert sum(read_json(folder / "status.json")["core_seconds"].values()) < 60
    rows = RunFolder(folder).open_metrics().rows
    for stage in STAGES:
        curve = [row[f"{stage}/val/loss_balanced"] for (of, _), row in rows.items() if of == stage]
        assert len(curve) >= 4
    assert (folder / "figures" / "learning_curves.png").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    not {"ICTCONVENTION_README", "ICTCONVENTION_LONG_TESTS"} & os.environ.keys(),
    reason="more than a minute: .ci/run and make test-long run it, and ICTCONVENTION_README=1",
)
@pytest.mark.no_cover  # it trains: other tests watch the same lines
def test_every_command_and_the_python_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that looks like a clone, but whose surveys are its own."""
    for entry in ("experiments", "conf", "ictconvention", "train.py"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(simulation, "simulate", once_each(simulation.simulate))
    assert len(shell_commands()) > len(NOT_RUN)
    assert set(NOT_RUN) <= set(shell_commands())
    for command in shell_commands():
        if command not in NOT_RUN:
            run(command, monkeypatch)
    assert (tmp_path / "sn_ia.png").exists()
    assert (tmp_path / "split.json").exists()
    assert len(list((tmp_path / "runs" / "ict_sdss").glob("fold0-seed0-*/result.json"))) == 1
    check_first_run(*(tmp_path / "runs" / "frame_transformer_sdss").glob("fold0-seed0-*"))
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a reader's process warns of small batches and continues
        exec(compile("\n".join(blocks("python")), "docs", "exec"), {"__name__": "__main__"})
    said = capsys.readouterr().out
    assert "(3, 32, 32) [53990.2  53990.21 53995.2 ] 0.21" in said
    assert "{'loss': " in said
    assert "test/f1_macro" in said
    assert len(list((tmp_path / "runs" / "mine").glob("fold1-seed0-*/result.json"))) == 1


@pytest.mark.parametrize("page", ["README.md", *PAGES[4:], "examples/README.md", "examples/my_network.py"])
def test_its_python_uses_public_names_alone(page: str) -> None:
    """A deep module is private, and may move."""
    text = (ROOT / page).read_text()
    assert not re.findall(r"(?:from|import) ictconvention\.\S+|`ictconvention\.(?!json)\w+", text)
    used = set(re.findall(r"\bict\.(\w+)", text))
    assert used
    assert used <= set(ict.__all__)


def test_no_other_page_has_commands_that_nobody_runs() -> None:
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = path.relative_to(ROOT).as_posix()
        if page not in PAGES and "/_build/" not in page:
            assert not re.search(r"^```(?:sh|python)$", path.read_text(encoding="utf-8"), re.MULTILINE) or is_made(path)


def is_made(path: Path) -> bool:
    """Return whether git ignores a page: the site's build has written it."""
    ended = subprocess.run(["git", "-C", str(ROOT), "check-ignore", "-q", str(path)], check=False)
    return ended.returncode == 0


def test_every_file_that_a_page_names_is_in_the_repository() -> None:
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    pages = [path for path in kept if path.endswith("README.md") or re.fullmatch(r"docs/.*\.md", path)]
    assert len(pages) > 30
    for page in pages:
        links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", (ROOT / page).read_text(encoding="utf-8"))
        for link in (link for link in links if "://" not in link):
            path = os.path.normpath(Path(page).parent / link)
            assert any(one == path or one.startswith(f"{path}/") for one in kept), (page, link)


def test_every_command_of_the_command_line_is_described() -> None:
    from ictconvention.cli.main import app

    text = (ROOT / "docs" / "reference" / "commands.md").read_text()
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert names
    for name in names:
        assert f"`ictconvention {name}" in text


def test_git_ignores_what_the_commands_of_the_pages_write() -> None:
    """A user's figures and tables never come into a commit by `git add .`, and no file of ours is ignored."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "guides").glob("*.md"))
    text += "\n".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    written = set(re.findall(r"(?:-o|--curve) ([\w./-]+)|\.save\(\"([\w./-]+)\"\)", text))
    files = {name for name in (one or other for one, other in written) if Path(name).suffix}
    names = sorted(files | {"report.html", "000341.png", "early.csv", "model.pt2"})
    names += ["surveys/mine", "surveys/mine-rejects.csv", "runs/ict_sdss"]
    if not (ROOT / ".git").exists():
        pytest.skip("no clone: there is nothing that git could ignore")
    git = ["git", "-C", str(ROOT)]
    ended = subprocess.run([*git, "check-ignore", *names], capture_output=True, text=True, check=False)
    assert ended.stdout.split() == names
    assert len(names) > 10
    ours = subprocess.run([*git, "ls-files", "-ci", "--exclude-standard"], capture_output=True, text=True, check=True)
    assert ours.stdout == ""
