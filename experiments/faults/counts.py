"""Verdicts, counted by kind: as a Markdown table, and as files beside the study."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.faults.verdict import FAULTS, Outcome, Verdict

Counts = Mapping[str, Counter[Outcome]]
__all__ = ["FAULTS", "counts_of", "print_counts", "save_counts"]


def counts_of(verdicts: Sequence[Verdict]) -> Counts:
    """Return how often each kind ended how."""
    found: dict[str, Counter[Outcome]] = {}
    for one in verdicts:
        found.setdefault(one.kind, Counter())[one.outcome] += 1
    return found


def print_counts(title: str, counts: Counts) -> None:
    """Print a Markdown table, a row for each kind."""
    print(f"\n| {title} | number | {' | '.join(Outcome)} |")
    print(f"|---{'|---:' * (1 + len(Outcome))}|")
    whole: Counter[Outcome] = sum(counts.values(), Counter())
    for name, one in [*counts.items(), ("all", whole)]:
        print(f"| {name} | {one.total()} | {' | '.join(str(one[outcome]) for outcome in Outcome)} |")


def save_counts(folder: Path, title: str, verdicts: Sequence[Verdict]) -> None:
    """Write the counts by kind, the codes of refusals, and the faults, each as a CSV table."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = counts_of(verdicts)
    _write(
        folder / f"{title}.csv",
        ("kind", *Outcome),
        [(name, *(one[o] for o in Outcome)) for name, one in counts.items()],
    )
    codes = Counter((one.kind, one.reason) for one in verdicts if one.outcome == Outcome.REFUSED)
    _write(
        folder / f"{title}_refusals.csv", ("kind", "code", "number"), [(*key, n) for key, n in sorted(codes.items())]
    )
    faults = [one for one in verdicts if one.outcome in FAULTS]
    rows = [(f"{one.kind}:{one.seed}", one.outcome, one.said, one.reason) for one in faults]
    _write(folder / f"{title}_faults.csv", ("case", "outcome", "what was done", "what came"), rows)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
