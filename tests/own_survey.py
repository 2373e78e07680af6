"""A survey of one's own in miniature: 30 objects with labels that are all equally good, one class of them rare."""

from pathlib import Path

import numpy as np
from astropy.io import fits

from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, write_survey

OWN = SurveyHeader(name="own", bands=("g", "r"), classes=("common", "other", "rare"), pixel_scale=0.4)
RARE = (14, 14, 2)  # objects of each class
QUICK = ("profile=tiny", "trainer.batch_size=8", "figures=false", "survey=path")  # a run of a second


def source(label: int, rng: np.random.Generator) -> np.ndarray:
    """Return a stamp: a source of another brightness in each class."""
    pixel = np.arange(OWN.stamp_size) - (OWN.stamp_size - 1) / 2
    profile: np.ndarray = np.exp(-(pixel[:, None] ** 2 + pixel**2) / 8)
    return (label + 0.2) * rng.uniform(0.8, 1.2) * profile + rng.normal(0, 0.05, profile.shape)


def write_own(path: Path, shares: tuple[int, ...] = RARE) -> Survey:
    """Write a survey without any label source, so many objects of each class."""
    objects = []
    for number, label in enumerate(np.repeat(np.arange(len(shares)), shares).tolist()):
        rng = np.random.default_rng(number)
        arguments = image_series(number, 4, OWN)
        arguments["frames"] = np.stack([source(label, rng) for _ in range(4)])
        objects.append(arguments | {"class_name": OWN.classes[label], "label_source": None})
    return write_survey(path, objects, OWN)


def write_stamps(folder: Path, shares: tuple[int, ...]) -> Path:
    """Write the stamps of such a survey as FITS files, a cube for each object, and return the table of them."""
    folder.mkdir(parents=True)
    lines = ["id,file,band,mjd,class,ra,dec"]
    for number, label in enumerate(np.repeat(np.arange(len(shares)), shares).tolist()):
        rng = np.random.default_rng(number)
        cube = np.stack([source(label, rng) for _ in range(4)]).astype(np.float32)
        fits.PrimaryHDU(cube).writeto(folder / f"{number}.fits")
        for frame in range(4):
            row = (f"o{number}", f"{number}.fits", "gr"[frame % 2], 58000.0 + frame, OWN.classes[label])
            lines.append(",".join(map(str, (*row, 10 + 0.1 * number, 0.1))))
    (folder / "frames.csv").write_text("\n".join(lines) + "\n")
    return folder / "frames.csv"
