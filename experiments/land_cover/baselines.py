"""The rows without a network, on the split of the networks: a forest on single pixels, a constant, equal shares."""

from time import process_time

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from experiments.land_cover.jobs import CONSTANT, FOREST, UNIFORM
from ictconvention.configuration.options import Stage
from ictconvention.configuration.schema import RunOptions
from ictconvention.evaluation.masks.calibration import fit_share_calibration
from ictconvention.evaluation.masks.kl import Floats, normalised
from ictconvention.evaluation.predictions import Predictions
from ictconvention.runs.assembly.run_data import load_or_draw_split, make_task
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.survey.masks.mask_file import IGNORED

STAGE: Stage = "pretrain"  # of a fold of one stage
VERSION = 2  # of these rows; part of their setting
PIXELS = 200_000  # that grow the trees
TREES, LEAF, SAMPLE = 50, 20, 0.25  # trees, the least pixels of a leaf, and the share of the pixels that a tree sees
TO_CALIBRATE = 256  # pixels of each chip of validation
AT_ONCE = 64  # chips whose pixels go through the trees together
LEAST = 1e-4  # share of a class that no leaf has


class Chips:
    """The chips of a run's survey: their bands, masks and shares, and the parts of its split.

    Parameters
    ----------
    options : RunOptions
        Of a run.
    """

    def __init__(self, options: RunOptions) -> None:
        self.survey = open_or_simulate(options)
        self.task = make_task(options, self.survey)
        self.split = load_or_draw_split(options, self.survey)
        self.shares = np.asarray(self.task.read_truth(self.survey), dtype=np.float64)

    def positions(self, part: str) -> NDArray[np.int64]:
        """Return where the chips of a part are."""
        return self.survey.positions(self.split.parts[part])

    def pixels(self, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return every pixel of some chips, (n, H W, bands); NaN where it, or a band, is not known."""
        bands = len(self.survey.header.bands)
        found = []
        for position in positions.tolist():
            series = self.survey[position]
            chip = np.full((bands, *series.frames.shape[1:]), np.nan, dtype=np.float32)
            chip[series.band] = series.frames
            found.append(chip.reshape(bands, -1).T)
        return np.stack(found)

    def predict(self, row: str, seed: int, part: str) -> tuple[Predictions, float]:
        """Return what a row predicts of a part, and the CPU time of that [s]."""
        begin, asked = process_time(), self.positions(part)
        if row == FOREST:
            rows = self._by_forest(asked, seed)
        else:
            trained = self.shares[self.positions(f"{STAGE}_train")]
            mean = trained[np.isfinite(trained).all(1)].mean(0)
            share = {CONSTANT: mean, UNIFORM: np.full(len(mean), 1 / len(mean))}[row]
            rows = {"row": np.tile(share, (len(asked), 1))}
        ids = np.array([self.survey.ids[position] for position in asked.tolist()], dtype=str)
        return Predictions(ids, self.shares[asked], rows), process_time() - begin

    def _by_forest(self, asked: NDArray[np.int64], seed: int) -> dict[str, Floats]:
        """Return what a forest on the bands of single pixels says: its counts, means, calibrated as networks are."""
        classes, rng = len(self.task.names), np.random.default_rng(seed)
        forest = self._grow(rng, seed)
        log = _Logarithms(forest, classes)
        held = self.positions(f"{STAGE}_validation")
        some = _with_data(self.pixels(held), rng)
        known = self.survey.read_masks(held).reshape(len(held), -1)
        counts = np.stack([(known == c).sum(1) for c in range(classes)], 1)
        temperature, bias = fit_share_calibration(log.of(some), counts)
        found: dict[str, list[Floats]] = {"argmax": [], "mean": [], "calibrated": [], "confusion": []}
        for first in range(0, len(asked), AT_ONCE):
            few = asked[first : first + AT_ONCE]
            pixels = self.pixels(few)
            logits, there = log.of(pixels), np.isfinite(pixels).any(2, keepdims=True)
            guess, mask = logits.argmax(2), self.survey.read_masks(few).reshape(len(few), -1)
            chosen = {"argmax": guess[..., None] == np.arange(classes), "mean": _softmax(logits)}
            chosen["calibrated"] = _softmax(logits / temperature + bias)
            for name, each in chosen.items():
                found[name].append(normalised((each * there).sum(1)))
            found["confusion"].append(_confusion(mask, guess, classes))
        rows = {name: np.concatenate(parts) for name, parts in found.items()}
        return {"row": rows["calibrated"], **rows}

    def _grow(self, rng: np.random.Generator, seed: int) -> RandomForestClassifier:
        """Grow the trees on some known pixels of the training part, as many of each chip."""
        train = self.positions(f"{STAGE}_train")
        each = -(-PIXELS // len(train))
        features, labels = [], []
        for position, mask in zip(train.tolist(), self.survey.read_masks(train), strict=True):
            pixels, label = self.pixels(np.array([position]))[0], mask.ravel()
            known = np.flatnonzero((label != IGNORED) & np.isfinite(pixels).all(1))
            drawn = rng.permutation(known)[:each]
            features.append(pixels[drawn])
            labels.append(label[drawn])
        forest = RandomForestClassifier(TREES, min_samples_leaf=LEAF, max_samples=SAMPLE, random_state=seed, n_jobs=1)
        return forest.fit(np.concatenate(features), np.concatenate(labels))


def _with_data(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return `TO_CALIBRATE` pixels of each chip, drawn once; one without data has another of its chip in its place."""
    drawn = rng.permutation(pixels.shape[1])
    there = np.isfinite(pixels[:, drawn]).any(2)
    first = np.argsort(~there, axis=1, kind="stable")
    again = np.arange(min(TO_CALIBRATE, len(drawn))) % np.maximum(there.sum(1, keepdims=True), 1)
    chosen = drawn[np.take_along_axis(first, again, 1)]
    return np.take_along_axis(pixels, chosen[:, :, None], 1)


class _Logarithms:
    """Logarithms of what a forest says of pixels, in the order of all classes."""

    def __init__(self, forest: RandomForestClassifier, classes: int) -> None:
        self.forest, self.classes = forest, classes

    def of(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return them, (n, pixels, classes)."""
        votes = self.forest.predict_proba(np.nan_to_num(pixels.reshape(-1, pixels.shape[2])))
        found = np.full((len(votes), self.classes), LEAST, dtype=np.float32)
        found[:, self.forest.classes_] += votes
        return np.log(found).reshape(*pixels.shape[:2], self.classes)


def _softmax(logits: NDArray[np.floating]) -> Floats:
    return normalised(np.exp(logits - logits.max(2, keepdims=True)))


def _confusion(mask: NDArray[np.uint8], guess: NDArray[np.int64], classes: int) -> Floats:
    """Return the confusion of the known pixels of each chip (n, classes, classes), rows true."""
    chip = np.arange(len(mask))[:, None] * classes**2
    cell = (chip + mask.astype(np.int64) * classes + guess)[mask != IGNORED]
    return np.bincount(cell, minlength=len(mask) * classes**2).reshape(-1, classes, classes).astype(np.float64)
