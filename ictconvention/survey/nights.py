"""Group the frames of one object into nights."""

import numpy as np
from numpy.typing import NDArray

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
