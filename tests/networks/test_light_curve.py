"""The light-curve network is a bidirectional LSTM over each object's own nights."""

import pytest
import torch
from torch import Tensor, nn

from ictconvention.networks.light_curve import LightCurveRNN
from tests.networks.conftest import parameters


def curves(steps: int, bands: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    observed = torch.rand(steps, bands) > 0.4
    return torch.randn(steps, bands), torch.rand(steps, bands), torch.rand(steps) * 5, observed


def reference(model: LightCurveRNN, x: Tensor) -> Tensor:
    """Run torch's own bidirectional two-layer LSTM with the same weights, on one object's inputs (S, n)."""
    lstm = nn.LSTM(x.shape[1], 32, num_layers=2, bidirectional=True, batch_first=True)
    for layer in (0, 1):
        for suffix, cells in (("", model.forwards), ("_reverse", model.backwards)):
            for name, value in cells[layer].named_parameters():
                getattr(lstm, name.replace("_l0", f"_l{layer}{suffix}")).data.copy_(value)
    return model.head(lstm(x[None])[0].mean(1))[0]


@pytest.mark.parametrize(("bands", "count"), [(5, 44_804), (1, 35_076)])
def test_parameter_counts(bands: int, count: int) -> None:
    assert parameters(LightCurveRNN(classes=4, bands=bands)) == count


def test_each_object_runs_through_a_bidirectional_lstm_alone() -> None:
    model = LightCurveRNN(bands=2).eval()
    flux, error, days, observed = curves(7, 2)
    observed[0] = torch.tensor([False, True])
    logits = model(flux, error, days, observed, torch.tensor([4, 3]))
    sets = torch.stack([observed[:, 0] & ~observed[:, 1], ~observed[:, 0] & observed[:, 1], observed.all(1)], dim=1)
    x = torch.cat([flux * observed, error * observed, days[:, None], sets.float()], dim=1)
    assert torch.allclose(reference(model, x[:4]), logits[0], atol=1e-6)
    assert torch.allclose(reference(model, x[4:]), logits[1], atol=1e-6)
    assert (logits[0] - logits[1]).abs().max() > 1e-4


def test_padding_and_values_of_unobserved_bands_have_no_effect() -> None:
    model = LightCurveRNN().eval()
    flux, error, days, observed = curves(5)
    lengths = torch.tensor([3, 2])
    expected = model(flux, error, days, observed, lengths)
    assert torch.equal(
        model(flux.masked_fill(~observed, torch.nan), error.masked_fill(~observed, 9), days, observed, lengths),
        expected,
    )

    def padded(column: Tensor) -> Tensor:
        wide = torch.ones(2, 8, *column.shape[1:]).to(column.dtype)
        wide[0, :3], wide[1, :2] = column[:3], column[3:]
        return wide

    found = model.forward_padded(padded(flux), padded(error), padded(days), padded(observed), lengths)
    assert torch.allclose(found, expected, atol=1e-6)


def test_every_parameter_learns_and_bad_input_is_refused() -> None:
    model = LightCurveRNN(classes=3, bands=9)
    model(*curves(4, 9), torch.tensor([3, 1])).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []
    with pytest.raises(ValueError, match="sum up to 3, but 4 rows"):
        model(*curves(4, 9), torch.tensor([3]))
    with pytest.raises(ValueError, match="fluxes of 5 bands were given; the network takes 9"):
        model(*curves(4, 5), torch.tensor([4]))
    wide = [column[None] for column in curves(4, 9)]
    for lengths in ([0], [5], [2, 2]):
        with pytest.raises(ValueError, match="for 1 objects; take 1 to 4 for each"):
            model.forward_padded(wide[0], wide[1], wide[2], wide[3], torch.tensor(lengths))
    with pytest.raises(ValueError, match="take 1 to 9"):
        LightCurveRNN(bands=10)
