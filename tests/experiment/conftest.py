"""A small survey on disk and short runs on it, shared by the tests of runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ictconvention.experiment.config import compose_run
from ictconvention.experiment.run import run

Smoke = Callable[..., Path]


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="session")
def smoke(work: Path) -> Smoke:
    """Return a function to run something small on the simulated survey of 400 objects, made once for all tests."""

    def started(*overrides: str, **keywords: Any) -> Path:
        keywords.setdefault("say", lambda line: None)
        return run(compose_run([*places(work), *overrides]), overrides, **keywords)

    return started


def places(work: Path) -> list[str]:
    return [f"runs={work}/runs", f"surveys={work}/surveys", "profile=smoke"]


@pytest.fixture(scope="session")
def finished(smoke: Smoke) -> Path:
    """Return a finished run of ICT."""
    return smoke("experiment=ict_sdss")


def result_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content
