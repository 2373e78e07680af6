"""On 400 simulated objects: every learner learns, ConvEntion can learn by heart, and the literal ICT collapses."""

import copy
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from ictconvention.data.datamodule import SeriesDataModule
from ictconvention.data.simulation.simulate import simulate
from ictconvention.data.split import Split
from ictconvention.data.split_rule import make_split
from ictconvention.data.survey import Survey
from ictconvention.learners.collapse import CollapseMonitor
from ictconvention.learners.ict import ICT
from ictconvention.learners.inputs import FrameInputs, Inputs, LightCurveInputs, NightInputs
from ictconvention.learners.learner import Learner
from ictconvention.learners.supervised import Supervised
from ictconvention.models.convention import ConvEntion, ConvEntionEncoder
from ictconvention.models.light_curve import LightCurveRNN
from ictconvention.models.recurrent import CNNRecurrent
from ictconvention.models.scaling import Scaling
from ictconvention.options import ICTOptions, OptimiserOptions, SequenceOptions, ViewOptions
from tests.learners.conftest import feed_of, trainer

pytestmark = pytest.mark.slow
LAPTOP: dict[str, Any] = {"max_frames": 30, "width": 0.25, "padding": "masked"}
NETWORKS: dict[str, tuple[Callable[..., nn.Module], type[Inputs], dict[str, Any]]] = {
    "ConvEntion": (ConvEntion, FrameInputs, LAPTOP),
    "CNN+GRU": (CNNRecurrent, NightInputs, {"cell": "gru"}),
    "CNN+LSTM": (CNNRecurrent, NightInputs, {"cell": "lstm"}),
    "light curve": (LightCurveRNN, LightCurveInputs, {}),
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Survey, Split]:
    survey = simulate(tmp_path_factory.mktemp("surveys") / "simulated", 400, seed=0, jobs=2)
    return survey, make_split(survey.object_table())


def laptop(simulated: tuple[Survey, Split], **keywords: Any) -> SeriesDataModule:
    settings: dict[str, Any] = {
        "augmentation": "quarter_turns",
        "imbalance": "oversample",
        "sequence": SequenceOptions(30, select="nights"),
        "batch_size": 16,
    }
    return feed_of(*simulated)(**settings | keywords)


def ict(data: SeriesDataModule, **options: Any) -> ICT:
    inputs = FrameInputs(Scaling("asinh", *data.scales("asinh")))
    return ICT(ConvEntionEncoder(**LAPTOP), inputs, data.task, ICTOptions(**options), OptimiserOptions(1e-3, 0.05))


def supervised(data: SeriesDataModule, name: str, dropout: float = 0.3, rate: float = 1e-3) -> Supervised:
    network, inputs, sizes = NETWORKS[name]
    scaling = Scaling("asinh", *data.scales("asinh"))
    return Supervised(network(dropout=dropout, **sizes), inputs(scaling), data.task, OptimiserOptions(rate, 0.05))


class Losses(lightning.Callback):
    """The mean loss of each training epoch."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.seen.append(float(trainer.callback_metrics["pretrain/train/loss"]))


def fitted(learner: Learner, data: SeriesDataModule, folder: Path, epochs: int, **keywords: Any) -> list[float]:
    losses = Losses()
    trainer(folder, max_epochs=epochs, precision="bf16-mixed", callbacks=[losses], **keywords).fit(learner, data)
    return losses.seen


@pytest.mark.filterwarnings("ignore:the projections have collapsed")
@pytest.mark.parametrize("name", ["ICT", *NETWORKS])
def test_the_loss_falls(simulated: tuple[Survey, Split], tmp_path: Path, name: str) -> None:
    if name == "ICT":
        data = laptop(simulated)
        learner: Learner = ict(data)
    else:
        contents = "photometry" if name == "light curve" else "direct"
        data = laptop(simulated, views=ViewOptions(1), contents=contents)
        learner = supervised(data, name, rate=5e-3 if name == "light curve" else 1e-3)
    losses = fitted(learner, data, tmp_path, 3 if name == "ICT" else 5, limit_val_batches=0)
    assert losses[-1] < 0.92 * losses[0], losses


def test_convention_learns_32_objects_by_heart(simulated: tuple[Survey, Split], tmp_path: Path) -> None:
    """Eight of each class, seen whole and unturned; then it knows every one."""
    survey, split = simulated
    chosen = [id_ for name in survey.header.classes for id_ in _some_of(split, name, 8)]
    own = replace(split, parts={**split.parts, "pretrain_train": tuple(chosen), "pretrain_validation": tuple(chosen)})
    data = laptop((survey, own), augmentation="none", imbalance="none", views=ViewOptions(1))
    learner = supervised(data, "ConvEntion", dropout=0.0)
    fitted(learner, data, tmp_path, 60, limit_val_batches=0)
    scores = trainer(tmp_path).validate(learner, data, verbose=False)[0]
    assert scores["pretrain/val/accuracy"] == 1


def _some_of(split: Split, name: str, number: int) -> list[str]:
    ids = [
        id_ for part in ("pretrain_train", "finetune_train") for id_ in split.parts[part] if split.classes[id_] == name
    ]
    return ids[:number]


def spread(learner: ICT, data: SeriesDataModule) -> dict[str, float]:
    """Return the monitor's statistics on batch statistics, where a new network's projections do differ."""
    network = copy.deepcopy(learner.network).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    monitor = CollapseMonitor(4, 648, 128)
    with torch.no_grad():
        for (view,) in data.val_dataloader():
            output = network(*learner.inputs(view))
            monitor.update(output.projection, output.features, view.label)
    return {name: float(value) for name, value in monitor.compute().items()}


@pytest.mark.parametrize(
    ("options", "collapses"),
    [({}, True), ({"projection": "shared", "predictor": True}, False), ({"variance": 1.0}, False)],
)
def test_the_literal_form_collapses_in_a_few_dozen_steps_and_guarded_ones_do_not(
    simulated: tuple[Survey, Split], tmp_path: Path, options: dict[str, Any], collapses: bool
) -> None:
    data = laptop(simulated)
    learner = ict(data, **options)
    before = spread(learner, data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted(learner, data, tmp_path, 3)
    after = spread(learner, data)
    warned = [w for w in caught if "the projections have collapsed" in str(w.message)]
    assert before["spread"] > 0.025
    if collapses:
        assert after["spread"] < 0.4 * before["spread"]
        assert after["spread"] < 0.15 * 128**-0.5
        assert after["cosine"] > 0.98
        assert len(warned) == 1
    else:
        assert after["spread"] > before["spread"]
        assert after["cosine"] < before["cosine"]
        assert not warned
