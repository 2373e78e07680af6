"""What a test says of a refusal: its type, code and place, and the facts a user needs; not how it is worded."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from ictconvention.core.errors import IctConventionError

Kind = TypeVar("Kind", bound=IctConventionError)


@contextmanager
def refused(kind: type[Kind], code: str, *facts: str, where: str | Path = "") -> Iterator[pytest.ExceptionInfo[Kind]]:
    """Expect an error.

    Parameters
    ----------
    kind : type
        Its type.
    code : str
        Its code.
    facts : str
        Names, numbers and ids that its message must hold, as whole words.
    where : str or Path
        Its place, or how that ends.
    """
    with pytest.raises(kind) as caught:
        yield caught
    check_refusal(caught.value, code, *facts, where=where)


def check_refusal(error: IctConventionError, code: str, *facts: str, where: str | Path = "") -> None:
    """Check the code, place and facts of an error, as `refused` does."""
    assert error.code == code, str(error)
    assert str(error.where).endswith(str(where)), str(error)
    for fact in facts:
        assert re.search(rf"(?<!\w){re.escape(fact)}(?!\w)", f"{error.found}\n{error.fix}"), f"no {fact!r}: {error}"
