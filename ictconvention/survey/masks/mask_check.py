"""Compare masks on disk with their checksums and the classes, as `verify_survey` and `ictconvention check` do."""

import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.survey.masks.mask_file import CHECKSUM, MASKS_FILE, RESTORE
from ictconvention.survey.masks.mask_values import describe_unknown
from ictconvention.survey.shard import Shard


def find_mask_flaws(shard: Shard, row: int) -> Iterator[SurveyError]:
    """Yield what is wrong with the mask of an object, by its row in a shard: changed bytes, numbers of no class."""
    if shard.masks is None:
        return
    mask: NDArray[np.uint8] = shard.masks[row]
    where = f"{shard.folder / MASKS_FILE}, object {shard.ids[row]}"
    if zlib.crc32(mask.data) != shard.objects.column(CHECKSUM)[row].as_py():
        yield SurveyError("the mask has changed since it was written", where, RESTORE, "E-SURVEY-MASKS")
    if found := describe_unknown(mask, shard.header.classes):
        yield SurveyError(found, where, RESTORE, "E-SURVEY-MASKS")


def verify_masks(shard: Shard) -> None:
    """Read all masks of a shard, and raise the first of their flaws."""
    for row in range(0 if shard.masks is None else len(shard.masks)):
        for flaw in find_mask_flaws(shard, row):
            raise flaw
