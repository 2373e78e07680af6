"""What all chips of a survey share, as most of them have it: type of numbers, size, ground pixel, names of bands."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.ingestion.chips.georeference import Georeference, same_ground
from ictconvention.ingestion.chips.rasters import IMAGE_TYPES, RasterLook


@dataclass(frozen=True, slots=True)
class Agreement:
    """What the images of a survey have in common.

    Parameters
    ----------
    bands : tuple of str
        Names of the bands, in the order of the files.
    dtype : str
        Type of the numbers in files.
    size : int
        Height and width [pixels].
    georeference : Georeference, optional
        Of a chip whose pixels have the usual size on the ground; None where no file says it.
    names : tuple of str
        What files call their bands; empty where they do not say.
    """

    bands: tuple[str, ...]
    dtype: str
    size: int
    georeference: Georeference | None = None
    names: tuple[str, ...] = ()

    def flaw_of(self, look: RasterLook) -> str | None:
        """Say how an image differs from the others, or cannot be read; None where it fits."""
        if look.palette:
            return "colours of a table, and no measured values: save the bands themselves"
        if look.bands != len(self.bands):
            found = f"{pluralize(look.bands, 'band')}, and the survey has {', '.join(self.bands)}"
            return f"{found}: save it as the others are, or name its bands by --bands"
        if look.dtype not in IMAGE_TYPES:
            return f"pixels of {look.dtype}: save them as {', '.join(IMAGE_TYPES[:-1])} or {IMAGE_TYPES[-1]}"
        if look.dtype != self.dtype:
            return f"pixels of {look.dtype}, and the others have {self.dtype}: save it as they are"
        if (look.height, look.width) != (self.size, self.size):
            size = f"{look.width} x {look.height} pixels, and the survey has {self.size} x {self.size}"
            return f"{size}: cut it to this size, or make a survey of such chips"
        if look.names and self.names and look.names != self.names:
            return (
                f"bands named {', '.join(look.names)}, and the others have {', '.join(self.names)}: save it as they are"
            )
        place = look.georeference
        if place is None:
            return None
        if (flaw := place.flaw) is not None:
            return flaw
        if self.georeference is not None and not same_ground(place, self.georeference):
            return f"{_pixel(place)}, and the others have {_pixel(self.georeference)}: resample it to them"
        return None

    @property
    def ground(self) -> str:
        """The size of a pixel on the ground, in words; empty where no file says it."""
        return "" if self.georeference is None else _pixel(self.georeference)


def agree(looks: Mapping[str, RasterLook], bands: Sequence[str], folder: Path) -> Agreement:
    """Return what most images have.

    Parameters
    ----------
    looks : mapping
        What the header of each image says, by id.
    bands : sequence of str
        Names of the bands, in the order of the files.
    folder : Path
        Of the images, for messages.

    Raises
    ------
    UsageError
        None is square or has this number of bands, or files name their bands in another order.
    """
    if not looks:
        return Agreement(tuple(bands), "uint16", 1)
    fitting = [look for look in looks.values() if look.bands == len(bands)]
    if not fitting:
        most = Counter(look.bands for look in looks.values()).most_common(1)[0][0]
        found = f"the images have {pluralize(most, 'band')}, and {len(bands)} are named: {', '.join(bands)}"
        example = ",".join(f"band{number + 1}" for number in range(most))
        fix = f"name the bands in the order of the files: --bands {example}"
        raise UsageError(found, folder, fix, "E-VALUE-SHAPE")
    squares = Counter(look.height for look in fitting if look.height == look.width)
    if not squares:
        height, width = Counter((look.height, look.width) for look in fitting).most_common(1)[0][0]
        found = f"no image is square: most are {width} x {height} pixels"
        raise UsageError(found, folder, "cut the images and masks to squares, such as 256 x 256", "E-VALUE-SHAPE")
    size = squares.most_common(1)[0][0]
    dtype = Counter(look.dtype for look in fitting if look.height == look.width == size).most_common(1)[0][0]
    placed = [look.georeference for look in fitting if look.georeference and look.georeference.ground_pixel]
    ground = Counter(place.ground_pixel for place in placed).most_common(1)
    usual = next((place for place in placed if place.ground_pixel == ground[0][0]), None)
    named = Counter(look.names for look in fitting if look.names).most_common(1)
    names = named[0][0] if named else ()
    if names:
        _check_order(names, bands, folder)
    return Agreement(tuple(bands), dtype, size, usual, names)


def _check_order(names: Sequence[str], bands: Sequence[str], folder: Path) -> None:
    """Refuse bands that files have in another order by their own names, though they may name further ones."""
    if are_misplaced(names, bands):
        found = f"the files name their bands {', '.join(names)}, and they are taken for {', '.join(bands)}"
        fix = f"give the order of the files: --bands {','.join(names)}"
        raise UsageError(found, folder, fix, "E-COMMAND-CONFLICT")


def are_misplaced(names: Sequence[str], bands: Sequence[str]) -> bool:
    """Return whether a file's names of its bands give a band that is expected, but at another place."""
    own, expected = _plain(names), _plain(bands)
    return any(name in own and own.index(name) != place for place, name in enumerate(expected))


def _plain(names: Sequence[str]) -> list[str]:
    return [name.strip().casefold() for name in names]


def _pixel(place: Georeference) -> str:
    if place.ground_pixel is None:
        return "pixels of an unknown size"
    width, height, unit = place.ground_pixel
    return f"pixels of {width:g} x {height:g} {unit or 'of an unknown unit'}"
