"""The worst objects are those whose label the models believe least, and a rare class has its share of them."""

import numpy as np
import pytest

from ictconvention.evaluation.predictions import Pooled
from ictconvention.evaluation.prior import Prior
from ictconvention.tasks.worst_objects import worst_objects


def believing(belief: list[float], label: list[int], seeds: int = 1) -> Pooled:
    """Return predictions of two classes that believe each label so much."""
    own = np.array(belief)
    uniform = np.where(np.arange(2) == np.array(label)[:, None], own[:, None], 1 - own[:, None])
    ids = np.array([f"o{number}" for number in range(len(label))])
    every = np.repeat(uniform[None], seeds, axis=0)
    return Pooled(ids, np.array(label), np.zeros(len(label), dtype=np.int64), {Prior.UNIFORM: every})


def test_the_least_believed_come_first_over_all_models() -> None:
    label = [0, 0, 0, 0]
    found = worst_objects([believing([0.1, 0.5, 0.3, 0.9], label), believing([0.9, 0.1, 0.3, 0.9], label, seeds=3)], 3)
    assert [one.id for one in found] == ["o1", "o2", "o0"]
    assert [one.believed for one in found] == pytest.approx([0.3, 0.3, 0.5])
    np.testing.assert_allclose(found[0].said, [(0.5, 0.5), (0.1, 0.9)])


def test_a_rare_class_has_its_share_however_well_it_is_known() -> None:
    found = worst_objects([believing([0.01, 0.02, 0.03, 0.04, 0.8, 0.7], [0, 0, 0, 0, 1, 1])], 4)
    assert [(one.id, one.label) for one in found] == [("o0", 0), ("o1", 0), ("o5", 1), ("o4", 1)]
    found = worst_objects([believing([0.01, 0.02, 0.03, 0.04, 0.8], [0, 0, 0, 0, 1])], 4)
    assert [one.id for one in found] == ["o0", "o1", "o2", "o4"]


def test_of_few_objects_all_are_shown() -> None:
    assert len(worst_objects([believing([0.1, 0.2], [0, 1])], 12)) == 2
