"""Supervised learning: one view, one network, the cross-entropy; and what a teacher says, where there is one."""

from torch import Tensor

from ictconvention.configuration.options import OptimiserOptions
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.spec import DataSpec
from ictconvention.learning.flux import FluxHead
from ictconvention.learning.learner import Learner, Views, check_fit
from ictconvention.networks.inputs.inputs import Inputs
from ictconvention.networks.network import Network, output_layer
from ictconvention.networks.parts.precision import full_precision
from ictconvention.tasks.task import Task


class Supervised(Learner):
    """Trains any network with its own head.

    Parameters
    ----------
    network, inputs, spec, optimiser, task
        As of `Learner`.
    flux : float
        Weight of a `FluxHead`.
    taught : bool
        Whether there will be a `teacher`, who also speaks of objects without a label.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", batch_size=8)
    >>> inputs = ict.NightInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> learner = ict.Supervised(ict.CNNRecurrent("gru", classes=4, bands=5), inputs, data.spec)
    >>> learner.logits(next(iter(data.train_dataloader()))[0]).shape[1]
    4
    """

    def __init__(
        self,
        network: Network,
        inputs: Inputs,
        spec: DataSpec,
        optimiser: OptimiserOptions = OptimiserOptions(),
        task: Task | None = None,
        flux: float = 0.0,
        taught: bool = False,
    ) -> None:
        if spec.views != 1 or (spec.unlabelled and not taught):
            raise ValueError("supervised learning takes one view of labelled objects: ViewOptions(1), unlabelled=False")
        check_fit(network, inputs, spec)
        head = FluxHead(network.feature_size, len(spec.bands), flux) if flux else None
        super().__init__(network, inputs, spec, optimiser, task, head)
        self.network: Network = network

    @property
    def trunks(self) -> dict[str, Network]:
        """The network itself."""
        return {"network": self.network}

    @property
    def predictor(self) -> Network:
        """The network itself."""
        return self.network

    @property
    def output_layers(self) -> list[str]:
        """The last layer of the network's head."""
        return [output_layer(self.network.head, "network.head")]

    def logits(self, batch: SeriesBatch) -> Tensor:
        """Return the logits (B, classes) of a batch."""
        logits: Tensor = self.network(*self.inputs(batch))
        return self._checked(logits)

    def features_and_logits(self, batch: SeriesBatch) -> tuple[Tensor, Tensor]:
        """Return what the last layer sees (B, features), and the logits (B, classes) that it makes of it."""
        seen, logits = self.network.seen_and_outputs(*self.inputs(batch))
        return seen, self._checked(logits)

    def loss(self, views: Views) -> dict[str, Tensor]:
        """Return eq. 2 of the one view, and where another head learns too, all terms and their sum."""
        (view,) = views
        if self.flux is None and self.domain is None and self.teacher is None:
            return {"loss": self.cross_entropy(self.logits(view), self.learned(view), view.weight)}
        features = self.network.features(*self.inputs(view))
        seen, logits = full_precision(self.network.last_step, features)
        terms = {"loss_ce": self.cross_entropy(self._checked(logits), self.learned(view), view.weight)}
        loss = self.add_teacher(terms, logits, view)
        if self.flux is not None:
            terms["loss_flux"] = self.flux.loss(features, view.flux)
            loss = loss + self.flux.weight * terms["loss_flux"]
        if self.domain is not None:
            terms["loss_domain"] = self.domain.loss(seen, view.label)
            loss = loss + terms["loss_domain"]
        return {"loss": loss, **terms}

    def _checked(self, logits: Tensor) -> Tensor:
        if logits.shape[1] != (classes := self.task.outputs):
            raise ValueError(f"the network gives {logits.shape[1]} classes, the survey has {classes}")
        return logits
