"""A labelled survey in miniature: 60 objects whose classes differ in brightness: a second of training learns."""

from pathlib import Path

import numpy as np

from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey
from tests.conftest import HEADER, image_series, write_survey

PER_CLASS = (24, 14, 12, 10)


def write_miniature(
    path: Path, header: SurveyHeader = HEADER, extra: int = 0, seed: int = 0, worse: float = 1.0
) -> Survey:
    """Write 60 objects of 3 to 12 frames, a source of another brightness in each class; and some of extra test.

    Another seed draws other objects of the same kind; `worse` multiplies their seeing and their noise.
    """
    pixel = np.arange(header.stamp_size) - (header.stamp_size - 1) / 2
    source = np.exp(-(pixel[:, None] ** 2 + pixel**2) / 8)
    objects = []
    labels = np.append(np.repeat(np.arange(len(PER_CLASS)), PER_CLASS), np.arange(extra) % len(PER_CLASS))
    for number, label in enumerate(labels.tolist()):
        rng = np.random.default_rng(number + 1000 * seed)
        arguments = image_series(number + 1000 * seed, int(rng.integers(3, 13)), header)
        arguments["frames"] = 0.05 * worse * arguments["frames"] + source * label * rng.uniform(0.8, 1.2)
        arguments["psf_fwhm"], arguments["sky_sigma"] = worse * arguments["psf_fwhm"], worse * arguments["sky_sigma"]
        arguments |= {"extra_test": True} if number >= sum(PER_CLASS) else {}
        objects.append(arguments | {"class_name": header.classes[label], "label_source": "spectroscopic"})
    return write_survey(path, objects, header)
