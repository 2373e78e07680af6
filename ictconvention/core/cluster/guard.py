"""What a worker does first with a call: it compares versions.

Workers are sent this file as text, so that it runs in any Python, beside any version of our package or beside none.
"""

import importlib
import platform
from typing import Any


def versions() -> dict[str, str | None]:
    """Return what must be the same here and on a worker for the same bytes; None: it is not there."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in ("numpy", "pyarrow", "ictconvention"):
        try:
            found[name] = importlib.import_module(name).__version__
        except Exception:  # noqa: BLE001 - whatever keeps a package from being imported there
            found[name] = None
    return found


def guard(asked: dict[str, str | None], *call: Any) -> tuple[dict[str, str | None] | None, Any]:
    """Make a call of `worker.call` where the versions are those that are asked for.

    Returns
    -------
    versions, result
        Versions of this worker where they are others, else None; and what the call returns.
    """
    if (found := versions()) != asked:
        return found, None
    return None, importlib.import_module("ictconvention.core.cluster.worker").call(*call)
