"""Draw the splits of the paper: Table 1 and the folds around it, without tearing neighbours apart.

Photometric labels are weak: they pre-train, and never test. A class that has none (AGN, Variable) is shared out
2 : 2 : 1 over pre-train, fine-tune and test. Of a *two-label* class (the supernovae), which has some, the other labels
fine-tune (4/5) and test (1/5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.core.errors import SplitError, shorten
from ictconvention.survey.neighbours import sky_groups
from ictconvention.survey.split import PARTS, UNLABELLED, Split, classes_of, positions_of, reach_of

PROTOCOLS = ("rotating", "fixed")
Ints = NDArray[np.int64]
PRETRAIN, FINETUNE = 0, 1


def make_split(
    objects: Table,
    *,
    protocol: str = "rotating",
    index: int = 0,
    count: int = 5,
    seed: int = 0,
    linking_length: float | None = None,
) -> Split:
    """Draw one fold.

    Fold 0 of the SDSS-II population is Table 1 of ICT-ConvEntion. `rotating` tests another part in every fold, so
    that the folds together test every object once whose label is not photometric. `fixed` tests fold 0's part in every
    fold. In both, one `count`-th of every class in pre-train and in fine-tune is for validation; under `fixed`, where
    the stages are the same in every fold, another one in each.

    Neighbours stay together, whatever the counts. Where that forces it, a weakly labelled or unlabelled neighbour of
    a test object is left out of that fold; a sky group with both a spectroscopic and a weak supernova goes to
    fine-tune, and as many other spectroscopic supernovae of the class go to pre-train, which keeps the counts.
    Unlabelled neighbours of labelled objects are left out.

    Where the table has a column `extra_test`, its objects go to the part of that name in every fold, and count nowhere
    else.

    Parameters
    ----------
    objects : Table
        Columns id, class, label_source, ra, dec, one row per object, in any order: `survey.object_table()`.
    protocol : str
        'rotating' or 'fixed'.
    index, count : int
        Which fold, and how many there are.
    seed : int
        Draws the parts.
    linking_length : float, optional
        Objects linked by neighbours nearer than this stay in one part [arcsec]; by default the survey's own.

    Raises
    ------
    SplitError
        When the arguments are out of range, or a class has too few objects for the folds.
    """
    rule = {"protocol": protocol, "index": index, "count": count, "seed": seed}
    _check_rule(rule)
    linking_length = reach_of(objects) if linking_length is None else float(linking_length)
    crowd = _Crowd.of(objects, linking_length)
    test_fold = _test_folds(crowd, count, np.random.default_rng([seed, 0]))
    tested = index if protocol == "rotating" else 0
    stage = _stages(crowd, test_fold == tested, np.random.default_rng([seed, 1, tested]))
    in_test = (test_fold == tested)[crowd.group]
    where = {
        "test": in_test & crowd.testable,
        "extra_test": crowd.extra & ~crowd.beside_others,
        UNLABELLED: (crowd.cls < 0) & ~crowd.has_class[crowd.group],
    }
    for name, number in (("pretrain", PRETRAIN), ("finetune", FINETUNE)):
        here = ~in_test & ~crowd.extra & (crowd.cls >= 0) & (stage[crowd.group] == number)
        held = _validation(crowd, here, count, index, np.random.default_rng([seed, 2, tested, number]))
        where[f"{name}_train"], where[f"{name}_validation"] = here & ~held, here & held
    parts = {part: tuple(sorted(crowd.ids[where[part]].tolist())) for part in PARTS}
    excluded = {str(id_): "shares pixels with a test object" for id_ in crowd.ids[in_test & ~where["test"]]}
    beside = crowd.extra & crowd.beside_others & ~in_test
    excluded |= {str(id_): "extra test object, shares pixels with others" for id_ in crowd.ids[beside]}
    lonely = (crowd.cls < 0) & ~where[UNLABELLED] & ~in_test
    excluded |= {str(id_): "unlabelled, shares pixels with a labelled object" for id_ in crowd.ids[lonely]}
    split = Split(parts, classes_of(objects), dict(sorted(excluded.items())), rule, linking_length)
    split.check(objects, crowd.where)
    return split


@dataclass(frozen=True)
class _Crowd:
    """The objects, in the order of their ids, so that a split does not depend on the order of the rows."""

    ids: NDArray[np.str_]  # (n,)
    names: list[str]  # the classes that occur
    cls: Ints  # (n,) position in names, -1 without class
    weak: NDArray[np.bool_]  # (n,) photometric label
    extra: NDArray[np.bool_]  # (n,) additional test object of a simulated survey
    group: Ints  # (n,) sky group
    groups: int
    where: str  # names the survey in messages

    @classmethod
    def of(cls, objects: Table, linking_length: float) -> "_Crowd":
        where = f"survey {objects.meta.get('SURVEY', 'table')}"
        columns = ("id", "class", "label_source", "ra", "dec")
        if absent := [name for name in columns if name not in objects.colnames]:
            raise SplitError(
                f"the table lacks {', '.join(absent)}", where, "give survey.object_table()", "E-TABLE-COLUMN"
            )
        if not len(objects):
            raise SplitError("no objects", where, "give a survey with objects", "E-TABLE-EMPTY")
        class_of = classes_of(objects)
        ids = np.array(list(class_of))
        if len(ids) < len(objects):
            raise SplitError("ids stand twice", where, "give each object an id of its own", "E-ID-DUPLICATE")
        order = np.argsort(ids)
        names = sorted({name for name in class_of.values() if name is not None})
        if not names:
            raise SplitError(
                "no object has a class",
                where,
                "label some objects, or use the survey to predict only",
                "E-SPLIT-LABELS",
            )
        number = np.array([-1 if name is None else names.index(name) for name in class_of.values()])
        weak = (number >= 0) & (np.ma.filled(np.ma.asarray(objects["label_source"]), "") == "photometric")
        extra = np.zeros(len(ids), dtype=bool)
        if "extra_test" in objects.colnames:
            extra = np.ma.filled(np.ma.asarray(objects["extra_test"], dtype=bool), False)
        ra, dec = positions_of(objects)
        group = sky_groups(ra[order], dec[order], linking_length)
        return cls(ids[order], names, number[order], weak[order], extra[order], group, int(group.max()) + 1, where)

    @property
    def testable(self) -> NDArray[np.bool_]:
        """Objects (n,) whose label may be tested against."""
        return (self.cls >= 0) & ~self.weak & ~self.extra

    @property
    def beside_others(self) -> NDArray[np.bool_]:
        """Objects (n,) whose sky group has a member that is not an additional test object."""
        return (np.bincount(self.group, weights=~self.extra, minlength=self.groups) > 0)[self.group]

    @property
    def has_class(self) -> NDArray[np.bool_]:
        """Groups (G,) with a labelled member."""
        return np.bincount(self.group, weights=self.cls >= 0, minlength=self.groups) > 0

    def table(self, chosen: NDArray[np.bool_]) -> Ints:
        """Count the chosen labelled objects of each group and class, (G, C), without the additional ones."""
        counts = np.zeros((self.groups, len(self.names)), dtype=np.int64)
        chosen = chosen & (self.cls >= 0) & ~self.extra
        np.add.at(counts, (self.group[chosen], self.cls[chosen]), 1)
        return counts


def _test_folds(crowd: _Crowd, count: int, rng: np.random.Generator) -> Ints:
    """Return the fold that tests each group, (G,); -1 for groups with nothing to test."""
    members = crowd.table(crowd.testable)
    total = members.sum(axis=0)
    for c, name in enumerate(crowd.names):
        if (n := np.count_nonzero(members[:, c])) < count:
            found = f"class {name} has {total[c]} objects to test in {n} sky groups, fewer than the {count} folds"
            if not n:
                found = f"class {name} has photometric labels only, and those do not test"
            raise SplitError(
                found,
                "survey",
                "use fewer folds (fold.count), label more objects, or drop the class",
                "E-SPLIT-LABELS",
            )
    weak = crowd.table(crowd.weak).sum(axis=0)
    targets = np.zeros((count, len(total)), dtype=np.int64)
    share = total * (count - 1) // (2 * count)  # of a class without weak labels, in pre-train and again in fine-tune
    targets[0] = np.where(weak > 0, total // count, np.minimum(total - 2 * share, total - count + 1))
    rest, extra = np.divmod(total - targets[0], count - 1)
    targets[1:] = rest + (np.arange(count - 1)[:, None] < extra)
    # A weak neighbour is left out of the fold that tests its group; keeping those out of fold 0 keeps Table 1 whole.
    avoid = np.zeros((crowd.groups, count), dtype=bool)
    avoid[:, 0] = crowd.table(crowd.weak).any(axis=1)
    return _allocate(members, targets, avoid, rng)


def _stages(crowd: _Crowd, tested: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Return `PRETRAIN` or `FINETUNE` for each group that is not tested, (G,); -1 for the others."""
    members = crowd.table(crowd.cls >= 0) * ~tested[:, None]
    weak = crowd.table(crowd.weak) * ~tested[:, None]
    total, weak_total = members.sum(axis=0), weak.sum(axis=0)
    two_label = crowd.table(crowd.weak).any(axis=0)
    targets = np.zeros((2, len(total)), dtype=np.int64)
    targets[PRETRAIN] = np.where(two_label, weak_total, total // 2)
    targets[FINETUNE] = total - targets[PRETRAIN]
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
    return _allocate(members, targets, avoid, rng)


def _validation(
    crowd: _Crowd, here: NDArray[np.bool_], count: int, index: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose the validation objects of one stage, (n,): one of `count` disjoint shares of every class."""
    members = crowd.table(here)
    rest, extra = np.divmod(members.sum(axis=0), count)
    targets = rest + (np.arange(count)[:, None] < extra)
    share = _allocate(members, targets, np.zeros((crowd.groups, count), dtype=bool), rng)
    for c in range(len(crowd.names)):  # a class so small that its share is all of it trains instead
        holders = np.flatnonzero(members[:, c])
        if (share[holders] == index).all():
            share[holders] = -1
    held: NDArray[np.bool_] = here & (share == index)[crowd.group]
    return held


def _allocate(members: Ints, targets: Ints, avoid: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Put each group into a place, so that the counts of each class come as near to the targets as groups allow.

    Parameters
    ----------
    members : array (G, C)
        Objects of each class in each group; groups without any get -1.
    targets : array (P, C)
        Objects of each class wanted in each place.
    avoid : array (G, P)
        Places a group is not put into.
    rng : Generator
        Draws among equals.

    Returns
    -------
    array (G,)
        A place for each group: large groups first, each where its classes are needed most; then single objects fill
        up, which meets the targets exactly when there are enough of them.
    """
    place = np.full(len(members), -1)
    left = targets.astype(np.int64).copy()
    size = members.sum(axis=1)
    scale = np.maximum(members.sum(axis=0), 1)
    crowds = np.flatnonzero(size > 1)
    crowds = crowds[np.lexsort((rng.permutation(len(crowds)), -size[crowds]))]
    bound = np.flatnonzero((size == 1) & avoid.any(axis=1))
    for g in [*crowds, *rng.permutation(bound)]:
        need = np.where(members[g] > 0, left / scale, np.inf).min(axis=1)
        place[g] = np.where(avoid[g], -np.inf, need).argmax()
        left[place[g]] -= members[g]
    for c in range(members.shape[1]):
        single = np.flatnonzero((size == 1) & ~avoid.any(axis=1) & (members[:, c] == 1))
        filling = np.maximum(left[:, c], 0)
        while filling.sum() > len(single):
            filling[filling.argmax()] -= 1
        while filling.sum() < len(single):
            filling[(left[:, c] - filling).argmax()] += 1
        place[single] = rng.permutation(np.repeat(np.arange(len(filling)), filling))
    return place


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
