"""A pattern that matches several runs, a file of a run, a folder of runs: each is answered with the runs to name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.configuration.options import ModelOptions
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.which_run import no_run
from ictconvention.training.retest import retest
from tests.refusals import check_refusal, refused


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / "ict (v2)" / f"fold0-seed0-{name}" for name in ("aaaa", "bbbb")]
    for folder in folders:
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "config.yaml").write_text("")
        (folder / "checkpoints" / "finetune.ckpt").write_text("")
    (folders[0].parent / "fold0-seed0-notes").mkdir()  # no run
    return folders


@pytest.mark.parametrize("command", ["predict", "export", "report"])
def test_a_pattern_that_matches_two_runs_is_answered_with_their_names(
    command: str, runs: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / ("out.pt2" if command == "export" else "out.csv")
    survey = ["survey"] if command == "predict" else []
    for words in ([*map(str, runs), *survey], [str(runs[0].parent / "fold0-*"), *survey]):
        (tmp_path / "survey").mkdir(exist_ok=True)
        found = CliRunner().invoke(app, [command, *words, "-o", str(output)])
        assert isinstance(found.exception, UsageError)
        assert found.exception.code == "E-COMMAND-ARGUMENTS"
        assert all(str(run) in found.exception.fix for run in runs)
    assert not output.exists()


def test_one_argument_too_many_is_named(runs: list[Path]) -> None:
    found = CliRunner().invoke(app, ["report", str(runs[0]), "page"])
    assert isinstance(found.exception, UsageError)
    assert found.exception.where == "page"


def read_options(folder: str | Path) -> RunOptions:
    return RunFolder(folder).read_options()


@pytest.mark.parametrize("read", [read_options, lambda folder: retest(Path(folder), RunOptions())])
def test_what_is_no_run_is_answered_with_the_runs_there(read: Callable[[str | Path], object], runs: list[Path]) -> None:
    above = runs[0].parent
    for given, code in (
        (above / "fold0-*", "E-COMMAND-ARGUMENTS"),
        (above, "E-RUN-MISSING"),
        (above / "fold0-seed0-cccc", "E-RUN-MISSING"),
    ):
        with refused(UsageError, code, where=given) as caught:
            read(given)
        assert all(str(run) in caught.value.fix for run in runs)
        assert "notes" not in caught.value.fix
    for inside in (runs[1] / "checkpoints" / "finetune.ckpt", runs[1] / "config.yaml"):
        with refused(UsageError, "E-RUN-MISSING", where=inside) as caught:
            read(inside)
        assert caught.value.fix.endswith(str(runs[1]))


def test_a_pattern_without_a_run_says_so_and_one_run_is_named(runs: list[Path]) -> None:
    none, one = (runs[0].parent / pattern for pattern in ("fold9-*", "fold0-seed0-a*"))
    check_refusal(no_run(none), "E-RUN-MISSING", where=none)
    check_refusal(no_run(one), "E-COMMAND-ARGUMENTS", str(runs[0]), where=one)


def test_a_run_whose_own_name_has_brackets_is_read(runs: list[Path]) -> None:
    folder = runs[0].rename(runs[0].with_name("[x]"))
    assert replace(RunFolder(folder).read_options(), model=ModelOptions()) == RunOptions()
