"""Paint a chip as a satellite sees it, and draw its mask: telescope, noise, clouds, missing pixels, wrong borders."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ictconvention.simulation.scenes.landscape import draw_fields, lay_out, mistake_borders
from ictconvention.simulation.scenes.population import (
    CHIP,
    CLASSES,
    DEFECTS,
    GROUND,
    LIGHT,
    Scenes,
)
from ictconvention.simulation.scenes.spectra import BANDS, chip_reflectances, reflect
from ictconvention.simulation.sdss.population import generator
from ictconvention.survey.masks.mask_file import IGNORED

PSF = 0.6  # [pixels] standard deviation of the point-spread function
RANGE = (1, 16000)  # [1e-4] of what a satellite writes
NOISE = 20.0  # [1e-4] of a pixel (chosen)
TEXTURE = 1.5  # slope of the power spectrum within a class (chosen)
WRONG = 0.03  # share of the pixels of a chip whose mask is wrong
CLOUDED, COVER = 0.03, (0.05, 0.5)  # share of the chips with clouds, and of the chip that they cover (chosen)
CLOUD, CLOUD_SLOPE, CLOUD_EDGE = (5200.0, 5000.0, 5100.0, 5600.0), 3.4, 0.5
CUT = 0.01  # share of the chips that lie across the edge of an image (chosen)
SEASON = (58239.0, 150.0)  # [MJD, days] May to September 2018


def paint_chip(scenes: Scenes, number: int) -> dict[str, Any]:
    """Paint one chip: the arguments of `SurveyWriter.add`."""
    size, shares = scenes.size, scenes.shares(number)
    ground = lay_out(shares, size, generator(scenes.seed, GROUND, number))
    rng = generator(scenes.seed, CHIP, number)
    deviates = scenes.draw_normals(number, len(CLASSES) * len(BANDS), LIGHT).reshape(len(CLASSES), len(BANDS))
    of_parcel = rng.standard_normal((ground.parcel.max() + 1, len(BANDS)))
    texture = draw_fields([TEXTURE] * len(BANDS), size, rng)
    light = reflect(ground.classes, ground.parcel, chip_reflectances(deviates), of_parcel, texture)
    seen = gaussian_filter(light, PSF, axes=(1, 2), mode="nearest")
    frames = np.clip(seen + NOISE * rng.standard_normal(light.shape), *RANGE)
    mask = mistake_borders(ground.classes, WRONG, rng)
    wrong = float(np.mean(mask != ground.classes))
    _spoil(frames, mask, generator(scenes.seed, DEFECTS, number))
    if not scenes.has_mask[number]:
        mask[:] = IGNORED
    counts = np.bincount(ground.classes.ravel(), minlength=len(CLASSES)) / size**2
    start, length = SEASON
    of_scene = generator(scenes.seed, CHIP, scenes.scene(number), 1)
    return {
        "id": f"{number:06d}",
        "frames": frames,
        "band": np.arange(len(BANDS)),
        "mjd": np.full(len(BANDS), start + np.floor(of_scene.uniform(0, length)) + 0.45),
        "mask": mask,
        "scene": f"{scenes.scene(number):06d}",
        **{f"true_share_{name}": float(share) for name, share in zip(CLASSES, counts, strict=True)},
        "wrong_mask": wrong,
        "extra_test": scenes.is_extra(number),
    }


def _spoil(frames: NDArray[np.float64], mask: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Draw clouds over a few chips, and cut the corner off a few: there the class is not known."""
    size = len(mask)
    clouded, cut = rng.random(2) < (CLOUDED, CUT)
    if clouded:
        field = draw_fields([CLOUD_SLOPE], size, rng)[0]
        edge = np.quantile(field, 1 - rng.uniform(*COVER))
        opaque = np.clip((field - edge) / CLOUD_EDGE + 0.2, 0, 1)
        frames += opaque * (np.array(CLOUD)[:, None, None] - frames)
        mask[field > edge] = IGNORED
    if cut:
        angle, along = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.5)
        y, x = np.indices(mask.shape) / (size - 1) - 0.5
        outside = x * np.cos(angle) + y * np.sin(angle) > along
        frames[:, outside] = np.nan
        mask[outside] = IGNORED
