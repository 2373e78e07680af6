"""What predicts of a learner, on padded arrays of raw flux: scaling, network and calibration as one module to export.

Fluxes go in as a survey has them; what the task makes of calibrated logits comes out. Knows neither runs nor files.
"""

import torch
from torch import Tensor, nn

from ictconvention.learning.learner import Learner, input_shape


class Exportable(nn.Module):
    """A trained network on padded arrays of raw flux; each object has at least one step.

    Parameters
    ----------
    learner : Learner
        With the trained weights, which are shared.
    temperature : float
        That divides the logits.
    shift : tensor (classes,)
        Added to them then: from the class shares of the training to natural ones.
    """

    def __init__(self, learner: Learner, temperature: float, shift: Tensor) -> None:
        super().__init__()
        self.inputs, self.network, self.temperature = learner.inputs, learner.predictor, temperature
        self.shape, self.task = input_shape(learner.spec), learner.task
        self.names = list(self.sequences(1, torch.Generator()))
        self.shift: Tensor
        self.register_buffer("shift", shift.float())

    def forward(self, *arrays: Tensor, **named: Tensor) -> dict[str, Tensor]:
        """Return the outputs that the task gives, such as `probability` (B, classes) at natural class shares.

        The arrays are those of `inputs.padded`, in its order or by name.
        """
        named = dict(zip(self.names, arrays, strict=False)) | named  # one that the network is not fed has no place
        outputs = self.network.forward_padded(*self.inputs.padded(**named))
        return self.calibrated(outputs, self.inputs.pixels_with_data(**named))

    def calibrated(self, outputs: Tensor, there: Tensor | None = None) -> dict[str, Tensor]:
        """Return what the task makes of the network's outputs (B, outputs), or (B, classes, H, W) of pixels there."""
        return self.task.exported(self.task.logits(outputs), self.temperature, self.shift, there)

    def sequences(self, objects: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return random sequences of some objects, unequally long and with gaps: the arguments of `forward` by name."""
        return self.inputs.random_arrays(self.shape, objects, generator)
