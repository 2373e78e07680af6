"""A survey and a split, fed to the stages of a run: pre-train, fine-tune and test."""

from typing import Any, Literal, get_args

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from ictconvention.configuration.options import Augmentation, Imbalance, SequenceOptions, Stage, ViewOptions
from ictconvention.core.errors import SplitError
from ictconvention.feeding.batch import UNLABELLED, SeriesBatch
from ictconvention.feeding.dataset import SeriesDataset
from ictconvention.feeding.pixel_counts import pixel_shares, pixel_weights
from ictconvention.feeding.sampler import (
    EvaluationSampler,
    TrainingSampler,
    class_draws,
    class_shares,
    class_weights,
    domain_weights,
    loss_shares,
    unlabelled_draws,
)
from ictconvention.feeding.spec import Contents, DataSpec
from ictconvention.measuring.band_fluxes import asinh_fluxes
from ictconvention.measuring.scales import BandScales, ScalingKind, photometry_scales, pixel_scales
from ictconvention.survey.labels.photometric import label_ratio, true_of_labels
from ictconvention.survey.split import UNLABELLED_PART, Split
from ictconvention.survey.survey import Survey


class Loader(DataLoader[tuple[SeriesBatch, ...]]):
    """A DataLoader that begins an epoch when its first batch is asked for.

    Lightning makes the iterator of a resumed run before it has read which epoch that is; worker processes would already
    be reading the batches of epoch 0.
    """

    sampler: TrainingSampler | EvaluationSampler

    def __iter__(self) -> Any:
        """Return the batches of the epoch that the sampler is set to at the first of them."""
        yield from super().__iter__()


class SeriesDataModule(lightning.LightningDataModule):
    """The batches of one stage: its training and validation parts, and the test part.

    A batch is a tuple of `SeriesBatch`: as many views as `views` says in training, one in evaluation.

    Parameters
    ----------
    survey : Survey
        The whole survey.
    split : Split
        Its parts.
    stage : "pretrain" or "finetune"
        Whose training and validation parts.
    sequence : SequenceOptions
        Which frames make a sequence.
    augmentation : Augmentation
        How far training views stray; evaluation is never augmented.
    views : ViewOptions
        How many views training draws.
    imbalance : Imbalance
        What is done about classes of unequal size.
    contents : Contents
        What the network needs of each frame.
    batch_size : int
        Objects in a batch over all processes.
    unlabelled : bool
        Whether the unlabelled part joins the training of the pre-train stage.
    seed : int
        Seed of every draw.
    workers : int
        Processes that read ahead for each process that trains; 0 reads in the training process itself. The batches
        are the same.
    accumulate : int
        Batches whose gradients make one optimiser step; the Trainer must have the same `accumulate_grad_batches`.
    names : tuple of str, optional
        Names of what a network tells apart; by default the classes.
    labels : array (n,), optional
        Which of them each object of the survey is, or `UNLABELLED`.
    truth : array (n,), optional
        The number that each label stands for, NaN where unknown, where a task learns from it.
    reddening : array (n,), optional
        E(B-V) of each object [mag], where the network takes it.
    parts_of : "pretrain" or "finetune", optional
        The stage whose parts of the split are taken; by default its own.
    label_free : bool
        Whether the stage trains without labels: not even the order of its batches depends on them.
    flux_of : str, optional
        Where batches have the measured flux of each band: the part whose errors say its scale, see `asinh_fluxes`.
    weights : array (n,), optional
        How much each object counts in the loss of training; by default all count the same.
    pixels : array (n, names), optional
        Known pixels of each class in each object, where masks are learned: batches have masks then, and weights and
        shares are those of pixels.
    domains : bool
        Whether the unlabelled part joins the training of this stage, whichever, so that a head tells its objects from
        those with a label.
    order : "objects" or "blocks"
        In which order training reads the objects, see `TrainingSampler`.
    draws, unlabelled_draws : float, optional
        How many objects a training epoch draws, see `draws` and `unlabelled` of `TrainingSampler`.
    weak : array (n,), optional
        Which objects have a photometric label, where the loss asks for it.
    noise : array (names, names), optional
        Shares of the true names (columns) among objects of each photometric label (rows), where the loss asks for it.

    Examples
    --------
    >>> data = ict.SeriesDataModule(survey, ict.split(survey), "pretrain", views=ict.ViewOptions(2), batch_size=8)
    >>> first, second = next(iter(data.train_dataloader()))
    >>> len(first.lengths) == len(second.lengths), first.frames.shape[1:]
    (True, torch.Size([32, 32]))
    """

    def __init__(
        self,
        survey: Survey,
        split: Split,
        stage: Stage,
        *,
        sequence: SequenceOptions = SequenceOptions(),
        augmentation: Augmentation = Augmentation(),
        views: ViewOptions = ViewOptions(),
        imbalance: Imbalance = Imbalance(),
        contents: Contents = "direct",
        batch_size: int = 128,
        unlabelled: bool = False,
        seed: int = 0,
        workers: int = 0,
        accumulate: int = 1,
        names: tuple[str, ...] | None = None,
        labels: NDArray[np.int64] | None = None,
        truth: NDArray[np.floating] | None = None,
        reddening: NDArray[np.floating] | None = None,
        parts_of: Stage | None = None,
        label_free: bool = False,
        flux_of: str | None = None,
        weights: NDArray[np.floating] | None = None,
        pixels: NDArray[np.int64] | None = None,
        domains: bool = False,
        order: Literal["objects", "blocks"] = "objects",
        draws: float = 1.0,
        unlabelled_draws: float | None = None,
        weak: NDArray[np.bool_] | None = None,
        noise: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        if stage not in get_args(Stage):
            raise ValueError(f"stage is {stage!r}; take 'pretrain' or 'finetune'")
        self.survey, self.split, self.stage = survey, split, stage
        self.sequence, self.contents, self.imbalance = sequence, contents, imbalance
        self.batch_size, self.seed, self.workers = batch_size, seed, workers
        self.accumulate, self.order, self.domains, self.pixels = accumulate, order, domains, pixels
        self.unlabelled, self.label_free = unlabelled and stage == "pretrain", label_free
        self.train_part, self.validation_part = (f"{parts_of or stage}_{part}" for part in ("train", "validation"))
        self.train_parts = [self.train_part, *([UNLABELLED_PART] if self.unlabelled or domains else [])]
        self.names = survey.header.classes if names is None else names
        self.draws, self.unlabelled_draws, self.noise = draws, unlabelled_draws, noise
        fluxes = asinh_fluxes(survey, survey.select(split.parts[flux_of])) if flux_of else None
        given = (labels, truth, reddening, fluxes, weights, pixels is not None, weak)
        self.training = SeriesDataset(survey, sequence, augmentation, views, contents, seed, stage, *given)
        self.evaluation = self.training.for_evaluation()
        self.training.hide_labels(self.positions(UNLABELLED_PART))

    def positions(self, *parts: str) -> NDArray[np.int64]:
        """Return where the objects of parts of the split are in the survey."""
        found = [self.survey.positions(self.split.parts[part]) for part in parts]
        return np.concatenate([np.zeros(0, dtype=np.int64), *found])

    def scales(self, kind: ScalingKind) -> BandScales:
        """Return the numbers to scale by, from the stage's labelled training part alone.

        Raises
        ------
        SurveyError
            A band has no frame in that part.
        """
        training = self.survey.select(self.split.parts[self.train_part])
        if "direct" not in self.contents and self.training.photometry is not None:
            return photometry_scales(training, self.training.photometry, kind)
        return pixel_scales(training, kind)

    @property
    def spec(self) -> DataSpec:
        """What a learner must know of these data."""
        header, views = self.survey.header, self.training.views
        positions = self.positions(*self.train_parts)
        labels = self.training.labels[positions]
        if self.pixels is None:
            weights = class_weights(labels, len(self.names), self.imbalance, self.draws, self.unlabelled_draws)
        else:
            weights = pixel_weights(self.pixels[positions], labels, self.imbalance)
        return DataSpec(
            self.stage,
            self.names,
            header.bands,
            tuple(weights.tolist()),
            self.imbalance.focal,
            header.stamp_size,
            self.sequence.max_frames,
            self.contents,
            views.count + (views.online_frames is not None),
            self.unlabelled,
            self.sequence.frames_per_group,
            header.pixel_scale,
            "reddening" in self.training.numbers,
            domain_weights(labels) if self.domains else None,
            **self._of_loss(labels),
        )

    def _of_loss(self, labels: NDArray[np.int64]) -> dict[str, Any]:
        """Return what only some forms of the loss ask for, of the labels of the training parts (n,)."""
        of_loss: dict[str, Any] = {}
        shares = loss_shares(labels, len(self.names), self.imbalance) if (labels != UNLABELLED).any() else np.zeros(0)
        true = shares
        if self.noise is not None:
            true = shares @ self._true_of_labels(self.positions(*self.train_parts))
            of_loss["label_ratio"] = tuple(map(tuple, label_ratio(shares, true, self.noise).tolist()))
        if self.imbalance.adjustment:
            with np.errstate(divide="ignore"):  # a class without an object has none in the loss
                of_loss["logit_offset"] = tuple((self.imbalance.adjustment * np.log(true)).tolist())
        if self.unlabelled:
            of_loss["unlabelled_share"] = self.drawn_unlabelled / self.drawn
        return of_loss

    @property
    def drawn(self) -> int:
        """How many objects a training epoch draws, with a label and without."""
        labels = self.training.labels[self.positions(*self.train_parts)]
        imbalance = Imbalance() if self.label_free else self.imbalance
        return int(class_draws(labels, len(self.names), imbalance, self.draws).sum()) + self.drawn_unlabelled

    @property
    def drawn_unlabelled(self) -> int:
        """How many objects without a label a training epoch draws."""
        labels = self.training.labels[self.positions(*self.train_parts)]
        return unlabelled_draws(labels, self.draws, self.unlabelled_draws)

    def class_shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the shares of the names (names,) in the stage's labelled training part, and those logits learn.

        Where the noise of photometric labels is known, both are shares of true classes.
        """
        positions = self.positions(self.train_part)
        labels = self.training.labels[positions]
        if self.pixels is not None:
            return pixel_shares(self.pixels[positions], labels, self.imbalance)
        return class_shares(labels, len(self.names), self.imbalance, self._true_of_labels(positions))

    def loss_shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the shares of the names (names,) in the loss, and the weight of an object of each there (names,).

        The mean weight over the objects with a label that a training epoch draws is 1.
        """
        labels = self.training.labels[self.positions(self.train_part)]
        labels, names = labels[labels != UNLABELLED], len(self.names)
        return loss_shares(labels, names, self.imbalance), class_weights(labels, names, self.imbalance, self.draws)

    def _true_of_labels(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the shares of the names (columns) among objects of each label; labels of unknown noise are true."""
        if self.noise is None:
            return np.eye(len(self.names))
        weak = self.training.numbers["weak"].numpy()[positions] > 0
        return true_of_labels(self.training.labels[positions], weak, self.noise)

    def train_dataloader(self) -> Loader:
        """Return the batches of the stage's training part, in each training epoch others."""
        positions = self.positions(*self.train_parts)
        labels = self.training.labels[positions]
        sampler = TrainingSampler(
            positions,
            np.full_like(labels, UNLABELLED) if self.label_free else labels,
            self.imbalance,
            self.batch_size,
            self.seed,
            self.stage,
            *self._process(),
            self.accumulate,
            self.survey.places[:, positions] if self.order == "blocks" else None,
            self.draws,
            self.unlabelled_draws,
        )
        return self._loader(self.training, sampler)

    def val_dataloader(self) -> Any:
        """Return the stage's validation part; nothing where it is empty."""
        part = self.validation_part
        return self.evaluation_loader(part) if self.split.parts[part] else []

    def test_dataloader(self) -> Loader:
        """Return the test part."""
        return self.evaluation_loader("test")

    def predict_dataloader(self) -> Loader:
        """Return the test part; `Trainer.predict` asks for it by this name."""
        return self.evaluation_loader("test")

    def evaluation_loader(self, part: str) -> Loader:
        """Return any part of the split, each object once, unchanged.

        Raises
        ------
        SplitError
            The part is empty.
        """
        positions = self.positions(part)
        if not len(positions):
            raise SplitError(
                f"the part {part} is empty", "split", "put objects into it, or choose another part", "E-SPLIT-EMPTY"
            )
        return self._loader(self.evaluation, EvaluationSampler(positions, self.batch_size, *self._process()))

    def _loader(self, dataset: SeriesDataset, sampler: TrainingSampler | EvaluationSampler) -> Loader:
        return Loader(
            dataset,
            sampler=sampler,
            batch_size=None,  # the sampler's items are whole batches
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _process(self) -> tuple[int, int]:
        """Return which process this is, of how many."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer is not None else (0, 1)
