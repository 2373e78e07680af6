"""A labelled survey in miniature, and learners on it, small enough for a step in a blink."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

from ictconvention.configuration.compose import read_group
from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.options import Augmentation, Imbalance, OptimiserOptions, SequenceOptions, ViewOptions
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.ict import ICT
from ictconvention.learning.learner import Learner
from ictconvention.learning.supervised import Supervised
from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.inputs.frames import FrameInputs
from ictconvention.networks.inputs.inputs import Inputs
from ictconvention.networks.inputs.light_curves import LightCurveInputs
from ictconvention.networks.inputs.nights import NightInputs
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.network import Network
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.networks.recurrent import CNNRecurrent
from ictconvention.survey.split import Split
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.miniature import write_miniature

MAX_FRAMES = 9
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_miniature(tmp_path_factory.mktemp("surveys") / "miniature")


@pytest.fixture(scope="session")
def split(miniature: Survey) -> Split:
    return make_split(miniature.object_table())


@pytest.fixture
def feed(miniature: Survey, split: Split) -> Callable[..., SeriesDataModule]:
    """Return a function to feed the miniature."""
    return feed_of(miniature, split)


def feed_of(survey: Survey, split: Split) -> Callable[..., SeriesDataModule]:
    """Return a function to feed a survey."""

    def made(augmentation: str = "paper", imbalance: str = "none", **keywords: Any) -> SeriesDataModule:
        settings: dict[str, Any] = {
            "sequence": SequenceOptions(max_frames=MAX_FRAMES),
            "augmentation": Augmentation(**read_group("augmentation", augmentation)),
            "views": ViewOptions(2),
            "imbalance": Imbalance(**read_group("imbalance", imbalance)),
            "batch_size": 8,
        }
        return SeriesDataModule(survey, split, keywords.pop("stage", "pretrain"), **settings | keywords)

    return made


def encoder(**keywords: Any) -> ConvEntionEncoder:
    return ConvEntionEncoder(**{"max_frames": MAX_FRAMES, "width": 1 / 16, "padding": "masked", **keywords})


def ict(
    data: SeriesDataModule, dropout: float = 0.3, rate: float = 1e-3, frame_channels: int = 1, **options: Any
) -> ICT:
    return ICT(
        encoder(frame_channels=frame_channels),
        FrameInputs(Scaling("asinh", *data.scales("asinh"))),
        data.spec,
        ICTOptions(**options),
        OptimiserOptions(rate, 0.05),
        dropout,
    )


def supervised(data: SeriesDataModule, model: str) -> Supervised:
    scaling = Scaling("asinh", *data.scales("asinh"))
    sizes: dict[str, Any] = {"max_frames": MAX_FRAMES, "width": 1 / 16, "padding": "masked"}
    made: dict[str, tuple[Callable[[], Network], type[Inputs]]] = {
        "convention": (lambda: ConvEntion(4, **sizes), FrameInputs),
        "gru": (lambda: CNNRecurrent("gru", 4), NightInputs),
        "lstm": (lambda: CNNRecurrent("lstm", 4), NightInputs),
        "light_curve": (lambda: LightCurveRNN(4), LightCurveInputs),
    }
    network, inputs = made[model]
    return Supervised(network(), inputs(scaling), data.spec, OptimiserOptions(1e-3, 0.05))


def trainer(folder: Path, **keywords: Any) -> lightning.Trainer:
    return lightning.Trainer(default_root_dir=folder, **QUIET | {"enable_checkpointing": False} | keywords)


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: x.clone() for name, x in learner.state_dict().items()}
