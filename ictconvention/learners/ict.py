"""ICT: two views of each series through the online network and its average, the target network (eq. 1 to 3)."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from ictconvention.data.series import SeriesBatch, joined
from ictconvention.learners.collapse import CollapseMonitor, collapse_warning
from ictconvention.learners.inputs import Inputs
from ictconvention.learners.learner import Learner, Views
from ictconvention.learners.losses import consistency, divergence, spread_floor
from ictconvention.learners.target import follow, set_target_mode, tau_at
from ictconvention.models.convention import ConvEntionEncoder
from ictconvention.models.heads import PROJECTED, Online, Target
from ictconvention.options import ICTOptions, OptimiserOptions


class ICT(Learner):
    """Trains ICT-ConvEntion's online network beside its target network.

    Both views go through each network as one batch, so that batch norms see the frames of both. With three views, the
    first two go through the online network and the third through the target network, to which both are compared: two
    short views and a full one (`ViewOptions.online_frames`).

    Parameters
    ----------
    network : Online
        Built by `ICT.network_for`, so that it has what the options compare and nothing else.
    options : ICTOptions
        What is compared, and how the target follows.
    inputs, classes, stage, optimiser, class_weights, focal
        As of `Learner`.
    """

    def __init__(
        self,
        network: Online,
        inputs: Inputs,
        classes: Sequence[str],
        stage: str,
        optimiser: OptimiserOptions = OptimiserOptions(),
        options: ICTOptions = ICTOptions(),
        class_weights: Any = None,
        focal: float = 0.0,
    ) -> None:
        super().__init__(network, inputs, classes, stage, optimiser, class_weights, focal)
        self.network: Online = network
        self.options = options
        self.target = Target.of(network, options.compared) if options.consistency else None
        projected = PROJECTED if options.projects else 0
        self.collapse = CollapseMonitor(len(self.classes), network.encoder.features, projected)
        self._warned = False

    @classmethod
    def network_for(cls, encoder: ConvEntionEncoder, classes: int, options: ICTOptions, dropout: float = 0.3) -> Online:
        """Return the online network that the options need."""
        return Online(
            encoder,
            classes,
            projection=options.projection,
            predictor=options.predictor,
            project=options.projects,
            dropout=dropout,
        )

    def logits(self, batch: SeriesBatch) -> Tensor:
        """Return the online network's logits (B, classes)."""
        return self.network(*self.inputs(batch)).logits

    def loss(self, views: Views) -> dict[str, Tensor]:
        """Return eq. 3, both terms of both views summed, and the terms."""
        options, pair = self.options, joined(views[:2])
        inputs = self.inputs(pair)
        _, projection, prediction, logits = self.network(*inputs)
        cross_entropy = 2 * self.cross_entropy(logits, pair.label)  # the sum of the two views' means
        loss, terms = options.classification * cross_entropy, {"loss_ce": cross_entropy}
        if self.target is not None:
            if self.training:  # here, since whoever switches modes does not know the options
                set_target_mode(self.target, options.target_norms, options.target_dropout)
            seen = self.target(*(inputs if len(views) == 2 else self.inputs(views[2])))
            other = seen.roll(len(seen) // 2, 0) if len(views) == 2 else seen.repeat(2, 1)  # v' for v, and v for v'
            compared = consistency(prediction, other) if prediction is not None else divergence(logits, other)
            terms["loss_consistency"] = 2 * compared.mean()
            loss = loss + options.consistency * terms["loss_consistency"]
        if options.variance and projection is not None:
            terms["loss_variance"] = torch.stack([spread_floor(z) for z in projection.chunk(2)]).sum()
            loss = loss + options.variance * terms["loss_variance"]
        return {"loss": loss, **terms}

    def optimizer_step(self, *arguments: Any, **keywords: Any) -> None:
        """Step, then let the target follow: once per optimiser step, however many batches were accumulated for it."""
        super().optimizer_step(*arguments, **keywords)
        if self.target is None:
            return
        steps = int(self.trainer.estimated_stepping_batches)
        tau = tau_at(self.trainer.global_step, steps, self.options.tau, self.options.tau_schedule)
        follow(self.target, self.network.branch(self.options.compared), tau)
        self.log(f"{self.stage}/train/tau", tau)

    def validation_step(self, views: Views, batch_index: int) -> None:
        """Score a batch of the validation part, and look at its projections and features."""
        features, projection, _, logits = self.network(*self.inputs(views[0]))
        self._score(views[0], logits)
        self.collapse.update(projection, features, views[0].label)

    def on_validation_epoch_end(self) -> None:
        """Log the scores and the spread of the projections; warn once if they have collapsed."""
        super().on_validation_epoch_end()
        statistics = self.collapse.compute()
        self.log_dict({f"{self.stage}/val/collapse/{name}": value.float() for name, value in statistics.items()})
        self.collapse.reset()
        early = self.trainer.current_epoch == 0  # any network starts collapsed
        if not (early or self._warned) and (warning := collapse_warning(statistics, PROJECTED)):
            rank_zero_warn(warning)
            self._warned = True
