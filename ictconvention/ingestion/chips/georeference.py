"""Where a raster lies on the ground: its coordinate system and six numbers, and whether two rasters lie alike."""

from dataclasses import dataclass
from typing import Any

NOWHERE = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)  # what a file without a transform is read as
SAME_PLACE = 0.01  # [pixels]; corners that are farther apart are two places
SAME_SIZE = 0.01  # largest relative difference of ground pixels within a survey

Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Georeference:
    """Where a raster lies.

    Parameters
    ----------
    crs : str, optional
        Its coordinate system, such as "EPSG:32631", or as WKT; None where the file has none.
    transform : six numbers, optional
        a, b, c, d, e, f of x = a column + b row + c, y = d column + e row + f, from the file's first row; None where
        the file has none.
    unit : str
        Unit of x and y, such as "metre"; empty where it is unknown.
    """

    crs: str | None = None
    transform: Transform | None = None
    unit: str = ""

    @property
    def columns(self) -> dict[str, str | None]:
        """The columns of an object that say it: crs, and transform as six numbers with commas."""
        return {"crs": self.crs, "transform": self.transform and ",".join(map(repr, self.transform))}

    @property
    def ground_pixel(self) -> tuple[float, float, str] | None:
        """Width and height of a pixel on the ground and their unit; None where it is unknown."""
        if self.transform is None:
            return None
        return abs(self.transform[0]), abs(self.transform[4]), self.unit

    @property
    def flaw(self) -> str | None:
        """Say whether rows do not run from west to east, or columns not from north to south."""
        if self.transform is None:
            return None
        a, b, _, d, e, _ = self.transform
        if b or d:
            return "a rotated or sheared transform: warp it to north up, such as by gdalwarp"
        if a <= 0 or e >= 0:
            return "a transform that is not north up: warp it, such as by gdalwarp"
        return None


def of_raster(raster: Any) -> Georeference:
    """Return where an opened raster of rasterio lies."""
    a, b, c, d, e, f = (float(one) for one in raster.transform[:6])
    transform = None if (a, b, c, d, e, f) == NOWHERE else (a, b, c, d, e, f)
    crs = raster.crs
    if not crs:
        return Georeference(None, transform)
    unit = "degree" if crs.is_geographic else str(crs.linear_units) if crs.is_projected else ""
    return Georeference(crs.to_string(), transform, unit)


def describe_difference(image: Georeference, mask: Georeference, height: int, width: int) -> str | None:
    """Say how the georeference of a mask differs from that of its image; None where they lie alike.

    Parameters
    ----------
    image, mask : Georeference
        Of files whose format can have one.
    height, width : int
        Of both [pixels].
    """
    for what, own, other in (
        ("coordinate system", image.crs, mask.crs),
        ("transform", image.transform, mask.transform),
    ):
        if (own is None) != (other is None):
            has, lacks = ("mask", "image") if own is None else ("image", "mask")
            return f"the {has} has a {what}, and the {lacks} none: write the same in both, or in neither"
    if image.crs != mask.crs and not _same_system(image.crs, mask.crs):
        return f"the image is in {_short(image.crs)}, and the mask in {_short(mask.crs)}: warp one to the other"
    if image.transform is None or mask.transform is None:
        return None
    if (flaw := image.flaw or mask.flaw) is not None:
        return flaw
    (a, _, c, _, e, f), (a2, _, c2, _, e2, f2) = image.transform, mask.transform
    shifts = [(c2 - c) / a, (c2 + a2 * width - c - a * width) / a, (f2 - f) / e]
    shifts.append((f2 + e2 * height - f - e * height) / e)
    if max(map(abs, shifts)) <= SAME_PLACE:
        return None
    if abs(a2 / a - 1) * width > SAME_PLACE or abs(e2 / e - 1) * height > SAME_PLACE:
        return f"pixels of {a:g} x {-e:g} in the image and of {a2:g} x {-e2:g} in the mask: warp one to the other"
    return f"the mask lies {shifts[0]:+.2f} columns and {shifts[2]:+.2f} rows from its image: cut both alike"


def same_ground(one: Georeference, other: Georeference) -> bool:
    """Return whether two rasters have pixels of one size on the ground, or one of them does not say."""
    first, second = one.ground_pixel, other.ground_pixel
    if first is None or second is None:
        return True
    if not (first[2] and second[2]):
        return True
    if first[2] != second[2]:
        return False
    return all(abs(a - b) <= SAME_SIZE * max(a, b) for a, b in zip(first[:2], second[:2], strict=True))


def _same_system(one: str | None, other: str | None) -> bool:
    """Return whether two texts name one coordinate system, such as a code and its WKT."""
    from rasterio.crs import CRS

    return bool(CRS.from_string(one) == CRS.from_string(other))


def _short(crs: str | None) -> str:
    return crs if crs and len(crs) < 40 else f"{str(crs)[:37]}..."
