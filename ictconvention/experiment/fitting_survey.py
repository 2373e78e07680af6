"""Whether a survey is one that a trained network can be applied to: the same bands, pixels, unit and classes."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.data.survey import Survey
from ictconvention.errors import UsageError, did_you_mean, shortened
from ictconvention.experiment.trained_run import TrainedRun

SAME_SCALE = 0.02  # largest relative difference of the pixel scales
NANOMAGGIES = {"nanomaggy": 1.0, "nmgy": 1.0, "nJy": 1 / 3631, "uJy": 1 / 3.631, "mJy": 1e3 / 3.631, "Jy": 1e6 / 3.631}


def places_of_bands(run: TrainedRun, survey: Survey) -> NDArray[np.int64]:
    """Return the place of each of the survey's bands among those of the network, (bands,).

    Raises
    ------
    UsageError
        The survey has other bands, pixels of another size, another stamp, flux unit, or class; the message says what,
        and by which factor.
    """
    header, task = survey.header, run.task
    if absent := {"pixel_scale", "flux_unit"} - run.survey.keys():
        found = f"this run's result.json does not say its {' and '.join(sorted(absent))}: it is of an earlier version"
        raise UsageError(found, run.folder, "train it again by this version")
    own = f"survey=path survey.path={survey.path} init_from={run.folder}"
    mend = f"train a network for it that begins with this one: {own}"

    def refused(found: str, first: str = "") -> UsageError:
        return UsageError(found, survey.path, f"{first}, or {mend}" if first else mend)

    if set(header.bands) != set(task.bands):
        lacks = [name for name in task.bands if name not in header.bands]
        besides = [name for name in header.bands if name not in task.bands]
        parts = [f"{word} {', '.join(names)}" for word, names in (("lacks", lacks), ("has besides", besides)) if names]
        first = "" if lacks else f"leave them out (ingest with --bands {','.join(task.bands)})"
        raise refused(f"this survey {' and '.join(parts)}; the network knows the bands {', '.join(task.bands)}", first)
    there = float(run.survey["pixel_scale"])
    if abs((ratio := header.pixel_scale / there) - 1) > SAME_SCALE:
        size = f"{header.pixel_scale:g} arcsec, {ratio:.3g} times the {there:g} of the training survey"
        raise refused(f"this survey has pixels of {size}")
    if (stamp := header.stamp_size) != (taken := task.stamp_size):
        found = f"this survey has stamps of {stamp} x {stamp} pixels, the network takes {taken} x {taken}"
        raise refused(found, f"cut them so (--size {taken})")
    if header.flux_unit != (unit := str(run.survey["flux_unit"])):
        known = header.flux_unit in NANOMAGGIES and unit in NANOMAGGIES
        factor = f"multiply its pixels by {NANOMAGGIES[header.flux_unit] / NANOMAGGIES[unit]:.6g}" if known else ""
        raise refused(f"this survey is in {header.flux_unit}, the network knows {unit}", factor)
    if other := [name for name in header.classes if name not in task.classes]:
        near = did_you_mean(other[0], task.classes)
        found = f"this survey has the class {shortened(other)}{near}, the network knows {', '.join(task.classes)}"
        raise refused(found, "write the survey without these labels")
    return np.array([task.bands.index(name) for name in header.bands], dtype=np.int64)
