"""One page for one run folder, offline without a key; whatever fails there costs nothing but the page."""

from pathlib import Path
from typing import Any

import pytest
import wandb

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.schema import LoggerOptions
from ictconvention.runs.run_folder import RunFolder
from ictconvention.training.dashboard import Dashboard
from tests.small_runs import read_json

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of W&B's own making


@pytest.fixture(autouse=True)
def _without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def opened(folder: Path, **options: Any) -> Dashboard:
    folder.mkdir(parents=True, exist_ok=True)
    settings = LoggerOptions("wandb", **options)
    run = RunFolder(folder)
    return Dashboard(settings, run, run.open_status(), {"seed": 0}, ["convention", "fold 0"])


@pytest.mark.slow
@pytest.mark.usefixtures("wandb_without_launch")
def test_without_a_key_it_is_offline_and_says_how_to_upload(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    page = opened(tmp_path / "sweep" / "run", group="folds", tags=("mine",))
    assert page.page.settings.mode == "offline"
    assert page.page.group == "folds"
    assert set(page.page.tags) == {"convention", "fold 0", "mine"}
    page.log({"pretrain/epoch": 1, "pretrain/train/loss": 2.0})
    page.conclude({"test/accuracy": 0.5})
    assert page.page.summary["test/accuracy"] == 0.5
    page.close(failed=False)
    (place,) = (tmp_path / "sweep" / "run" / "wandb").glob("offline-run-*")
    said = [line for line in caplog.messages if line.startswith("W&B")]  # W&B logs much of its own
    assert said == [f"W&B: offline; upload it by: wandb sync {place}"]


def test_a_run_that_goes_on_keeps_its_id_and_another_run_has_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids: list[str] = []

    def init(**keywords: Any) -> Any:
        ids.append(keywords["id"])
        assert keywords["resume"] == "allow"
        raise RuntimeError("enough")

    monkeypatch.setattr(wandb, "init", init)
    for name in ("first", "first", "second"):
        opened(tmp_path / name)
    assert ids[0] == ids[1] != ids[2]
    assert read_json(tmp_path / "second" / "status.json")["wandb"] == ids[2]


def test_its_failure_is_said_once_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Page:
        url = "there"

        def define_metric(self, *arguments: Any, **keywords: Any) -> None:
            pass

        def log(self, values: Any) -> None:
            raise OSError("no network\nat all")

        def finish(self, exit_code: int) -> None:
            ended.append(exit_code)

    ended: list[int] = []
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "init", lambda **keywords: Page())
    page = opened(tmp_path / "run")
    for _ in range(3):
        page.log({"loss": 1.0})
    page.show({"roc": tmp_path / "absent.png"})
    page.conclude({"test/accuracy": 0.5})
    page.close(failed=True)
    assert caplog.messages == ["W&B: there", "W&B failed (no network); the run goes on without it"]
    assert ended == [1]


def test_when_it_does_not_answer_the_page_is_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def login(prompt: bool) -> bool:
        raise wandb.errors.AuthenticationError("no answer")

    modes: list[str] = []
    monkeypatch.setattr(wandb, "login", login)
    monkeypatch.setattr(wandb, "init", lambda **keywords: modes.append(keywords["mode"]))
    opened(tmp_path / "run")
    assert modes == ["offline"]
    assert caplog.messages[0] == "W&B does not answer (no answer)"


def test_files_alone_are_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "init", None)
    options = compose_run([]).logger
    page = Dashboard(options, RunFolder(tmp_path), RunFolder(tmp_path).open_status(), {}, [])
    page.log({"loss": 1.0})
    page.close(failed=False)
    assert page.page is None
