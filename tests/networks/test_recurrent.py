"""CNN+GRU and CNN+LSTM: the published counts, and nights of any number."""

from typing import Any

import pytest
import torch
from torch import nn

from ictconvention.networks.recurrent import CNNRecurrent
from tests.networks.conftest import parameters


@pytest.mark.parametrize(
    ("cell", "bands", "count"),
    [("gru", 5, 1_992_836), ("gru", 1, 1_991_684), ("lstm", 5, 2_189_956), ("lstm", 1, 2_188_804)],
)
def test_published_parameter_counts(cell: Any, bands: int, count: int) -> None:
    assert parameters(CNNRecurrent(cell, classes=4, bands=bands)) == count


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_state_at_the_last_night_of_each_object_decides(cell: Any) -> None:
    model = CNNRecurrent(cell).eval()
    nights = torch.randn(9, 5, 32, 32)
    lengths = [5, 1, 3]
    together = model(nights, torch.tensor(lengths))
    for row, own in zip(together, nights.split(lengths), strict=True):
        seen = model.cnn(own)[None]  # one object by itself, with torch's own last state
        state = model.rnn(seen)[1]
        last = state[0] if isinstance(state, tuple) else state
        assert torch.allclose(model.head(last[0, 0]), row, atol=1e-5)
    changed = nights.clone()
    changed[4] += 1
    assert (model(changed, torch.tensor(lengths))[0] - together[0]).abs().max() > 1e-5


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_padding_has_no_effect(cell: Any) -> None:
    model = CNNRecurrent(cell).eval()
    nights, lengths = torch.randn(6, 5, 32, 32), torch.tensor([4, 2])
    expected = model(nights, lengths)
    for steps in (4, 9):
        padded = torch.full((2, steps, 5, 32, 32), torch.nan)
        padded[0, :4], padded[1, :2] = nights[:4], nights[4:]
        found = model.forward_padded(padded, lengths)
        assert torch.allclose(found, expected, atol=1e-5)
        model.zero_grad()
        found.sum().backward()
        assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_the_layers_are_those_that_give_the_published_counts() -> None:
    model = CNNRecurrent("gru", dropout=0.3)
    kinds = [type(module) for module in model.cnn]
    assert kinds == 3 * [nn.Conv2d, nn.ReLU, nn.MaxPool2d] + [nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear, nn.ReLU]
    assert [type(module) for module in model.head.children()] == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]


def test_a_missing_band_is_a_zero_frame() -> None:
    """A night without u equals a night whose network never had weights for u."""
    model = CNNRecurrent("gru").eval()
    nights, lengths = torch.randn(3, 5, 32, 32), torch.tensor([3])
    nights[:, 0] = 0
    expected = model(nights, lengths)
    first = model.cnn[0]
    assert isinstance(first, nn.Conv2d)
    with torch.no_grad():
        first.weight[:, 0] = 1e3
    assert torch.equal(model(nights, lengths), expected)


def test_other_stamps_and_one_band_train() -> None:
    model = CNNRecurrent("lstm", classes=3, bands=1, stamp_size=63)
    model(torch.randn(4, 1, 63, 63), torch.tensor([3, 1])).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_input_that_does_not_fit_is_refused() -> None:
    model = CNNRecurrent("gru")
    for lengths in ([2], [4], [3, 0]):
        with pytest.raises(ValueError, match=r"rows were given|of the batch has length"):
            model(torch.randn(3, 5, 32, 32), torch.tensor(lengths))
    for shape in ((3, 4, 32, 32), (3, 5, 33, 33)):
        with pytest.raises(ValueError, match=r"the network takes \(5, 32, 32\)"):
            model(torch.randn(shape), torch.tensor([3]))
    with pytest.raises(ValueError, match="for 2 objects; take 1 to 3 for each"):
        model.forward_padded(torch.randn(2, 3, 5, 32, 32), torch.tensor([3]))
    unknown: Any = "rnn"
    with pytest.raises(ValueError, match="take 'gru' or 'lstm'"):
        CNNRecurrent(unknown)
    with pytest.raises(ValueError, match="at least 14 pixels"):
        CNNRecurrent("gru", stamp_size=13)
    assert CNNRecurrent("gru", stamp_size=14)(torch.randn(1, 5, 14, 14), torch.tensor([1])).shape == (1, 4)
