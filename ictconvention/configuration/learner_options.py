"""The options of a learner: what ICT compares, how its target follows, and who teaches."""

from typing import Annotated, Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from ictconvention.configuration.identity import ADDED, CONTENT, PLACE, SHAPES
from ictconvention.configuration.options import PartialShare, Share, Weight, option_group

TargetNorms = Literal["batch", "running"]
Compared = Literal["projection", "probabilities", "labels", "class_mates"]
Memory = Literal["none", "ensemble", "early"]
WeakLabels = Literal["given", "referee", "forward"]
Projection = Literal["separate", "shared", "trunk"]
Head = Literal["projection", "classes"]
HEARD, PLAIN = 0.9, 1.0  # share of the loss that a teacher has, and its temperature, unless they are asked for
OF_CLASSES: tuple[Compared, ...] = ("labels", "class_mates")  # comparisons that ask for the class of an object


@option_group
class ICTOptions:
    """What ICT compares, and how its target follows. The defaults are the paper's.

    Parameters
    ----------
    tau : float
        Weight of the target's past, in [0, 1].
    tau_schedule : str
        How it changes with the optimiser step: "constant", "cosine", which ends at 1, or a function of one's own, see
        `register_tau_schedule`.
    classification, consistency : float
        Weights of eq. 2 and of eq. 1 in eq. 3. Without consistency there is no target network: cross-entropy on two
        views.
    consistency_on : "projection", "probabilities", "labels" or "class_mates"
        Compare normalised projections (eq. 1); or class probabilities by their divergence, as a mean teacher does; or
        let the target's likeliest class be the label where it is sure, see `HardLabels`; or compare projections with
        those of the same class, see `ClassMates`.
    ramp : float
        Share of the steps of a stage in which the weight of the consistency rises from 0, see `ramp_at`.
    compared_objects : "all" or "unlabelled"
        Whether objects with a label are compared too.
    threshold : float or "adaptive"
        Probability from which the target's class is a label, or one for each class that follows the target.
    temperature : float
        By which the cosines of class mates are divided.
    memory : "none", "ensemble" or "early"
        Compare probabilities with those that the object had in passes before, in the place of a target network's:
        temporal ensembling, or early-learning regularisation; see `Memory`.
    memory_past : float
        Weight of the past in the memory, each time that the object comes.
    weak_labels : "given", "referee" or "forward"
        Photometric labels are learned as they are; as the target network and the noise of labels judge them; or as
        what the noise makes of the network's probabilities: see `weak_labels`.
    token_subsets : int
        Random subsets of the tokens of one view that take the place of views, see `draw_subsets`; 0 for none.
    token_share : float
        Share of the tokens of an object in each of them.
    projection : "separate", "shared" or "trunk"
        Which layers the two heads share, see `Online`.
    predictor : bool
        BYOL's predictor after the online projection.
    variance : float
        Weight of a floor on the spread of the projections.
    unlabelled : bool
        Let objects without a class join the consistency term of pre-training.
    target_norms : "batch" or "running"
        Statistics of the target's batch norms.
    target_dropout : bool
        Whether the target drops at random.
    flux : float
        Weight of an auxiliary head that learns the measured flux of each band, see `FluxHead`; in every stage.

    Raises
    ------
    ValueError
        A number is out of range, or two options exclude each other.

    Examples
    --------
    >>> ict.ICTOptions(tau=0.9, predictor=True).compared
    'projection'
    """

    tau: Weight = 0.99
    tau_schedule: str = "constant"
    classification: NonNegativeFloat = 1.0  # 0 in a stage before the last alone: nothing else trains what predicts
    consistency: NonNegativeFloat = 1.0
    consistency_on: Annotated[Compared, SHAPES] = "projection"
    projection: Annotated[Projection, SHAPES] = "separate"
    predictor: Annotated[bool, SHAPES] = False
    variance: NonNegativeFloat = 0.0
    unlabelled: bool = False
    target_norms: TargetNorms = "batch"
    target_dropout: bool = False
    flux: Annotated[NonNegativeFloat, ADDED] = 0.0
    ramp: Annotated[Weight, ADDED] = 0.0
    compared_objects: Annotated[Literal["all", "unlabelled"], ADDED] = "all"
    threshold: Annotated[Share | Literal["adaptive"], ADDED] = 0.95
    temperature: Annotated[PositiveFloat, ADDED] = 0.1
    memory: Annotated[Memory, ADDED | SHAPES] = "none"
    memory_past: Annotated[PartialShare, ADDED] = 0.6
    weak_labels: Annotated[WeakLabels, ADDED | SHAPES] = "given"
    token_subsets: Annotated[NonNegativeInt, ADDED] = 0
    token_share: Annotated[Share, ADDED] = 0.5

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_forms()
        if self.unlabelled and not self.consistency:
            raise ValueError("learner.unlabelled adds objects to the consistency term; set learner.consistency above 0")
        if not self.projects and (self.predictor or self.variance):
            found = "learner.predictor and learner.variance act on projections, and nothing projects"
            raise ValueError(f"{found}; leave them, or set learner.consistency and consistency_on=projection")
        return self

    def _check_forms(self) -> None:
        """Refuse forms of the consistency that exclude each other, or that nothing feeds."""
        if self.token_subsets == 1:
            raise ValueError(
                "learner.token_subsets is 1, and one subset is compared with nothing; take 2 or more, or 0"
            )
        if self.compared_objects == "unlabelled" and not self.unlabelled:
            found = "learner.compared_objects is unlabelled, and no object without a class trains"
            raise ValueError(f"{found}; set learner.unlabelled=true, or learner.compared_objects=all")
        if self.compared_objects == "unlabelled" and self.consistency_on == "class_mates":
            found = "learner.consistency_on is class_mates, and objects without a class have no mates"
            raise ValueError(f"{found}; set learner.compared_objects=all")
        if self.memory != "none" and (self.consistency_on != "probabilities" or not self.consistency):
            found = f"learner.memory is {self.memory}, which keeps probabilities to compare with"
            raise ValueError(f"{found}; set learner.consistency_on=probabilities, and learner.consistency above 0")
        if self.weak_labels == "referee" and self.memory == "none" and self.consistency and self.compared != "classes":
            found = "learner.weak_labels is referee, which asks the target network for classes, and it projects"
            raise ValueError(f"{found}; set learner.consistency_on=probabilities, or learner.consistency=0")
        if self.weak_labels == "referee" and self.memory != "none":
            found = f"learner.weak_labels is referee, which asks the target network, and memory={self.memory} has none"
            raise ValueError(f"{found}; set learner.memory=none, or learner.weak_labels=forward")

    @property
    def projects(self) -> bool:
        """Whether the networks have projections to compare."""
        return self.consistency > 0 and self.consistency_on in ("projection", "class_mates")

    @property
    def compared(self) -> Head:
        """The head that the target network has."""
        judges = self.weak_labels == "referee"
        return "projection" if self.projects or (self.consistency_on == "projection" and not judges) else "classes"

    @property
    def compares_views(self) -> bool:
        """Whether a view is compared with another one."""
        return self.consistency > 0 and self.memory == "none"

    @property
    def follows(self) -> bool:
        """Whether there is a target network."""
        return self.weak_labels == "referee" or self.compares_views


@option_group
class LearnerOptions(ICTOptions):
    """Which learner, and who teaches it; all others are ICT's.

    Parameters
    ----------
    kind : "supervised" or "ict"
        Which learner.
    teacher : str or sequence of str, optional
        Finished runs, or sweeps of such, whose mean the network learns beside the labels, see `Teacher`.
    teacher_weight : float
        Share w of the loss that the teacher has, in [0, 1]; the labels have 1 - w.
    teacher_temperature : float
        T, by which the logits of both are divided before they are compared.

    Raises
    ------
    ValueError
        A teacher has nothing to say, or something asks for one that is not there.
    """

    kind: Annotated[Literal["supervised", "ict"], SHAPES] = "ict"
    teacher: Annotated[str | tuple[str, ...] | None, CONTENT | PLACE | ADDED] = None
    teacher_weight: Annotated[Weight, ADDED] = HEARD
    teacher_temperature: Annotated[PositiveFloat, ADDED] = PLAIN

    @property
    def teachers(self) -> tuple[str, ...]:
        """The runs and sweeps that teach; none where the labels alone do."""
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher or ()

    @model_validator(mode="after")
    def _check_teacher(self) -> Self:
        if self.teacher is not None and not self.teachers:
            raise ValueError("learner.teacher is an empty list; name a finished run, or leave it out")
        asked = {"weight": self.teacher_weight != HEARD, "temperature": self.teacher_temperature != PLAIN}
        if self.teacher is None and (given := [name for name, other in asked.items() if other]):
            found = f"learner.teacher_{given[0]} is {getattr(self, f'teacher_{given[0]}'):g}, and there is no teacher"
            raise ValueError(f"{found}; name a finished run in learner.teacher, or leave it out")
        if self.kind == "supervised" and self.unlabelled and not (self.teachers and self.teacher_weight):
            found = "learner.unlabelled is true, and of objects without a label nothing is said in supervised learning"
            raise ValueError(f"{found}; choose learner=ict, or give a learner.teacher with a weight")
        if self.teacher is not None and self.weak_labels != "given":
            found = f"learner.weak_labels is {self.weak_labels}, which moves labels, and learner.teacher moves them too"
            raise ValueError(f"{found}; set learner.weak_labels=given, or leave out learner.teacher")
        return self
