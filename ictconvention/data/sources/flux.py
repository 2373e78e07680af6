"""From counts to nanomaggies."""

AB_ZERO_POINT = 22.5  # [AB mag] of one nanomaggy


def nanomaggies_per_count(zero_point: float) -> float:
    """Return the flux of a count in an image whose zero point is that AB magnitude [nanomaggies]."""
    return float(10 ** (-0.4 * (zero_point - AB_ZERO_POINT)))
