"""A training step asks its device for no number, and copies nothing to it that it would have to wait for.

The device here is `meta`, on which tensors have shapes and no values: what would wait for a GPU cannot be done there.
"""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ictconvention.configuration.options import SequenceOptions, ViewOptions
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import Learner, Views, input_shape
from ictconvention.learning.optimiser import optimiser_for
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.frame_transformer import FrameTransformer
from ictconvention.networks.inputs.pictures import ReddenedPictureInputs
from ictconvention.networks.inputs.tokens import FrameTokenInputs, PhotometryTokenInputs
from ictconvention.networks.light_curve_transformer import LightCurveTransformer
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.pictures.inception import InceptionOptions
from ictconvention.networks.pictures.inception_p19 import InceptionP19
from tests.learning.conftest import ict, supervised

Feed = Callable[..., SeriesDataModule]
ASKS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal")


class Waits(TorchDispatchMode):
    """Collects what would let the processor wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        devices = {x.device.type for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.ndim}
        if "meta" in devices:
            index = [x for x in tree_leaves(args[1]) if x is not None] if name.startswith(("index", "_index")) else []
            asks = name in ASKS or any(isinstance(x, Tensor) and x.dtype == torch.bool for x in index)
            if asks or len(devices) > 1:  # what lies on the CPU is copied within the operation
                self.found.append(str(func))
        device = kwargs.get("device")
        moves = name == "_to_copy" and device is not None and torch.device(device).type != args[0].device.type
        if moves and ("meta" in devices or not kwargs.get("non_blocking")):
            self.found.append(f"{func} to {device}")
        return func(*args, **kwargs)


@pytest.fixture(autouse=True)
def _no_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train without autocast, which the device does not have."""
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **keywords: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *arguments: False)


def transformer(data: SeriesDataModule) -> Learner:
    scaling = Scaling("asinh", *data.scales("asinh"))
    return Supervised(FrameTransformer(4, shape=input_shape(data.spec)), FrameTokenInputs(scaling), data.spec)


def ict_transformer(data: SeriesDataModule) -> Learner:
    scaling = Scaling("asinh", *data.scales("asinh"))
    return ICT(FrameTransformer(4, shape=input_shape(data.spec)).trunk, FrameTokenInputs(scaling), data.spec)


def light_curve_transformer(data: SeriesDataModule) -> Learner:
    scaling = Scaling("asinh", *data.scales("asinh"))
    return Supervised(LightCurveTransformer(4), PhotometryTokenInputs(scaling), data.spec)


def inception(data: SeriesDataModule) -> Learner:
    first, *others = data.spec.bands
    options = InceptionOptions(kind="inception_p19", width=0.125, modalities=((first,), tuple(others)), present=True)
    inputs = ReddenedPictureInputs(Scaling("asinh", *data.scales("asinh")))
    return Supervised(InceptionP19(4, options, input_shape(data.spec)), inputs, data.spec)


RESIDUAL: dict[str, Any] = {"contents": "direct+residual"}
LEARNERS: dict[str, tuple[Callable[[SeriesDataModule], Learner], dict[str, Any]]] = {
    "ConvEntion": (lambda data: supervised(data, "convention"), {"views": ViewOptions(1)}),
    "ICT": (lambda data: ict(data, predictor=True, variance=1.0), {}),
    "ICT, residuals": (lambda data: ict(data, frame_channels=2), RESIDUAL),
    "ICT, asymmetric": (
        ict,
        {"views": ViewOptions(2, online_frames="third"), "sequence": SequenceOptions(max_frames=9)},
    ),
    "mean teacher": (lambda data: ict(data, consistency_on="probabilities"), {}),
    "CNN+GRU": (lambda data: supervised(data, "gru"), {"views": ViewOptions(1)}),
    "light-curve RNN": (
        lambda data: supervised(data, "light_curve"),
        {"views": ViewOptions(1), "contents": "photometry"},
    ),
    "CNN+LSTM": (lambda data: supervised(data, "lstm"), {"views": ViewOptions(1)}),
    "ICT, frame transformer": (ict_transformer, {"contents": "direct+residual+photometry"}),
    "frame transformer": (transformer, {"views": ViewOptions(1), "contents": "direct+residual+photometry"}),
    "inception": (inception, {"views": ViewOptions(1), "reddening": np.zeros(1000)}),
    "light-curve transformer": (light_curve_transformer, {"views": ViewOptions(1), "contents": "photometry"}),
}


def step(learner: Learner, views: Views) -> None:
    """Make a whole training step, as Lightning does."""
    optimiser, _ = optimiser_for(learner.network, learner.optimiser, 10)

    def closure() -> Tensor:
        loss = learner.loss(views)["loss"]
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(learner.network.parameters(), 1.0)
        return loss

    learner.optimizer_step(0, 0, optimiser, closure)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_training_step_never_waits_for_its_device(feed: Feed, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make, keywords = LEARNERS[name]
    data = feed(**keywords)
    learner = make(data).train().to("meta")
    views = tuple(view.to("meta", non_blocking=True) for view in next(iter(data.train_dataloader())))
    logged: dict[str, Any] = {}
    monkeypatch.setattr(learner, "log", lambda name, value: logged.update({name: value}))
    monkeypatch.setattr(learner, "_trainer", SimpleNamespace(global_step=1, estimated_stepping_batches=10))
    step(learner, views)  # which fills tables that stay on the device
    with Waits() as waits:
        step(learner, views)
    assert waits.found == []
    assert all(isinstance(value, Tensor) and value.device.type == "cpu" for value in logged.values())
