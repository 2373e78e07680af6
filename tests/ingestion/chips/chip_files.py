"""Write chips and masks as people have them: small GeoTIFFs by rasterio."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from ictconvention.core.errors import IctConventionError
from tests.ingestion.commands import refusal

SIZE = 16
UTM = "EPSG:32631"
MEANS = np.array([389, 644, 554, 3483])  # of the real chips, B, G, R, NIR


def place(column: int = 0, row: int = 0, pixel: float = 10.0) -> Affine:
    """Return the transform of a chip that begins at a pixel of its scene."""
    return Affine(pixel, 0, 500_000 + pixel * column, 0, -pixel, 4_500_000 - pixel * row)


def image(seed: int = 0, size: int = SIZE) -> NDArray[np.uint16]:
    """Return a chip (4, H, W), its first row the upper one."""
    rng = np.random.default_rng(seed)
    return rng.normal(MEANS[:, None, None], 100, (4, size, size)).clip(1).astype(np.uint16)


def mask(seed: int = 0, size: int = SIZE) -> NDArray[np.uint8]:
    """Return a mask (H, W) with all ten values."""
    return np.random.default_rng(seed + 1000).integers(0, 10, (size, size)).astype(np.uint8)


def save(path: Path, pixels: NDArray[Any], names: tuple[str, ...] = (), **how: Any) -> Path:
    """Save a raster, (H, W) or (bands, H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    planes = pixels[None] if pixels.ndim == 2 else pixels
    colours, scales = how.pop("colours", None), how.pop("scales", None)
    count, height, width = planes.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        shape = {"count": count, "height": height, "width": width, "dtype": planes.dtype}
        with rasterio.open(path, "w", driver="GTiff", **shape, **how) as tiff:
            tiff.write(planes)
            if names:
                tiff.descriptions = names
            if scales:
                tiff.scales, tiff.offsets = scales
            if colours:
                tiff.write_colormap(1, colours)
    return path


def preligens(folder: Path, count: int = 4, **how: Any) -> tuple[Path, Path]:
    """Save chips as Preligens' challenge has them; return the folders of the images and of the masks."""
    images, masks = folder / "train" / "images", folder / "train" / "masks"
    for number in range(count):
        save(images / f"{10_000 + number}.tif", image(number), **how)
        save(masks / f"{10_000 + number}.tif", mask(number), **how)
    return images, masks


def refusal_of(images: Path, masks: Path | str, out: Path, *options: object) -> IctConventionError:
    """Return the error of a command that must fail, and leave neither a survey nor a part of one."""
    error = refusal("chips", images, Path(masks), out, *options)
    left = {path.name for path in out.parent.iterdir() if path.name.startswith((out.name, f".{out.name}"))}
    assert left <= {f"{out.name}-rejects.csv"}
    return error
