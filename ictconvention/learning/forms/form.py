"""What a form of the consistency is: how an output of the online network is compared, and what it remembers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from ictconvention.feeding.batch import SeriesBatch


class Form(nn.Module, ABC):
    """A way to compare, whose buffers are what it remembers of a stage.

    They are not among the weights, and begin anew in each stage; a checkpoint has them beside the weights, so that a
    resumed stage goes on with them. No gradient goes through them.
    """

    @abstractmethod
    def forward(self, own: Tensor, other: Tensor | None, batch: SeriesBatch) -> Tensor:
        """Return what the consistency is of each output (n,).

        Parameters
        ----------
        own : tensor (n, D)
            Predictions of the online network, or its logits.
        other : tensor (n, D), optional
            What the target network says of the same objects, if there is one.
        batch : SeriesBatch
            Whose `label` and `index` (n,) are those of these outputs.
        """

    def remembered(self) -> dict[str, Tensor]:
        """Return the buffers by name."""
        return dict(self.named_buffers())

    def restore(self, remembered: Mapping[str, Tensor]) -> None:
        """Take the buffers of a checkpoint, of whatever size."""
        for name, value in remembered.items():
            setattr(self, name, value.clone())
