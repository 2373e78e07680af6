"""The jobs of the study: networks and a forest, on frames alone and with photometry beside them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import ictconvention as ict
from ictconvention.api.keywords import overrides_of
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import CONTENT, LABEL, PLACE, leave_out, leave_out_added
from ictconvention.configuration.options import WhichPoints

MODELS = ("frame_transformer", "light_curve_transformer")
FOREST = "forest"
BESIDE = "light_curve_transformer"  # the forest is trained beside its run of seed 0; it sees the same beside any
SURVEY = {"objects": 3000, "extra_test": 1600, "stream": "alerts"}
EPOCHS = 4  # training epochs of each of the two stages


@dataclass(frozen=True)
class Arm:
    """What is seen beside the frames, and how many times the passes of the others are trained."""

    title: str
    photometry: WhichPoints
    passes: float = 1.0


ARMS: Mapping[str, Arm] = {
    "frames": Arm("frames alone", False),
    "longer": Arm("frames alone, twice the passes", False, 2.0),
    "between": Arm("photometry between them", True),
    "all": Arm("all photometry", "all"),
}


@dataclass(frozen=True)
class Job:
    """A network of a seed, or the forest, of an arm."""

    row: str
    arm: str
    seed: int

    @property
    def name(self) -> str:
        """Its name, of its result's file."""
        return f"{self.row}-{self.arm}-{self.seed}"

    @property
    def model(self) -> str:
        """The network that is trained, or beside which the forest is."""
        return BESIDE if self.row == FOREST else self.row

    def keywords(self, epochs: int) -> dict[str, Any]:
        """Return the arguments of `ict.train` that make its run: the last training epoch is kept."""
        arm = ARMS[self.arm]
        stage = {"max_epochs": round(arm.passes * epochs), "keep": "last"}
        return {
            "experiment": f"{self.model}_sdss",
            "profile": "laptop_all_frames",
            "name": "photometry",
            "survey": SURVEY,
            "sequence": {"max_frames": 60, "photometry": arm.photometry},
            "stage": {"pretrain": stage, "finetune": stage},
            "seed": self.seed,
            "figures": False,
        }

    def setting(self, epochs: int) -> str:
        """Return the hash of all that makes its run beside names and folders."""
        from ictconvention.runs.assembly.run_hash import digest

        keywords = self.keywords(epochs)
        experiment, survey = keywords.pop("experiment"), keywords.pop("survey")
        options = compose_run(overrides_of(experiment, survey, None, keywords))
        return digest(leave_out_added(leave_out(asdict(options), options, LABEL | PLACE | CONTENT), options))

    def train(self, runs: str, surveys: str, epochs: int) -> ict.Run:
        """Train its network; what is finished is not trained again."""
        return ict.train(**self.keywords(epochs), runs=runs, surveys=surveys)


def jobs_of(rows: tuple[str, ...], arms: tuple[str, ...], seeds: int) -> list[Job]:
    """Return the jobs of some rows and arms, seed by seed; a forest has one, and no passes."""
    return [
        Job(row, arm, seed)
        for row in rows
        for seed in range(1 if row == FOREST else seeds)
        for arm in arms
        if row != FOREST or ARMS[arm].passes == 1
    ]
