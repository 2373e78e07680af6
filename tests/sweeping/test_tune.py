"""A search tries what its space allows, by the validation of its runs; it resumes, and survives what fails."""

from pathlib import Path

import pytest

from ictconvention.cli.main import app
from ictconvention.core.errors import UsageError
from ictconvention.runs.run_folder import RunFolder
from ictconvention.sweeping import tune as tuning
from ictconvention.sweeping.space import Choice, Range, read_space
from ictconvention.sweeping.sweep import Sweep, validation_loss
from ictconvention.sweeping.tune import tune
from tests.conftest import ROOT
from tests.refusals import refused
from tests.small_runs import places, read_json

optuna = pytest.importorskip("optuna")
RATE = "stage.finetune.optimiser.learning_rate"
SPACE = f"{RATE}: {{low: 1.0e-4, high: 1.0e-2, log: true}}\ntrainer.batch_size: [16, 32]\n"


class Stub:
    """Jobs whose validation is a function of their options: in place of runs that train."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int = 1000, failing: int | None = None) -> None:
        self.losses: dict[Path, float] = {}
        self.tried: list[tuple[float, int, int]] = []
        self.stop_at, self.failing = stop_at, failing
        monkeypatch.setattr(tuning, "is_finished", lambda job: job.folder in self.losses)
        monkeypatch.setattr(tuning, "validation_loss", lambda folder: self.losses[folder])

    def run(self, sweep: Sweep, at_once: int) -> None:
        sweep.save()
        for job in sweep.jobs:
            options = job.options
            if job.folder in self.losses or options.trainer.batch_size == self.failing:
                continue
            if len(self.tried) == self.stop_at:
                raise KeyboardInterrupt
            rate = options.stage.finetune.optimiser.learning_rate
            self.tried.append((rate, options.trainer.batch_size, options.fold.index))
            self.losses[job.folder] = abs(rate - 1e-3) + options.trainer.batch_size + options.fold.index


@pytest.fixture
def words(work: Path, tmp_path: Path) -> list[str]:
    own = [word for word in places(work) if not word.startswith("trainer.batch_size")]
    return [*own, f"runs={tmp_path}/runs", "experiment=light_curve_sdss", "trainer.precision=32-true"]


def space_of(folder: Path, text: str) -> Path:
    (folder / "space.yaml").write_text(text)
    return folder / "space.yaml"


def test_the_best_has_the_least_mean_over_the_folds(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, space = Stub(monkeypatch), read_space(space_of(tmp_path, SPACE), words)
    best = tune(words, space, tmp_path / "search", 6, folds=(0, 1), run=stub.run)
    assert len(stub.tried) == 12
    assert {fold for _, _, fold in stub.tried} == {0, 1}
    means = {(rate, size): abs(rate - 1e-3) + size + 0.5 for rate, size, _ in stub.tried}
    assert best.value == pytest.approx(min(means.values()))
    rate, size = min(means, key=lambda one: means[one])
    assert best.words[-2:] == (f"{RATE}={rate}", f"trainer.batch_size={size}")
    assert len(read_json(tmp_path / "search" / "sweep.json")["jobs"]) == 12


def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = read_space(space_of(tmp_path, SPACE), words)
    whole = Stub(monkeypatch)
    tune(words, space, tmp_path / "whole", 5, run=whole.run)
    stopped = Stub(monkeypatch, stop_at=3)
    with pytest.raises(KeyboardInterrupt):
        tune(words, space, tmp_path / "stopped", 5, run=stopped.run)
    assert stopped.tried == whole.tried[:3]
    stopped.stop_at = 1000
    tune(words, space, tmp_path / "stopped", 5, run=stopped.run)
    assert stopped.tried == whole.tried
    assert len(read_json(tmp_path / "stopped" / "sweep.json")["jobs"]) == 5
    tune(words, space, tmp_path / "stopped", 5, run=stopped.run)
    assert len(stopped.tried) == 5
    tune(words, space, tmp_path / "stopped", 6, run=stopped.run)
    assert len(stopped.tried) == 6


def test_a_space_of_lists_is_tried_as_a_whole_and_each_combination_once(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub, text = Stub(monkeypatch), f"{RATE}: [1.0e-4, 1.0e-3, 1.0e-2]\ntrainer.batch_size: [16, 32]\n"
    space = read_space(space_of(tmp_path, text), words)
    best = tune(words, space, tmp_path / "search", 30, at_once=4, run=stub.run)
    assert sorted(stub.tried) == [(rate, size, 0) for rate in (1e-4, 1e-3, 1e-2) for size in (16, 32)]
    assert best.value == 16


def test_a_trial_that_fails_is_told_and_the_others_go_on(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    stub = Stub(monkeypatch, failing=32)
    space = read_space(space_of(tmp_path, "trainer.batch_size: [16, 32]\n"), words)
    assert tune(words, space, tmp_path / "search", 2, run=stub.run).value == pytest.approx(16 + 1e-3, abs=1e-2)
    assert [line for line in caplog.messages if "failed" in line] == ["trial 1 failed"]
    stub.failing = 16
    stub.losses.clear()
    with refused(UsageError, "E-SWEEP-FAILED", where="other"):
        one = read_space(space_of(tmp_path, "trainer.batch_size: [16]\n"), words)
        tune(words, one, tmp_path / "other", 2, run=stub.run)


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("trainer.batchsize: [16]", "E-CONFIG-UNKNOWN", "trainer.batchsize"),
        ("trainer.batch_size: [16, x]", "E-CONFIG-VALUE", "trainer.batch_size: x"),
        ("trainer.batch_size: [0]", "E-CONFIG-VALUE", "trainer.batch_size: 0"),
        ("trainer.batch_size: {low: 1.5, high: 3}", "E-CONFIG-VALUE", "trainer.batch_size: 1.5"),
        ("trainer.batch_size: {low: 16, high: 8}", "E-CONFIG-VALUE", "trainer.batch_size"),
        ("trainer.batch_size: {low: 16, hihg: 32}", "E-CONFIG-UNKNOWN", "trainer.batch_size"),
        ("trainer.batch_size: [16, 16]", "E-CONFIG-VALUE", "trainer.batch_size"),
        ("trainer.batch_size: 16", "E-CONFIG-VALUE", "trainer.batch_size"),
        (f"{RATE}: [1e-4]", "E-CONFIG-VALUE", RATE),  # a text, in yaml
        (f"{RATE}: {{low: 0, high: 1.0, log: true}}", "E-CONFIG-VALUE", RATE),
        ("trainer.devices: [1, 2]", "E-CONFIG-CONFLICT", "trainer.devices"),
        ("fold.index: [0, 1]", "E-CONFIG-CONFLICT", "fold.index"),
        ("experiment: [ict_sdss]", "E-CONFIG-CONFLICT", "experiment"),  # it is given beside the file
        ("[1, 2]", "E-CONFIG-FILE", "space.yaml"),
        ("a: [", "E-CONFIG-FILE", "space.yaml, line 2"),
    ],
)
def test_a_mistake_in_the_space_is_named_with_its_key(
    words: list[str], tmp_path: Path, text: str, code: str, where: str
) -> None:
    with refused(UsageError, code) as caught:
        read_space(space_of(tmp_path, f"{text}\n"), words)
    assert where in str(caught.value.where)


def test_the_example_is_a_space() -> None:
    space = read_space(ROOT / "examples" / "space.yaml", ["experiment=ict_fast"])
    assert space.dimensions[RATE] == Range(1e-4, 1e-2, log=True)
    assert space.dimensions["trainer.batch_size"] == Choice((64, 128))
    assert space.size is None


@pytest.mark.slow
def test_a_search_of_runs_that_train_takes_the_least_validation_loss(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = space_of(tmp_path, "trainer.batch_size: [16, 32]\n")
    app(["tune", *words, str(file), "trials=2", "stage.pretrain.max_epochs=0"], standalone_mode=False)
    said = capsys.readouterr().out.splitlines()
    (folder,) = (tmp_path / "runs" / "sweeps").iterdir()
    runs = [tmp_path / "runs/sweeps" / folder.name / job["folder"] for job in read_json(folder / "sweep.json")["jobs"]]
    losses = {RunFolder(run).read_options().trainer.batch_size: validation_loss(run) or 0.0 for run in runs}
    assert losses.keys() == {16, 32}
    best = min(losses, key=lambda size: losses[size])
    (line,) = [line for line in said if line.startswith("ictconvention train")]
    assert f"trainer.batch_size={best}" in line
