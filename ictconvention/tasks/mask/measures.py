"""The scores of masks and shares by which models are compared: divergence of the shares, and overlap of the pixels."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ictconvention.evaluation.masks.kl import divergences, mean_divergence, normalised
from ictconvention.evaluation.masks.pixels import accuracy, iou, mean_iou, pixel_scores
from ictconvention.evaluation.measures import Measure, Measures, Rows

SHARES = ("argmax", "mean", "calibrated")  # the rows of shares beside that which is predicted
CONFUSION = "confusion"


def share_scores(rows: Rows, known: NDArray[np.floating]) -> dict[str, float | None]:
    """Return `kl` of the shares that are predicted, and `kl_argmax`, `kl_mean` and `kl_calibrated`; None where none is.

    Parameters
    ----------
    rows : mapping of str to arrays (n, classes)
        Predicted shares.
    known : array (n, classes)
        Shares of the known pixels, NaN of a picture without any.
    """
    each = {f"kl_{name}": mean_divergence(known, rows[name]) if name in rows else None for name in SHARES}
    return {"kl": mean_divergence(known, rows["row"]), **each}


def scores_of(rows: Rows, known: NDArray[np.floating], names: Sequence[str]) -> dict[str, Any]:
    """Return all that `result.json` has of a part: `objects`, `share_scores`, and of masks the scores of pixels.

    These are `pixel_scores` and `pixel_confusion`, the summed confusion of pixels, rows true.
    """
    objects = int(np.isfinite(normalised(known)).all(1).sum())
    found: dict[str, Any] = {"objects": objects, "share_scores": share_scores(rows, known)}
    if CONFUSION in rows:
        counts = rows[CONFUSION].sum(0)
        found["pixel_scores"] = pixel_scores(counts, names)
        found["pixel_confusion"] = counts.round().astype(np.int64).tolist()
    return found


class MaskMeasures(Measures):
    """The scores of the classes of these names.

    Parameters
    ----------
    names : sequence of str
        Names of the classes.
    pixels : bool
        Whether the network gives masks.
    """

    alone: ClassVar[tuple[str, ...]] = (CONFUSION,)
    with_intervals: ClassVar[bool] = True
    said: ClassVar[str] = (
        "KL is the mean over pictures of sum (y + e) log((y + e) / (p + e)), e = 1e-7, of known shares y and predicted "
        "shares p; of counts: of the likeliest class of each pixel; of means: of probabilities, calibrated or not. IoU "
        "is of the pixels of all pictures together, its mean over the classes that have known pixels."
    )

    def __init__(self, names: Sequence[str], pixels: bool = True) -> None:
        self.names, self.pixels = tuple(names), pixels

    @property
    def compared(self) -> tuple[Measure, ...]:  # type: ignore[override]
        """The divergence of the predicted shares and, of masks, mean IoU and accuracy of the pixels."""
        of_shares = (_divergence("kl", "KL"),)
        return (
            (*of_shares, Measure("miou", "mean IoU"), Measure("accuracy", "pixel accuracy"))
            if self.pixels
            else of_shares
        )

    @property
    def columns(self) -> tuple[Measure, ...]:  # type: ignore[override]
        """All divergences and, of masks, the IoU of each class too."""
        means = (_divergence("kl_mean", "KL of means"), _divergence("kl_calibrated", "KL calibrated"))
        kl, *of_pixels = self.compared
        if not self.pixels:
            return (kl, *means)
        each = tuple(Measure(f"iou_{name}", f"IoU {name}") for name in self.names)
        return (kl, _divergence("kl_argmax", "KL of counts"), *means, *of_pixels, *each)

    @property
    def by_training(self) -> Mapping[str, tuple[Measure, ...]]:
        """The compared scores."""
        return {"": self.compared}

    @property
    def of_predictions(self) -> tuple[Measure, ...]:
        """The divergence alone: what is known of a survey's predictions are shares."""
        return (_divergence("kl", "KL"),)

    def weigh(
        self, rows: Rows, label: NDArray[np.generic], weight: NDArray[np.floating]
    ) -> dict[str, NDArray[np.float64]]:
        """Return all scores (replicates,), NaN where nothing counts that a score is of, or was not predicted."""
        known, weight = np.asarray(label, dtype=np.float64), np.asarray(weight, dtype=np.float64)
        there = np.isfinite(normalised(known)).all(1)
        none = np.full(len(weight), np.nan)
        number = weight[:, there].sum(1)
        found = {}
        for name, row in {"kl": "row", **{f"kl_{one}": one for one in SHARES}}.items():
            if row in rows:
                with np.errstate(invalid="ignore", divide="ignore"):
                    found[name] = weight[:, there] @ divergences(known[there], rows[row][there]) / number
            else:
                found[name] = none
        if CONFUSION not in rows:
            of_classes = {f"iou_{name}": none for name in self.names}
            return found | {"miou": none, "accuracy": none} | of_classes
        size = len(self.names)
        counts = (weight @ rows[CONFUSION].reshape(len(known), -1)).reshape(-1, size, size)
        each = iou(counts)
        found |= {"miou": mean_iou(counts), "accuracy": accuracy(counts)}
        return found | {f"iou_{name}": each[:, c] for c, name in enumerate(self.names)}

    def score(self, rows: Rows, label: NDArray[np.generic]) -> Mapping[str, float | None]:
        """Return every score; None where there is none."""
        found = self.weigh(rows, label, np.ones((1, len(label))))
        return {name: float(x[0]) if np.isfinite(x[0]) else None for name, x in found.items()}

    def notes(self, label: NDArray[np.generic]) -> list[str]:
        """Say how many pictures have no known pixel, and which classes have none."""
        known = np.asarray(label, dtype=np.float64)
        there = np.isfinite(known).all(1)
        notes = [f"{(~there).sum()} test pictures have no known pixel, and count nowhere."] if not there.all() else []
        absent = [name for c, name in enumerate(self.names) if not (known[there, c] > 0).any()]
        return notes + ([f"No test pixel is of class {', '.join(absent)}."] if absent else [])

    def count_in_words(self, label: NDArray[np.generic]) -> str:
        """Return the mean share of each class."""
        known = np.asarray(label, dtype=np.float64)
        mean = known[np.isfinite(known).all(1)].mean(0)
        return ", ".join(f"{name} {share:.2f}" for name, share in zip(self.names, mean, strict=True))


def _divergence(name: str, title: str) -> Measure:
    return Measure(name, title, rising=False, scale=1.0, unit="", digits=4, by_fold=name == "kl")
