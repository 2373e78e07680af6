"""Gaussian processes of light curves in five bands: fitted by their likelihood, and drawn from; knows no class."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

Array = NDArray[np.float64]
Bands = NDArray[np.integer]
Kernel = Callable[[Array, Array], tuple[Array, list[Array]]]  # of lags and logarithms of parameters; with derivatives
Design = Callable[[Array, Bands], tuple[Array, Array]]  # of times and bands; constants (n,) and columns (n, p)

MOST_STEPS = 30  # of the fit
SCALE_LIMITS = 7.0  # a logarithm of a scale may go this far from where it starts
NIGHT = 0.3  # [days] within which a scatter from night to night is forgotten
WALK_LIMITS = ((0.0, 7.6), (-7.0, 1.0))  # logarithms: lengths of 1 to 2 000 days; scatter over walk
PULSATION_LIMITS = ((-1.4, 1.6), (-7.0, -0.7))  # logarithms: chords of 0.25 to 5; scatter to half the swing
NUGGET = 1e-6  # of the variance, so that a covariance can be inverted


@dataclass(frozen=True)
class Model:
    """A prior of light curves: correlations in time and between bands, and scales that follow a linear law.

    The covariance of two points is s s' R k(t - t'): R is 1 within a band, `alike` between two, and the logarithm of
    the scale s is `design`'s constant plus its columns times coefficients.

    Parameters
    ----------
    kernel : callable
        Function of lags (n, m) [days] and the logarithms of its parameters; returns correlations and their derivatives.
    alike : float
        Correlation of two bands at the same time.
    design : callable
        Function of times (n,) and bands (n,); returns constants (n,) and columns (n, p).
    start : array (p,)
        Coefficients that the fit starts from.
    precision : array (p, p)
        Inverse covariance of the coefficients about `start` before anything is measured.
    kernel_start : array (q,)
        Logarithms of the kernel's parameters that the fit starts from.
    kernel_limits : sequence of q pairs
        What they stay within.
    """

    kernel: Kernel
    alike: float
    design: Design
    start: Array
    precision: Array
    kernel_start: Array
    kernel_limits: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class GaussianProcess:
    """A model, fitted to one light curve.

    Parameters
    ----------
    model : Model
        The prior.
    mjd, band, residual, variance : arrays (n,)
        Points: times, bands, fluxes less their levels, squared errors.
    level : array (5,)
        Flux of each band that the process varies about [nanomaggies].
    coefficients, parameters : arrays (p,), (q,)
        Coefficients and parameters of the scales and of the kernel (logarithms).
    likelihood : float
        Logarithm of the penalised likelihood.
    """

    model: Model
    mjd: Array
    band: Bands
    residual: Array
    variance: Array
    level: Array
    coefficients: Array
    parameters: Array
    likelihood: float

    def scale(self, mjd: Array, band: Bands) -> Array:
        """Return the standard deviation before anything is measured, (n,) [nanomaggies]."""
        constant, columns = self.model.design(mjd, band)
        return np.asarray(np.exp(constant + columns @ self.coefficients))

    def mean(self, mjd: Array, band: Bands) -> Array:
        """Return the most likely fluxes at times (n,) [MJD] and bands (n,) [nanomaggies]."""
        return self._conditioned(mjd, band)[0]

    def draw(self, mjd: Array, band: Bands, rng: np.random.Generator) -> Array:
        """Draw fluxes as likely as the measured points allow, all of one light curve.

        Parameters
        ----------
        mjd, band : arrays (n,)
            Times [MJD] and bands.
        rng : Generator
            Draws n normal deviates.

        Returns
        -------
        array (n,)
            [nanomaggies]
        """
        mean, across, factor = self._conditioned(mjd, band)
        within = self._covariance(mjd, band, mjd, band) - across @ cho_solve(factor, across.T)
        within[np.diag_indices(len(mjd))] += NUGGET * self.scale(mjd, band) ** 2 + 1e-12
        return np.asarray(mean + np.linalg.cholesky(within) @ rng.normal(size=len(mjd)))

    def _conditioned(self, mjd: Array, band: Bands) -> tuple[Array, Array, tuple[Array, bool]]:
        """Return the mean after what was measured, the covariance with it (n, points), and the factor of its own."""
        factor = _factor(self._measured())
        across = self._covariance(mjd, band, self.mjd, self.band)
        return np.asarray(self.level[band] + across @ cho_solve(factor, self.residual)), across, factor

    def likelihood_under(self, kernel: Kernel) -> float:
        """Return the logarithm of the likelihood under another kernel with the same parameters, but for a constant."""
        other = replace(self, model=replace(self.model, kernel=kernel))
        factor = _factor(other._measured())
        return float(-0.5 * self.residual @ cho_solve(factor, self.residual) - np.log(np.diag(factor[0])).sum())

    def _measured(self) -> Array:
        covariance = self._covariance(self.mjd, self.band, self.mjd, self.band)
        covariance[np.diag_indices(len(self.mjd))] += self.variance
        return covariance

    def _covariance(self, mjd: Array, band: Bands, mjd_2: Array, band_2: Bands) -> Array:
        alike = np.where(band[:, None] == band_2[None], 1.0, self.model.alike)
        correlation = self.model.kernel(mjd[:, None] - mjd_2[None], self.parameters)[0]
        return np.asarray(self.scale(mjd, band)[:, None] * self.scale(mjd_2, band_2)[None] * alike * correlation)


def fit_gaussian_process(
    model: Model, mjd: Array, band: Bands, flux: Array, error: Array, level: Array
) -> GaussianProcess:
    """Fit the scales and the kernel's parameters of a model to a light curve, by its likelihood.

    Parameters
    ----------
    model : Model
        The prior.
    mjd, band, flux, error : arrays (n,)
        Points: times, bands, fluxes and errors [nanomaggies].
    level : array (5,)
        Flux of each band that the process varies about [nanomaggies].
    """
    residual, variance = flux - level[band], error**2
    lag, alike = mjd[:, None] - mjd[None], np.where(band[:, None] == band[None], 1.0, model.alike)
    constant, columns = model.design(mjd, band)
    count = columns.shape[1]
    variance = variance + NUGGET * np.mean(variance)

    def cost(values: Array) -> tuple[float, Array]:
        correlation, slopes = model.kernel(lag, values[count:])
        scale = np.exp(constant + columns @ values[:count])
        outer = scale[:, None] * scale[None] * alike
        signal = outer * correlation
        factor = _factor(signal + np.diag(variance))
        inverse = cho_solve(factor, np.eye(len(mjd)), check_finite=False)
        weights = inverse @ residual
        off = values[:count] - model.start
        pull = model.precision @ off
        value = 0.5 * residual @ weights + np.log(np.diag(factor[0])).sum() + 0.5 * off @ pull
        excess = np.outer(weights, weights) - inverse
        slope = columns.T @ (excess * signal).sum(axis=1) - pull
        return float(value), -np.concatenate([slope, [0.5 * (excess * outer * d).sum() for d in slopes]])

    start = np.concatenate([model.start, model.kernel_start])
    limits = [(s - SCALE_LIMITS, s + SCALE_LIMITS) for s in model.start] + list(model.kernel_limits)
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": MOST_STEPS})
    return GaussianProcess(
        model, mjd, band, residual, variance, level, found.x[:count], found.x[count:], -float(found.fun)
    )


def _factor(covariance: Array) -> tuple[Array, bool]:
    """Return the lower Cholesky factor of a covariance (n, n).

    Points that stand twice, or lie close together, leave by rounding one that is not positive definite: its variances
    then grow by a share that is nothing beside them.
    """
    try:
        return cho_factor(covariance, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        steadied = covariance + NUGGET * np.diag(np.diag(covariance))
        return cho_factor(steadied, lower=True, check_finite=False)


def damped_random_walk(lag: Array, parameters: Array) -> tuple[Array, list[Array]]:
    """Correlate as a damped random walk does: exp(-|t| / length); its parameter is the length [days]."""
    ratio = np.abs(lag) * np.exp(-parameters[0])
    value = np.exp(-ratio)
    return value, [value * ratio]


def smooth_change(lag: Array, parameters: Array) -> tuple[Array, list[Array]]:
    """Correlate as a curve without kinks does: Matern 3/2; its parameter is the length [days]."""
    ratio = np.sqrt(3) * np.abs(lag) * np.exp(-parameters[0])
    falling = np.exp(-ratio)
    return (1 + ratio) * falling, [ratio**2 * falling]


def scattered_walk(lag: Array, parameters: Array) -> tuple[Array, list[Array]]:
    """Correlate as a damped random walk with a scatter from night to night.

    Its parameters are the length [days] and the scatter over the walk.
    """
    walk, slopes = damped_random_walk(lag, parameters[:1])
    scatter = _nightly(lag, parameters[1])
    return walk + scatter, [*slopes, 2 * scatter]


def pulsation(period: float) -> Kernel:
    """Return a kernel that repeats with a period [days] but for a scatter from night to night.

    Its parameters are the smoothness (Matern 3/2 in the chord between two phases) and the scatter over the swing.
    """

    def kernel(lag: Array, parameters: Array) -> tuple[Array, list[Array]]:
        repeated, slopes = smooth_change(2 * np.sin(np.pi * lag / period), parameters[:1])
        scatter = _nightly(lag, parameters[1])
        return repeated + scatter, [*slopes, 2 * scatter]

    return kernel


def _nightly(lag: Array, logarithm: float) -> Array:
    return np.asarray(np.exp(2 * logarithm - np.abs(lag) / NIGHT))
