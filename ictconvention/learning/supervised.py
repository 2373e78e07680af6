"""Supervised learning: one view, one network, the cross-entropy."""

from torch import Tensor, nn

from ictconvention.configuration.options import OptimiserOptions
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.task import Task
from ictconvention.learning.inputs import FrameInputs, Inputs, LightCurveInputs, NightInputs
from ictconvention.learning.learner import Learner, Views, check_encoder
from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.recurrent import CNNRecurrent

PARTNERS: dict[type[nn.Module], type[Inputs]] = {
    ConvEntion: FrameInputs,
    CNNRecurrent: NightInputs,
    LightCurveRNN: LightCurveInputs,
}


class Supervised(Learner):
    """Trains ConvEntion, CNN+GRU, CNN+LSTM or the light-curve RNN; parameters as of `Learner`."""

    def __init__(
        self, network: nn.Module, inputs: Inputs, task: Task, optimiser: OptimiserOptions = OptimiserOptions()
    ) -> None:
        partner = PARTNERS.get(type(network), Inputs)
        if not isinstance(inputs, partner):
            raise ValueError(f"{type(network).__name__} takes {partner.__name__}, not {type(inputs).__name__}")
        if task.views != 1 or task.unlabelled:
            raise ValueError("supervised learning takes one view of labelled objects: ViewOptions(1), unlabelled=False")
        if isinstance(network, ConvEntion):
            check_encoder(network.encoder, task)
        super().__init__(network, inputs, task, optimiser)

    @property
    def classifier(self) -> nn.Module:
        """The last layer of the network's head."""
        head = self.network.head
        assert isinstance(head, nn.Sequential)  # for the types: that of every network of PARTNERS is
        return head[-1]

    def logits(self, batch: SeriesBatch) -> Tensor:
        """Return the logits (B, classes) of a batch."""
        logits: Tensor = self.network(*self.inputs(batch))
        if logits.shape[1] != (classes := len(self.task.classes)):
            raise ValueError(f"the network gives {logits.shape[1]} classes, the survey has {classes}")
        return logits

    def loss(self, views: Views) -> dict[str, Tensor]:
        """Return eq. 2 of the one view."""
        return {"loss": self.cross_entropy(self.logits(views[0]), views[0].label)}
