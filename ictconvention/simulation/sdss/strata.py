"""What the SDSS-II Supernova Survey found: counts and percentiles by class and label source, and our label noise.

Counts, seasons, shares and percentiles were computed from the public candidate table (Sako et al. 2018, PASP 130,
064002). The shares of true classes are assumptions of this simulation, stated here and printed with every survey.
"""

from collections.abc import Mapping
from dataclasses import dataclass

LEVELS = (0.01, 0.05, 0.25, 0.50, 0.75, 0.95, 0.99)  # of all percentiles below
CLASSES = ("AGN", "SN Ia", "Variable", "SN Other")
SEASONS = (2005, 2006, 2007)
LABELLED = 8208  # objects of Table 1

Seven = tuple[float, float, float, float, float, float, float]


@dataclass(frozen=True)
class Stratum:
    """The objects of one class and label source.

    Parameters
    ----------
    label : str or None
        The class they are labelled with; None for the unlabelled.
    source : str or None
        'spectroscopic', 'photometric' or None.
    count : int
        Number in SDSS-II.
    seasons : tuple of int
        Number by season of the light curve's peak, 2005 to 2007.
    truths : mapping of str to float
        Shares of the true classes (assumed).
    redshift, host_r, separation, extinction : percentiles at `LEVELS`
        Redshift; r magnitude of the host or, for AGN and Variable, of the object; its distance from the object
        [arcsec]; Milky Way E(B-V) [mag].
    colours : four percentiles at `LEVELS`
        u-r, g-r, i-r and z-r of the same [mag].
    redshift_known, host_known : float
        Shares for which the catalogue has them.
    rank_correlation : tuple of float
        Spearman's rank correlation of (redshift, r), (redshift, separation) and (r, separation).
    """

    label: str | None
    source: str | None
    count: int
    seasons: tuple[int, int, int]
    truths: Mapping[str, float]
    redshift: Seven
    host_r: Seven
    separation: Seven
    extinction: Seven
    colours: tuple[Seven, Seven, Seven, Seven]
    redshift_known: float
    host_known: float
    rank_correlation: tuple[float, float, float]


STRATA = (
    Stratum(
        label="AGN",
        source="spectroscopic",
        count=906,
        seasons=(491, 228, 187),
        truths={"AGN": 1.0},
        redshift=(0.082, 0.187, 0.337, 0.493, 0.807, 2.029, 3.220),
        host_r=(16.48, 18.03, 19.24, 20.03, 20.77, 21.53, 22.08),
        separation=(0.021, 0.047, 0.104, 0.152, 0.217, 0.356, 0.644),
        extinction=(0.0183, 0.0218, 0.0292, 0.0359, 0.0615, 0.1056, 0.1317),
        colours=(
            (-0.05, 0.18, 0.53, 0.89, 1.36, 2.43, 3.23),
            (-0.11, -0.01, 0.21, 0.43, 0.72, 1.13, 1.33),
            (-0.84, -0.67, -0.46, -0.36, -0.23, 0.02, 0.23),
            (-1.35, -1.09, -0.82, -0.65, -0.44, 0.01, 0.44),
        ),
        redshift_known=0.99,
        host_known=0.99,
        rank_correlation=(0.79, -0.16, -0.21),
    ),
    Stratum(
        label="Variable",
        source=None,
        count=3225,
        seasons=(2331, 845, 49),
        truths={"Variable": 0.90, "AGN": 0.10},  # faint quasars that no spectrum caught
        redshift=(0.000, 0.014, 0.058, 0.094, 0.155, 0.435, 0.796),
        host_r=(14.18, 15.31, 17.65, 20.86, 21.60, 22.45, 23.08),
        separation=(0.017, 0.042, 0.104, 0.178, 0.583, 0.928, 1.654),
        extinction=(0.0187, 0.0225, 0.0304, 0.0432, 0.0738, 0.1174, 0.1771),
        colours=(
            (-0.37, 0.02, 0.57, 1.32, 2.52, 3.37, 4.36),
            (-0.31, -0.06, 0.25, 0.58, 0.89, 1.33, 1.58),
            (-1.39, -0.87, -0.47, -0.38, -0.19, 0.11, 0.56),
            (-2.09, -1.44, -0.82, -0.68, -0.39, 0.13, 0.76),
        ),
        redshift_known=0.31,
        host_known=0.94,
        rank_correlation=(0.68, -0.47, -0.63),
    ),
    Stratum(
        label="SN Ia",
        source="spectroscopic",
        count=499,
        seasons=(127, 195, 177),
        truths={"SN Ia": 1.0},
        redshift=(0.041, 0.067, 0.140, 0.206, 0.272, 0.376, 0.404),
        host_r=(14.48, 16.38, 18.08, 19.21, 20.35, 21.78, 22.65),
        separation=(0.071, 0.181, 0.726, 1.561, 2.841, 6.938, 12.614),
        extinction=(0.0193, 0.0223, 0.0300, 0.0437, 0.0740, 0.1152, 0.1564),
        colours=(
            (0.57, 0.98, 1.63, 2.12, 2.75, 3.91, 5.48),
            (0.17, 0.35, 0.62, 0.85, 1.12, 1.46, 1.77),
            (-0.69, -0.57, -0.47, -0.39, -0.28, 0.05, 0.52),
            (-1.14, -0.97, -0.79, -0.67, -0.45, 0.10, 0.83),
        ),
        redshift_known=1.0,
        host_known=0.90,
        rank_correlation=(0.58, -0.07, -0.44),
    ),
    Stratum(
        label="SN Ia",
        source="photometric",
        count=1448,
        seasons=(470, 529, 449),
        truths={"SN Ia": 0.94, "SN Other": 0.06},
        redshift=(0.139, 0.181, 0.254, 0.306, 0.372, 0.450, 0.498),
        host_r=(17.44, 18.21, 19.38, 20.19, 21.04, 22.20, 22.65),
        separation=(0.037, 0.096, 0.286, 0.636, 1.272, 3.150, 7.293),
        extinction=(0.0186, 0.0220, 0.0296, 0.0395, 0.0716, 0.1230, 0.1953),
        colours=(
            (0.28, 0.83, 1.56, 2.15, 3.11, 4.57, 5.98),
            (0.21, 0.50, 0.81, 1.10, 1.42, 1.76, 2.03),
            (-0.89, -0.69, -0.53, -0.42, -0.27, 0.04, 0.38),
            (-1.47, -1.16, -0.91, -0.74, -0.49, 0.09, 0.70),
        ),
        redshift_known=0.57,
        host_known=0.78,
        rank_correlation=(0.41, -0.07, -0.25),
    ),
    Stratum(
        label="SN Other",
        source="spectroscopic",
        count=89,
        seasons=(17, 25, 47),
        truths={"SN Other": 1.0},
        redshift=(0.015, 0.023, 0.055, 0.081, 0.142, 0.233, 0.286),
        host_r=(13.58, 14.97, 16.57, 18.17, 19.46, 21.66, 22.17),
        separation=(0.057, 0.141, 0.773, 3.072, 4.984, 10.972, 13.460),
        extinction=(0.0182, 0.0249, 0.0293, 0.0430, 0.0817, 0.1480, 0.1905),
        colours=(
            (0.50, 0.81, 1.28, 1.69, 2.05, 2.56, 3.50),
            (0.04, 0.14, 0.39, 0.52, 0.68, 1.08, 1.78),
            (-0.75, -0.46, -0.37, -0.32, -0.20, -0.04, 0.58),
            (-1.08, -0.77, -0.60, -0.48, -0.26, 0.32, 0.82),
        ),
        redshift_known=0.98,
        host_known=0.88,
        rank_correlation=(0.46, -0.41, -0.69),
    ),
    Stratum(
        label="SN Other",
        source="photometric",
        count=2041,
        seasons=(603, 534, 904),
        truths={"SN Other": 0.78, "SN Ia": 0.08, "AGN": 0.08, "Variable": 0.06},
        redshift=(0.033, 0.057, 0.114, 0.165, 0.235, 0.500, 0.598),
        host_r=(15.93, 17.45, 20.19, 21.29, 21.93, 22.67, 23.16),
        separation=(0.018, 0.046, 0.110, 0.185, 0.380, 2.908, 6.082),
        extinction=(0.0190, 0.0218, 0.0304, 0.0427, 0.0746, 0.1235, 0.2018),
        colours=(
            (-0.43, -0.08, 0.51, 1.10, 1.79, 3.02, 4.30),
            (-0.38, -0.12, 0.23, 0.48, 0.75, 1.27, 1.75),
            (-1.17, -0.84, -0.47, -0.32, -0.14, 0.21, 0.56),
            (-1.80, -1.36, -0.83, -0.58, -0.29, 0.31, 1.13),
        ),
        redshift_known=0.19,
        host_known=0.84,
        rank_correlation=(0.58, -0.47, -0.40),
    ),
    Stratum(
        label=None,
        source=None,
        count=2009,
        seasons=(623, 646, 740),
        truths={"SN Ia": 0.25, "SN Other": 0.30, "AGN": 0.20, "Variable": 0.25},
        redshift=(0.001, 0.033, 0.109, 0.182, 0.282, 0.548, 0.832),
        host_r=(14.52, 16.43, 18.26, 19.62, 21.08, 22.27, 23.01),
        separation=(0.031, 0.073, 0.220, 0.552, 1.082, 3.804, 9.344),
        extinction=(0.0184, 0.0217, 0.0298, 0.0402, 0.0729, 0.1287, 0.1997),
        colours=(
            (-0.23, 0.38, 1.32, 1.95, 2.76, 3.98, 5.22),
            (-0.20, 0.12, 0.51, 0.80, 1.11, 1.55, 2.01),
            (-1.30, -0.87, -0.49, -0.40, -0.26, 0.02, 0.55),
            (-2.08, -1.35, -0.85, -0.69, -0.42, 0.16, 0.90),
        ),
        redshift_known=0.47,
        host_known=0.83,
        rank_correlation=(0.61, -0.34, -0.40),
    ),
)
