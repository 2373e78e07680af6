"""The jobs of the study: which arm, in which regime, on which pair of fold and seed, and how long each is trained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from experiments.ict.arms import APART, ARMS, DISTILLED, FORMS, IMBALANCE, LITERAL, ONE_VIEW, TWO_VIEWS, Arm
from experiments.ict.regimes import REGIMES, SATURATED, SHORT, TWENTIETH, Regime

FOLDS = 5
NOISE, RARE = ("noise 0", "noise 1", "noise 2"), (SHORT, "rare 36", "rare 18")  # SHORT has all 72
FRAMES = 24
EXTRA_TEST = 6400
EVERY = [  # of all runs
    *("experiment=frame_transformer_sdss", "profile=laptop_all_frames", f"sequence.max_frames={FRAMES}"),
    *("figures=false", "trainer.precision=32-true"),
]


@dataclass(frozen=True)
class Job:
    """One run."""

    regime: str
    arm: str
    survey: int
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Its name, of its result's file and of its run."""
        return f"{REGIMES[self.regime].file}-{ARMS[self.arm].file}-survey{self.survey}-fold{self.fold}-seed{self.seed}"


@dataclass(frozen=True)
class Stage:
    """Jobs that are run by one command.

    Parameters
    ----------
    regimes, arms : sequences of str
        What is compared where; of the arms, the first is the reference.
    pairs : int
        Pairs of fold and seed.
    survey : int
        Seed of the survey.
    folds : int
        Folds of the pairs, the seeds after them.
    """

    regimes: Sequence[str]
    arms: Sequence[str]
    pairs: int
    survey: int = 0
    folds: int = FOLDS

    def jobs(self, first: int, last: int) -> list[Job]:
        """Return the jobs of some of its pairs, pair by pair, so that an interruption leaves whole pairs."""
        pairs = [(pair % self.folds, pair // self.folds) for pair in range(first, min(last, self.pairs))]
        return [
            Job(regime, arm, self.survey, *pair)
            for pair, regime, arm in product(pairs, self.regimes, self.arms)
            if fits(ARMS[arm], regime)
        ]


def fits(arm: Arm, regime: str) -> bool:
    """Return whether an arm is for a regime: one of photometric labels needs some."""
    return not arm.only or regime in arm.only


def teachers_of(job: Job) -> list[Job]:
    """Return the jobs whose runs teach that of a job: one view, on the same fold, of the first seeds."""
    return [replace(job, arm=ONE_VIEW, seed=seed) for seed in range(ARMS[job.arm].teachers)]


def takes_unlabelled(arm: Arm, regime: Regime) -> bool:
    """Return whether objects without a label train: where labels are few, or where an arm compares these alone."""
    return arm.unlabelled and (regime.labels < 1 or set(APART) <= set(arm.words))


def stages_of(best: Sequence[str], regime: str) -> Mapping[str, Stage]:
    """Return the stages of the study.

    Parameters
    ----------
    best : sequence of str
        The forms that came out best in the screening.
    regime : str
        Where they did.
    """
    controls = [ONE_VIEW, TWO_VIEWS, LITERAL]
    forms = [*dict.fromkeys([*controls, *best])]
    with_best = [*dict.fromkeys([ONE_VIEW, *best[:1]])]
    return {
        "screen": Stage([SHORT, TWENTIETH], [arm.name for arm in FORMS], 3),
        "confirm": Stage([regime], forms, 15),
        "again": Stage([regime], forms, 15, survey=1),
        "saturated": Stage([SATURATED], forms, 3, folds=1),
        "noise": Stage(NOISE, [*with_best, "mean teacher", "referee of labels", "forward correction"], 5),
        "rare": Stage(RARE, with_best, 5),
        "imbalance": Stage([SHORT], [arm.name for arm in IMBALANCE], 5),
        "labels": Stage(["labels 1/5"], forms, 5),
        "distil": Stage([SHORT], [ONE_VIEW, DISTILLED], 15),
    }


def passes_of(regime: Regime, arm: str, ratios: Mapping[str, float]) -> list[float]:
    """Return how often an arm draws each labelled object in each stage, at the cost of one view.

    An object that it draws costs `ratios[arm]` as much as one of one view; one without a label costs the same.
    """
    ratio, unlabelled = ratios[arm] / ratios[ONE_VIEW], regime.ratio if takes_unlabelled(ARMS[arm], regime) else 0.0
    first, *others = regime.passes  # objects without a label join the first stage alone
    return [first / ratio / (1 + unlabelled), *(passes / ratio for passes in others)]


def words_of(job: Job, ratios: Mapping[str, float], places: Sequence[str]) -> list[str]:
    """Return all overrides of the run of a job.

    Parameters
    ----------
    job : Job
        Whose words they are.
    ratios : mapping of str to float
        Measured cost of an object that each arm draws.
    places : sequence of str
        Survey, folders, the file of the split, and what the user asks for.
    """
    regime, arm = REGIMES[job.regime], ARMS[job.arm]
    words = [*EVERY, *arm.words, f"fold.index={job.fold}", f"seed={job.seed}", f"name=ict-{job.name}"]
    return [*words, *_lengths(regime, arm, ratios), *places]


def survey_words(seed: int, size: int | None) -> list[str]:
    """Return the overrides of the simulated survey of a seed; `size` is the labelled objects of a small one."""
    if size is None:
        return [f"survey.seed={seed}", f"survey.extra_test={EXTRA_TEST}"]
    return [f"survey.seed={seed}", f"survey.objects={size}", f"survey.extra_test={size // 4}"]


def _lengths(regime: Regime, arm: Arm, ratios: Mapping[str, float]) -> Iterator[str]:
    """Yield how long each stage is: whole training epochs, all of one length that gives the passes exactly."""
    passes = passes_of(regime, arm.name, ratios)
    one_view = regime.passes[0] / regime.epochs  # of a training epoch
    epochs = [max(1, round(own / one_view)) for own in passes]
    yield from (f"stage.{stage}.max_epochs=0" for stage in ("pretrain", "finetune")[len(epochs) :])
    for stage, number, own in zip(("pretrain", "finetune"), epochs, passes, strict=False):
        yield f"stage.{stage}.max_epochs={number}"
        yield f"stage.{stage}.keep={regime.keep}"
        yield f"stage.{stage}.draws={own / number:.6g}"
    if takes_unlabelled(arm, regime):
        yield "learner.unlabelled=true"
        yield f"sampler.unlabelled={regime.ratio:g}"
