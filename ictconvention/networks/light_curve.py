"""A recurrent network on light curves: what can be told from photometry alone. After SuperNNova (2020)."""

import torch
from torch import Tensor, nn

from ictconvention.networks.parts.precision import full_precision
from ictconvention.networks.parts.ragged import check_lengths, check_padding, pad

HIDDEN = 32


class LightCurveRNN(nn.Module):
    """Bidirectional two-layer LSTM, mean over the steps; 44 804 parameters for ugriz, 35 076 for one band.

    A step is a night: the flux and its error in each band, the days since the step before, and a one-hot code of the
    set of bands that were observed.

    Parameters
    ----------
    classes, bands : int
        Number of classes, and of bands, at most 9.
    dropout : float
        Share of the features that is dropped in training.

    Raises
    ------
    ValueError
        More bands than the one-hot code is meant for.

    Examples
    --------
    Two objects, of four nights and of two:

    >>> model = LightCurveRNN(classes=4, bands=5).eval()
    >>> flux, error, days = torch.randn(6, 5), torch.rand(6, 5), torch.tensor([0.0, 4, 2, 9, 0, 30])
    >>> model(flux, error, days, observed=torch.rand(6, 5) > 0.3, lengths=torch.tensor([4, 2])).shape
    torch.Size([2, 4])
    """

    def __init__(self, classes: int = 4, *, bands: int = 5, dropout: float = 0.3):
        super().__init__()
        if not 1 <= bands <= 9:
            raise ValueError(f"bands is {bands}; take 1 to 9: the one-hot code of their sets doubles with each")
        self.bands = bands
        inputs = 2 * bands + 1 + 2**bands - 1
        self.forwards = nn.ModuleList([nn.LSTM(n, HIDDEN, batch_first=True) for n in (inputs, 2 * HIDDEN)])
        self.backwards = nn.ModuleList([nn.LSTM(n, HIDDEN, batch_first=True) for n in (inputs, 2 * HIDDEN)])
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * HIDDEN, classes))

    def forward(self, flux: Tensor, error: Tensor, days: Tensor, observed: Tensor, lengths: Tensor) -> Tensor:
        """Classify a ragged batch.

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

        Returns
        -------
        tensor (B, classes)

        Raises
        ------
        ValueError
            The lengths do not fit the nights.
        """
        lengths = check_lengths(lengths, len(flux))
        flux, error, days, observed = (pad(x, lengths) for x in (flux, error, days, observed))
        return self.forward_padded(flux, error, days, observed, lengths.to(flux.device))

    def forward_padded(self, flux: Tensor, error: Tensor, days: Tensor, observed: Tensor, lengths: Tensor) -> Tensor:
        """Classify padded arrays (B, S, bands), (B, S); of each object the first `lengths` (B,) nights count.

        Raises
        ------
        ValueError
            The lengths or the bands do not fit.
        """
        check_padding(lengths, flux.shape[0], flux.shape[1])
        if flux.shape[2] != self.bands:
            raise ValueError(f"fluxes of {flux.shape[2]} bands were given; the network takes {self.bands}")
        observed, lengths = observed.bool(), lengths.to(flux.device)
        place = 2 ** torch.arange(self.bands, device=flux.device)
        sets = (observed * place).sum(-1, keepdim=True)  # (B, S, 1): 0 where nothing was observed
        one_hot = sets == torch.arange(1, 2**self.bands, device=flux.device)
        unseen = ~observed
        columns = [flux.masked_fill(unseen, 0), error.masked_fill(unseen, 0), days.unsqueeze(-1), one_hot]
        x = torch.cat([column.to(flux.dtype) for column in columns], dim=-1)

        step = torch.arange(x.shape[1], device=x.device)
        real = step < lengths[:, None]
        mirrored = torch.where(real, lengths[:, None] - 1 - step, step)  # each object's own steps in reverse
        for forwards, backwards in zip(self.forwards, self.backwards, strict=True):
            back, _ = full_precision(backwards, _reordered(x, mirrored))
            ahead, _ = full_precision(forwards, x)
            x = torch.cat([ahead, _reordered(back, mirrored)], dim=-1)
        mean = x.masked_fill(~real.unsqueeze(-1), 0).sum(1) / lengths[:, None]
        return full_precision(self.head, mean)


def _reordered(x: Tensor, order: Tensor) -> Tensor:
    return x.gather(1, order.unsqueeze(-1).expand(-1, -1, x.shape[2]))
