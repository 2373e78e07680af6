"""What finished networks say of each object, learned beside its label. Knows no run: it is given probabilities."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Teacher(nn.Module):
    """Distillation (Hinton, Vinyals & Dean 2015, arXiv:1503.02531): the probabilities of a teacher as a second label.

    With the teacher's probabilities t of an object, the student's s of the logits that the loss sees (both at the
    shares of the classes in the loss), and the weights v of the classes, the loss of a batch is

        (1 - w) eq. 2 + w T^2 mean_i v_i sum_c t_ic(T) log(t_ic(T) / s_ic(T)),    p_c(T) ~ p_c^(1 / T),

    with v_i = 1 / sum_c (t_ic / v_c), what an object weighs that is of class c with a probability of t_ic there. Its
    gradient vanishes at s = t. A teacher that is sure of the label says what eq. 2 does. Objects without a label have
    the second term alone.

    An object is known by its position in the survey. What is kept are no weights: no checkpoint has it, and a stage
    that resumes is given it anew.

    Parameters
    ----------
    probabilities : array (n, classes)
        t of each object of the survey, rows that sum to 1; NaN for objects that are not taught.
    class_weights : array (classes,)
        v, whose mean over the objects with a label that a training epoch draws is 1.
    weight : float
        w, in [0, 1].
    temperature : float
        T, above 0.

    Examples
    --------
    >>> teacher = Teacher(np.array([[0.75, 0.25]]), np.ones(2), weight=1.0)
    >>> same, other = torch.tensor([[0.75, 0.25]]).log(), torch.zeros(1, 2)
    >>> [round(float(teacher(logits, torch.tensor([0]))), 3) for logits in (same, other)]
    [0.0, 0.131]
    """

    def __init__(
        self,
        probabilities: NDArray[np.floating],
        class_weights: NDArray[np.floating],
        weight: float,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight, self.temperature = weight, temperature
        with np.errstate(divide="ignore"):
            inverse = np.where(class_weights > 0, 1 / class_weights, 0)  # a class without an object has t = 0
            logs = np.log(probabilities)
        self.logs: Tensor
        self.weighs: Tensor
        self.register_buffer("logs", torch.from_numpy(logs).float(), persistent=False)
        self.register_buffer("weighs", torch.from_numpy(1 / (probabilities @ inverse)).float(), persistent=False)

    def forward(self, logits: Tensor, index: Tensor) -> Tensor:
        """Return the second term of each object (B,), not yet times w.

        Parameters
        ----------
        logits : tensor (B, classes)
            The student's, as the loss sees them.
        index : integer tensor (B,)
            Positions of the objects in the survey.
        """
        teacher, student = ((x / self.temperature).log_softmax(1) for x in (self.logs[index], logits.float()))
        expected = teacher.exp()
        divergence = torch.where(expected == 0, 0, expected * (teacher - student)).sum(1)
        return self.temperature**2 * self.weighs[index] * divergence
