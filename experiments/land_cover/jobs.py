"""What the study trains, all in one place: scenarios, strategies, few masks, rows without a network, sizes, seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ictconvention.configuration.overrides import override

REFERENCE = "reference"
UNET = ["model=unet", "learner=supervised"]
TURNED = ["augmentation.quarter_turns=true", "augmentation.flips=true"]
SCENARIOS: Mapping[str, list[str]] = {  # of the published text: each changes one thing of the reference
    REFERENCE: UNET,
    "fewer filters": UNET,
    "fewer layers": UNET,
    "class weights": [*UNET, "imbalance.weighting=1"],
    "flips and turns": [*UNET, *TURNED],
}
BENCHMARK = "benchmark network"
STRATEGIES: Mapping[str, list[str]] = {  # the rest of the text: the challenge's network, and other ways to the shares
    BENCHMARK: ["model=unet_preligens", "learner=supervised"],
    "shares at once": [*UNET, "task.shares=direct"],
    "mask and shares": [*UNET, "task.shares=both"],
}
FEW = 4  # one of so many chips has its mask
FEW_SUPERVISED, FEW_ICT = f"flips and turns, 1 mask in {FEW}", f"ICT, 1 mask in {FEW}"
ICT = ["model=unet", "learner=ict", "learner.unlabelled=true", "learner.consistency_on=probabilities", *TURNED]
FEW_MASKS: Mapping[str, list[str]] = {FEW_SUPERVISED: [*UNET, *TURNED], FEW_ICT: ICT}
NETWORKS: Mapping[str, list[str]] = {**SCENARIOS, **STRATEGIES, **FEW_MASKS}
FOREST, CONSTANT, UNIFORM = "forest on single pixels", "constant mean", "equal shares"
BASELINES = (FOREST, CONSTANT, UNIFORM)
MEMBERS = 3
ENSEMBLE = f"ensemble of {MEMBERS} references"  # made of their results
ROWS = (*SCENARIOS, ENSEMBLE, *STRATEGIES, *FEW_MASKS, *BASELINES)
OF_SEED_ONE = (CONSTANT, UNIFORM)  # rows that draw nothing


@dataclass(frozen=True)
class Sizes:
    """The sizes of a profile.

    Parameters
    ----------
    filters, layers : int
        Of the reference.
    fewer_filters, fewer_layers : int
        Of the two scenarios that have fewer.
    benchmark : sequence of str
        Overrides of the benchmark network.
    epochs : int
        Training epochs of every row with all masks.
    objects, extra_test, size : int
        Chips to train and validate, chips of other scenes, on which rows are compared, and pixels along a side.
    batch_size : int
        Chips of a batch.
    learning_rate : float
        Largest, of every row; laptop's has the least validation loss of the reference, of 1e-3, 4e-3 and 1e-2.
    seeds : int
        Trainings of each row, without `--seeds`.
    """

    filters: int
    layers: int
    fewer_filters: int
    fewer_layers: int
    benchmark: Sequence[str]
    epochs: int
    objects: int
    extra_test: int
    size: int
    batch_size: int
    learning_rate: float
    seeds: int = 3


SIZES: Mapping[str, Sizes] = {
    "smoke": Sizes(4, 4, 2, 2, ["model.width=0.0625"], 2, 120, 24, 32, 16, 1e-2, seeds=1),
    "laptop": Sizes(8, 6, 3, 2, ["model.width=0.125"], 10, 800, 320, 64, 16, 1e-2),
    "paper": Sizes(64, 8, 24, 4, [], 90, 18000, 2000, 256, 32, 1e-3),
}
# Pixels of reflectance are standardised: none is faint against a dark sky.
EVERY = [
    *("fold=single", "task=mask", "imbalance=none", "augmentation=none", "figures=false"),
    *("sequence.select=nights", "pixels.scaling=standardise", "stage.pretrain.optimiser.kind=adam"),
    *("stage.pretrain.optimiser.weight_decay=0", "stage.pretrain.optimiser.amsgrad=false"),
]


@dataclass(frozen=True)
class Job:
    """One row, and a seed."""

    row: str
    seed: int

    @property
    def name(self) -> str:
        """Its name, of its result's file and of its run."""
        row = "".join(letter if letter.isalnum() else "_" for letter in self.row).replace("__", "_")
        return f"{row}-seed{self.seed}"


def plan_jobs(seeds: int, few_masks: bool = True) -> list[Job]:
    """Return the jobs, seed by seed, so that an interruption leaves whole seeds.

    Parameters
    ----------
    seeds : int
        Trainings of a row.
    few_masks : bool
        Whether the survey can leave out masks: a simulated one.
    """
    rows = [row for row in (*NETWORKS, *BASELINES) if few_masks or row not in FEW_MASKS]
    return [Job(row, seed) for seed in range(seeds) for row in rows if seed == 0 or row not in OF_SEED_ONE]


def architecture_of(profile: str, row: str) -> tuple[int, int] | None:
    """Return the filters and layers of a row's U-Net; None of another network, or of none."""
    sizes = SIZES[profile]
    if row not in NETWORKS or row == BENCHMARK:
        return None
    filters = sizes.fewer_filters if row == "fewer filters" else sizes.filters
    return filters, sizes.fewer_layers if row == "fewer layers" else sizes.layers


def epochs_of(profile: str, row: str) -> int:
    """Return the training epochs of a row, by which all cost the same passes of a chip through a network.

    A pass forward is 1, back 2. With N chips, E epochs of the reference cost 3 N E; of a fourth of the masks, 4 E
    cost the same. ICT has two views of every chip, each 3 and 1 of the target: 3 E / 8 epochs.
    """
    epochs = SIZES[profile].epochs
    if row == FEW_SUPERVISED:
        return FEW * epochs
    return max(1, round(3 * epochs / 8)) if row == FEW_ICT else epochs


def words_of(profile: str, job: Job, survey: str | None, places: Sequence[str]) -> list[str]:
    """Return all overrides of the run of a job; of a row without a network, those of the reference.

    Parameters
    ----------
    profile : str
        Name of the sizes.
    job : Job
        Whose row, name and seed they have.
    survey : str, optional
        Folder of a survey with masks; simulated by default.
    places : sequence of str
        Folders, and what the user asks for.
    """
    sizes = SIZES[profile]
    row = job.row if job.row in NETWORKS else REFERENCE
    words = [*EVERY, *NETWORKS[row], f"trainer.batch_size={sizes.batch_size}"]
    words.append(f"stage.pretrain.optimiser.learning_rate={sizes.learning_rate}")
    if survey is None:
        words += ["survey=scenes", f"survey.objects={sizes.objects}", f"survey.extra_test={sizes.extra_test}"]
        words += [f"survey.size={sizes.size}", f"survey.unlabelled={1 - 1 / FEW if row in FEW_MASKS else 0.0}"]
    else:
        words += ["survey=path", override("survey.path", survey)]
    if (architecture := architecture_of(profile, row)) is not None:
        words += [f"model.filters={architecture[0]}", f"model.layers={architecture[1]}"]
    else:
        words += sizes.benchmark
    words += [f"stage.pretrain.max_epochs={epochs_of(profile, row)}", f"name=land_cover-{job.name}", f"seed={job.seed}"]
    return [*words, *places]
