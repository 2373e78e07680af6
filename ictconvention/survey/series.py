"""One object's image time series, as a survey gives it, and its frames grouped into nights."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.core.progress import facts_html
from ictconvention.survey.format import SurveyHeader

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DRAWING = "ictconvention.drawing"  # a room above: its files are imported when a figure is asked for
NIGHT_GAP = 0.25  # [days]; a longer pause begins a new night


def night_index(mjd: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the night of each frame, counted from 0.

    Parameters
    ----------
    mjd : array (n,)
        Times of the frames, never decreasing [days].

    Returns
    -------
    array (n,)
        A new night begins after a pause of more than `NIGHT_GAP`.
    """
    return np.concatenate([[0], np.cumsum(np.diff(mjd) > NIGHT_GAP)]).astype(np.int64)


class ObjectRow(Mapping[str, Any]):
    """One row of the object table, read when asked: `row['class']`, `row['redshift']`; None where unknown."""

    __slots__ = ("_row", "_table")

    def __init__(self, table: pa.Table, row: int) -> None:
        self._table = table
        self._row = row

    def __getitem__(self, name: str) -> Any:
        """Return one value of the row."""
        if name not in self._table.column_names:
            raise KeyError(name)
        return self._table.column(name)[self._row].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_columns)

    def __repr__(self) -> str:
        return f"ObjectRow({dict(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # one row, not the table


@dataclass(frozen=True, slots=True, eq=False)
class ImageSeries:
    """One object's frames in time order; the arrays are read-only views of the survey's files.

    Parameters
    ----------
    id : str
        The object's name in the survey.
    frames : array (n, H, W)
        Sky-subtracted flux [the survey's flux_unit].
    band : array (n,)
        Position of each frame's passband in the survey's bands.
    mjd : array (n,)
        Time of each frame [days].
    psf_fwhm : array (n,)
        Seeing [arcsec], NaN where unknown.
    sky_sigma : array (n,)
        Noise of one pixel of empty sky [flux_unit], NaN where unknown.
    x, y : array (n,)
        Where the object lies, to the right of and above the stamp's centre [pixels], NaN where unknown.
    gain : array (n,)
        Electrons that make one flux_unit, NaN where unknown.
    metadata : mapping
        The object's row: id, class, label_source, redshift, ra, dec and the survey's own columns.
    header : SurveyHeader, optional
        That of its survey; None for a series that is of none.
    mask : array (H, W), optional
        The class of each pixel, a position in the survey's classes, or 255 where it is unknown; row 0 as in the
        frames. None for a series of a survey without masks.

    Examples
    --------
    >>> series = survey["sn0003"]
    >>> len(series), series.frames.shape, series.metadata["class"]
    (11, (11, 32, 32), 'AGN')
    """

    id: str
    frames: NDArray[np.floating]
    band: NDArray[np.uint8]
    mjd: NDArray[np.float64]
    psf_fwhm: NDArray[np.float32]
    sky_sigma: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    gain: NDArray[np.float32]
    metadata: Mapping[str, Any]
    header: SurveyHeader | None = None
    mask: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.band)

    @property
    def is_picture(self) -> bool:
        """Whether all its frames are of one night, and each of another band."""
        return len(np.unique(self.band)) == len(self) and not night_index(self.mjd)[-1]

    def show(self) -> "Figure":
        """Draw its stamps, a row per band in time order, above its light curve; or a picture in its colours and bands.

        A notebook shows the figure.

        Raises
        ------
        SurveyError
            It is of no survey, which would name its bands.
        """
        if self.header is None:
            raise SurveyError(
                "this series is of no survey", self.id, "take it from one: survey[ID]", "E-SURVEY-MISSING"
            )
        figure: Figure = import_module(f"{DRAWING}.picture_page").draw_object(self, self.header)
        return figure

    def _repr_html_(self) -> str:
        title = self.id if self.header is None else f"{self.header.full_name} {self.id}"
        numbers, counts = np.unique(self.band, return_counts=True)
        names = [f"band {b}" if self.header is None else self.header.bands[b] for b in numbers]
        bands = ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True))
        row = self.metadata
        facts = {
            "class": row.get("class") or "unlabelled",
            "frames": f"{len(self)}: {bands}",
            "time": f"MJD {self.mjd[0]:.2f} to {self.mjd[-1]:.2f}, {self.mjd[-1] - self.mjd[0]:.1f} d",
        }
        known = ("label_source", "redshift", "selected", "ebv", "ra", "dec")
        if self.mask is not None and self.header is not None:
            shares = np.bincount(self.mask.ravel(), minlength=256)[: len(self.header.classes)] / self.mask.size
            named = zip(self.header.classes, shares.tolist(), strict=True)
            facts["mask"] = ", ".join(f"{share:.0%} {name}" for name, share in named if share) or "no known pixel"
        return facts_html(title, facts | {name: row[name] for name in known if row.get(name) is not None})
