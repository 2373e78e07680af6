"""A small survey on disk and short runs on it, shared by the tests of runs."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

Smoke = Callable[..., Path]
LEFT = {  # in the folder of a finished run
    "config.yaml",
    "overrides.txt",
    "environment.json",
    "split.json",
    "status.json",
    "metrics.csv",
    "checkpoints",
    "predictions.parquet",
    "predictions_validation.parquet",
    "reference.npz",
    "sample.npz",
    "seen_objects.parquet",
    "result.json",
}


@pytest.fixture
def wandb_without_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the seconds that W&B takes to import its launcher of jobs, which a run of ours has no inputs from."""
    staged = SimpleNamespace(StagedLaunchInputs=lambda: SimpleNamespace(apply=lambda run: None))
    monkeypatch.setitem(sys.modules, "wandb.sdk.launch.inputs.internal", staged)


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the survey of `places`, called a simulated one."""
    from tests.conftest import HEADER
    from tests.miniature import write_miniature

    folder = tmp_path_factory.mktemp("work")
    write_miniature(folder / "miniature", replace(HEADER, name="miniature", simulated=True))
    return folder


@pytest.fixture(scope="session")
def smoke(work: Path) -> Smoke:
    """Return a function to run something small on the survey in miniature."""
    from ictconvention.configuration.compose import compose_run
    from ictconvention.training.run import run

    def started(*overrides: str) -> Path:
        return run(compose_run([*places(work), *overrides]), overrides)

    return started


def places(work: Path) -> list[str]:
    """Return the overrides of a run of a second: 60 objects, three batches a training epoch, no figures."""
    survey = ["survey=path", f"survey.path={work}/miniature"]
    return [f"runs={work}/runs", *survey, "profile=tiny", "trainer.batch_size=16", "figures=false"]


@pytest.fixture(scope="session")
def finished(smoke: Smoke) -> Path:
    """Return a finished run of ICT."""
    return smoke("experiment=ict_sdss")


@pytest.fixture
def prepared_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the jobs of a sweep begin without an import of seconds, which other tests watch."""
    from ictconvention.sweeping import processes
    from tests.forked import PreparedJob

    monkeypatch.setattr(processes, "_can_be_prepared", lambda jobs: False)
    monkeypatch.setattr(processes, "_new_process", PreparedJob)


@pytest.fixture
def unsaved_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare two thirds of a page's time where no test looks at its figures: they are made, and saved as nothing."""
    monkeypatch.setattr("ictconvention.drawing.embedded_figure._saved", lambda figure, form, **how: b"")


def result_of(folder: Path) -> dict[str, Any]:
    return read_json(folder / "result.json")


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
