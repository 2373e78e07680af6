"""What the study compares, all in one place: forms of learning from two views, and their controls. Knows no results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ONE_VIEW = "one view"
LITERAL, TWO_VIEWS, DISTILLED = "ICT as published", "two views", "one view, distilled of 3"
ICT = ("learner=ict",)
ONE = (*ICT, "views.count=1")
GUARDED = (
    *ICT,
    "learner.projection=trunk",
    "learner.predictor=true",
    "learner.variance=1",
    "learner.tau_schedule=cosine",
)
RAMP = ("learner.ramp=0.5",)
TEACHER = (*ICT, "learner.consistency_on=probabilities", *RAMP)
TOKENS = ("views.count=1", "learner.token_subsets=3", "learner.token_share=0.5")
SURE, ADAPTIVE = (
    ("learner.consistency_on=labels", "learner.threshold=0.95"),
    (
        "learner.consistency_on=labels",
        "learner.threshold=adaptive",
    ),
)
APART = ("learner.compared_objects=unlabelled",)
ENSEMBLE = (*ONE, "learner.consistency_on=probabilities", "learner.memory=ensemble", *RAMP)
MATES = (*ICT, "learner.projection=trunk", "learner.consistency_on=class_mates")
BALANCED = ("imbalance.sampling=0", "imbalance.adjustment=1")


@dataclass(frozen=True)
class Arm:
    """A form of learning.

    Parameters
    ----------
    name : str
        Its name in tables.
    words : sequence of str
        Overrides of its runs.
    unlabelled : bool
        Whether it can learn of objects without a label; see `takes_unlabelled`.
    relabelled : bool
        Whether it asks for a survey that has both labels of some objects.
    only : sequence of str
        Regimes that it is for; by default those of its stage.
    costs : str, optional
        The arm whose cost it has, since it computes the same of an object; by default its own.
    teachers : int
        How many runs of one view, of as many seeds, teach it: they are trained first, and their cost is among its own.
    """

    name: str
    words: Sequence[str]
    unlabelled: bool = False
    relabelled: bool = False
    only: Sequence[str] = ()
    costs: str | None = None
    teachers: int = 0

    @property
    def file(self) -> str:
        """Its name in names of files and runs."""
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)


FORMS = (
    Arm(ONE_VIEW, ["learner=supervised"]),
    Arm("one view, heads of ICT", [*ONE, "learner.consistency=0"]),
    Arm(TWO_VIEWS, [*ICT, "learner.consistency=0"]),
    Arm(LITERAL, ICT, unlabelled=True),
    Arm("guarded, weight 0.1", [*GUARDED, *RAMP, "learner.consistency=0.1"], unlabelled=True),
    Arm("guarded, weight 1", [*GUARDED, *RAMP, "learner.consistency=1"], unlabelled=True, costs="guarded, weight 0.1"),
    Arm("guarded, third views", [*GUARDED, *RAMP, "views.online_frames=third"], unlabelled=True),
    Arm("mean teacher", TEACHER, unlabelled=True),
    Arm("mean teacher, unlabelled only", [*TEACHER, *APART], unlabelled=True, costs="mean teacher"),
    Arm("token views", [*ICT, *TOKENS, "learner.consistency=0"]),
    Arm("token views, mean teacher", [*TEACHER, *TOKENS], unlabelled=True),
    Arm("token views, guarded", [*GUARDED, *RAMP, *TOKENS, "learner.consistency=0.1"], unlabelled=True),
    Arm("sure labels", [*ICT, *SURE, *RAMP, *APART], unlabelled=True, costs="mean teacher"),
    Arm(
        "token views, sure labels by class",
        [*ICT, *TOKENS, *ADAPTIVE, *RAMP, *APART],
        unlabelled=True,
        costs="token views, mean teacher",
    ),
    Arm("temporal ensemble", ENSEMBLE, unlabelled=True),
    Arm(
        "early learning",
        [
            *ONE,
            *("learner.consistency_on=probabilities", "learner.memory=early", "learner.memory_past=0.7"),
            "learner.consistency=3",
        ],
    ),
    Arm("class mates", MATES),
    Arm("balanced softmax", ["learner=supervised", *BALANCED], costs=ONE_VIEW),
    Arm("two views, balanced softmax", [*ICT, "learner.consistency=0", *BALANCED], costs=TWO_VIEWS),
    *(  # asked for after the first two pairs, of the forms that were not behind, where balanced softmax was ahead
        Arm(f"{name}, balanced softmax", [*words, *BALANCED], unlabelled, only=["labels 1/20"], costs=name)
        for name, words, unlabelled in (
            ("temporal ensemble", ENSEMBLE, True),
            ("class mates", MATES, False),
            ("token views", [*ICT, *TOKENS, "learner.consistency=0"], False),
        )
    ),
    Arm(
        "referee of labels",
        [*ONE, "learner.consistency=0", "learner.weak_labels=referee"],
        relabelled=True,
        only=["short", "noise 0", "noise 1", "noise 2"],
    ),
    Arm(
        "forward correction",
        [*ONE, "learner.consistency=0", "learner.weak_labels=forward"],
        relabelled=True,
        only=["short", "noise 0", "noise 1", "noise 2"],
    ),
)
IMBALANCE = (
    Arm(ONE_VIEW, ["learner=supervised"]),
    *(
        Arm(f"one view, imbalance {name}", ["learner=supervised", f"imbalance={name}"], costs=ONE_VIEW)
        for name in ("none", "weighted", "both", "focal")
    ),
)
# Seeds share a split in these regimes; where they draw labels, one would train on what another validates on.
MEANS = (Arm(DISTILLED, ["learner=supervised"], only=["short", "saturated"], costs=ONE_VIEW, teachers=3),)
ARMS: Mapping[str, Arm] = {arm.name: arm for arm in (*FORMS, *IMBALANCE, *MEANS)}
