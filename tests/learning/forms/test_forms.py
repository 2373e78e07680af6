"""The forms of the consistency and of the labels, object by object, and what they remember."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ictconvention.configuration.learner_options import ICTOptions
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.learning.forms.choice import make_form
from ictconvention.learning.forms.class_mates import ClassMates
from ictconvention.learning.forms.form import Form
from ictconvention.learning.forms.hard_labels import PAST, HardLabels
from ictconvention.learning.forms.memory import EarlyLearning, TemporalEnsemble
from ictconvention.learning.forms.ramp import ramp_at
from ictconvention.learning.forms.weak_labels import forward_loss, referee_loss

CLASSES = 4
UNIT = torch.eye(CLASSES)


def batch_of(label: list[int], index: list[int] | None = None) -> SeriesBatch:
    """Return a batch of which a form reads labels and positions alone."""
    number = torch.arange(len(label)) if index is None else torch.tensor(index)
    empty: Any = torch.zeros(len(label))
    names = ("band", "owner", "night", "time", "lengths", "nights", "angle", "quarter_turns", "horizontal", "vertical")
    return SeriesBatch(**dict.fromkeys(names, empty), label=torch.tensor(label), index=number)


def test_the_weight_rises_from_0_over_its_share_of_the_stage() -> None:
    assert [ramp_at(x, 0.5) for x in (0.0, 0.25, 0.5, 1.0)] == [0, 0.5, 1, 1]
    assert ramp_at(0.0, 0.0) == 1


def test_a_label_is_the_targets_class_where_it_is_sure_and_nothing_where_not() -> None:
    own = torch.randn(3, CLASSES)
    other = torch.tensor([[9.0, 0, 0, 0], [0, 0.1, 0, 0], [0, 0, 0, 9.0]])
    found = HardLabels(CLASSES, 0.95)(own, other, batch_of([-1, -1, -1]))
    expected = F.cross_entropy(own, torch.tensor([0, 1, 3]), reduction="none")
    assert torch.allclose(found, expected * torch.tensor([1.0, 0, 1]))


def test_an_adaptive_threshold_is_lower_for_the_class_that_the_target_finds_seldom() -> None:
    """After many equal batches, s is the mean of the largest probability, and m the mean of probabilities."""
    form, other = HardLabels(CLASSES, "adaptive"), torch.tensor([[3.0, 0, 0, 0]] * 9 + [[0, 1.0, 0, 0]])
    batch = batch_of([-1] * 10)
    for _ in range(1000):
        form(other, other, batch)
    q = other.softmax(1)
    assert torch.allclose(form.share, q.mean(0), atol=1e-4)
    assert form.sureness.item() == pytest.approx(q.amax(1).mean().item(), abs=1e-4)
    least = form.share / form.share.max() * form.sureness
    assert q[9, 1] < form.sureness  # too unsure for one threshold of all classes
    assert q[9, 1] > least[1]
    assert (form.eval()(other, other, batch) > 0).all()
    assert 0 < PAST < 1


def test_thresholds_follow_objects_without_a_label_where_there_are_any() -> None:
    form, other = HardLabels(CLASSES, "adaptive"), torch.tensor([[9.0, 0, 0, 0], [0, 9.0, 0, 0]])
    form(other, other, batch_of([2, -1]))
    assert form.share[1] > form.share[0]


@pytest.mark.parametrize("form", [TemporalEnsemble(CLASSES, 0.6), EarlyLearning(CLASSES, 0.6)])
def test_an_object_is_compared_with_its_own_past_whatever_the_order_and_company(form: Form) -> None:
    """z_t = a z_(t-1) + (1 - a) p_t of each object; the ensemble divides by 1 - a^t."""
    drawn = torch.Generator().manual_seed(3)
    logits = {i: torch.randn(3, CLASSES, generator=drawn) for i in (7, 2)}
    for t, order in enumerate(([7, 2], [2, 7], [7, 2])):
        own = torch.stack([logits[i][t] for i in order])
        found = form(own, None, batch_of([0, 0], order))
        for row, i in enumerate(order):
            p = logits[i].softmax(1)
            z = sum((0.4 * 0.6 ** (t - s) * p[s] for s in range(t + 1)), start=torch.zeros(CLASSES))
            before = (z - 0.4 * p[t]) / 0.6 / (1 - 0.6**t) if t else None
            if isinstance(form, EarlyLearning):
                expected = float(torch.log(1 - (p[t] * z).sum()))
            else:
                expected = 0.0 if before is None else float((p[t] - before).square().sum())
            assert found[row].item() == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_the_views_of_an_object_in_one_batch_are_one_entry_of_its_memory() -> None:
    own = torch.randn(2, CLASSES)
    form = TemporalEnsemble(CLASSES, 0.5)
    form(own, None, batch_of([0, 0], [5, 5]))
    remembered, times = form.recall(torch.tensor([5, 4]))
    assert times.tolist() == [1, 0]
    assert torch.allclose(remembered[0], own.softmax(1).mean(0))


def test_no_evaluation_is_remembered_and_no_weights_are_a_memory() -> None:
    form = TemporalEnsemble(CLASSES, 0.5)
    form.eval()(torch.randn(1, CLASSES), None, batch_of([0]))
    assert form.times.sum() == 0
    assert not form.state_dict()
    form.train()(torch.randn(1, CLASSES), None, batch_of([0], [2]))
    other = TemporalEnsemble(CLASSES, 0.5)
    other.restore(form.remembered())
    assert torch.equal(other.average, form.average)
    assert other.times.tolist() == [0, 0, 1]


def test_class_mates_attract_but_the_own_second_view_does_not() -> None:
    z = F.pad(UNIT, (0, 124))
    form = ClassMates(torch.ones(CLASSES), 0.5).eval()
    own = torch.stack([z[0], z[0], z[1]])
    mate = form(own, torch.stack([z[2], z[0], z[1]]), batch_of([0, 0, 1]))
    apart = form(own, torch.stack([z[0], z[2], z[1]]), batch_of([0, 0, 1]))
    assert mate[0] < apart[0]  # object 1, its mate, is near; in the second case its own view is, and no other
    alone = form(own[2:], own[2:], batch_of([1]))
    assert alone.item() == 0  # no mate, and no prototype yet
    assert form(own, own, batch_of([-1, -1, -1])).tolist() == [0, 0, 0]


def test_a_class_counts_the_same_in_the_sum_however_many_objects_it_has() -> None:
    z = F.normalize(torch.randn(6, 128, generator=torch.Generator().manual_seed(0)), dim=1)
    form = ClassMates(torch.ones(CLASSES), 0.3).eval()
    few = form(z[:3], z[:3], batch_of([0, 0, 1]))
    many = torch.cat([z[:3], z[2:3], z[2:3]])  # the rare class three times
    again = form(many, many, batch_of([0, 0, 1, 1, 1], [0, 1, 2, 3, 4]))
    assert torch.allclose(few[:2], again[:2], atol=1e-5)


def test_a_prototype_is_the_direction_of_its_class_and_the_loss_pulls_there() -> None:
    z = F.pad(UNIT, (0, 124))
    form = ClassMates(torch.ones(CLASSES), 0.5)
    form(z, 5 * z, batch_of([0, 1, 2, 3]))
    assert torch.allclose(form.prototypes, z)
    right = form.eval()(z[:1], z[:1], batch_of([0]))
    wrong = form(z[1:2], z[1:2], batch_of([0]))
    assert right < wrong


def test_a_referee_is_bayes_rule_and_an_honest_label_is_believed() -> None:
    """P(y | l, x) = P(y | l) p(y | x) / P(y), normalised."""
    target, own, label = torch.randn(1, 3), torch.randn(1, 3), torch.tensor([1])
    ratio = torch.tensor([[1.0, 0, 0], [0.2, 0.5, 0.3], [0, 0, 1.0]])
    q = ratio[1] * target.softmax(1)[0]
    expected = -(q / q.sum() * own.log_softmax(1)[0]).sum()
    assert referee_loss(own, target, label, ratio).item() == pytest.approx(float(expected), rel=1e-5)
    cross_entropy = F.cross_entropy(own, label).item()
    assert referee_loss(own, target, label, torch.eye(3)).item() == pytest.approx(cross_entropy, rel=1e-5)
    assert forward_loss(own, label, torch.eye(3)).item() == pytest.approx(cross_entropy, rel=1e-5)


def test_a_class_that_training_lacks_spoils_no_judgement() -> None:
    absent = torch.tensor([[0.0, 0.0, -torch.inf]])
    own, target = torch.randn(1, 3).requires_grad_(), torch.randn(1, 3)
    loss = referee_loss(own + absent, target + absent, torch.tensor([1]), torch.full((3, 3), 1 / 3))
    torch.autograd.backward(loss.sum())
    assert loss.isfinite().all()
    assert own.grad is not None
    assert own.grad.isfinite().all()


def test_the_forward_correction_is_least_at_the_true_probabilities() -> None:
    """In the mean over labels drawn from R p, a proper score: the truth has the least loss."""
    ratio = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7]])
    truth = torch.tensor([[0.6, 0.3, 0.1]])
    seen = truth @ ratio.T  # P(l) = sum_y P(l | y) p(y)

    def mean_loss(p: Tensor) -> Tensor:
        each = torch.stack([forward_loss(p.log(), torch.tensor([label]), ratio)[0] for label in range(3)])
        return (seen[0] * each).sum()

    least = mean_loss(truth)
    for other in ([0.5, 0.4, 0.1], [0.65, 0.25, 0.1], [0.6, 0.25, 0.15], seen[0].tolist()):
        assert mean_loss(torch.tensor([other])) > least


def test_every_form_is_found_by_its_options() -> None:
    weights = torch.ones(CLASSES)
    found = {
        HardLabels: ICTOptions(consistency_on="labels"),
        ClassMates: ICTOptions(consistency_on="class_mates"),
        TemporalEnsemble: ICTOptions(consistency_on="probabilities", memory="ensemble"),
        EarlyLearning: ICTOptions(consistency_on="probabilities", memory="early"),
        type(None): ICTOptions(),
    }
    for kind, options in found.items():
        assert type(make_form(options, weights)) is kind
    with pytest.raises(ValueError, match="memory"):
        ICTOptions(memory="early")
    with pytest.raises(ValueError, match="unlabelled"):
        ICTOptions(compared_objects="unlabelled")
    with pytest.raises(ValueError, match="one subset"):
        ICTOptions(token_subsets=1)
