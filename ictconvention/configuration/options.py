"""The options of a run: what each is called, what it means, and which values it may have.

The keys of the configuration are these names. Nothing here knows how an option is carried out, nor imports what does:
a mistake in the configuration is reported at once.
"""

from dataclasses import field
from typing import Annotated, Literal, Self, TypeVar, cast, dataclass_transform

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from pydantic.dataclasses import dataclass

from ictconvention.configuration.identity import ADDED, PLACE, SHAPES

Share = Annotated[float, Field(gt=0, le=1)]  # of a whole, never nothing
Weight = Annotated[float, Field(ge=0, le=1)]
PartialShare = Annotated[float, Field(ge=0, lt=1)]  # of a whole, never all
Stage = Literal["pretrain", "finetune"]
Select = Literal["frames", "nights"]
Schedule = Literal["cosine", "constant"]
WhichPoints = bool | Literal["all"]  # of the measurements without pixels
Third = Literal["third"]  # of the frames of the full view
Answer = Literal["none", "weights", "latent_knn", "strata", "adversarial"]  # to a shift
STRATA = 5  # of propensity, as StratLearn has them
ALL_STRATA = f"-m shift=strata shift.stratum={','.join(map(str, range(STRATA)))}"  # their runs by one command
Group = TypeVar("Group")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def option_group(group: type[Group]) -> type[Group]:
    """Make a frozen dataclass that refuses a value of the wrong type or out of range by a ValueError.

    Examples
    --------
    >>> from pydantic import PositiveInt
    >>> @ict.option_group
    ... class Sizes:
    ...     channels: PositiveInt = 16
    >>> Sizes(channels=8)
    Sizes(channels=8)
    """
    strict = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    return cast("type[Group]", dataclass(frozen=True, slots=True, config=strict)(group))


@option_group
class SequenceOptions:
    """Which frames of a series make a sequence.

    Parameters
    ----------
    max_frames : int
        Largest number of frames, M (paper: 99).
    frames_per_group : int
        Frames of a token, K (paper: 3); no view has fewer, unless its series has.
    select : "frames" or "nights"
        Whether frames are removed and evenly chosen one by one (paper), or by whole nights.
    photometry : bool or "all"
        Whether measurements without pixels that lie beside the frames of a survey join them: at most `max_frames`.
        True: those at whose times there is no frame. "all": also those of the frames' own exposures, of science minus
        reference, which tell the change from what was always there.

    Raises
    ------
    ValueError
        K is not a divisor of M, or below 1.

    Examples
    --------
    >>> ict.SequenceOptions(max_frames=30, select="nights").frames_per_group
    3
    """

    max_frames: Annotated[PositiveInt, SHAPES] = 99
    frames_per_group: Annotated[PositiveInt, SHAPES] = 3
    select: Select = "frames"
    photometry: Annotated[WhichPoints, SHAPES, ADDED] = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_frames % self.frames_per_group:
            raise ValueError(
                f"max_frames {self.max_frames} is not a multiple of frames_per_group {self.frames_per_group}"
            )
        return self


@option_group
class ModelOptions:
    """What every network has; one with options of its own extends it, beside its class.

    Parameters
    ----------
    kind : str
        The name that it is registered by.
    module : str, optional
        A Python module of your own that registers it, imported because the command line says so.
    dropout : float
        Share that heads drop in training.

    Examples
    --------
    >>> @ict.option_group
    ... class Mine(ict.ModelOptions):
    ...     channels: int = 16
    >>> Mine(kind="mine").dropout
    0.3
    """

    kind: Annotated[str, SHAPES] = "convention"
    module: Annotated[str | None, PLACE] = None
    dropout: PartialShare = 0.3


@option_group
class Augmentation:
    """How far a training view may stray from its series.

    Parameters
    ----------
    keep : float
        Least share of the frames (at most max_frames of them) that random removal keeps; 1 removes none.
    window : float
        Least share of those that a contiguous window keeps: the time shift; 1 keeps them all.
    rotation : float
        Largest angle of a rotation about the stamp's centre, to either side [deg].
    quarter_turns : bool
        Turn by a multiple of 90 degrees besides, which interpolates nothing.
    flips : bool or "horizontal"
        Flip horizontally and vertically, each with probability 1/2; or horizontally alone.
    bands : float
        Probability that a band of a view is left out; one at least stays.
    brightness, contrast : float
        By how much the factor of a picture's pixels, and that of their differences to the mean of their band, stray
        from 1; both are drawn evenly. Before scaling; for networks of pictures.
    shift : int
        Largest shift of a picture along each axis, to either side, by whole pixels [pixels].
    blur : float
        Largest sigma of a Gaussian that widens the seeing of a picture, the same in all bands [pixels].
    noise : float
        Largest noise that is added to a picture [sky noise of the frame].
    reddening : float
        Largest E(B-V) of dust that is added, or taken away, by the extinction of each band [mag]. These four are drawn
        evenly too, in raw fluxes; for networks of pictures.
    function : str, optional
        What else is done to a view: a function of one's own, see `register_augmentation`.
    """

    keep: Share = 0.5
    window: Share = 0.8
    rotation: Annotated[float, Field(ge=0, le=180)] = 15.0
    quarter_turns: bool = False
    flips: bool | Literal["horizontal"] = True
    bands: Annotated[PartialShare, ADDED] = 0.0
    brightness: Annotated[PartialShare, ADDED] = 0.0
    contrast: Annotated[PartialShare, ADDED] = 0.0
    shift: Annotated[NonNegativeInt, ADDED] = 0
    blur: Annotated[NonNegativeFloat, ADDED] = 0.0
    noise: Annotated[NonNegativeFloat, ADDED] = 0.0
    reddening: Annotated[NonNegativeFloat, ADDED] = 0.0
    function: Annotated[str | None, ADDED] = None


@option_group
class ViewOptions:
    """The views that training draws of each object.

    Parameters
    ----------
    count : int
        1 for supervised learning, 1 or 2 for ICT.
    online_frames : int or "third", optional
        Asymmetric views: the two online views have at most this many frames each, and one full view is added for the
        target network. It removes no frame that fits into M, and is turned by draws of its own. "third" is a third of
        the frames that the full view of an object can have, whichever these are. A training step then costs, of a
        supervised one on a CPU (experiments/speed), 1.4 on a laptop's sizes and 1.3 on the paper's for ConvEntion, and
        1.6 for the frame transformer.
    target_share : float
        Share of the objects of a batch that have a full view, and so a part in the consistency; the batch is in random
        order, and the first ones have. With 0.5 that step costs 1.2 and 1.05 for ConvEntion, 1.4 and 1.2 for the
        frame transformer.

    Raises
    ------
    ValueError
        Other counts, or `online_frames` for one view, or `target_share` without `online_frames`.

    Examples
    --------
    >>> views = ict.ViewOptions(2, online_frames="third")
    >>> [views.most_online(frames, ict.SequenceOptions(max_frames=99)) for frames in (400, 60, 4)]
    [33, 20, 3]
    """

    count: Literal[1, 2] = 1
    online_frames: PositiveInt | Third | None = None
    target_share: Share = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.online_frames is not None and self.count != 2:
            raise ValueError(f"{self}: take one view, or two with or without online_frames")
        if self.online_frames is None and self.target_share < 1:
            raise ValueError(f"{self}: without online_frames the target sees the online views of all objects")
        return self

    def most_online(self, frames: int, sequence: SequenceOptions) -> int:
        """Return the largest number of frames of an online view, of a series of so many frames."""
        match self.online_frames:
            case None:
                return sequence.max_frames
            case "third":
                return max(min(frames, sequence.max_frames) // 3, sequence.frames_per_group)
            case number:
                return number


def check_online_frames(online_frames: int | Third | None, sequence: SequenceOptions, key: str) -> None:
    """Raise a ValueError, which names the key, where online views would be longer than M or shorter than K."""
    shortest, longest = sequence.frames_per_group, sequence.max_frames
    if online_frames == "third" and longest // 3 < shortest:
        found = f"{key} is third, of at most {longest} frames, and a view has {shortest} at least"
        raise ValueError(f"{found}; take a number from {shortest} to {longest}, or larger sequence.max_frames")
    if isinstance(online_frames, int) and not shortest <= online_frames <= longest:
        raise ValueError(f"{key} is {online_frames}; take {shortest} to {longest}, third or null")


@option_group
class Imbalance:
    """What is done about classes of unequal size.

    A class of N objects is drawn in proportion to N^(1 - sampling), and each of its objects weighs N^-weighting in the
    cross-entropy. Where the two exponents add up to 1, all classes count the same.

    Parameters
    ----------
    sampling, weighting : float
        Exponents in [0, 1].
    focal : float
        Exponent gamma of the focal loss: (1 - p)^gamma multiplies the cross-entropy of an object whose class has the
        probability p; 0 is the cross-entropy itself.
    adjustment : float
        tau of logit adjustment (Menon et al. 2021): the loss sees the logits f + tau log(shares), with the shares of
        the classes in the loss. At 1 it is balanced softmax (Ren et al. 2020), and f are the logits at equal shares.
    """

    sampling: Weight = 0.0
    weighting: Weight = 0.0
    focal: NonNegativeFloat = 0.0
    adjustment: Annotated[Weight, ADDED] = 0.0


@option_group
class OptimiserOptions:
    """How a network is trained.

    Parameters
    ----------
    learning_rate : float
        Its largest value (paper: 2e-3).
    weight_decay : float
        (published code: 0.1339, of AdamW).
    decay_norms_and_biases : bool
        Whether norms and biases decay too (the paper's way).
    amsgrad : bool
        The variant of AdamW and Adam (published code: true).
    warm_up : float
        Share of the steps in which the learning rate rises linearly, of all that the stage may have.
    clip : float, optional
        Largest norm of the gradient.
    kind : "adamw", "adam" or "sgd"
        AdamW (paper), Adam, or stochastic gradient descent with momentum. The weight decay of the last two is added
        to the gradient.
    momentum : float
        Of sgd.
    schedule : "cosine" or "constant"
        What follows the rise: a cosine to zero at the end of all training epochs that a stage may have, or the largest
        value throughout.
    """

    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 0.1339
    decay_norms_and_biases: bool = False
    amsgrad: bool = True
    warm_up: PartialShare = 0.1
    clip: PositiveFloat | None = 1.0
    kind: Annotated[Literal["adamw", "adam", "sgd"], ADDED] = "adamw"
    momentum: Annotated[PartialShare, ADDED] = 0.9
    schedule: Annotated[Schedule, ADDED] = "cosine"


@option_group
class TaskOptions:
    """What is learned of each object; a task of one's own may extend these options, see `register_task`."""

    kind: Annotated[str, ADDED | SHAPES] = "classes"


@option_group
class ShiftOptions:
    """What is done where the objects to be predicted are unlike those with a redshift; see `ictconvention/runs/shift`.

    Parameters
    ----------
    kind : "none", "weights", "latent_knn", "strata" or "adversarial"
        Nothing; weights of objects in the loss; redshifts of the nearest objects in the network's features in the place
        of its own PDF; one of five strata of objects about as likely to be predicted, which the run learns and tests
        alone; or features by which a head in training cannot tell the two kinds of objects, see `DomainHead`.
    clip : float
        Of "weights": the largest ratio of the densities.
    stratum : int, optional
        Of "strata": which, from 0, the least likely to be predicted.
    strength : float
        Of "adversarial": the factor of the reversed gradient at the end of the last stage; it rises from 0.

    Raises
    ------
    ValueError
        A stratum is not given for "strata", or given for another kind.
    """

    kind: Annotated[Answer, ADDED] = "none"
    clip: Annotated[Annotated[float, Field(ge=1)], ADDED] = 20.0
    stratum: Annotated[Annotated[int, Field(ge=0, lt=STRATA)] | None, ADDED] = None
    strength: Annotated[NonNegativeFloat, ADDED] = 1.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.kind == "strata") != (self.stratum is not None):
            found = f"shift.kind is {self.kind}, and shift.stratum {'null' if self.stratum is None else self.stratum}"
            each = f"take shift=strata with shift.stratum=0 to {STRATA - 1}, each a run of its own (all: {ALL_STRATA})"
            raise ValueError(f"{found}; {each}, or neither")
        return self
