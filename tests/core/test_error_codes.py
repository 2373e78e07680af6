"""Every error says its code, every code of the catalogue has its error, and a code survives a process."""

import ast
import errno
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ictconvention.core import errors
from ictconvention.core.error_codes import CODES
from ictconvention.core.errors import FileSystemError, IctConventionError, readable_os_errors
from tests.conftest import ROOT

CATALOGUE = ROOT / "ictconvention" / "core" / "error_codes.py"
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, IctConventionError)}
SOURCES = sorted(
    path for folder in ("ictconvention", "hydra_plugins", "experiments") for path in (ROOT / folder).rglob("*.py")
)


def calls(of: set[str]) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call of the package's source that makes one of these, with its place."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in of:
                yield f"{path.relative_to(ROOT)}, line {node.lineno}", node


def test_every_error_and_every_flaw_is_made_with_a_code_of_the_catalogue() -> None:
    made = {**dict.fromkeys(KINDS, 4), "Flaw": 3, "type(error)": 4}
    sites = list(calls(set(made)))
    assert len(sites) > 350
    for place, call in sites:
        assert len(call.args) == made[ast.unparse(call.func).rpartition(".")[2]], place
        code = call.args[-1]
        if isinstance(code, ast.Constant):
            assert code.value in CODES, place
        else:  # chosen just before, or of the error or flaw that is passed on
            assert re.fullmatch(r"code|\w+\.code", ast.unparse(code)), place


def test_every_code_of_the_catalogue_is_used_and_no_other() -> None:
    used = {
        node.value
        for path in SOURCES
        if path != CATALOGUE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"E(-[A-Z]+)+", node.value)
    }
    assert used == set(CODES)


def test_the_catalogue_says_what_each_code_means() -> None:
    assert list(CODES) == sorted(CODES)
    for code, meaning in CODES.items():
        assert re.fullmatch(r"E-[A-Z]+-[A-Z]+", code)
        assert re.fullmatch(r"[A-Z].*\.", meaning), code
    assert len(set(CODES.values())) == len(CODES)


def test_a_code_stands_in_the_message_and_passes_between_processes() -> None:
    error = errors.SurveyError("found", Path("/a"), "fix", "E-SURVEY-HASH")
    assert str(error).splitlines()[-1] == "  code:  E-SURVEY-HASH"
    again: IctConventionError = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.SurveyError
    assert (again.found, again.where, again.fix, again.code) == ("found", Path("/a"), "fix", "E-SURVEY-HASH")


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "E-FILES-FULL"),
        (errno.EROFS, "E-FILES-DENIED"),
        (errno.ENOENT, "E-FILES-MISSING"),
        (errno.EISDIR, "E-FILES-KIND"),
        (errno.EIO, "E-FILES-SYSTEM"),
    ],
)
def test_what_the_system_refuses_has_the_code_of_its_reason(number: int, code: str) -> None:
    with pytest.raises(FileSystemError) as caught, readable_os_errors("saving", "x.csv"):
        raise OSError(number, "a reason")
    assert caught.value.code == code
