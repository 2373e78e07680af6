"""The frame-group CNN is the published stack of Conv3d, BatchNorm3d and ReLU, folded."""

import copy

import pytest
import torch
from torch import Tensor, nn

from ictconvention.networks.parts.frame_cnn import FrameCNN, token_size
from tests.networks.conftest import random_statistics
from tests.networks.parts.test_time_convolution import distance
from tests.networks.published import ConvNorm

SIZES = [(2, 64, 11, 2, 2), (64, 128, 5, 1, 2), (128, 64, 3, 1, 0), (64, 8, 3, 1, 0)]


class Plain(nn.ModuleDict):
    """Frames and band images as two channels, through Conv3d and BatchNorm3d."""

    def __init__(self, width: float = 1.0) -> None:
        def scaled(channels: int) -> int:
            return round(channels * width) if channels >= 64 else channels

        super().__init__(
            {
                str(n): ConvNorm(scaled(i), scaled(o), (k, k, 3), stride, padding)
                for n, (i, o, k, stride, padding) in enumerate(SIZES, 1)
            }
        )

    def forward(self, frames: Tensor, band: Tensor, images: Tensor) -> Tensor:
        x = torch.stack([frames, images[band]], dim=1).permute(0, 1, 3, 4, 2)
        for layer in self.values():
            x = layer(x)
        return x.squeeze(-1)


def twins(width: float = 1.0, frames_per_group: int = 3) -> tuple[FrameCNN, Plain]:
    folded, plain = FrameCNN(frames_per_group, width), Plain(width)
    random_statistics(folded)
    plain.load_state_dict(copy.deepcopy(folded.state_dict()))
    return folded, plain


def groups(number: int, frames_per_group: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    images = torch.randn(10, 32, 32)
    images[0] = 0
    return torch.randn(number, frames_per_group, 32, 32), torch.randint(0, 10, (number, frames_per_group)), images


@pytest.mark.parametrize("frames_per_group", [3, 4])
def test_eval_mode_equals_conv3d_and_batch_norm3d(frames_per_group: int) -> None:
    folded, plain = (model.eval() for model in twins(1.0, frames_per_group))
    inputs = groups(5, frames_per_group)
    expected = plain(*inputs)
    assert distance(folded(*inputs), expected) < 1e-6
    frames, band, images = inputs
    exact = [model.double()(frames.double(), band, images.double()) for model in (folded, plain)]
    assert distance(*exact) < 1e-13


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_train_mode_equals_conv3d_and_batch_norm3d_with_running_statistics(dtype: torch.dtype, close: float) -> None:
    folded, plain = (model.to(dtype) for model in twins())
    frames, band, images = groups(12)
    found, expected = (model(frames.to(dtype), band, images.to(dtype)) for model in (folded, plain))
    assert distance(found, expected) < close
    statistics = zip(folded.named_buffers(), plain.named_buffers(), strict=True)
    assert all(distance(one.double(), other.double()) < close for (_, one), (_, other) in statistics)


def test_gradients_equal_those_of_conv3d_and_batch_norm3d() -> None:
    """In double precision: in single, a value that rounding takes across the zero of a ReLU changes a gradient."""
    folded, plain = (model.double() for model in twins(0.25))
    frames, band, images = groups(12)
    direction = torch.randn(12, 8, 9, 9, dtype=torch.float64)
    image_gradients = []
    for model in (folded, plain):
        learned = images.double().requires_grad_()
        model(frames.double(), band, learned).backward(direction)
        assert learned.grad is not None
        image_gradients.append(learned.grad[1:])  # image 0 stays zero: nothing trains it
    assert distance(*image_gradients) < 1e-10
    for (name, first), second in zip(folded.named_parameters(), plain.parameters(), strict=True):
        assert first.grad is not None
        assert second.grad is not None
        if not name.endswith("conv.bias"):  # batch norm takes a bias away: its gradient is rounding
            assert distance(first.grad, second.grad) < 1e-10, name


@pytest.mark.parametrize("autocast", [False, True])
def test_activations_stay_in_the_memory_format_of_fast_convolutions(autocast: bool) -> None:
    folded, _ = twins(0.25)
    seen: list[Tensor] = []
    for number in "1234":
        folded.get_submodule(f"{number}.bn").register_forward_hook(
            lambda module, inputs, output: seen.extend([inputs[0], output])
        )
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        folded(*groups(4))
    assert len(seen) == 8
    assert all(x.is_contiguous(memory_format=torch.channels_last_3d) for x in seen)


def test_other_channels_of_a_frame_stand_behind_the_band_image() -> None:
    """The frame, its band image and a second channel of the frame, as one Conv3d of three channels sees them."""
    folded = FrameCNN(width=0.25, frame_channels=2)
    random_statistics(folded)
    conv, bn = folded.get_submodule("1.conv"), folded.get_submodule("1.bn")
    frames, band, images = torch.randn(4, 3, 2, 32, 32), *groups(4)[1:]
    x = torch.stack([frames[:, :, 0], images[band], frames[:, :, 1]], dim=1).permute(0, 1, 3, 4, 2)
    expected = torch.relu(copy.deepcopy(bn)(conv(x))).permute(0, 1, 4, 2, 3)
    assert distance(folded["1"](frames, band, images), expected) < 1e-6
    assert folded(frames, band, images).shape == (4, 8, 9, 9)


def test_frozen_statistics_are_those_of_eval_mode_and_stay_as_they_are() -> None:
    folded, _ = twins(0.25)
    inputs = groups(3)
    expected = copy.deepcopy(folded).eval()(*inputs)
    before = copy.deepcopy(dict(folded.named_buffers()))
    assert torch.allclose(folded(*inputs, frozen=True), expected, rtol=0, atol=1e-6)
    assert all(torch.equal(buffer, before[name]) for name, buffer in folded.named_buffers())


@pytest.mark.parametrize(("stamp", "token"), [(15, 1), (32, 9), (63, 25)])
def test_token_size_is_what_the_layers_leave(stamp: int, token: int) -> None:
    assert token_size(stamp) == token
    cnn = FrameCNN(width=1 / 32).eval()
    assert cnn(torch.randn(1, 3, stamp, stamp), torch.ones(1, 3).long(), torch.randn(10, stamp, stamp)).shape[2:] == (
        token,
        token,
    )


def test_what_the_layers_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 15 pixels"):
        token_size(14)
    for frames_per_group in (1, 2, 5):
        with pytest.raises(ValueError, match="only for 3 or 4"):
            FrameCNN(frames_per_group)
    with pytest.raises(ValueError, match=r"width 0\.001 leaves no channel"):
        FrameCNN(width=0.001)
