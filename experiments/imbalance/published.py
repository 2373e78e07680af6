"""The published reports on 960 test pictures, and the confusion matrices that they are of."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np

from ictconvention.evaluation.confusion import confusion_scores

SOURCE = "Dahani, Habibi and Ashraful, classification of images by deep learning (Universite Paris Cite, December 2025)"
ROUNDING = 5e-5  # of four decimals


@dataclass(frozen=True)
class Report:
    """One published report.

    Parameters
    ----------
    confusion : two rows of two
        Rows true, the frequent class first; found by us: the only counts of 690 and 270 that give all the digits.
    digits : mapping of str to float
        As they are printed.
    """

    confusion: tuple[tuple[int, int], tuple[int, int]]
    digits: Mapping[str, float]

    def derived(self) -> dict[str, float]:
        """Return the same numbers from the counts."""
        found = confusion_scores(np.array(self.confusion))
        names = ("precision", "recall", "f1")
        of_classes = {f"{name} of class {c}": float(found[name][c]) for c in (0, 1) for name in names}
        return {"accuracy": float(found["accuracy"]), **of_classes}


def _report(
    confusion: tuple[tuple[int, int], tuple[int, int]],
    rare: tuple[float, float, float],
    accuracy: float,
    frequent: tuple[float, float],
) -> Report:
    digits = {"accuracy": accuracy, "precision of class 0": frequent[0], "recall of class 0": frequent[1]}
    names = ("precision", "recall", "f1")
    return Report(confusion, digits | {f"{name} of class 1": x for name, x in zip(names, rare, strict=True)})


REPORTS = {
    "weights": _report(((566, 124), (58, 212)), (0.6310, 0.7852, 0.6997), 0.8104, (0.9071, 0.8203)),
    "oversampling": _report(((590, 100), (61, 209)), (0.6764, 0.7741, 0.7219), 0.8323, (0.9063, 0.8551)),
    "both": _report(((586, 104), (57, 213)), (0.6719, 0.7889, 0.7257), 0.8323, (0.9114, 0.8493)),
}


def half_width(right: int, objects: int) -> float:
    """Return half of the 95 % interval of a share, in the normal approximation."""
    share = right / objects
    return 1.96 * sqrt(share * (1 - share) / objects)


def caution() -> str:
    """Say what the three reports cannot tell."""
    found = [report.confusion[1] for report in REPORTS.values()]
    recalled = ", ".join(f"{right}" for _, right in found)
    widths = [100 * half_width(right, wrong + right) for wrong, right in found]
    return (
        f"The three cannot be told apart: of 270 objects of the rare class they recall {recalled}, and each of "
        f"these shares is known to +- {min(widths):.1f} to {max(widths):.1f} points (95 %) from one test part."
    )


def print_reports() -> None:
    """Print the matrices, every published digit, and the same from the counts.

    Raises
    ------
    ValueError
        A digit does not follow from its matrix.
    """
    print(f"published: {SOURCE}")
    for name, report in REPORTS.items():
        derived = report.derived()
        print(
            f"\n{name}: [[{report.confusion[0][0]}, {report.confusion[0][1]}], "
            f"[{report.confusion[1][0]}, {report.confusion[1][1]}]], rows true"
        )
        for key, digit in report.digits.items():
            if abs(derived[key] - digit) > ROUNDING + 1e-12:
                raise ValueError(f"{name}: {key} is {derived[key]:.6f} of the matrix, and {digit:.4f} was published")
            print(f"  {key:22s} published {digit:.4f}, from the matrix {derived[key]:.6f}")
    print(f"\n{caution()}")
