"""A network of a user's own, examples/my_network.py, goes through all that ours go through, without a line of ours."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from ictconvention.applying.export import export_run
from ictconvention.applying.fitting_survey import check_survey_fits
from ictconvention.cli.main import app
from ictconvention.cli.next_command import suggest_prediction
from ictconvention.configuration import registry
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.registry import import_module
from ictconvention.core.errors import UsageError
from ictconvention.feeding.spec import DataSpec
from ictconvention.learning.ict import ICT
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.runs.assembly.run_learner import new_learner
from ictconvention.runs.collection import group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.plan import plan_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.runs.warm_start import check_start
from ictconvention.survey.bands import select_bands
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.conftest import ROOT
from tests.refusals import refused
from tests.small_runs import Smoke, places, result_of

MINE = ["model.module=examples.my_network", "model=mean_of_frames"]


@pytest.fixture(scope="module")
def mine(smoke: Smoke) -> Path:
    """Return a finished run of the example."""
    return smoke(*MINE, "name=mine")


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process have imported no module of a user's."""
    registry.all_networks()  # ours are imported before
    monkeypatch.setattr(registry, "_networks", {name: x for name, x in registry._networks.items() if x.source is None})
    monkeypatch.setattr(registry, "_modules", [])
    monkeypatch.delitem(sys.modules, "examples.my_network", raising=False)
    yield
    sys.modules.pop("examples.my_network", None)  # it may have been imported anew, with classes that are others


@pytest.mark.slow
def test_it_trains_and_predicts_in_folds_like_any_other(mine: Path, smoke: Smoke) -> None:
    other = smoke(*MINE, "name=mine", "fold.index=1")
    found, left_out = find_runs(mine.parent)
    assert {run.folder for run in found} == {mine, other}
    assert list(group_runs(found, left_out).runs) == ["mine"]
    trained = read_trained(mine)
    assert type(trained.learner.network).__name__ == "MeanOfFrames"
    assert result_of(mine)["parameters"] == sum(p.numel() for p in trained.learner.network.parameters())


@pytest.mark.slow
def test_the_command_that_comes_next_names_its_module(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suggest_prediction(mine)
    assert capsys.readouterr().err.endswith("--module examples.my_network\n")


@pytest.mark.slow
def test_it_exports(mine: Path, tmp_path: Path) -> None:
    """As .pt2 the command line does, below."""
    assert "gives the probability of AGN" in export_run(read_trained(mine), tmp_path / "mine.onnx")


@pytest.mark.slow
def test_it_begins_with_the_weights_of_another_and_ict_trains_it(mine: Path, smoke: Smoke) -> None:
    begun = smoke(*MINE, "name=begun", f"init_from={mine}")
    assert result_of(begun)["init_from"] is not None
    assert isinstance(read_trained(smoke(*MINE, "name=mine_ict", "learner=ict")).learner, ICT)


@pytest.mark.slow
def test_a_stopped_run_resumes_to_the_same_result(mine: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = compose_run([*places(work), *MINE, "name=stopped"])
    with monkeypatch.context() as patch:
        patch.setattr(
            "ictconvention.training.run.evaluate", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            run(options)
    again = result_of(run(options))
    assert again["test"] == result_of(mine)["test"]


@pytest.mark.slow
@pytest.mark.usefixtures("forgotten")
def test_a_run_is_compared_without_its_module_and_applied_only_where_somebody_names_it(mine: Path) -> None:
    assert not registry.is_known("mean_of_frames")
    found, _ = find_runs(mine.parent)
    assert {run.options.model.kind for run in found} == {"mean_of_frames"}
    assert RunFolder(mine).read_options().model.channels == 16  # type: ignore[attr-defined]
    with refused(UsageError, "E-MODULE-UNKNOWN", "--module examples.my_network", where="model.kind"):
        read_trained(mine)
    assert "examples.my_network" not in sys.modules
    import_module("examples.my_network")
    assert read_trained(mine).options.model.kind == "mean_of_frames"


def test_a_change_of_its_code_makes_another_run(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    """Else a run would resume with weights of one code and the steps of another."""
    monkeypatch.syspath_prepend(tmp_path)
    code = (ROOT / "examples" / "my_network.py").read_text()
    folders = set()
    for number, version in enumerate((code, code, code.replace("stride=2", "stride=1"))):
        (tmp_path / f"version_{number}.py").write_text(version)
        registry._networks.pop("mean_of_frames", None)  # as in another process
        options = compose_run([*places(work), f"model.module=version_{number}", "model=mean_of_frames"])
        folders.add(plan_run(options).folder.path)
    assert len(folders) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("forgotten")
def test_the_lines_of_the_page_that_name_the_module(mine: Path, work: Path, tmp_path: Path) -> None:
    """The command line alone imports it."""
    said = ""
    for words in (
        ["predict", str(mine), f"{work}/miniature", "-o", str(tmp_path / "p.csv"), "--module", "examples.my_network"],
        ["export", str(mine), "-o", str(tmp_path / "m.pt2"), "--module", "examples.my_network"],
        ["test", str(mine), "model.module=examples.my_network"],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        said += done.output
    assert "gives the probability of AGN" in " ".join(said.split())


@pytest.mark.slow
def test_other_bands_are_answered_with_a_command_that_names_the_module(mine: Path, work: Path, tmp_path: Path) -> None:
    survey = select_bands(Survey.open(work / "miniature"), ("g", "r"), tmp_path / "gr")
    with pytest.raises(UsageError) as caught:
        check_survey_fits(read_trained(mine), survey)
    assert "lacks u, i, z" in caught.value.found
    assert "model=mean_of_frames" in caught.value.fix
    assert "model.module=examples.my_network" in caught.value.fix


@pytest.mark.slow
def test_a_change_since_training_is_said_wherever_the_run_is_read(
    mine: Path, work: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    entry = registry.find_network("mean_of_frames")
    monkeypatch.setitem(registry._networks, "mean_of_frames", replace(entry, source="other"))
    options = compose_run([*places(work), *MINE, f"init_from={mine}"])
    survey = Survey.open(work / "miniature")
    for read in (
        lambda: read_trained(mine),
        lambda: check_start(mine, options, Split.load(mine / "split.json", survey.object_table()), survey),
        lambda: retest(mine, compose_run([])),
    ):
        caplog.clear()
        read()
        assert any("has changed since it was trained" in line for line in caplog.messages)


def test_a_head_that_ends_in_no_outputs_is_refused(monkeypatch: pytest.MonkeyPatch, work: Path) -> None:
    """First weights would leave most of such a layer as it was drawn."""
    from examples.my_network import MeanOfFrames

    class Gated(nn.Module):
        def __init__(self, features: int, outputs: int) -> None:
            super().__init__()
            self.last, self.gate = nn.Linear(features, outputs), nn.Linear(features, features)

    monkeypatch.setattr(MeanOfFrames, "make_head", lambda self, outputs, options: Gated(self.feature_size, outputs))
    options = compose_run([*places(work), *MINE])
    spec = DataSpec("finetune", ("a", "b"), ("g",), (1.0, 1.0))
    with pytest.raises(UsageError) as caught:
        new_learner(options, Scaling("asinh", [0.0], [1.0]), spec)
    assert caught.value.where == "MeanOfFrames"


@pytest.mark.parametrize(
    ("overrides", "code", "where"),
    [
        (["model.module=examples.nowhere"], "E-MODULE-MISSING", "model.module"),
        ([*MINE, "model.channels=0"], "E-CONFIG-VALUE", "model.channels"),
        ([*MINE, "model.width=1.0"], "E-CONFIG-UNKNOWN", "model.width"),
        (["model=mean_of_frame", MINE[0]], "E-CONFIG-CHOICE", "/conf/model"),
    ],
)
def test_a_mistake_names_its_place(overrides: list[str], code: str, where: str) -> None:
    with refused(UsageError, code, where=where):
        compose_run(overrides)


def test_a_module_that_fails_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_network.py").write_text("import torch\n\nraise ZeroDivisionError('oh')\n")
    with refused(UsageError, "E-MODULE-FAILS", "ZeroDivisionError", where="/broken_network.py, line 3"):
        compose_run(["model.module=broken_network"])


def test_it_needs_no_row_of_another_object() -> None:
    """Ragged and padded features are the same, whoever stands beside them."""
    from examples.my_network import MeanOfFrames, MeanOfFramesOptions
    from ictconvention.networks.inputs.inputs import InputShape

    torch.manual_seed(0)
    network = MeanOfFrames(MeanOfFramesOptions("mean_of_frames"), InputShape(("g", "r")))
    frames, band = torch.randn(5, 32, 32), torch.tensor([1, 2, 2, 1, 1])
    ragged = network.features(frames, band, torch.tensor([2, 3]))
    padded, slots = torch.full((2, 4, 32, 32), 9.0), torch.zeros(2, 4, dtype=torch.int64)
    padded[0, :2], padded[1, :3], slots[0, :2], slots[1, :3] = frames[:2], frames[2:], band[:2], band[2:]
    torch.testing.assert_close(network.features_padded(padded, slots), ragged)
    np.testing.assert_allclose(
        network.features(frames[2:], band[2:], torch.tensor([3])).detach(), ragged[1:].detach(), rtol=1e-5
    )


def test_the_page_shows_the_file_as_it_is() -> None:
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert "python train.py model.module=examples.my_network model=mean_of_frames" in text
    for name in ("takes", "features", "feature_size", "features_padded", "make_head", "place_bands", "check_shape"):
        assert f"`{name}" in text
