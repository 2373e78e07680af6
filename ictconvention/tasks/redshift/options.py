"""The options of `task=redshift`."""

from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ictconvention.configuration.identity import SHAPES
from ictconvention.configuration.options import TaskOptions, option_group


@option_group
class BinOptions:
    """The bins of the PDF, of equal width.

    Parameters
    ----------
    low, high : float
        Edges of the first and the last; high None: of the survey, see `redshift.bins.make_edges`.
    number : int
        How many.
    """

    low: NonNegativeFloat = 0.0
    high: PositiveFloat | None = None
    number: Annotated[Annotated[int, Field(ge=2, le=5000)], SHAPES] = 60

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.high is not None and self.high <= self.low:
            raise ValueError(f"task.bins.high is {self.high:g}; take one above task.bins.low, {self.low:g}")
        return self


@option_group
class RedshiftOptions(TaskOptions):
    """What is learned of redshifts.

    Parameters
    ----------
    bins : BinOptions
        The bins of the PDF.
    labels : "hard" or "soft"
        Whether a label is the bin of a redshift, or a Gaussian around it.
    softness : float, optional
        Standard deviation of the Gaussian, times 1 + z; by default one bin.
    loss : "cross_entropy", "crps" or "regression"
        What is least where the PDF is right.
    """

    bins: BinOptions = field(default_factory=BinOptions)
    labels: Literal["hard", "soft"] = "hard"
    softness: PositiveFloat | None = None
    loss: Annotated[Literal["cross_entropy", "crps", "regression"], SHAPES] = "cross_entropy"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.labels == "soft" and self.loss != "cross_entropy":
            raise ValueError(f"task.labels is soft, and task.loss={self.loss} has no labels; take task.labels=hard")
        if self.softness is not None and self.labels == "hard":
            raise ValueError("task.softness is set, and hard labels have none; take task.labels=soft")
        return self
