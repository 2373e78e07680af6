"""What is counted of masks while a network trains: the loss, the divergence of shares, and a confusion of pixels."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from ictconvention.evaluation.masks.pixels import accuracy, mean_iou
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.tasks.mask.losses import count_classes, count_confusion, known_pixels_loss, pixel_loss, share_loss


class MaskMetrics(Metric):
    """Sums over the known pixels and over the pictures that have any, of all processes.

    Parameters
    ----------
    names : sequence of str
        Names of the classes.
    pixels : bool
        Whether the network gives masks; otherwise it gives shares alone.
    share_weight : float
        Weight of the divergence of the mean probabilities in the loss; the loss of shares alone is that divergence.
    """

    full_state_update = False

    def __init__(self, names: Sequence[str], pixels: bool, share_weight: float) -> None:
        super().__init__()
        self.classes, self.pixels, self.share_weight = len(names), pixels, share_weight
        for name in ("entropy", "known", "pictures", "of_counts", "of_means"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        square = torch.zeros(self.classes, self.classes, dtype=torch.float64)
        self.add_state("confusion", square, dist_reduce_fx="sum")
        self.entropy: Tensor
        self.known: Tensor
        self.pictures: Tensor
        self.of_counts: Tensor
        self.of_means: Tensor
        self.confusion: Tensor

    def update(self, outputs: Tensor, label: Tensor) -> None:
        """Add the logits (B, classes, H, W), or (B, classes), of a batch, and its masks (B, H, W)."""
        outputs = outputs.float()
        known = (label != IGNORED).sum().double()
        there = (label != IGNORED).flatten(1).any(1).sum().double()
        share = there / max(len(label), 1)  # what a mean over a batch is multiplied by for a sum
        self.known += known
        self.pictures += there
        self.of_means += (known_pixels_loss(outputs, label).double() * share).sum()
        if not self.pixels:
            return
        equal = outputs.new_ones(self.classes)
        self.entropy += pixel_loss(outputs, label, equal).double().sum() * (known / max(len(label), 1))
        guess = outputs.argmax(1)
        counted = count_classes(guess.masked_fill(label == IGNORED, IGNORED), self.classes).double()
        counted /= counted.sum(1, keepdim=True).clamp(min=1)
        self.of_counts += (share_loss(counted, label) * share).sum()
        self.confusion += count_confusion(label, guess, self.classes).sum(0)

    def compute(self) -> dict[str, Tensor]:
        """Return `loss` and its terms `loss_ce` and `kl_mean`; of masks also `kl` (of counts), `miou` and `accuracy`.

        Predicted shares are here of the pixels that the mask knows; a test takes all that have data.

        Of shares alone `kl` is the divergence of what the network gives.
        """
        of_means = self.of_means / self.pictures
        if not self.pixels:
            return {"loss": of_means, "kl": of_means}
        entropy, confusion = self.entropy / self.known, self.confusion.cpu().numpy()
        scores = {"miou": mean_iou(confusion), "accuracy": accuracy(confusion)}
        return {
            "loss": entropy + self.share_weight * of_means,
            "loss_ce": entropy,
            "kl": self.of_counts / self.pictures,
            "kl_mean": of_means,
            **{name: torch.tensor(float(x), dtype=torch.float64, device=entropy.device) for name, x in scores.items()},
        }
