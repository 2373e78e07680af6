"""An auxiliary head that learns fluxes, which labelled and unlabelled objects have alike."""

from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.networks.parts.precision import full_precision


class FluxHead(nn.Module):
    """From the features of an object to its flux in each band, on the scale of `asinh_fluxes`.

    It keeps in the features what views without labels do not ask for: brightness and colours. No prediction uses it.

    Parameters
    ----------
    features, bands : int
        Numbers of features and of bands.
    weight : float
        Of its loss beside the others.

    Examples
    --------
    >>> from ictconvention.learning.flux import FluxHead
    >>> FluxHead(features=256, bands=5, weight=0.1)(torch.zeros(3, 256)).shape
    torch.Size([3, 5])
    """

    def __init__(self, features: int, bands: int, weight: float) -> None:
        super().__init__()
        self.weight, self.layer = weight, nn.Linear(features, bands)

    def forward(self, features: Tensor) -> Tensor:
        """Return fluxes (B, bands) of features (B, features)."""
        return full_precision(self.layer, features)

    def loss(self, features: Tensor, flux: Tensor | None) -> Tensor:
        """Return the mean over a batch of the Huber loss of each object's known fluxes; 0 for one without any.

        Parameters
        ----------
        features : tensor (B, features)
            From the encoder.
        flux : tensor (B, bands)
            Measured, NaN where the object has none.

        Raises
        ------
        ValueError
            The batch has no fluxes.
        """
        if flux is None:
            raise ValueError(
                "learner.flux learns measured fluxes, and the batch has none: SeriesDataModule(flux_of=PART)"
            )
        known = flux.isfinite()
        each = F.smooth_l1_loss(self(features), flux.where(known, 0), reduction="none").where(known, 0)
        return (each.sum(1) / known.sum(1).clamp(min=1)).mean()
