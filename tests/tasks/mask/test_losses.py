"""What masks are trained on: known pixels alone, each picture's shares, and weights by numbers of pixels."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ictconvention.evaluation.masks.kl import divergences
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.tasks.mask.losses import (
    count_classes,
    count_confusion,
    known_pixels_loss,
    mean_shares,
    pixel_loss,
    share_loss,
)
from ictconvention.tasks.mask.metrics import MaskMetrics

CLASSES = 4
EQUAL = torch.ones(CLASSES)


def drawn(ignored: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, CLASSES, 8, 8, generator=generator, dtype=torch.float64)
    mask = torch.randint(0, CLASSES, (3, 8, 8), generator=generator, dtype=torch.uint8)
    mask[torch.rand(3, 8, 8, generator=generator) < ignored] = IGNORED
    return logits, mask


def test_loss_is_the_divergence_from_one_hot_pixels() -> None:
    logits, mask = drawn()
    one_hot = F.one_hot(mask.long(), CLASSES).movedim(3, 1).double()
    expected = F.kl_div(logits.log_softmax(1), one_hot, reduction="none").sum(1).mean()
    assert abs(pixel_loss(logits, mask, EQUAL).mean() - expected) < 1e-7


def test_mean_over_a_batch_is_that_over_its_known_pixels() -> None:
    logits, mask = drawn(0.4)
    expected = F.cross_entropy(logits, torch.where(mask == IGNORED, -1, mask.long()), ignore_index=-1)
    assert abs(pixel_loss(logits, mask, EQUAL).mean() - expected) < 1e-12


def test_ignored_pixels_have_no_gradient() -> None:
    logits, mask = drawn(0.4)
    logits.requires_grad_()
    torch.autograd.backward(pixel_loss(logits, mask, EQUAL).mean())
    assert logits.grad is not None
    ignored = (mask == IGNORED)[:, None].expand_as(logits)
    assert not logits.grad[ignored].any()
    assert (logits.grad[~ignored] != 0).all()


@pytest.mark.parametrize("focal", [0.0, 2.0])
def test_a_batch_without_a_known_pixel_costs_nothing(focal: float) -> None:
    logits, mask = drawn()
    logits.requires_grad_()
    mask[:] = IGNORED
    loss = pixel_loss(logits, mask, EQUAL, focal).mean() + share_loss(mean_shares(logits), mask).mean()
    torch.autograd.backward(loss)
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_weights_and_focal_multiply_each_pixel() -> None:
    logits, mask = drawn()
    weights = torch.tensor([0.5, 2.0, 1.0, 0.0], dtype=torch.float64)
    entropy = F.cross_entropy(logits, mask.long(), reduction="none")
    each = weights[mask.long()] * (1 - (-entropy).exp()) ** 2 * entropy
    assert torch.allclose(pixel_loss(logits, mask, weights, 2.0), each.mean((1, 2)), rtol=1e-4)


def test_share_loss_is_the_score_of_shares() -> None:
    logits, mask = drawn(0.4)
    mask[1] = IGNORED
    predicted = mean_shares(logits)
    known = count_classes(mask, CLASSES).numpy()
    expected = np.nanmean(divergences(known, predicted.numpy()))
    assert share_loss(predicted, mask).mean().item() == pytest.approx(expected, rel=1e-6)
    assert share_loss(predicted, mask)[1] == 0


def test_what_is_said_of_unknown_pixels_is_in_no_share() -> None:
    logits, mask = drawn(0.4)
    mask[1] = IGNORED
    counts = [logits[n].softmax(0)[:, mask[n] != IGNORED].mean(1) for n in (0, 2)]
    known = count_classes(mask[[0, 2]], CLASSES).numpy()
    expected = divergences(known, torch.stack(counts).numpy()).mean()
    assert known_pixels_loss(logits, mask).mean().item() == pytest.approx(expected, rel=1e-6)
    others = torch.where((mask == IGNORED)[:, None], logits + 5 * torch.randn_like(logits), logits)
    assert torch.equal(known_pixels_loss(logits, mask), known_pixels_loss(others, mask))
    metrics, same = (MaskMetrics("abcd", True, 0.5) for _ in range(2))
    metrics.update(logits, mask)
    same.update(others, mask)
    assert metrics.compute() == same.compute()


def test_confusion_counts_known_pixels_with_true_rows() -> None:
    logits, mask = drawn(0.4)
    guess = logits.argmax(1)
    counts = count_confusion(mask, guess, CLASSES)
    for picture in range(3):
        for true in range(CLASSES):
            for said in range(CLASSES):
                expected = ((mask[picture] == true) & (guess[picture] == said)).sum()
                assert counts[picture, true, said] == expected
    assert counts.sum() == (mask != IGNORED).sum()
    assert torch.equal(count_classes(mask, CLASSES), counts.sum(2))
