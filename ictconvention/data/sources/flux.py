"""From counts to nanomaggies."""

from ictconvention.data.sources.reading import UnreadableError

AB_ZERO_POINT = 22.5  # [AB mag] of one nanomaggy
FAINTEST = 60.0  # [AB mag]; beyond it, and below its negative, a number is a mark of something missing


def nanomaggies_per_count(zero_point: float) -> float:
    """Return the flux of a count in an image whose zero point is that AB magnitude [nanomaggies].

    Raises
    ------
    UnreadableError
        It is no magnitude, such as -999, or 0, which marks a missing one.
    """
    if not 0 < abs(zero_point) < FAINTEST:
        raise UnreadableError(f"the zero point is {zero_point:g}, no AB magnitude")
    return float(10 ** (-0.4 * (zero_point - AB_ZERO_POINT)))
