"""A finished run as one file that runs without this package: network, scaling, calibration, and what must be known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ictconvention import __version__
from ictconvention.applying.model_file import read_model, write_model
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.core.output_place import check_place
from ictconvention.evaluation.prior import Prior
from ictconvention.evaluation.sets.conformal import thresholds
from ictconvention.learning.exportable import Exportable
from ictconvention.measuring.photometry import METHOD, photometry_recipe
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.shift.kept import check_network_predicts
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.format import full_name, unit_in_words

FORMAT, VERSION = "ictconvention model", 1
LEVELS = (0.68, 0.8, 0.9, 0.95, 0.99)  # coverages of sets that a model file knows the thresholds of
TOLERANCE = 1e-4  # largest difference between a file's outputs and torch's, where they are larger than 1 its share
SIZES = (1, 2, 5)  # numbers of objects that the outputs are compared for


def export(folder: str | Path, output: Path) -> str:
    """Write a finished run's model to a .onnx or .pt2 file, whole or not at all, and return in words what it takes.

    The file is run before it takes its name: it must give the numbers of torch.

    Raises
    ------
    UsageError
        The run is not finished or damaged, the file gives other numbers, or it would lie in a survey or a run.
    FileSystemError
        The file cannot be written.
    """
    check_place(output, "exporting the model")
    return export_run(read_trained(folder), output)


def export_run(run: TrainedRun, output: Path) -> str:
    """Write a run's model; as `export`."""
    check_network_predicts(run)
    model = exportable_run(run)
    known = describe_model(run, model)
    with whole_file(output, "exporting the model") as partial:
        write_model(partial, model, model.sequences(2, _generator()), known)
        difference = largest_difference(model, known, partial)
        if not difference <= TOLERANCE:  # nor if it is NaN
            found = f"the exported model differs from the run by up to {difference:.2g}; nothing was written"
            other = ".pt2" if output.suffix == ".onnx" else ".onnx"
            raise UsageError(
                found, output, f"take the package versions of constraints.txt, or export to {other}", "E-EXPORT-DIFFERS"
            )
    return in_words(known, run.task.format.gives)


def exportable_run(run: TrainedRun) -> Exportable:
    """Return a run's network on padded arrays of raw flux, with its calibration."""
    calibration = run.calibration
    return Exportable(run.learner, calibration.temperature, torch.from_numpy(calibration.shift)).eval()


def describe_model(run: TrainedRun, model: Exportable) -> dict[str, Any]:
    """Return what must be known of an exported model, in plain values."""
    example = model.sequences(2, _generator())
    with torch.no_grad():
        outputs = model(*example.values())
    return {
        **describe_run(run),
        "inputs": {
            name: {"dtype": _dtype(x), "shape": ["objects", *x.shape[1:]], **_meaning(run, name)}
            for name, x in example.items()
        },
        "outputs": {
            name: {"dtype": _dtype(x), "shape": ["objects", *x.shape[1:]], **_output_meaning(run, name)}
            for name, x in outputs.items()
        },
    }


def describe_run(run: TrainedRun) -> dict[str, Any]:
    """Return what must be known of a run's model beside its inputs and outputs, in plain values."""
    spec, options, scaling = run.spec, run.options, run.learner.inputs.scaling
    known = {
        "format": FORMAT,
        "version": VERSION,
        "ictconvention": __version__,
        "run": run.hash,
        "survey": {name: run.survey[name] for name in ("name", "simulated")},
        "model": options.model.kind,
        "learner": options.learner.kind,
        **run.task.format.facts(),
        "prior": run.calibration.survey_prior.tolist(),  # shares of the outputs (classes) that the predictions are at
        "temperature": run.calibration.temperature,  # divides the logits; then the shift is added
        "logit_shift": run.calibration.shift.tolist(),
        "bands": list(spec.bands),
        "pixel_scale": run.survey["pixel_scale"],  # [arcsec]
        "flux_unit": run.survey["flux_unit"],
        "stamp_size": spec.stamp_size,  # [pixels]
        "max_frames": spec.max_frames,
        "frames_per_group": options.sequence.frames_per_group,
        "select": options.sequence.select,  # what is evenly chosen of longer series: frames or nights
        "contents": spec.contents,
        "scaling": {"kind": scaling.kind, "offset": scaling.offset.tolist(), "scale": scaling.scale.tolist()},
    }
    if run.task.draws_sets and RunFolder(run.folder).validation.exists():
        found = RunFolder(run.folder).read_validation()
        row = found.at(Prior.SURVEY)
        known[
            "sets"
        ] = {  # at `prior`: by coverage, the probability from which on each class is in the set; null: always
            f"{level:g}": dict(zip(run.task.names, thresholds(row, found.label, level), strict=True))
            for level in LEVELS
        }
    if spec.photometry:
        recipe = photometry_recipe(run.survey["pixel_scale"], spec.stamp_size, run.folder)
        known["photometry"] = {"method": METHOD, **recipe.as_dict()}  # lengths in arcsec
    return known


def largest_difference(model: Exportable, known: Mapping[str, Any], path: Path) -> float:
    """Return by how much the outputs of a file differ from torch's on random sequences; infinite for other outputs.

    Differences of outputs larger than 1 are divided by the largest.
    """
    says, run = read_model(path)
    if says != known:
        return np.inf
    differences = []
    for objects in SIZES:
        arguments = model.sequences(objects, _generator(objects))
        with torch.no_grad():
            expected = model(*arguments.values())
        found = run(arguments)
        if found.keys() != expected.keys():
            return np.inf
        for name, values in expected.items():
            largest = values.abs().max().clamp(min=1)
            differences.append(float((found[name] - values).abs().max() / largest))
    return float(np.max(differences))  # NaN, if one is


def in_words(known: Mapping[str, Any], gives: str) -> str:
    """Return what an exported model takes, and what it gives (in the words of its task), in one line."""
    takes = [f"{name} ({', '.join(map(str, x['shape']))}) {x['dtype']}" for name, x in known["inputs"].items()]
    return (
        f"takes {', '.join(takes)}, fluxes in {unit_in_words(known['flux_unit'])}, bands {', '.join(known['bands'])}; "
        f"gives {gives}; trained on survey {full_name(**known['survey'])}"
    )


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _meaning(run: TrainedRun, name: str) -> dict[str, str]:
    """Return what an input holds, with the unit of the survey; nothing where a network of one's own says nothing."""
    meaning = run.learner.inputs.meanings.get(name)
    if meaning is None:
        return {}
    return {"meaning": meaning.replace("flux_unit", unit_in_words(run.survey["flux_unit"]))}


def _output_meaning(run: TrainedRun, name: str) -> dict[str, str]:
    """Return what an output holds; nothing where the task says nothing."""
    meaning = run.task.format.meanings.get(name)
    return {} if meaning is None else {"meaning": meaning}


def _dtype(x: torch.Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")
