"""The command that trains and tests: a test is the same as mode=test, and a sweep as strict about what may be given."""

from pathlib import Path

import pytest

from ictconvention.cli import train as command_that_trains
from ictconvention.cli.main import app
from ictconvention.core.errors import UsageError
from tests.refusals import refused


def test_the_command_that_tests_a_run_is_the_same_as_its_mode(
    finished: Path, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place := tmp_path / "it's a place").symlink_to(finished)
    words = ["survey=path", f"survey.path={work}/miniature"]
    said = []
    for spelling in (["test", str(place)], ["train", "mode=test", f"run={finished}"]):
        app([*spelling, *words], standalone_mode=False)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].splitlines()[-1] == "the same as result.json, to the last digit"


@pytest.mark.parametrize(
    ("words", "code", "facts"),
    [
        (["a", "learner.tau=0.5"], "E-CONFIG-CONFLICT", ["learner.tau=0.5"]),
        (["a", "b"], "E-COMMAND-ARGUMENTS", ["2 arguments", "1"]),
        (["nowhere"], "E-RUN-MISSING", []),
    ],
)
def test_what_a_test_cannot_take_is_refused(words: list[str], code: str, facts: list[str]) -> None:
    with refused(UsageError, code, *facts, where=words[-1]):
        app(["test", *words], standalone_mode=False)


@pytest.mark.parametrize("word", ["model@x=convention", "model@x=convention,light_curve"])
def test_a_group_of_a_sweep_is_placed_in_no_other_package(word: str, tmp_path: Path) -> None:
    with refused(UsageError, "E-CONFIG-UNKNOWN", "model", where="model@x"):
        command_that_trains.sweep([word, "seed=1,2", f"runs={tmp_path}"])
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("named", ["--config-dir={}", "hydra.searchpath=[file://{}]"])
def test_choices_of_a_users_own_are_found_in_a_sweep_however_their_folder_is_named(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "augmentation").mkdir()
    (tmp_path / "augmentation" / "mine.yaml").write_text("rotate: false\n")
    seen: list[str] = []
    monkeypatch.setattr(command_that_trains, "_hydra", lambda words, folders, task: seen.extend(words))
    command_that_trains.sweep([named.format(tmp_path), "augmentation=mine", "seed=1,2", f"runs={tmp_path}"])
    assert {"augmentation=mine", "seed=1,2"} <= {*seen}
