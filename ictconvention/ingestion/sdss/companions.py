"""What lies beside a frame in the archive: the point spread function of its field, and the mask of its pixels.

psField   HDU 6: width of the stars' images, gain and dark variance of the five bands
fpM       HDU 1 to 10: runs of pixels along rows, for each reason; HDU 11 names the reasons
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ictconvention.files.reading import UnreadableError, open_fits
from ictconvention.ingestion.sdss.fields import UNKNOWN
from ictconvention.ingestion.sdss.seeing import Five, full_widths

SEEING = ("psf_width", "psf_sigma1_2G", "psf_sigma2_2G", "psf_b_2G")
MASKED = ("S_MASK_INTERP", "S_MASK_SATUR", "S_MASK_GHOST", "S_MASK_CR")  # in these a pixel shows no sky
WHOLE_RUN = np.dtype(">i2")  # of row, first and last column, in the bytes of a mask's runs


@dataclass(frozen=True)
class Instrument:
    """The camera and the seeing of a field, in u, g, r, i, z.

    Parameters
    ----------
    psf_fwhm : five numbers
        Width of a star's image at half maximum [arcsec].
    gain : five numbers
        Electrons of a count.
    dark_variance : five numbers
        Variance of the electronics [counts^2].
    """

    psf_fwhm: Five = UNKNOWN
    gain: Five = UNKNOWN
    dark_variance: Five = UNKNOWN


def read_psf_field(path: Path) -> Instrument:
    """Read a psField file.

    Raises
    ------
    UnreadableError
        It is damaged, or lacks what is looked for.
    """
    with open_fits(path) as hdus:
        try:
            row = hdus[6].data[0]
            gain, dark = (_five(row[name]) for name in ("gain", "dark_variance"))
            seeing = [np.ravel(row[name]).astype(float).tolist() for name in SEEING]
            width = full_widths(*seeing)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnreadableError(f"HDU 6 is no table of a psField file: {error}") from error
    return Instrument(width, gain, dark)


def _five(values: NDArray[np.floating]) -> Five:
    """Return five numbers, NaN for those that stand for none."""
    u, g, r, i, z = (float(value) if value > 0 else np.nan for value in np.ravel(values))
    return u, g, r, i, z


def read_mask(path: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Read an fpM file: which pixels (H, W) show no sky, being saturated, interpolated, a ghost or a cosmic ray.

    Raises
    ------
    UnreadableError
        It is damaged, or lacks what is looked for.
    """
    height, width = shape
    steps = np.zeros((height, width + 1), dtype=np.int32)  # 1 where a run begins, -1 after it
    with open_fits(path) as hdus:
        try:
            named = {str(row["attributeName"]).strip(): int(row["Value"]) for row in hdus[11].data}
            for reason in MASKED:
                table = hdus[1 + named[reason]].data
                for spans in () if table is None else table["s"]:
                    runs = np.asarray(spans, dtype="u1").view(WHOLE_RUN).reshape(-1, 3).astype(int)
                    row, first, last = runs[(runs[:, 0] >= 0) & (runs[:, 0] < height)].T
                    np.add.at(steps, (row, np.clip(first, 0, width)), 1)
                    np.add.at(steps, (row, np.clip(last + 1, 0, width)), -1)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnreadableError(f"no mask as fpM files have it: {error}") from error
    return np.asarray(steps.cumsum(axis=1)[:, :-1] > 0)
