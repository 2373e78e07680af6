"""The regimes: how long, with which labels; and the split of each. Knows no arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ictconvention.survey.split import UNLABELLED_PART, Split

RARE = "SN Other"
LEAST = 2  # labelled objects of each class that train, and validate, however few the labels


@dataclass(frozen=True)
class Regime:
    """What training has.

    Parameters
    ----------
    name : str
        Its name.
    passes : sequence of float
        Times that one view draws each labelled object, in pre-training and in fine-tuning.
    epochs : int
        Training epochs that these are divided into, of each stage, where an arm has the cost of one view.
    keep : str
        Which training epoch is kept.
    labels : float
        Share of the fine-tuning labels that there are; below 1 in one stage, and all others are unlabelled.
    rare : float
        Share of the objects of the rarest class that there are.
    errors : float
        Errors of photometric labels, in units of the simulator's own; 1 are these.
    ratio : float
        Objects without a label for each labelled draw, of arms that take them.
    """

    name: str
    passes: Sequence[float]
    epochs: int
    keep: str = "last"
    labels: float = 1.0
    rare: float = 1.0
    errors: float = 1.0
    ratio: float = 0.5

    @property
    def file(self) -> str:
        """Its name in names of files and runs."""
        return self.name.replace(" ", "-").replace("/", "-")


SHORT, SATURATED = "short", "saturated"
FIFTH, TWENTIETH = "labels 1/5", "labels 1/20"
REGIMES: Mapping[str, Regime] = {
    regime.name: regime
    for regime in (
        Regime(SHORT, (2, 2), 2),
        Regime(SATURATED, (20, 20), 10, keep="best"),
        Regime(FIFTH, (34,), 4, labels=1 / 5, ratio=3),
        Regime(TWENTIETH, (136,), 4, labels=1 / 20, ratio=3),
        *(Regime(f"noise {errors}", (2, 2), 2, errors=errors) for errors in (0, 1, 2)),
        *(Regime(f"rare {number}", (2, 2), 2, rare=number / 72) for number in (36, 18)),
    )
}


def draw_split(regime: Regime, whole: Split, seed: int, group: Mapping[str, int]) -> Split | None:
    """Return the split of a regime; None where it is the survey's own, `whole`.

    `group` is that of each object, which no split tears apart: who would be unlabelled beside a labelled neighbour is
    left out.

    Objects of a class are left out, or lose their label, in an order drawn from the seed: with fewer labels there are
    no others than with more. The test parts stay as they are.
    """
    if regime.labels < 1:
        return _fewer_labels(whole, regime.labels, seed, group)
    return _fewer_of_rare(whole, regime.rare, seed) if regime.rare < 1 else None


def _fewer_labels(whole: Split, share: float, seed: int, group: Mapping[str, int]) -> Split:
    parts = {part: [*ids] for part, ids in whole.parts.items()}
    for name in ("train", "validation"):
        kept = _some(whole, parts[f"finetune_{name}"], share, seed)
        apart = {*parts[f"pretrain_{name}"], *parts[f"finetune_{name}"]} - kept
        parts |= {f"pretrain_{name}": sorted(kept), f"finetune_{name}": []}
        parts[UNLABELLED_PART] = sorted([*parts[UNLABELLED_PART], *apart])
    taken = {group[id_] for part, ids in parts.items() if part != UNLABELLED_PART for id_ in ids}
    beside = {id_: "unlabelled, beside a labelled object" for id_ in parts[UNLABELLED_PART] if group[id_] in taken}
    parts[UNLABELLED_PART] = [id_ for id_ in parts[UNLABELLED_PART] if id_ not in beside]
    return replace(whole, parts=parts, excluded=dict(sorted({**whole.excluded, **beside}.items())))


def _fewer_of_rare(whole: Split, share: float, seed: int) -> Split:
    parts, excluded = {part: [*ids] for part, ids in whole.parts.items()}, dict(whole.excluded)
    for part in [f"{stage}_{name}" for stage in ("pretrain", "finetune") for name in ("train", "validation")]:
        rare = [id_ for id_ in parts[part] if whole.classes[id_] == RARE]
        kept = _some(whole, rare, share, seed)
        excluded |= {id_: f"{RARE}: fewer of them" for id_ in rare if id_ not in kept}
        parts[part] = [id_ for id_ in parts[part] if id_ not in excluded]
    return replace(whole, parts=parts, excluded=dict(sorted(excluded.items())))


def _some(whole: Split, ids: Sequence[str], share: float, seed: int) -> set[str]:
    """Return a share of the objects of each class, at least `LEAST`."""
    kept: set[str] = set()
    for name in sorted({str(whole.classes[id_]) for id_ in ids}):
        own = sorted(id_ for id_ in ids if whole.classes[id_] == name)
        order = np.random.default_rng([seed, len(own)]).permutation(len(own))
        kept |= {own[i] for i in order[: max(LEAST, round(share * len(own)))].tolist()}
    return kept
