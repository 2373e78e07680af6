"""ICT: two views of each series through the online network and its average, the target network (eq. 1 to 3).

Other forms of the comparison, and of the labels, are in `forms`; here they come together.
"""

from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.configuration.options import OptimiserOptions
from ictconvention.feeding.batch import UNLABELLED, SeriesBatch, join_batches, repeat_objects
from ictconvention.feeding.spec import DataSpec
from ictconvention.learning.collapse import CollapseMonitor, collapse_warning
from ictconvention.learning.compared_views import align_maps
from ictconvention.learning.flux import FluxHead
from ictconvention.learning.forms.choice import make_form
from ictconvention.learning.forms.ramp import ramp_at
from ictconvention.learning.forms.weak_labels import forward_loss, referee_loss
from ictconvention.learning.learner import Learner, Views, check_fit
from ictconvention.learning.losses import consistency, divergence, spread_floor
from ictconvention.learning.target import set_target_mode, tau_at, update_target
from ictconvention.networks.heads import PROJECTED, Branch, Online, OnlineOutput
from ictconvention.networks.inputs.inputs import Inputs
from ictconvention.networks.mask_heads import OnlineMasks
from ictconvention.networks.masks.mask_network import MaskNetwork
from ictconvention.networks.network import Network, output_layer
from ictconvention.networks.token_subsets import draw_subsets
from ictconvention.tasks.task import Task

EARLY = 20  # optimiser steps in which any network's projections are still close together


class ICT(Learner):
    """Trains an online network beside its target network: ICT-ConvEntion's, or those of any other network.

    Both views go through each network as one batch, so that batch norms see the frames of both. With three views, the
    first two go through the online network and the third through the target network, to which both are compared: two
    short views and a full one (`ViewOptions.online_frames`), which perhaps only the first objects have. With one view,
    `token_subsets` of its tokens take the place of views, and the target sees all of them; without them the target
    sees what the online network does, as the referee of labels.

    The loss of V views or subsets of a batch is eq. 3,

        classification * sum_v CE_v + consistency * ramp * sum_v mean_i D(own_iv, other_iv),

    with D of eq. 1, or of one of `forms`; where there is a `teacher`, CE is mixed with what that says.

    Parameters
    ----------
    encoder : Network
        The online network's trunk; its heads are built here, those that the options compare and no others.
    options : ICTOptions
        What is compared, and how the target follows.
    dropout : float
        Share that the heads drop in training.
    head : Sequential, optional
        Of a network that gives masks, the layers from its maps to the logits of every pixel, in the place of heads that
        are built here. Then probabilities are compared, pixel by pixel, where the views' turns have been undone.
    consistency : float, optional
        Weight of eq. 1 in this stage, by default that of the options. With 0 nothing is compared, and what only the
        comparison reaches rests; the target follows all the same.
    inputs, spec, optimiser, task
        As of `Learner`.

    Raises
    ------
    ValueError
        Encoder, options, inputs and data do not fit together.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", views=ict.ViewOptions(2), batch_size=8)
    >>> inputs = ict.FrameInputs(ict.Scaling("asinh", *data.scales("asinh")))
    >>> encoder = ict.ConvEntion(width=0.125, padding="masked").trunk
    >>> learner = ict.ICT(encoder, inputs, data.spec, ict.ICTOptions(tau=0.9))
    >>> list(learner.loss(next(iter(data.train_dataloader()))))
    ['loss', 'loss_ce', 'loss_consistency']
    """

    def __init__(
        self,
        encoder: Network,
        inputs: Inputs,
        spec: DataSpec,
        options: ICTOptions = ICTOptions(),
        optimiser: OptimiserOptions = OptimiserOptions(),
        dropout: float = 0.3,
        task: Task | None = None,
        consistency: float | None = None,
        head: nn.Sequential | None = None,
    ) -> None:
        if spec.views < 2 and options.compares_views and not options.token_subsets:
            raise ValueError("ICT takes two views of each object: SeriesDataModule(views=ViewOptions(2))")
        if options.token_subsets and spec.views != 1:
            raise ValueError("token_subsets takes one view of each object: SeriesDataModule(views=ViewOptions(1))")
        if spec.stage == "pretrain" and options.unlabelled != spec.unlabelled:
            raise ValueError("unlabelled is set in one place only: set it in ICTOptions and in SeriesDataModule")
        check_fit(encoder, inputs, spec)
        network: Online | OnlineMasks
        if head is None:
            network = Online(
                encoder,
                len(spec.classes) if task is None else task.outputs,
                projection=options.projection,
                predictor=options.predictor,
                project=options.projects,
                dropout=dropout,
            )
        elif options.projects or not isinstance(encoder, MaskNetwork):
            raise ValueError("masks are compared by probabilities: consistency_on='probabilities', and a MaskNetwork")
        else:
            network = OnlineMasks(encoder, head)
        fluxes = FluxHead(encoder.feature_size, len(spec.bands), options.flux) if options.flux else None
        super().__init__(network, inputs, spec, optimiser, task, fluxes)
        self.network: Online | OnlineMasks = network
        self.options = options
        self.target = network.target(options.compared) if options.follows else None
        self.consistency = options.consistency if consistency is None else consistency
        if options.compared_objects == "unlabelled" and not spec.unlabelled_share:  # this stage has none
            self.consistency = 0.0
        self.form = make_form(options, self.class_weights)
        self.label_ratio: Tensor | None
        judged = None if spec.label_ratio is None else torch.tensor(spec.label_ratio)
        self.register_buffer("label_ratio", judged, persistent=False)
        self.progress = 1.0  # share of the stage's steps that are done, said before each of them
        projected = PROJECTED if options.projects else 0
        self.collapse = CollapseMonitor(len(spec.classes), network.encoder.feature_size, projected)
        self._warned = False
        if isinstance(network, Online) and not options.classification:  # what only the classes reach rests
            resting = (
                network.classifier
                if network.own_class_projector is None
                else nn.ModuleList([network.classifier, network.own_class_projector])
            )
            resting.requires_grad_(False)
        if isinstance(network, Online) and not self.consistency:  # nor does what only the comparison reaches learn
            used = {id(parameter) for parameter in network.class_projector.parameters()}
            for part in (network.projector, network.predictor):
                for parameter in () if part is None else part.parameters():
                    parameter.requires_grad_(id(parameter) in used)

    @property
    def trunks(self) -> dict[str, Network]:
        """The encoders of the online and of the target network."""
        target = {} if self.target is None else {"target.encoder": self.target.encoder}
        return {"network.encoder": self.network.encoder} | target

    @property
    def predictor(self) -> Branch:
        """The predicting part of the online network."""
        return self.network.inference

    @property
    def output_layers(self) -> list[str]:
        """The classifiers of the online network and, where probabilities are compared, of the target network."""
        online = output_layer(self.network.classifier, "network.classifier")
        if self.target is None or self.options.compared != "classes":
            return [online]
        return [online, output_layer(self.target.head, "target.head")]

    def logits(self, batch: SeriesBatch) -> Tensor:
        """Return the online network's logits (B, classes)."""
        output: OnlineOutput = self.network(*self.inputs(batch))
        return output.logits

    def features_and_logits(self, batch: SeriesBatch) -> tuple[Tensor, Tensor]:
        """Return what the classifier sees (B, features), and the logits (B, classes) that it makes of it."""
        output: OnlineOutput = self.network(*self.inputs(batch))
        return output.class_features, output.logits

    def loss(self, views: Views) -> dict[str, Tensor]:
        """Return eq. 3, all terms of all views summed, and the terms."""
        options, fed = self.options, min(len(views), 2)
        pair = join_batches(views[:fed])
        inputs = self.inputs(pair)
        online = self._see(inputs, pair.lengths)
        features, projection, prediction, seen_by_classifier, logits = online
        number = fed * (options.token_subsets or 1)  # of views, or of subsets in their place
        each = repeat_objects(pair, options.token_subsets) if options.token_subsets else pair
        other = self._ask_target(pair, inputs, views[fed:])
        terms = {"loss_ce": number * self._classify(logits, other, each)}  # of all views' means
        taught = self.add_teacher(terms, logits, each, number)
        weighed = [options.classification * taught] if options.classification else []
        if self.consistency and (other is not None or self.form is not None):
            own = logits if prediction is None else prediction
            terms["loss_consistency"] = number * self._compare(own, other, each, number)
            weighed.append(self.consistency * ramp_at(self.progress, options.ramp) * terms["loss_consistency"])
        if options.variance and projection is not None and self.consistency:
            terms["loss_variance"] = torch.stack([spread_floor(z) for z in projection.chunk(number)]).sum()
            weighed.append(options.variance * terms["loss_variance"])
        if self.flux is not None:
            terms["loss_flux"] = number * self.flux.loss(features, each.flux)
            weighed.append(self.flux.weight * terms["loss_flux"])
        if self.domain is not None:
            terms["loss_domain"] = number * self.domain.loss(seen_by_classifier, each.label)
            weighed.append(terms["loss_domain"])
        return {"loss": sum(weighed[1:], start=weighed[0]), **terms}

    def _see(self, inputs: tuple[Tensor, ...], lengths: Tensor) -> OnlineOutput:
        """Return what the online network says of all views, or of random subsets of the tokens of one."""
        if not (times := self.options.token_subsets) or not isinstance(self.network, Online):
            output: OnlineOutput = self.network(*inputs)
            return output
        subsets = draw_subsets(lengths, times, self.options.token_share, self.spec.frames_per_group)
        return self.network.of_features(self.network.encoder.features_of_subsets(subsets, *inputs))

    def _ask_target(self, pair: SeriesBatch, inputs: tuple[Tensor, ...], full: Views) -> Tensor | None:
        """Return what the target says of the other view of each output: v' for v, and v for v'; or of the full one."""
        options = self.options
        if self.target is None or not (self.consistency or options.weak_labels == "referee"):
            return None
        if self.training:  # here, since whoever switches modes does not know the options
            set_target_mode(self.target, options.target_norms, options.target_dropout)
        if full:
            seen: Tensor = self.target(*self.inputs(full[0]))
            return seen.repeat(2, 1)
        seen = self.target(*inputs)
        if isinstance(self.network, OnlineMasks):  # a pixel of each view with the same of the other
            seen = align_maps(seen, pair)
        if self.spec.views == 1:
            return seen.repeat(options.token_subsets, 1) if options.token_subsets else seen
        return seen.roll(len(seen) // 2, 0)

    def _classify(self, logits: Tensor, other: Tensor | None, batch: SeriesBatch) -> Tensor:
        """Return eq. 2 of all outputs, a mean; photometric labels as the options say."""
        label, ratio = self.learned(batch), self.label_ratio
        if ratio is None or batch.weak is None:
            return self.cross_entropy(logits, label, batch.weight)
        own, known = self.offset(logits.float()), label.clamp(min=0)
        if self.options.weak_labels == "referee":
            assert other is not None
            judged = referee_loss(own, self.offset(other.float()), known, ratio)
        else:
            judged = forward_loss(own, known, ratio)
        given = self.task.loss(own, label, self.class_weights, self.spec.focal)
        weak = (batch.weak > 0) & (label != UNLABELLED)
        each = torch.where(weak, self.class_weights[known] * judged, given)
        return (each if batch.weight is None else batch.weight * each).mean()

    def _compare(self, own: Tensor, other: Tensor | None, batch: SeriesBatch, number: int) -> Tensor:
        """Return eq. 1, or its form in the place of it, of the outputs of a number of views; a mean."""
        if isinstance(self.network, OnlineMasks):
            own = align_maps(own, batch)
        label, index = batch.label, batch.index
        if other is not None and len(other) < len(own):  # the first objects of each view alone have one to compare with
            own, label, index = (
                x.unflatten(0, (number, -1))[:, : len(other) // number].flatten(0, 1) for x in (own, label, index)
            )
        if self.form is not None:
            compared = self.form(own, other, replace(batch, label=label, index=index))
        else:
            assert other is not None
            compared = consistency(own, other) if self.options.projects else divergence(own, other)
        if self.options.compared_objects == "unlabelled":
            compared = torch.where(label == UNLABELLED, compared, 0) / self.spec.unlabelled_share
        return compared.mean()

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """Note how far the stage has come, which the ramp asks for."""
        super().on_train_batch_start(batch, batch_index)
        if self.options.ramp:
            self.progress = self.trainer.global_step / float(self.trainer.estimated_stepping_batches)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the form remembers, beside the weights."""
        super().on_save_checkpoint(checkpoint)
        if self.form is not None:
            checkpoint["form"] = self.form.remembered()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take what the form remembered."""
        super().on_load_checkpoint(checkpoint)
        if self.form is not None:
            self.form.restore(checkpoint.get("form", {}))

    def optimizer_step(self, *arguments: Any, **keywords: Any) -> None:
        """Step, then let the target follow: once per optimiser step, however many batches were accumulated for it."""
        super().optimizer_step(*arguments, **keywords)
        if self.target is None:
            return
        steps = int(self.trainer.estimated_stepping_batches)
        tau = tau_at(self.trainer.global_step, steps, self.options.tau, self.options.tau_schedule)
        update_target(self.target, self.network.branch(self.options.compared), tau)
        self.log(f"{self.spec.stage}/train/tau", torch.tensor(tau))  # on the CPU: a number would wait for the device

    def validation_step(self, views: Views, batch_index: int) -> None:
        """Score a batch of the validation part, and look at its projections and features."""
        features, projection, _, _, logits = self.network(*self.inputs(views[0]))
        self.metrics.update(logits, self.learned(views[0]))
        self.collapse.update(projection, features, views[0].label)

    def on_validation_epoch_end(self) -> None:
        """Log the scores and the spread of the projections; warn once if they have collapsed."""
        super().on_validation_epoch_end()
        statistics = self.collapse.compute()
        self.log_each(f"{self.spec.stage}/val/collapse", statistics)
        self.collapse.reset()
        spared = self.trainer.global_step < EARLY or not self.consistency  # nothing is compared then
        if not (spared or self._warned) and (warning := collapse_warning(statistics, PROJECTED)):
            rank_zero_warn(warning)
            self._warned = True
