"""Frames are grouped into nights by the pauses between them."""

import numpy as np

from ictconvention.survey.series import night_index


def test_a_pause_begins_a_new_night() -> None:
    minutes = 72 / 86400
    mjd = np.array([0.3, 0.3 + minutes, 0.3 + 2 * minutes, 1.3, 1.5, 9.9, 10.1, 10.3])
    assert night_index(mjd).tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert night_index(np.array([53600.2])).tolist() == [0]
