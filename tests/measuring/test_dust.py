"""The extinction of bands by their names is that of the simulation."""

import numpy as np
import pytest

from ictconvention.measuring.dust import band_extinction


def test_the_table_is_the_law_of_the_simulation() -> None:
    law = pytest.importorskip("extinction").fitzpatrick99
    from ictconvention.simulation.galaxies.bands import BAND_SETS

    for bands in (BAND_SETS[5], BAND_SETS[11]):  # those of 9 are among these
        np.testing.assert_allclose(band_extinction(bands.names), law(bands.wavelength, 3.1, 3.1), rtol=0.05)
