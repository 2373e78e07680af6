"""The masks of a shard on disk: a class for each pixel of each object. Reads no pixel.

    masks.npy   (N, H, W) uint8, in the order of the objects, row 0 as in the frames: a position in the header's
                classes, or `IGNORED` where the class of a pixel is unknown

The object table then has a column `mask_crc32`, of the bytes of each mask, and the format is of version 3.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError, readable_os_errors
from ictconvention.reading.mapped_array import map_array

MASKS_FILE = "masks.npy"
MASK_DTYPE = np.dtype("u1")
IGNORED = 255  # a pixel of no known class
CHECKSUM = "mask_crc32"  # column of the object table
CHECKSUM_TYPE = pa.uint32()
RESTORE = "restore the file from a copy, or write the survey again"


def map_masks(folder: Path, objects: pa.Table, size: int) -> NDArray[np.uint8]:
    """Map the masks of a shard, (objects, size, size).

    Parameters
    ----------
    folder : Path
        The shard.
    objects : table
        Its objects, which have checksums of their masks.
    size : int
        Height and width of a mask [pixels].

    Raises
    ------
    SurveyError
        The file is missing, truncated, of another type or shape, or holds another number of masks; or the objects have
        no checksums.
    """
    path = folder / MASKS_FILE
    if CHECKSUM not in objects.column_names or objects.schema.field(CHECKSUM).type != CHECKSUM_TYPE:
        raise SurveyError(f"the objects have no column {CHECKSUM} of {CHECKSUM_TYPE}", path, RESTORE, "E-SURVEY-MASKS")
    if objects.column(CHECKSUM).null_count:
        raise SurveyError(f"column {CHECKSUM!r} has nulls", path, RESTORE, "E-SURVEY-MASKS")
    if not path.is_file():
        raise SurveyError(
            f"{MASKS_FILE} is missing, and the header says that there are masks", path, RESTORE, "E-SURVEY-MASKS"
        )
    with readable_os_errors("mapping the file", path):
        try:
            masks = map_array(path, MASK_DTYPE, (size, size))
        except ValueError as error:
            raise SurveyError(str(error), path, RESTORE, "E-SURVEY-MASKS") from error
    if len(masks) != objects.num_rows:
        raise SurveyError(f"{len(masks)} masks for {objects.num_rows} objects", path, RESTORE, "E-SURVEY-MASKS")
    return masks
