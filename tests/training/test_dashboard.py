"""One page for one run folder, offline without a key; whatever fails there costs nothing but the page."""

from pathlib import Path
from typing import Any, Literal

import pytest
import wandb

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.run_groups import LoggerOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs.run_folder import RunFolder
from ictconvention.training.dashboard import Dashboard
from ictconvention.training.run import run
from ictconvention.training.trackers.page import PlainNames
from ictconvention.training.trackers.wandb_page import WandbPage
from tests.refusals import refused
from tests.small_runs import LEFT, Smoke, places, read_json, result_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of W&B's own making


@pytest.fixture(autouse=True)
def _without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def open_metrics(folder: Path) -> Any:
    return RunFolder(folder).open_metrics().rows


def opened(folder: Path, kind: Literal["wandb", "tensorboard", "mlflow"] = "wandb", **options: Any) -> Dashboard:
    folder.mkdir(parents=True, exist_ok=True)
    settings = LoggerOptions(kind, **options)
    own = RunFolder(folder)
    return Dashboard(settings, own, own.open_status(), {"seed": 0}, ["convention", "fold 0"])


@pytest.mark.slow
@pytest.mark.usefixtures("wandb_without_launch")
def test_without_a_key_it_is_offline_and_says_how_to_upload(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    page = opened(tmp_path / "sweep" / "run", group="folds", tags=("mine",))
    assert isinstance(page.page, WandbPage)
    told = page.page.run
    assert (told.settings.mode, told.group) == ("offline", "folds")
    assert set(told.tags or ()) == {"convention", "fold 0", "mine"}
    page.log("pretrain", 1, {"pretrain/train/loss": 2.0})
    page.conclude({"test/accuracy": 0.5})
    assert told.summary["test/accuracy"] == 0.5
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
        page.log("pretrain", 1, {"loss": 1.0})
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
    page.log("pretrain", 1, {"loss": 1.0})
    page.close(failed=False)
    assert page.page is None
    assert not list(tmp_path.iterdir())


def test_numbers_of_different_names_never_share_one() -> None:
    names = PlainNames()
    first = names.rename({"val/SN Ia": 1.0, "val/SN_Ia": 2.0, "val/τ": 3.0, "val/ρ": 4.0, "val/loss": 5.0})
    assert list(first.values()) == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(first) == 5
    assert first["val/loss"] == 5.0
    (plain,) = names.rename({"val/ρ": 6.0})
    assert first[plain] == 4.0


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow"])
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_written(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("ictconvention.runs.machine.find_spec", lambda name: None)
    words = [*places(work), f"runs={tmp_path}/runs", f"logger={kind}", "experiment=light_curve_sdss"]
    with refused(UsageError, "E-PACKAGE-MISSING", f"'.[{kind}]'", where=f"logger={kind}"):
        run(compose_run(words), words)
    assert not (tmp_path / "runs").exists()


def test_a_run_on_tensorboard_has_the_numbers_of_its_files(smoke: Smoke, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = ["experiment=light_curve_sdss", "stage.finetune.max_epochs=2", "figures=true"]
    plain = smoke(*words[:2], f"runs={tmp_path}/plain")
    folder = smoke(*words, "logger=tensorboard", f"runs={tmp_path}/shown")
    assert folder.name == plain.name  # no logger is in the hash
    assert {path.name for path in folder.iterdir()} == LEFT | {"tensorboard"} | ({"figures"} - LEFT)
    assert (folder / "result.json").read_bytes() == (plain / "result.json").read_bytes()
    events = EventAccumulator(str(folder / "tensorboard"), {"images": 0, "scalars": 0}).Reload()
    rows = open_metrics(folder)
    for stage, epoch in (("pretrain", 1), ("finetune", 1), ("finetune", 2)):
        for name in (f"{stage}/train/loss", f"{stage}/val/loss_balanced", f"{stage}/val/f1_macro"):
            told = {one.step: one.value for one in events.Scalars(name)}
            assert told[epoch] == pytest.approx(float(rows[stage, epoch][name]), rel=1e-6)
    (score,) = events.Scalars("test/accuracy")
    assert score.value == pytest.approx(result_of(folder)["test"]["accuracy"], rel=1e-6)
    assert "confusion" in events.Tags()["images"]


def test_a_tracker_that_fails_stops_no_run(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboard")

    def full(*arguments: Any, **keywords: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("lightning.pytorch.loggers.TensorBoardLogger.log_metrics", full)
    folder = smoke("experiment=light_curve_sdss", "logger=tensorboard", f"runs={tmp_path}/runs")
    assert result_of(folder)["test"]["accuracy"] >= 0
    assert [line for line in caplog.messages if "TensorBoard failed" in line] == [
        "TensorBoard failed (the disk is full); the run goes on without it"
    ]


def test_a_run_on_mlflow_has_the_numbers_of_its_files(smoke: Smoke, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    folder = smoke("experiment=light_curve_sdss", "logger=mlflow", "logger.group=mine", f"runs={tmp_path}/runs")
    told = MlflowClient(f"file:{folder}/mlflow").get_run(read_json(folder / "status.json")["mlflow"])
    assert told.data.tags["group"] == "mine"
    assert told.data.params["seed"] == "0"
    assert told.info.status == "FINISHED"
    name = "finetune/val/loss_balanced"
    assert told.data.metrics[name] == pytest.approx(float(open_metrics(folder)["finetune", 1][name]))
    assert told.data.metrics["test/accuracy"] == pytest.approx(result_of(folder)["test"]["accuracy"])


def test_a_run_that_goes_on_is_the_same_run_of_mlflow_wherever_it_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    uri, ids = (tmp_path / "all").as_uri(), []
    for epoch in (1, 2):
        page = opened(tmp_path / "run", "mlflow", uri=uri)
        page.log("pretrain", epoch, {"pretrain/val/recall of SN Ia (τ)": 0.5})
        page.close(failed=epoch == 1)
        ids.append(read_json(tmp_path / "run" / "status.json")["mlflow"])
    assert ids[0] == ids[1]
    client = MlflowClient(uri)
    history = client.get_metric_history(ids[0], "pretrain/val/recall_of_SN_Ia____")
    assert [one.step for one in history] == [1, 2]
    assert client.get_run(ids[0]).info.status == "FINISHED"
    assert not [line for line in caplog.messages if "failed" in line]
