"""A compiled network trains as a plain one does, and leaves weights that know nothing of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.run_groups import TrainerOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs import machine
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.training.retest import retest
from tests.conftest import long_test
from tests.refusals import refused
from tests.small_runs import Smoke

QUICK = ["experiment=light_curve_sdss", "trainer.precision=32-true", "model.dropout=0", "stage.pretrain.max_epochs=0"]


@long_test
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own, of its compiler
def test_a_compiled_run_ends_where_a_plain_one_does_and_is_read_as_any(
    smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    original = torch.nn.Module.compile

    def noted(self: torch.nn.Module, *arguments: Any, **keywords: Any) -> None:
        compiled.append(type(self).__name__)
        original(self, *arguments, **keywords)

    monkeypatch.setattr(torch.nn.Module, "compile", noted)
    words = [*QUICK, f"runs={tmp_path}/runs"]
    folder, plain = smoke(*words, "trainer.compile=true"), smoke(*words)
    assert compiled == ["LightCurveRNN"]
    assert folder != plain  # rounding may differ: another hash
    ours, theirs = (load_checkpoint(run / "checkpoints" / "finetune.ckpt")["state_dict"] for run in (folder, plain))
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(x, ours[name], rtol=1e-3, atol=1e-6) for name, x in theirs.items())
    retest(folder, compose_run([]))
    smoke(*words, f"init_from={folder}", "seed=1")


@pytest.mark.parametrize("wrong", ["other numbers", "no kernel"])
def test_a_compiler_that_is_wrong_or_fails_is_told_before_anything_trains(
    wrong: str, smoke: Smoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(self: torch.nn.Module) -> None:
        def call(*arguments: Any) -> torch.Tensor:
            if wrong == "no kernel":
                raise TorchDynamoException("no kernel\nat length")
            logits: torch.Tensor = self.forward(*arguments)
            return logits * 1.01

        self._compiled_call_impl = call

    monkeypatch.setattr(machine, "_check_compiler", lambda: None)
    monkeypatch.setattr(torch.nn.Module, "compile", compiled)
    with refused(UsageError, "E-MACHINE-COMPILE", wrong, where="trainer.compile"):
        smoke(*QUICK, f"runs={tmp_path}/runs", "trainer.compile=true")
    assert not list(tmp_path.glob("runs/*/*/checkpoints/*"))


def test_a_machine_without_a_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*arguments: Any, **keywords: Any) -> Any:
        raise RuntimeError("No working C++ compiler found\nat length")

    monkeypatch.setattr(torch, "compile", absent)
    machine._check_compiler.cache_clear()
    machine.check_machine(TrainerOptions())
    with refused(UsageError, "E-MACHINE-COMPILE", "No working C++ compiler found", where="trainer.compile"):
        machine.check_machine(TrainerOptions(compile=True))
