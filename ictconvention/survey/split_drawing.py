"""Draw the splits of the paper (Table 1, the folds around it) and of a single stage, without tearing neighbours apart.

Photometric labels are weak: they pre-train, and never test. A class that has none (AGN, Variable) is shared out
2 : 2 : 1 over pre-train, fine-tune and test. Of a *two-label* class (the supernovae), which has some, the other labels
fine-tune (4/5) and test (1/5). A single stage takes all labels that are not tested.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import SplitError, shorten
from ictconvention.reading.id_column import IdColumn
from ictconvention.survey.labels.allocation import allocate
from ictconvention.survey.labels.crowd import Crowd
from ictconvention.survey.labels.groups import binding_columns
from ictconvention.survey.labels.strata import by_class_or_redshift
from ictconvention.survey.labels.targets import (
    FINETUNE,
    PRETRAIN,
    ROTATING,
    SINGLE,
    STAGES,
    Ints,
    count_tested,
    count_trained,
    least_objects,
)
from ictconvention.survey.labels.ways import Way, find_ways, too_few
from ictconvention.survey.split import PARTS, UNLABELLED_PART, Split, classes_of, reach_of

PROTOCOLS = (ROTATING, "fixed", SINGLE)
VALIDATES = 5  # of so many training labels of a single stage one validates, however few the folds


def make_split(
    objects: Table,
    *,
    protocol: str = ROTATING,
    index: int = 0,
    count: int = 5,
    seed: int = 0,
    linking_length: float | None = None,
    stages: Sequence[str] = STAGES,
) -> Split:
    """Draw one fold.

    Fold 0 of the SDSS-II population is Table 1 of ICT-ConvEntion. `rotating` tests another part in every fold, so
    that the folds together test every object once whose label is not photometric. `fixed` tests fold 0's part in every
    fold. In both, one `count`-th of every class in pre-train and in fine-tune is for validation; under `fixed`, where
    the stages are the same in every fold, another one in each. `single` has one stage, for labels that are all equally
    good: all that the fold does not test, at most a fifth of every class for validation; the folds test every
    object once whose label is not photometric.

    Neighbours, objects with equal pixels and those of one `group` stay together, whatever the counts; see
    `find_groups`. Where that forces it, a weakly labelled or unlabelled neighbour of a test object is left out of that
    fold; a sky group with both a spectroscopic and a weak supernova goes to
    fine-tune, and as many other spectroscopic supernovae of the class go to pre-train, which keeps the counts.
    Unlabelled neighbours of labelled objects are left out.

    Where no object has a class, and some have a redshift, deciles of redshift stand for classes; see `stratify`. Of
    chips with masks the rarest class of each does, see `stratify_chips`; those of one scene stay together.

    Where the table has a column `extra_test`, its objects go to the part of that name in every fold, and count nowhere
    else.

    Parameters
    ----------
    objects : Table
        Columns id, class, label_source, ra, dec, one row per object, in any order: `survey.object_table()`. Its columns
        crc32 and `group`, where there are any, bind objects too.
    protocol : str
        'rotating', 'fixed' or 'single'.
    index, count : int
        Which fold, and how many there are.
    seed : int
        Draws the parts.
    linking_length : float, optional
        Objects linked by neighbours nearer than this stay in one part [arcsec]; by default the survey's own.
    stages : sequence of str
        Stages that train: each needs every class. The first of them is that of `single`.

    Raises
    ------
    SplitError
        When the arguments are out of range, or a class has too few objects for the folds.
    """
    rule = {"protocol": protocol, "index": index, "count": count, "seed": seed}
    _check_rule(rule)
    objects = by_class_or_redshift(objects)
    linking_length = reach_of(objects) if linking_length is None else float(linking_length)
    crowd = Crowd.of(objects, linking_length)
    where, in_test = _draw(crowd, rule, stages)
    if lacking := _find_lacking(crowd, where, rule, stages):
        raise _too_few(crowd, rule, stages, *lacking)
    parts = {part: IdColumn(crowd.ids[where[part]]) for part in PARTS}
    without_class = crowd.extra & (crowd.cls < 0)
    shares = f"shares {' or a '.join(['pixels', *binding_columns(objects)])} with"
    reasons = {
        f"{shares} a test object": in_test & ~where["test"],
        f"extra test object, {shares} others": crowd.extra & crowd.beside_others & ~in_test,
        "extra test object without a class": without_class & ~crowd.beside_others & ~in_test,
        f"unlabelled, {shares} a labelled object": (
            (crowd.cls < 0) & ~where[UNLABELLED_PART] & ~in_test & ~without_class
        ),
    }
    excluded = {str(id_): reason for reason, those in reasons.items() for id_ in crowd.ids[those]}
    split = Split(parts, classes_of(objects), dict(sorted(excluded.items())), rule, linking_length)
    split.check(objects, crowd.where, _training(rule, stages))
    return split


def ways_to_draw(objects: Table, rule: Mapping[str, Any], stages: Sequence[str] = STAGES) -> list[Way]:
    """Return the nearest rules by which every fold has what a run needs: all classes, and objects that validate."""
    return _ways(Crowd.of(by_class_or_redshift(objects), reach_of(objects)), rule, stages)


def _draw(
    crowd: Crowd, rule: Mapping[str, Any], stages: Sequence[str]
) -> tuple[dict[str, NDArray[np.bool_]], NDArray[np.bool_]]:
    """Return which objects are in each part, (n,), and which are in a sky group that is tested, (n,)."""
    protocol, index, count, seed = (rule[name] for name in ("protocol", "index", "count", "seed"))
    test_fold = _test_folds(crowd, rule, stages)
    tested = 0 if protocol == "fixed" else index
    if protocol == SINGLE:
        stage = np.full(crowd.groups, STAGES.index(stages[0]))
    else:
        stage = _stages(crowd, test_fold == tested, np.random.default_rng([seed, 1, tested]))
    in_test = (test_fold == tested)[crowd.group]
    where = {
        "test": in_test & crowd.testable,
        "extra_test": crowd.extra & (crowd.cls >= 0) & ~crowd.beside_others,
        UNLABELLED_PART: (crowd.cls < 0) & ~crowd.extra & ~crowd.has_class[crowd.group],
    }
    for number, name in enumerate(STAGES):
        here = ~in_test & ~crowd.extra & (crowd.cls >= 0) & (stage[crowd.group] == number)
        shares, share = (max(count, VALIDATES), 0) if protocol == SINGLE else (count, index)  # the first is the largest
        held = _validation(crowd, here, shares, share, np.random.default_rng([seed, 2, tested, number]))
        where[f"{name}_train"], where[f"{name}_validation"] = here & ~held, here & held
    return where, in_test


def _training(rule: Mapping[str, Any], stages: Sequence[str]) -> Sequence[str]:
    """Return the stages that get labels."""
    return stages[:1] if rule["protocol"] == SINGLE else stages


def _find_lacking(
    crowd: Crowd, where: Mapping[str, NDArray[np.bool_]], rule: Mapping[str, Any], stages: Sequence[str]
) -> tuple[str, str] | None:
    """Return a class and a part that has no object of it and needs one; None where all have."""
    for part in (*(f"{stage}_train" for stage in _training(rule, stages)), "test"):
        present = np.bincount(crowd.cls[where[part]], minlength=len(crowd.names))
        if (absent := np.flatnonzero(present == 0)).size:
            return crowd.names[absent[0]], part
    return None


def _ways(crowd: Crowd, rule: Mapping[str, Any], stages: Sequence[str]) -> list[Way]:
    """Return what would do in place of a rule, see `find_ways`."""

    def draws(protocol: str, count: int, classes: Sequence[str] | None) -> bool:
        some = crowd if classes is None else crowd.keep(classes)
        if (some.groups_to_test < count).any():
            return False
        for index in range(count):
            other = {**rule, "protocol": protocol, "count": count, "index": index}
            where, _ = _draw(some, other, stages)
            validations = [where[f"{stage}_validation"] for stage in _training(other, stages)]
            if _find_lacking(some, where, other, stages) or not all(held.any() for held in validations):
                return False
        return True

    sizes = dict(zip(crowd.names, crowd.table(crowd.testable).sum(axis=0).tolist(), strict=True))
    ways = find_ways(draws, rule, sizes)
    return ways if crowd.by_class else [way for way in ways if way.classes is None]  # a stratum cannot be left out


def _too_few(crowd: Crowd, rule: Mapping[str, Any], stages: Sequence[str], name: str, part: str = "") -> SplitError:
    """Return the error for a class that has too few objects for the folds, or for a part."""
    members = crowd.table(crowd.testable)[:, crowd.names.index(name)]
    total, groups, count = int(members.sum()), int(np.count_nonzero(members)), int(rule["count"])
    least = least_objects(rule["protocol"], count, _training(rule, stages))
    kind = "class" if crowd.by_class else "stratum"
    found = f"{kind} {name} has {total} objects to test in {groups} {'sky groups' if crowd.placed else 'groups'}"
    found += f", and {part} would have none" if part else ""
    if groups < least:
        found += f"; with {count} folds ({rule['protocol']}) at least {least} are needed"
    if not groups:
        found = f"{kind} {name} has photometric labels only, and those do not test"
    ways = _ways(crowd, rule, stages)
    return too_few(found, crowd.where, ways, stages, "E-SPLIT-LABELS")


def _test_folds(crowd: Crowd, rule: Mapping[str, Any], stages: Sequence[str]) -> Ints:
    """Return the fold that tests each group, (G,); -1 for groups with nothing to test."""
    count, members = int(rule["count"]), crowd.table(crowd.testable)
    if (few := np.flatnonzero(crowd.groups_to_test < count)).size:
        raise _too_few(crowd, rule, stages, crowd.names[few[0]])
    targets = count_tested(rule["protocol"], members.sum(axis=0), crowd.table(crowd.weak).sum(axis=0), count)
    # A weak neighbour is left out of the fold that tests its group; keeping those out of fold 0 keeps Table 1 whole.
    avoid = np.zeros((crowd.groups, count), dtype=bool)
    avoid[:, 0] = (rule["protocol"] != SINGLE) & crowd.table(crowd.weak).any(axis=1)
    return allocate(members, targets, avoid, np.random.default_rng([rule["seed"], 0]))


def _stages(crowd: Crowd, tested: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Return `PRETRAIN` or `FINETUNE` for each group that is not tested, (G,); -1 for the others."""
    members = crowd.table(crowd.cls >= 0) * ~tested[:, None]
    weak = crowd.table(crowd.weak) * ~tested[:, None]
    two_label: NDArray[np.bool_] = np.asarray(crowd.table(crowd.weak).any(axis=0))
    targets = count_trained(members.sum(axis=0), weak.sum(axis=0), two_label)
    has_weak = weak.any(axis=1)
    has_strong = (members - weak)[:, two_label].any(axis=1)
    avoid = np.zeros((crowd.groups, 2), dtype=bool)
    avoid[:, PRETRAIN] = has_strong
    avoid[:, FINETUNE] = has_weak & ~has_strong
    mixed = has_weak & has_strong
    lone = members.sum(axis=1) == 1
    for c in np.flatnonzero(two_label):  # what weak labels bring into fine-tune, spectroscopic ones give back
        surplus = weak[mixed, c].sum()
        candidates = np.flatnonzero(lone & has_strong & (members[:, c] == 1))
        avoid[rng.permutation(candidates)[:surplus]] = [False, True]
    return allocate(members, targets, avoid, rng)


def _validation(
    crowd: Crowd, here: NDArray[np.bool_], count: int, index: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose the validation objects of one stage, (n,): one of `count` disjoint shares of every class."""
    members = crowd.table(here)
    rest, extra = np.divmod(members.sum(axis=0), count)
    targets = rest + (np.arange(count)[:, None] < extra)
    share = allocate(members, targets, np.zeros((crowd.groups, count), dtype=bool), rng)
    for c in range(len(crowd.names)):  # a class so small that its share is all of it trains instead
        holders = np.flatnonzero(members[:, c])
        if (share[holders] == index).all():
            share[holders] = -1
    held: NDArray[np.bool_] = here & (share == index)[crowd.group]
    return held


def _check_rule(rule: Mapping[str, Any]) -> None:
    """Refuse a fold that cannot be; its keys are those of conf/fold and of the command `split`."""
    for name in ("index", "count", "seed"):
        if type(rule[name]) is not int:
            raise SplitError(f"fold.{name} is {rule[name]!r}", "the fold", "give a whole number", "E-SPLIT-RULE")
    if rule["protocol"] not in PROTOCOLS:
        raise SplitError(
            f"fold.protocol is {rule['protocol']!r}", "the fold", f"choose {shorten(PROTOCOLS)}", "E-SPLIT-RULE"
        )
    if rule["count"] < 2:
        raise SplitError(f"fold.count is {rule['count']}", "the fold", "use at least 2 folds", "E-SPLIT-RULE")
    if not 0 <= rule["index"] < rule["count"]:
        found = f"fold.index is {rule['index']} where fold.count is {rule['count']}"
        raise SplitError(found, "the fold", f"choose 0 to {rule['count'] - 1}", "E-SPLIT-RULE")
    if rule["seed"] < 0:
        raise SplitError(f"fold.seed is {rule['seed']}", "the fold", "give a number from 0", "E-SPLIT-RULE")
