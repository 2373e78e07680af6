"""A recurrent network on light curves: what can be told from photometry alone. After SuperNNova (2020)."""

from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from ictconvention.configuration.options import ModelOptions, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.inputs import Inputs, InputShape
from ictconvention.networks.inputs.light_curves import LightCurveInputs
from ictconvention.networks.network import Network, Places, Rows
from ictconvention.networks.parts.precision import full_precision
from ictconvention.networks.parts.ragged import check_lengths, check_padding, pad

HIDDEN = 32
POINT = 4  # numbers of a night and band, of what was measured without pixels


@option_group
class LightCurveOptions(ModelOptions):
    """Options of the light-curve RNN."""


@register_network("light_curve", LightCurveOptions)
class LightCurveRNN(Network):
    """Bidirectional two-layer LSTM, mean over the steps; 44 804 parameters for ugriz, 35 076 for one band.

    A step is a night: the flux and its error in each band, the days since the step before, and a one-hot code of the
    set of bands that were observed. Where a run has `sequence.photometry`, also the flux and its error of what was
    measured without pixels, whether it is there, and whether it is a limit, in each band: 49 924 parameters for ugriz.

    Parameters
    ----------
    classes : int, optional
        Number of classes; without it there is no head.
    bands : int
        Number of bands, at most 9.
    dropout : float
        Share of the features that is dropped in training.
    points : bool
        Whether fluxes without pixels come along.

    Raises
    ------
    ValueError
        More bands than the one-hot code is meant for.

    Examples
    --------
    Two objects, of four nights and of two:

    >>> model = ict.LightCurveRNN(classes=4, bands=5).eval()
    >>> flux, error, days = torch.randn(6, 5), torch.rand(6, 5), torch.tensor([0.0, 4, 2, 9, 0, 30])
    >>> model(flux, error, days, observed=torch.rand(6, 5) > 0.3, lengths=torch.tensor([4, 2])).shape
    torch.Size([2, 4])
    """

    takes: ClassVar[type[Inputs]] = LightCurveInputs
    feature_size = 2 * HIDDEN

    def __init__(self, classes: int | None = 4, *, bands: int = 5, dropout: float = 0.3, points: bool = False):
        super().__init__()
        if not 1 <= bands <= 9:
            raise ValueError(f"bands is {bands}; take 1 to 9: the one-hot code of their sets doubles with each")
        self.bands, self.points = bands, points
        inputs = 2 * bands + 1 + 2**bands - 1 + POINT * bands * points
        self.forwards = nn.ModuleList([nn.LSTM(n, HIDDEN, batch_first=True) for n in (inputs, 2 * HIDDEN)])
        self.backwards = nn.ModuleList([nn.LSTM(n, HIDDEN, batch_first=True) for n in (inputs, 2 * HIDDEN)])
        if classes is not None:
            self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.feature_size, classes))

    @classmethod
    def make(cls, options: ModelOptions, shape: InputShape) -> Self:
        """Build the network, without its head."""
        return cls(None, bands=len(shape.bands), points=shape.points)

    def place_bands(self, places: Places, before: int) -> Rows:
        """Return the inputs of the first LSTM: fluxes, errors, days, and one for every set of bands."""
        inputs = [*places, *(None if b is None else before + b for b in places), 2 * before]
        for code in range(1, 2 ** len(places)):
            members = [b for place, b in enumerate(places) if code >> place & 1]
            known = sum(2**b for b in members if b is not None)
            inputs.append(None if None in members else 2 * before + known)
        if self.points:
            first = 2 * before + 2**before
            inputs += [None if b is None else first + k * before + b for k in range(POINT) for b in places]
        return {f"{way}.0.weight_ih_l0": (1, inputs) for way in ("forwards", "backwards")}

    def features(
        self,
        flux: Tensor,
        error: Tensor,
        days: Tensor,
        observed: Tensor,
        lengths: Tensor,
        point_flux: Tensor | None = None,
        point_error: Tensor | None = None,
        point_observed: Tensor | None = None,
    ) -> Tensor:
        """Return the mean over the nights of each object, of a ragged batch.

        Parameters
        ----------
        flux : tensor (S, bands)
            Scaled fluxes of all objects' nights, one object after the other; values of bands that were not
            observed do not count.
        error : tensor (S, bands)
            Their errors, on the same scale.
        days : tensor (S,)
            Days since the step before, 0 for an object's first; scaled as the network was trained.
        observed : boolean tensor (S, bands)
            Which bands were observed that night.
        lengths : integer tensor (B,)
            Number of nights of each object, at least 1; their sum is S.
        point_flux, point_error, point_observed : tensors (S, bands), optional
            Scaled fluxes without pixels, NaN of a limit, their errors, NaN where unknown, and where there is one.

        Returns
        -------
        tensor (B, 64)

        Raises
        ------
        ValueError
            The lengths do not fit the nights, or there are no points where the network has them.
        """
        lengths = check_lengths(lengths, len(flux))
        flux, error, days, observed = (pad(x, lengths) for x in (flux, error, days, observed))
        given = (None if x is None else pad(x, lengths) for x in (point_flux, point_error, point_observed))
        return self.features_padded(flux, error, days, observed, lengths, *given)

    def features_padded(
        self,
        flux: Tensor,
        error: Tensor,
        days: Tensor,
        observed: Tensor,
        lengths: Tensor,
        point_flux: Tensor | None = None,
        point_error: Tensor | None = None,
        point_observed: Tensor | None = None,
    ) -> Tensor:
        """Return the same of padded arrays (B, S, bands), (B, S); of each object the first `lengths` (B,) nights count.

        Raises
        ------
        ValueError
            The lengths or the bands do not fit.
        """
        check_padding(lengths, flux.shape[0], flux.shape[1])
        if flux.shape[2] != self.bands:
            raise ValueError(f"fluxes of {flux.shape[2]} bands were given; the network takes {self.bands}")
        observed, lengths = observed.bool(), lengths.to(flux.device, non_blocking=True)
        place = 2 ** torch.arange(self.bands, device=flux.device)
        sets = (observed * place).sum(-1, keepdim=True)  # (B, S, 1): 0 where nothing was observed
        one_hot = sets == torch.arange(1, 2**self.bands, device=flux.device)
        unseen = ~observed
        columns = [flux.masked_fill(unseen, 0), error.masked_fill(unseen, 0), days.unsqueeze(-1), one_hot]
        if self.points:
            if point_flux is None or point_error is None or point_observed is None:
                raise ValueError("the network has points without pixels: give point_flux, point_error, point_observed")
            there = point_observed.bool()
            measured = there & point_flux.isfinite()
            point_error = point_error.where(there & point_error.isfinite(), 0)
            columns += [point_flux.where(measured, 0), point_error, measured, there & ~measured]
        x = torch.cat([column.to(flux.dtype) for column in columns], dim=-1)

        step = torch.arange(x.shape[1], device=x.device)
        real = step < lengths[:, None]
        mirrored = torch.where(real, lengths[:, None] - 1 - step, step)  # each object's own steps in reverse
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            back, _ = full_precision(backwards, _reordered(x, mirrored))
            ahead, _ = full_precision(forwards, x)
            x = torch.cat([ahead, _reordered(back, mirrored)], dim=-1)
        return x.masked_fill(~real.unsqueeze(-1), 0).sum(1) / lengths[:, None]


def _reordered(x: Tensor, order: Tensor) -> Tensor:
    return x.gather(1, order.unsqueeze(-1).expand(-1, -1, x.shape[2]))
