"""Which form of the comparison the options of ICT ask for."""

from torch import Tensor

from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.learning.forms.class_mates import ClassMates
from ictconvention.learning.forms.form import Form
from ictconvention.learning.forms.hard_labels import HardLabels
from ictconvention.learning.forms.memory import EarlyLearning, TemporalEnsemble


def make_form(options: ICTOptions, class_weights: Tensor) -> Form | None:
    """Return the form that options ask for; None for eq. 1 and for the divergence of probabilities."""
    match options.consistency_on, options.memory:
        case "labels", _:
            return HardLabels(len(class_weights), options.threshold)
        case "class_mates", _:
            return ClassMates(class_weights, options.temperature)
        case _, "ensemble":
            return TemporalEnsemble(len(class_weights), options.memory_past)
        case _, "early":
            return EarlyLearning(len(class_weights), options.memory_past)
    return None
