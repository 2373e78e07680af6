"""The options of `task=mask`."""

from typing import Annotated, Literal, Self

from pydantic import NonNegativeFloat, model_validator

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import TaskOptions, option_group

Shares = Literal["mask", "direct", "both"]
Estimate = Literal["calibrated", "mean", "argmax"]


@option_group
class MaskOptions(TaskOptions):
    """What is learned of masks.

    Parameters
    ----------
    shares : "mask", "direct" or "both"
        What trains: the class of each pixel; the shares of the classes at once, without a mask; or the classes of
        pixels and the shares that they come to.
    share_weight : float
        With "both": the weight of the divergence of the shares beside the cross-entropy of the pixels.
    estimate : "calibrated", "mean" or "argmax"
        Which shares are predicted: means of the probabilities of the pixels, calibrated on the validation part, or as
        they are; or how often each class is the likeliest of a pixel.
    """

    shares: Annotated[Shares, SHAPES] = "mask"
    share_weight: NonNegativeFloat = 1.0
    estimate: Estimate = "calibrated"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.shares == "direct" and self.estimate == "argmax":
            raise ValueError("task.estimate is argmax, of pixels, and task.shares=direct gives none; take calibrated")
        if self.shares != "both" and self.share_weight != 1.0:
            raise ValueError(f"task.share_weight is set, and task.shares={self.shares} has one loss; take both")
        return self
