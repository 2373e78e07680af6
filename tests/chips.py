"""A survey of chips with masks in miniature: fields of three classes that differ in brightness and colour."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ictconvention.survey.format import NO_UNIT, SurveyHeader
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter

CLASSES = ("field", "forest", "water")
SPECTRA = np.array([[0.2, 1.0], [1.0, 0.3], [-0.8, -0.6]])  # of each class in the two bands
HEADER = SurveyHeader(
    name="chips", bands=("R", "NIR"), classes=CLASSES, pixel_scale=10.0, flux_unit=NO_UNIT, stamp_size=16
)
IGNORED = 255


def draw_mask(number: int, size: int = 16) -> NDArray[np.uint8]:
    """Return a mask of smooth fields, the third class rare."""
    rng = np.random.default_rng(number)
    height = gaussian_filter(rng.normal(size=(size, size)), 3, mode="wrap")
    height = (height - height.mean()) / height.std() + rng.normal(scale=0.5)
    return np.asarray(np.digitize(height, (0.2, 1.5)), dtype=np.uint8)


def chip(number: int, unlabelled: bool = False, **columns: Any) -> dict[str, Any]:
    """Return the arguments of `SurveyWriter.add` for one chip, drawn from its number; a part of it is ignored."""
    rng = np.random.default_rng(1000 + number)
    mask = draw_mask(number)
    frames = np.moveaxis(SPECTRA[mask], 2, 0) + rng.normal(scale=0.3, size=(2, *mask.shape))
    mask = np.full_like(mask, IGNORED) if unlabelled else mask.copy()
    mask[:2, : number % 5] = IGNORED
    columns = {"scene": f"scene {number // 2}", **columns}
    arguments = {"id": f"chip{number:03d}", "frames": frames.astype(np.float32), "mask": mask}
    return arguments | {"band": np.arange(2), "mjd": np.full(2, 59000.0)} | columns


def write_chips(path: Path, number: int = 120, unlabelled: int = 0, masks: bool = True) -> Survey:
    """Write chips, those without a known pixel last."""
    with SurveyWriter(path, HEADER, masks=masks) as writer:
        for one in range(number + unlabelled):
            arguments = chip(one, one >= number)
            writer.add(**arguments if masks else {k: v for k, v in arguments.items() if k != "mask"})
    return Survey.open(path)
