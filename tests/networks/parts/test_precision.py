"""bfloat16 autocast changes logits by little and gradients in no direction."""

from collections import defaultdict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.heads import Online
from ictconvention.networks.light_curve import LightCurveRNN
from ictconvention.networks.recurrent import CNNRecurrent
from tests.networks.conftest import ragged, random_statistics

FRAMES, BANDS = 18, 3


def transients(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return frames, bands and classes of point sources: steady, a short flash, periodic, a long red flash."""
    label = torch.randint(0, 4, (number,), generator=generator)
    time = torch.linspace(0, 1, FRAMES // BANDS).repeat_interleave(BANDS)
    band = (torch.arange(FRAMES) % BANDS + 1).expand(number, FRAMES)
    peak, flux = torch.rand(number, 1, generator=generator), 3 + 9 * torch.rand(number, 1, generator=generator)
    curves = torch.stack(
        [
            0.7 + 0.1 * torch.sin(20 * time + 6 * peak),
            torch.exp(-(((time - peak) / 0.15) ** 2)),
            0.5 + 0.5 * torch.sin(12 * time + 6 * peak),
            torch.exp(-(((time - peak) / 0.5) ** 2)) * band / BANDS,
        ]
    )
    pixel = torch.arange(32) - 15.5
    source = torch.exp(-(pixel[:, None] ** 2 + pixel**2) / 8)
    light = flux * curves[label, torch.arange(number)]
    noise = 0.5 * torch.randn(number, FRAMES, 32, 32, generator=generator)
    return light[:, :, None, None] * source + noise, band, label


def gradients_by_layer(model: nn.Module) -> dict[str, Tensor]:
    layers = defaultdict(list)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        layers[name.rpartition(".")[0]].append(parameter.grad.flatten().clone())
    return {layer: torch.cat(gradients) for layer, gradients in layers.items()}


@pytest.mark.no_cover
@pytest.mark.slow
def test_a_trained_network_has_the_logits_and_the_gradients_of_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    model = ConvEntion(max_frames=FRAMES, width=0.125, padding="masked", dropout=0.0)
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    frames, band, label = transients(512, generator)
    for _ in range(100):  # more than some processors need: roundings differ
        some = torch.randint(0, 512, (16,), generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.cross_entropy(model.forward_padded(frames[some], band[some]), label[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    frames, band, label = transients(128, generator)
    for training in (True, False):
        model.train(training)
        logits, gradients = [], []
        for enabled in (False, True):
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
                out = model.forward_padded(frames, band)
            F.cross_entropy(out, label).backward()
            logits.append(out.detach())
            gradients.append(gradients_by_layer(model))
        assert (logits[0].argmax(1) == label).float().mean() > 0.9  # it has learned
        assert (logits[0] - logits[1]).abs().max() < 0.05
        for layer, exact in gradients[0].items():
            assert F.cosine_similarity(exact, gradients[1][layer], dim=0) > 0.995, layer


@pytest.mark.parametrize("padding", ["paper", "masked"])
def test_a_random_network_has_the_logits_of_float32(padding: Any) -> None:
    model = ConvEntion(padding=padding).eval()
    random_statistics(model)
    batch = ragged([99, 40])
    expected = model(*batch)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(*batch)
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 0.05


def test_norms_softmax_and_recurrent_cells_run_in_float32() -> None:
    """Under autocast the CNNs of the stamps are bfloat16, and everything after them is float32."""
    dtypes: dict[str, torch.dtype] = {}

    def watch(model: nn.Module) -> None:
        for name, module in model.named_modules():
            if not list(module.children()):
                module.register_forward_hook(
                    lambda module, inputs, output, name=name: dtypes.__setitem__(
                        name, (output[0] if isinstance(output, tuple) else output).dtype
                    )
                )

    models = {
        "online": Online(ConvEntion(max_frames=6, width=0.125).encoder, predictor=True),
        "gru": CNNRecurrent("gru"),
        "light_curve": LightCurveRNN(),
    }
    watch(nn.ModuleDict(models))
    with torch.autocast("cpu", torch.bfloat16):
        models["online"](*ragged([6, 3]))
        models["gru"](torch.randn(3, 5, 32, 32), torch.tensor([2, 1]))
        models["light_curve"](
            torch.randn(2, 5), torch.rand(2, 5), torch.rand(2), torch.rand(2, 5) > 0.5, torch.tensor([2])
        )
    low = {name for name, dtype in dtypes.items() if dtype == torch.bfloat16}
    assert low
    stamps = ("online.encoder.frame_cnn.", "online.encoder.token_maps", "gru.cnn.")
    assert all(name.startswith(stamps) for name in low)
    assert {dtype for name, dtype in dtypes.items() if name not in low} == {torch.float32}
    statistics = models["online"].get_buffer("encoder.frame_cnn.2.bn.running_var")
    assert statistics.dtype == torch.float32
