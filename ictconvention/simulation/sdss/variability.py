"""Light curves of active galactic nuclei and variable stars, relative to their mean flux."""

import numpy as np
from numpy.typing import NDArray

from ictconvention.simulation.sdss.passbands import EFFECTIVE_WAVELENGTH, blackbody

# Damped random walk of quasars: MacLeod et al. 2010, table 1: log f = A + B log(rest wavelength / 4000 A)
# + C (M_i + 23) + D log(black hole mass / 1e9 suns), for the structure function at infinity [mag] and the time [days].
STRUCTURE = (-0.51, -0.479, 0.131, 0.18)
TIMESCALE = (2.4, 0.17, 0.03, 0.21)
RR_LYRAE_AMPLITUDES = np.array([0.95, 1.00, 0.71, 0.56, 0.52])  # of u, g, r, i, z over that of g
LONG_PERIOD_AMPLITUDES = np.array([1.2, 1.15, 1.0, 0.8, 0.7])
FLARE_TEMPERATURE = 10_000.0  # [K]


def damped_random_walk(
    night: NDArray[np.float64], redshift: float, absolute: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the variation of a quasar on the nights it was observed, in five bands driven by one noise.

    Parameters
    ----------
    night : array (n,)
        Times [days], increasing.
    redshift, absolute : float
        Redshift and M_i [mag].
    rng : Generator
        Draws the black hole's mass (from M_i), the walk's scatter about the relations, and the walk.

    Returns
    -------
    array (n, 5)
        Magnitudes relative to that of the mean flux.
    """
    mass = np.clip(rng.normal(2.0 - 0.27 * absolute, abs(0.58 + 0.011 * absolute)), 6.0, 10.5) - 9.0
    rest = np.log10(EFFECTIVE_WAVELENGTH / (1 + redshift) / 4000.0)
    sigma = 10 ** _relation(STRUCTURE, rest, absolute, mass) / np.sqrt(2) * 10 ** rng.normal(0, 0.10)
    tau = 10 ** _relation(TIMESCALE, rest, absolute, mass) * (1 + redshift) * 10 ** rng.normal(0, 0.15)
    walk = np.empty((len(night), 5))
    walk[0] = sigma * rng.normal()
    for i, step in enumerate(np.diff(night), start=1):
        memory = np.exp(-step / tau)
        walk[i] = walk[i - 1] * memory + sigma * np.sqrt(1 - memory**2) * rng.normal()
    return np.asarray(walk + 0.5 * 0.4 * np.log(10) * sigma**2)  # so that the mean flux stays


def _relation(
    coefficients: tuple[float, float, float, float], rest: NDArray[np.float64], absolute: float, mass: float
) -> NDArray[np.float64]:
    a, b, c, d = coefficients
    return a + b * rest + c * (absolute + 23) + d * mass


def star_kind(magnitudes: NDArray[np.float64], rng: np.random.Generator) -> str:
    """Draw the kind of a variable star, given its ugriz magnitudes.

    Blue ones pulsate; red ones flare, or, where they are bright enough for a giant of the halo, are long-period.
    """
    blue = magnitudes[1] - magnitudes[2] < 0.5
    bright = magnitudes[2] < 20.0
    shares = (0.60, 0.40, 0.0, 0.0) if blue else (0.0, 0.55, 0.35, 0.10) if bright else (0.0, 0.55, 0.03, 0.42)
    return str(rng.choice(("RR Lyrae", "eclipsing", "long-period", "flaring"), p=shares))


def star_factor(
    kind: str,
    mjd: NDArray[np.float64],
    band: NDArray[np.uint8],
    magnitudes: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw a variable star and return its flux relative to its mean over a period, (n,).

    Parameters
    ----------
    kind : str
        'RR Lyrae', 'eclipsing', 'long-period' or 'flaring'.
    mjd, band : arrays (n,)
        Times and positions in ugriz of the frames.
    magnitudes : array (5,)
        Mean ugriz magnitudes; a flare is brightest against a faint, red star.
    rng : Generator
        Draws period, phase and amplitude.
    """
    match kind:
        case "RR Lyrae":
            return _rr_lyrae(mjd, band, rng)
        case "eclipsing":
            return _eclipsing(mjd, rng)
        case "long-period":
            amplitude = rng.uniform(0.15, 1.5) * LONG_PERIOD_AMPLITUDES[band]
            phase = mjd / rng.uniform(50, 400) + rng.random()
            return np.asarray(
                10 ** (-0.2 * amplitude * np.sin(2 * np.pi * phase)) / np.i0(0.2 * np.log(10) * amplitude)
            )
        case _:
            return _flaring(mjd, band, magnitudes, rng)


def _rr_lyrae(mjd: NDArray[np.float64], band: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float64]:
    """Rise fast and fade slowly (type ab), or swing evenly (type c)."""
    fundamental = rng.random() < 0.75
    period = rng.uniform(0.45, 0.75) if fundamental else rng.uniform(0.25, 0.40)
    amplitude = rng.uniform(0.5, 1.2) if fundamental else rng.uniform(0.3, 0.5)
    phase = (mjd / period + rng.random()) % 1
    rise = 0.15 if fundamental else 0.45
    wave = np.where(phase < rise, 0.5 - phase / rise, -0.5 + (phase - rise) / (1 - rise))
    swing = 0.4 * np.log(10) * amplitude * RR_LYRAE_AMPLITUDES[band]
    return np.asarray(np.exp(-swing * wave) * (swing / 2) / np.sinh(swing / 2))  # straight lines in magnitude


def _eclipsing(mjd: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Two eclipses a period: of a detached pair, short and flat between; of a contact pair, a steady double wave."""
    depth = rng.uniform(0.15, 0.6)
    if rng.random() < 0.5:
        phase = mjd / rng.uniform(0.22, 0.6) + rng.random()
        return np.asarray(1 - depth * 0.5 * (1 + np.cos(4 * np.pi * phase)) + 0.5 * depth)
    phase = (mjd / rng.uniform(0.5, 5.0) + rng.random()) % 1
    width = rng.uniform(0.03, 0.08)
    second = rng.uniform(0.2, 1.0) * depth
    dip = depth * np.exp(-0.5 * (np.minimum(phase, 1 - phase) / width) ** 2)
    dip += second * np.exp(-0.5 * ((phase - 0.5) / width) ** 2)
    return np.asarray((1 - dip) / (1 - np.sqrt(2 * np.pi) * width * (depth + second)))


def _flaring(
    mjd: NDArray[np.float64], band: NDArray[np.uint8], magnitudes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Flare on one to three nights, hot and blue; minutes long, so that the bands of one pass see it fade."""
    spectrum = blackbody(EFFECTIVE_WAVELENGTH, np.array([FLARE_TEMPERATURE]))[0] * EFFECTIVE_WAVELENGTH**2
    contrast = spectrum / spectrum[1] * 10 ** (0.4 * (magnitudes - magnitudes[1]))  # per band, 1 in g
    factor = 1 + 0.02 * np.sin(2 * np.pi * (mjd / rng.uniform(0.5, 20) + rng.random()))
    nights = np.unique(np.floor(mjd))
    for night in rng.permutation(nights)[: rng.integers(1, 4)]:
        here = np.flatnonzero(np.floor(mjd) == night)
        start = mjd[here[0]] - rng.uniform(0, 0.008)
        fading = np.exp(-(mjd[here] - start) / rng.uniform(0.005, 0.03))
        factor[here] += rng.lognormal(0.0, 0.8) * contrast[band[here]] * fading
    return np.asarray(factor)
