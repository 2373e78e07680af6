"""Paint stamps: point source, host and neighbours through the night's seeing, sky and detector noise, saturation."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import galsim
import numpy as np
from numpy.typing import NDArray

from ictconvention.simulation.sdss.cadence import Observations
from ictconvention.simulation.sdss.camera import Camera

SIZE = 32  # [pixels]
PIXEL_SCALE = 0.396  # [arcsec]
PADDED, PADDED_FAR = 2, 4  # times the stamp; galaxies are painted in Fourier space: near ones, and large or far ones
REACH = (
    9.0  # [arcsec] from the centre to four half-light radii beyond a galaxy; above it, of 32 pixels, it is the larger
)
MOFFAT_BETA = 3.0
SEEING_STEP = 0.04  # [arcsec]; galaxies are blurred by the nearest multiple
FULL_WELL = 65535.0  # [DN]

# Of SDSS frames (eBOSS and photometric pipeline documentation), in ugriz.
SKY = np.array([0.23, 0.30, 0.71, 1.30, 3.28])  # [nanomaggies per pixel]
CALIBRATION = np.array([0.0099, 0.0038, 0.0050, 0.0067, 0.0305])  # [nanomaggies per DN]
GAIN = np.array(  # [electrons per DN], by band and camera column
    [
        [1.62, 1.825, 1.59, 1.6, 1.47, 2.17],
        [3.32, 3.855, 3.845, 3.995, 4.05, 4.035],
        [4.71, 4.6, 4.72, 4.76, 4.725, 4.895],
        [5.165, 6.565, 4.86, 4.885, 4.64, 4.76],
        [4.745, 5.155, 4.885, 4.775, 3.48, 4.69],
    ]
)
DARK_VARIANCE = np.array(  # [DN^2], by band and camera column
    [
        [9.61, 12.6025, 8.7025, 12.6025, 9.3025, 7.0225],
        [15.6025, 1.44, 1.3225, 1.96, 1.1025, 1.8225],
        [1.8225, 1.00, 1.3225, 1.3225, 0.81, 0.9025],
        [7.84, 5.76, 4.6225, 6.25, 7.84, 5.0625],
        [0.81, 1.0, 1.0, 9.61, 1.8225, 1.21],
    ]
)
SDSS_CAMERA = Camera(SKY, CALIBRATION, GAIN, DARK_VARIANCE)


@dataclass(frozen=True)
class Galaxy:
    """A galaxy in a stamp.

    Parameters
    ----------
    flux : array (bands,)
        In each band of the camera [nanomaggies].
    half_light_radius : float
        [arcsec]
    sersic : float
        Index of the Sersic profile.
    axis_ratio, angle : float
        Minor over major axis; direction of the major one [radian].
    east, north : float
        From the stamp's centre [arcsec].
    """

    flux: NDArray[np.float64]
    half_light_radius: float
    sersic: float
    axis_ratio: float
    angle: float
    east: float
    north: float


@dataclass(frozen=True)
class Star:
    """A constant point source in a stamp: flux in each band [nanomaggies], place from the centre [arcsec]."""

    flux: NDArray[np.float64]
    east: float
    north: float


def camera_column(dec: float) -> int:
    """Return the camera column, from 0, that sees a declination of Stripe 82; its two strips interleave."""
    return int((dec + 1.266) / 2.532 * 12) // 2 % 6


def sky_noise(observations: Observations, column: int, camera: Camera = SDSS_CAMERA) -> NDArray[np.float64]:
    """Return the noise of a pixel of empty sky in each frame, (n,) [nanomaggies]."""
    band = observations.band
    return camera.noise(camera.sky[band] * observations.sky, band, column)


def electrons(observations: Observations, column: int, camera: Camera = SDSS_CAMERA) -> NDArray[np.float64]:
    """Return the gain of each frame, (n,) [electrons per nanomaggy]."""
    band = observations.band
    return np.asarray(camera.gain[band, column] / camera.calibration[band])


def point_noise(observations: Observations, column: int) -> NDArray[np.float64]:
    """Return the noise of the flux of a faint point source in each frame, by its profile, (n,) [nanomaggies]."""
    sigma = observations.psf_fwhm / 2.3548 / PIXEL_SCALE
    return np.asarray(sky_noise(observations, column) * np.sqrt(4 * np.pi) * sigma)


def draw_places(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw where in its pixel the object falls, (n, 2): to the right of and above the stamp's centre [pixels]."""
    return rng.uniform(-0.5, 0.5, (n, 2))


def draw_frames(
    observations: Observations,
    column: int,
    point: NDArray[np.float64],
    galaxies: list[Galaxy],
    stars: list[Star],
    rng: np.random.Generator,
) -> dict[str, NDArray[Any]]:
    """Draw places and paint all frames, as `paint` does; return them with their columns, for `SurveyWriter.add`."""
    place = draw_places(len(point), rng)
    return {
        "frames": paint(observations, column, point, galaxies, stars, place, rng),
        "band": observations.band,
        "mjd": observations.mjd,
        "psf_fwhm": observations.psf_fwhm,
        "sky_sigma": sky_noise(observations, column),
        "x": place[:, 0],
        "y": place[:, 1],
        "gain": electrons(observations, column),
    }


def paint(
    observations: Observations,
    column: int,
    point: NDArray[np.float64],
    galaxies: list[Galaxy],
    stars: list[Star],
    place: NDArray[np.float64],
    rng: np.random.Generator,
    size: int = SIZE,
    camera: Camera = SDSS_CAMERA,
) -> NDArray[np.float32]:
    """Paint all frames of an object.

    Parameters
    ----------
    observations : Observations
        The n frames.
    column : int
        Camera column, from 0.
    point : array (n,)
        Flux of the object itself [nanomaggies].
    galaxies, stars : lists
        What else lies in the stamp.
    place : array (n, 2)
        Where the object lies, as of `draw_places`.
    rng : Generator
        Draws the noise.
    size : int
        Pixels along a side of a stamp.
    camera : Camera
        Whose bands they are.

    Returns
    -------
    array (n, size, size)
        Sky-subtracted flux [nanomaggies].
    """
    band, seeing = observations.band, observations.psf_fwhm
    image = point[:, None, None] * _moffat(seeing, place, size)
    for star in stars:
        there = place + np.array([-star.east, star.north]) / PIXEL_SCALE  # east is to the left
        image += star.flux[band][:, None, None] * _moffat(seeing, there, size)
    if galaxies:
        image += _galaxies(galaxies, band, seeing, place, size)
    sky = (camera.sky[band] * observations.sky)[:, None, None]
    image = np.minimum(image, FULL_WELL * camera.calibration[band][:, None, None] - sky)
    noise = camera.noise(np.maximum(image + sky, 0), band[:, None, None], column)
    frames: NDArray[np.float32] = (image + noise * rng.standard_normal(image.shape, np.float32)).astype(np.float32)
    return frames


# Two-point Gauss-Legendre nodes of a pixel's width: integrates the profile over each pixel to 0.2 % of its peak.
_NODES = np.array([-0.5, 0.5]) / np.sqrt(3)


def _moffat(fwhm: NDArray[np.float64], place: NDArray[np.float64], size: int = SIZE) -> NDArray[np.float64]:
    """Return unit point sources of Moffat profile (n, size, size), at places (n, 2) from the centre [pixels]."""
    alpha = fwhm / PIXEL_SCALE / (2 * np.sqrt(2 ** (1 / MOFFAT_BETA) - 1))
    grid = np.arange(size) - (size - 1) / 2
    offset = grid[:, None] + _NODES  # (size, 2)
    x2 = ((offset - place[:, :1, None]) / alpha[:, None, None]) ** 2  # (n, size, 2)
    y2 = ((offset - place[:, 1:, None]) / alpha[:, None, None]) ** 2
    total = np.zeros((len(fwhm), size, size))
    for i in range(2):
        for j in range(2):
            r2 = 1.0 + y2[:, :, None, i] + x2[:, None, :, j]
            total += 1.0 / (r2 * r2 * r2)
    return np.asarray(total * ((MOFFAT_BETA - 1) / (4 * np.pi * alpha**2))[:, None, None])


def _galaxies(
    galaxies: list[Galaxy],
    band: NDArray[np.uint8],
    seeing: NDArray[np.float64],
    jitter: NDArray[np.float64],
    stamp: int = SIZE,
) -> NDArray[np.float64]:
    """Paint galaxies in Fourier space, (n, stamp, stamp): their transforms, the seeing's, and the shift to the place.

    The space is so large that what leaves it on one side, and comes back on the other, stays outside the stamp.
    """
    reach = max(np.hypot(g.east, g.north) + 4 * g.half_light_radius for g in galaxies)
    near = REACH + 1.5 * (stamp - SIZE) * PIXEL_SCALE  # the space is wider by so much
    size = stamp * (PADDED if reach < near else PADDED_FAR)
    spectra = np.zeros((len(galaxies[0].flux), size, size // 2 + 1), dtype=np.complex128)
    for galaxy in galaxies:
        profile = galsim.Sersic(galaxy.sersic, half_light_radius=galaxy.half_light_radius)
        profile = profile.shear(q=galaxy.axis_ratio, beta=galaxy.angle * galsim.radians)
        spectra += galaxy.flux[:, None, None] * _transform(profile.shift(-galaxy.east, galaxy.north), size)
    edge = (size - stamp) // 2
    inner = slice(edge, edge + stamp)
    painted = np.empty((len(band), stamp, stamp))
    for some in np.array_split(np.arange(len(band)), -(-len(band) * size**2 // 500_000)):  # what the cache holds
        blur = np.stack([_blur(step, size) for step in np.round(seeing[some] / SEEING_STEP).astype(int).tolist()])
        place = jitter[some] + (size - 1) / 2
        phase_y = np.exp(-2j * np.pi * np.fft.fftfreq(size) * place[:, 1:])
        phase_x = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * place[:, :1])
        seen = spectra[band[some]] * blur * phase_y[:, :, None] * phase_x[:, None, :]
        painted[some] = np.fft.irfft2(seen, (size, size))[:, inner, inner]
    return painted


def _transform(profile: galsim.GSObject, size: int) -> NDArray[np.complex128]:
    """Return a profile's Fourier transform on the half plane of `numpy.fft.rfft2`."""
    grid = profile.drawKImage(nx=size, ny=size, scale=2 * np.pi / (size * PIXEL_SCALE))
    return np.fft.ifftshift(grid.array)[:, : size // 2 + 1]


@cache
def _blur(step: int, size: int) -> NDArray[np.float64]:
    """Return the transform of the seeing and of the pixel."""
    psf = _transform(galsim.Moffat(beta=MOFFAT_BETA, fwhm=step * SEEING_STEP), size).real
    pixel = np.sinc(np.fft.fftfreq(size))[:, None] * np.sinc(np.fft.rfftfreq(size))
    return np.asarray(psf * pixel)
