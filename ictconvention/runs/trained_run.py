"""A finished run, ready to predict: its network with the final weights, and what makes probabilities of its logits."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError, shorten
from ictconvention.evaluation.calibration import Calibration
from ictconvention.feeding.spec import DataSpec
from ictconvention.learning.learner import Learner
from ictconvention.measuring.photometry import photometry_recipe
from ictconvention.networks.parts.scaling import Scaling
from ictconvention.runs.assembly.run_learner import new_learner
from ictconvention.runs.checkpoints import check_weights, load_checkpoint, take_weights
from ictconvention.runs.machine import Precision
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.run_record import names_of, warn_of_changed_code
from ictconvention.tasks.task import Task

NEEDED = ("name", "simulated", "bands", "pixel_scale", "flux_unit")  # of what a result says of its survey


@dataclass(frozen=True)
class TrainedRun:
    """What a finished run has learned. Its survey is not needed.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    options : RunOptions
        Options of the run.
    learner : Learner
        In eval mode, on the CPU, with the final weights.
    precision : "32-true" or "bf16-mixed"
        Precision of the run.
    calibration : Calibration
        What makes predictions of its logits.
    survey : mapping
        What `result.json` says of the survey: name, simulated, hash, origin, bands, pixel_scale, flux_unit.
    split : mapping
        What `split.json` says: `parts`, ids by part, and `classes`, names by id.
    hash : str
        Hash of the run.
    """

    folder: Path
    options: RunOptions
    learner: Learner
    precision: Precision
    calibration: Calibration
    survey: Mapping[str, Any]
    split: Mapping[str, Any]
    hash: str

    @property
    def spec(self) -> DataSpec:
        """What the network was fed."""
        return self.learner.spec

    @property
    def task(self) -> Task:
        """What it has learned."""
        return self.learner.task

    def row(self, outputs: Any) -> NDArray[np.float64]:
        """Return what it predicts by logits (n, classes), or by what its task keeps of them, see `Task.reduce_with`.

        Calibrated probabilities (n, classes), at its own shares.
        """
        return self.task.row(outputs, self.calibration)


def read_trained(folder: str | Path) -> TrainedRun:
    """Read a finished run, by its folder or as `locate_run` takes it; no code that a file may hold is run.

    Raises
    ------
    UsageError
        It is not a folder of a run, not finished, or damaged; its files do not fit together; or its network has learned
        fluxes that are measured otherwise today.
    """
    run = RunFolder(locate_run(folder))
    options = run.read_options()
    weights = run.last_weights()
    checkpoint = load_checkpoint(weights)
    result, split, status = run.read_result(), run.read_split(), run.read_status()
    known = result.get("survey")
    known = known if isinstance(known, dict) else {}
    if absent := [name for name in NEEDED if name not in known]:
        found = f"this result does not say the {shorten(absent)} of its survey"
        raise UsageError(found, run.result, "train the run again by this version", "E-RUN-VERSION")
    try:
        spec = _spec(checkpoint["task"])
        state = checkpoint["state_dict"]
        scales = {f"inputs.scaling.{name}": torch.ones(1) for name in ("offset", "scale")}
        check_weights(scales, checkpoint, weights)  # before anything is made of them
        scaling = Scaling(
            options.pixels.scaling, state["inputs.scaling.offset"].numpy(), state["inputs.scaling.scale"].numpy()
        )
        if spec.photometry:
            _check_photometry(result, known["pixel_scale"], spec.stamp_size, run.result)
        learner = new_learner(options, scaling, spec)
        warn_of_changed_code(options, result, run.result)
        take_weights(learner, checkpoint, weights)
        calibration = Calibration.restore(result, *run.read_priors())
        if list(spec.classes) != names_of(result):
            raise ValueError("the classes of its weights are not those of its result")
        return TrainedRun(
            run.path,
            options,
            learner.eval(),
            result["precision"],
            calibration,
            known,
            split,
            str(status["hashes"]["run"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        found = f"this run is damaged, or another version's ({type(error).__name__}: {str(error).splitlines()[0]})"
        raise UsageError(found, run.path, "take another run, or train it again", "E-RUN-DAMAGED") from error


def _check_photometry(result: Mapping[str, Any], pixel_scale: float, stamp_size: int, where: Path) -> None:
    """Refuse a network on light curves that has learned fluxes of another recipe."""
    today = photometry_recipe(pixel_scale, stamp_size, where).as_dict()
    before = result.get("photometry")
    if before != today:
        known = before if isinstance(before, dict) else {}
        differ = [f"{name} {known.get(name)}, not {x}" for name, x in today.items() if known.get(name) != x]
        how = shorten(differ) if known else "its result does not say how"
        found = f"this network has learned fluxes that are measured otherwise today ({how})"
        raise UsageError(found, where, "train the run again by this version", "E-RUN-VERSION")


def _spec(content: Mapping[str, Any]) -> DataSpec:
    """Return the spec that a checkpoint names, in plain values."""
    known = {one.name for one in fields(DataSpec)}
    plain: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in content.items()}
    return DataSpec(**{name: value for name, value in plain.items() if name in known})
