"""Draw the objects of a simulated survey: labels, truths, hosts, positions. Knows no light curve and no pixel."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import ndtr

from ictconvention.core.errors import UsageError
from ictconvention.simulation.sdss.strata import LABELLED, LEVELS, SEASONS, STRATA, Stratum

LEAST_SPECTROSCOPIC = 15  # objects of a spectroscopic stratum
LEAST_OBJECTS = 100
RIGHT_ASCENSION, DECLINATION = (-60.0, 59.6), (-1.266, 1.266)  # [deg] of Stripe 82
GOLDEN_STEPS = (0.7548776662466927, 0.5698402909980532)  # of the two-dimensional golden ratio fill a square evenly
# Real close pairs: 85 within 13 arcsec among 10 258 candidates, most within 1 arcsec; 7 more come by chance here.
PAIRS = (85 - 7) / 10258
CLOSE_PAIRS = 0.62
FARTHEST_PAIR = 12.7  # [arcsec]
# Rank correlations that hold for all strata: of u-r, g-r, i-r and z-r with each other, and of g-r with redshift.
COLOURS = ((1.0, 0.72, -0.45, -0.45), (0.72, 1.0, -0.50, -0.50), (-0.45, -0.50, 1.0, 0.70), (-0.45, -0.50, 0.70, 1.0))
GREEN_REDSHIFT = 0.35
OWN_SEASON = 0.45  # weight of the real seasons of a stratum
BRIGHTEST_HIDDEN = 19.5  # [AB mag] in r, of an AGN or star behind another label: brighter ones have spectra
HOST_LIMITS = (22.5, 25.0)  # [AB mag] in r, of hosts that the catalogue does not have

# What the draws of a survey are for; with the seed and the object's number they are the key of its generator.
LAYOUT, NATURE, CADENCE, CURVE, PIXELS, FORCED = range(6)


@dataclass(frozen=True)
class SkyObject:
    """One object before it is observed.

    Parameters
    ----------
    number : int
        Its place in the survey.
    stratum : Stratum
        How the survey labels it.
    true_class : str
        What it is.
    season : int
        Year in which it was found.
    redshift : float
        Redshift of the source; 0 for a star.
    magnitudes : array (5,)
        In ugriz, of the host; of the object itself, its total mean, for AGN and Variable [AB mag].
    separation : float
        From the object to its host [arcsec].
    extinction : float
        Milky Way E(B-V) [mag].
    ra, dec : float
        [deg]
    catalogue_redshift : float or None
        As far as the catalogue knows it.
    host_known : bool
        Whether the catalogue has magnitudes and separation.
    neighbours : tuple
        Other objects of the survey near its stamp: where, east and north [arcsec], and magnitudes.
    extra_test : bool
        One of the additional test objects.
    """

    number: int
    stratum: Stratum
    true_class: str
    season: int
    redshift: float
    magnitudes: NDArray[np.float64]
    separation: float
    extinction: float
    ra: float
    dec: float
    catalogue_redshift: float | None
    host_known: bool
    neighbours: tuple[tuple[float, float, NDArray[np.float64]], ...]
    extra_test: bool


def generator(seed: int, purpose: int, number: int = 0, attempt: int = 0) -> np.random.Generator:
    """Return the generator of one object's draws for one purpose: the same whatever else is drawn."""
    return np.random.default_rng([seed, purpose, number, attempt])


def spread_evenly(count: int, seed: int) -> NDArray[np.float64]:
    """Return places on the stripe, (count, 2): right ascension and declination [deg], so even that no two are near."""
    place = (generator(seed, LAYOUT, 1).random(2) + np.arange(count)[:, None] * np.array(GOLDEN_STEPS)) % 1
    (west, east), (south, north) = RIGHT_ASCENSION, DECLINATION
    return np.column_stack([(west + place[:, 0] * (east - west)) % 360, south + place[:, 1] * (north - south)])


class Population:
    """The objects of a simulated survey, each drawn when asked for, keyed by seed and number.

    Parameters
    ----------
    objects : int
        Labelled objects; the unlabelled come on top, in their real proportion.
    seed : int
        Key of all draws.
    extra_test : int
        Additional test objects, the same number of each class, with labels as good as those of the test part.

    Raises
    ------
    UsageError
        When there are too few objects for 15 of each spectroscopic kind.
    """

    def __init__(self, objects: int, seed: int, extra_test: int = 0) -> None:
        self.seed = seed
        testable = [stratum for stratum in STRATA if stratum.label and stratum.source != "photometric"]
        shares = [extra_test // len(testable) + (i < extra_test % len(testable)) for i in range(len(testable))]
        main = [s for s, n in zip(STRATA, stratum_counts(objects), strict=True) for _ in range(n)]
        extra = [s for s, n in zip(testable, shares, strict=True) for _ in range(n)]
        self._main = len(main)
        # Shuffled, so that neither an id nor a place in the survey tells the class.
        shuffled = [generator(seed, LAYOUT, 0, i).permutation(len(part)) for i, part in enumerate((main, extra))]
        self._strata = [main[i] for i in shuffled[0]] + [extra[i] for i in shuffled[1]]
        # Steps of the golden ratio fill [0, 1) evenly in every stratum, however few objects it has.
        rank = np.concatenate(shuffled)
        self._evenly = (generator(seed, LAYOUT, 1).random() + rank * (np.sqrt(5) - 1) / 2) % 1

    def __len__(self) -> int:
        return len(self._strata)

    def draw(self, number: int, attempt: int = 0) -> SkyObject:
        """Draw one object: its nature by its own key, its place by the survey's.

        Class and season stay in another attempt, all else about its nature changes. A neighbour is shown as a constant
        point of its magnitudes in the first attempt.
        """
        sky_object = self._nature(number, attempt)
        others = [self._nature(other, 0) for other in self._beside.get(number, ())]
        east = [
            ((other.ra - sky_object.ra + 180) % 360 - 180) * np.cos(np.radians(sky_object.dec)) * 3600
            for other in others
        ]
        north = [(other.dec - sky_object.dec) * 3600 for other in others]
        beside = zip(east, north, [other.magnitudes for other in others], strict=True)
        return replace(sky_object, neighbours=tuple(beside))

    def _nature(self, number: int, attempt: int) -> SkyObject:
        stratum = self._strata[number]
        rng = generator(self.seed, NATURE, number)
        true_class = str(rng.choice(list(stratum.truths), p=list(stratum.truths.values())))
        season = int(rng.choice(SEASONS, p=season_shares(stratum)))
        rng = generator(self.seed, NATURE, number, 1 + attempt)
        hidden = stratum.label is not None and true_class != stratum.label and true_class in ("AGN", "Variable")
        redshift, host_r, separation, *colours = draw_correlated(stratum, rng)
        while hidden and host_r < BRIGHTEST_HIDDEN:
            redshift, host_r, separation, *colours = draw_correlated(stratum, rng)
        extinction = _quantile(stratum.extinction, self._evenly[number])
        host_known = bool(rng.random() < stratum.host_known)
        redshift_known = bool(rng.random() < stratum.redshift_known)
        if not host_known and true_class in ("SN Ia", "SN Other"):
            host_r = rng.uniform(*HOST_LIMITS)
        magnitudes = host_r + np.array([colours[0], colours[1], 0.0, colours[2], colours[3]])
        catalogue = redshift if redshift_known else None
        if true_class == "Variable":
            redshift = 0.0
        elif true_class == "AGN" and stratum.label == "Variable":  # the catalogue's redshifts here are of galaxies
            redshift = _quantile(STRATA[0].redshift, rng.uniform(0.3, 1.0))
        ra, dec = self._places[number]
        return SkyObject(
            number=number,
            stratum=stratum,
            true_class=true_class,
            season=season,
            redshift=max(redshift, 0.005) if true_class != "Variable" else 0.0,
            magnitudes=magnitudes,
            separation=separation,
            extinction=extinction,
            ra=float(ra),
            dec=float(dec),
            catalogue_redshift=catalogue,
            host_known=host_known,
            neighbours=(),
            extra_test=number >= self._main,
        )

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        """Draw all places, (n, 2) [deg]: uniform on the stripe, but for the close pairs."""
        low, high = zip(RIGHT_ASCENSION, DECLINATION, strict=True)
        places = generator(self.seed, LAYOUT, 2).uniform(low, high, (len(self), 2))  # object by object
        places[:, 0] %= 360
        rng = generator(self.seed, LAYOUT, 3)
        for one, other in rng.permutation(self._main)[: 2 * round(PAIRS * self._main)].reshape(2, -1).T:
            near = rng.random() < CLOSE_PAIRS
            distance = rng.uniform(0.0, 1.0) if near else rng.uniform(1.0, FARTHEST_PAIR)
            angle = rng.uniform(0, 2 * np.pi)
            ra, dec = places[one]
            north, east = distance * np.cos(angle) / 3600, distance * np.sin(angle) / 3600
            places[other] = (ra + east / np.cos(np.radians(dec))) % 360, dec + north
        return places

    @cached_property
    def _beside(self) -> dict[int, list[int]]:
        """Return for each object that has some the other objects near its stamp."""
        ra, dec = np.radians(self._places).T
        place = np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        beside: dict[int, list[int]] = {}
        for one, other in sorted(cKDTree(place).query_pairs(np.radians(FARTHEST_PAIR / 3600))):
            beside.setdefault(one, []).append(other)
            beside.setdefault(other, []).append(one)
        return beside


def season_shares(stratum: Stratum) -> NDArray[np.float64]:
    """Return the probabilities of the seasons: the stratum's own, drawn towards those of all objects.

    With its own, the season alone would tell the classes apart to a balanced accuracy of 0.41.
    """
    own = np.array(stratum.seasons) / sum(stratum.seasons)
    everyone = np.sum([s.seasons for s in STRATA], axis=0)
    return np.asarray(OWN_SEASON * own + (1 - OWN_SEASON) * everyone / everyone.sum())


def stratum_counts(objects: int) -> list[int]:
    """Scale the counts of `STRATA` to a number of labelled objects; at least 15 of each spectroscopic stratum.

    Raises
    ------
    UsageError
        When the number is too small.
    """
    if objects < LEAST_OBJECTS:
        fix = f"simulate at least {LEAST_OBJECTS}"
        raise UsageError(
            f"{objects} objects are too few for every class", "the number of objects", fix, "E-COMMAND-VALUE"
        )
    share = [stratum.count * objects / LABELLED for stratum in STRATA]
    counts = [int(number) for number in share]
    for i, stratum in enumerate(STRATA):
        if stratum.source == "spectroscopic":
            counts[i] = max(counts[i], LEAST_SPECTROSCOPIC)
    labelled = [i for i, stratum in enumerate(STRATA) if stratum.label]
    while (missing := objects - sum(counts[i] for i in labelled)) != 0:
        step = 1 if missing > 0 else -1
        free = [
            i for i in labelled if step > 0 or STRATA[i].source != "spectroscopic" or counts[i] > LEAST_SPECTROSCOPIC
        ]
        counts[max(free, key=lambda i: step * (share[i] - counts[i]))] += step
    return counts


def draw_correlated(stratum: Stratum, rng: np.random.Generator) -> list[float]:
    """Draw redshift, r, separation and four colours with the stratum's percentiles and rank correlations."""
    rank = np.eye(7)
    rank[0, 1], rank[0, 2], rank[1, 2] = stratum.rank_correlation
    rank[0, 4] = GREEN_REDSHIFT if stratum.label not in ("AGN", "Variable") else -GREEN_REDSHIFT
    rank[3:, 3:] = np.triu(COLOURS)
    rank = np.triu(rank) + np.triu(rank, 1).T
    values, vectors = np.linalg.eigh(2 * np.sin(np.pi / 6 * rank))
    root = vectors * np.sqrt(np.clip(values, 1e-6, None))
    root /= np.linalg.norm(root, axis=1, keepdims=True)
    uniform = ndtr(root @ rng.normal(size=7))
    columns = (stratum.redshift, stratum.host_r, stratum.separation, *stratum.colours)
    return [_quantile(column, u) for column, u in zip(columns, uniform, strict=True)]


def _quantile(percentiles: Sequence[float], level: float) -> float:
    """Interpolate between percentiles; beyond the outer ones they are the limit."""
    return float(np.interp(level, LEVELS, percentiles))
