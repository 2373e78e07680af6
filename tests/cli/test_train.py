"""The command that tests a run again: the same as mode=test, and as strict about what may be given."""

from pathlib import Path

import pytest

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
