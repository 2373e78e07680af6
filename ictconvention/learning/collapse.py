"""Whether the projections still tell objects apart, or have collapsed to one point, where eq. 1 teaches nothing."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric

from ictconvention.feeding.batch import UNLABELLED

COLLAPSED = 0.2  # [spread of a whole sphere]; below it an average pair of objects has a cosine above 0.96


class CollapseMonitor(Metric):
    """Statistics of projections and features, over all objects of an evaluation and all processes.

    Sums are kept, not the vectors. `compute` returns, of the normalised projections z,

    - `spread`: standard deviation per dimension; 1/sqrt(D), 0.088 for 128, if they cover the sphere
    - `cosine`: mean cosine between different objects
    - `effective_rank`: exp of the entropy of the covariance's eigenvalues, from 1 to D (Roy & Vetterli 2007)

    and, of the features, mean over their dimensions and over the classes,

    - `intra_class`: variance within a class
    - `inter_class`: variance of the classes' means

    The first three are left out of a network that does not project.

    Parameters
    ----------
    classes, features, projected : int
        Numbers of classes and of dimensions; `projected` 0 without projections.
    """

    full_state_update = False

    def __init__(self, classes: int, features: int, projected: int) -> None:
        super().__init__()
        self.classes, self.projected = classes, projected

        def add(name: str, *shape: int) -> None:
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

        add("objects")
        add("sum", projected)
        add("products", projected, projected)
        add("class_objects", classes)
        add("class_sum", classes, features)
        add("class_squares", classes)
        self.objects: Tensor
        self.sum: Tensor
        self.products: Tensor
        self.class_objects: Tensor
        self.class_sum: Tensor
        self.class_squares: Tensor

    def update(self, projection: Tensor | None, features: Tensor, label: Tensor) -> None:
        """Add the projections (B, D), features (B, f) and labels (B,), some perhaps `UNLABELLED`, of a batch."""
        if projection is not None:
            z = F.normalize(projection.double(), dim=1)
            self.objects += len(z)
            self.sum += z.sum(0)
            self.products += z.T @ z
        known = label != UNLABELLED
        features, one_hot = features[known].double(), F.one_hot(label[known], self.classes).double()
        self.class_objects += one_hot.sum(0)
        self.class_sum += one_hot.T @ features
        self.class_squares += one_hot.T @ features.square().sum(1)

    def compute(self) -> dict[str, Tensor]:
        """Return the statistics."""
        statistics = self._of_projections() if self.projected and self.objects > 1 else {}
        seen = self.class_objects > 0
        count, total = self.class_objects[seen, None], self.class_sum[seen]
        means, dimensions = total / count, total.shape[1]
        within = (self.class_squares[seen] / count[:, 0] - means.square().sum(1)).clamp(min=0) / dimensions
        between = (means - means.mean(0)).square().mean()
        return statistics | {"intra_class": within.mean(), "inter_class": between}

    def _of_projections(self) -> dict[str, Tensor]:
        n = self.objects
        mean = self.sum / n
        covariance = self.products / n - torch.outer(mean, mean)
        share = torch.linalg.eigvalsh(covariance).clamp(min=0)
        share = share / share.sum().clamp(min=1e-30)
        return {
            "spread": covariance.diagonal().clamp(min=0).sqrt().mean(),
            "cosine": (self.sum.square().sum() - n) / (n * (n - 1)),
            "effective_rank": torch.special.entr(share).sum().exp(),
        }


def collapse_warning(statistics: dict[str, Any], dimensions: int) -> str | None:
    """Return one readable warning if the projections have collapsed, else None."""
    if "spread" not in statistics or statistics["spread"] >= COLLAPSED * dimensions**-0.5:
        return None
    return (
        f"the projections have collapsed: their spread is {float(statistics['spread']):.4f} per dimension (healthy: "
        f"{dimensions**-0.5:.3f}) and two different objects have a cosine of {float(statistics['cosine']):.3f} on "
        "average. The consistency term now teaches nothing, and what remains is cross-entropy on two views. "
        "Of ICT's options, predictor=true or variance=1 guard against it; consistency=0 saves the term's cost."
    )
