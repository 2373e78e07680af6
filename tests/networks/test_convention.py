"""ConvEntion is the published network, and its faster and masked forms keep what they promise."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ictconvention.networks.convention import ConvEntion
from ictconvention.networks.parts.attention import ConvolutionalAttention
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
from ictconvention.networks.published_weights import published_name
from tests.networks.conftest import parameters, ragged, random_statistics
from tests.networks.published import Attention, PublishedConvEntion

GOLDEN = json.loads((Path(__file__).parent / "convention_golden.json").read_text(encoding="utf-8"))


def golden_tensors() -> dict[str, NDArray[np.float64]]:
    tensors = {}
    for tensor in GOLDEN["tensors"]:
        g = np.random.RandomState(GOLDEN["seed0"] + tensor["index"]).standard_normal(tensor["shape"])
        match tensor["kind"]:
            case "embedding":
                g[0] = 0
            case "weight":
                g /= math.sqrt(math.prod(tensor["shape"][1:]))
            case "bias":
                g *= 0.1
            case "scale":
                g = 1 + 0.1 * g
            case "var":
                g = 1 + 0.5 * np.abs(g)
        tensors[tensor["name"]] = g
    return tensors


def golden_input() -> tuple[Tensor, Tensor]:
    seed = GOLDEN["seed0"]
    frames = np.random.RandomState(seed + 1000).standard_normal((2, 99, 32, 32))
    band = np.random.RandomState(seed + 1001).randint(1, 6, (2, 99))
    frames[1, 60:], band[1, 60:] = 0, 0
    return torch.from_numpy(frames), torch.from_numpy(band)


def relative(found: Tensor, expected: Any) -> float:
    found, expected = found.detach(), torch.tensor(expected, dtype=torch.float64)
    return float(((found - expected).abs() / expected.abs()).max())


def twin(published: PublishedConvEntion, padding: Any = "paper") -> ConvEntion:
    """Our network with the weights of a transcription."""
    names = [tensor["name"] for tensor in GOLDEN["tensors"]]
    return ConvEntion.from_published({name: t.numpy() for name, t in published.published(names).items()}, padding)


def test_the_paper_has_1253108_parameters() -> None:
    assert parameters(ConvEntion(classes=4)) == 1_253_108
    assert parameters(ConvEntion(classes=4, attention="query")) == 1_253_108
    assert parameters(ConvEntion(classes=4, bands=1)) == 1_253_108  # the table of band images has ten rows in any case


@pytest.mark.no_cover
def test_golden_numbers_of_the_published_code() -> None:
    model = ConvEntion.from_published(golden_tensors(), padding="paper")
    frames, band = golden_input()
    encoder = model.encoder
    seen: list[Tensor] = []
    encoder.block[-1].register_forward_hook(lambda module, inputs, output: seen.append(output))
    model.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    logits = model.forward_padded(frames, band)
    tokens, features = seen
    loss = F.cross_entropy(logits, torch.tensor([1, 3]))
    loss.backward()

    assert logits.dtype == torch.float64
    assert relative(logits, GOLDEN["logits"]) < 1e-6
    assert relative(loss, GOLDEN["loss"]) < 1e-6
    assert relative(features[:, :8], GOLDEN["pooled_first8"]) < 1e-6
    assert relative(features.norm(dim=1), GOLDEN["pooled_norm"]) < 1e-6
    assert relative(tokens.flatten(2).norm(dim=2), GOLDEN["token_norms"]) < 1e-6
    weights = {
        "frame_cnn_1": encoder.get_parameter("frame_cnn.1.conv.weight"),
        "frame_cnn_2": encoder.get_parameter("frame_cnn.2.conv.weight"),
        "band_embedding": encoder.band_embedding.weight,
        "head_1": model.get_parameter("head.1.weight"),
        "block0_qkv": encoder.get_parameter("block.0.attention.qkv.weight"),
    }
    assert weights.keys() == GOLDEN["grad_norm"].keys()
    for name, weight in weights.items():
        assert weight.grad is not None
        assert relative(weight.grad.norm(), GOLDEN["grad_norm"][name]) < 1e-6, name


@pytest.mark.no_cover
def test_every_gradient_equals_that_of_the_published_loops() -> None:
    published = PublishedConvEntion(width=0.25).double().eval()
    random_statistics(published)
    model = twin(published)
    frames, band = golden_input()
    for network in (published, model.forward_padded):
        F.cross_entropy(network(frames, band), torch.tensor([0, 2])).backward()
    expected = dict(published.published_parameters())
    for name, parameter in model.named_parameters():
        other = expected[published_name(name)]
        assert parameter.grad is not None
        assert other.grad is not None
        assert (parameter.grad - other.grad).abs().max() < 1e-9 + 1e-6 * other.grad.abs().max(), name


def test_pooled_attention_is_the_published_loop_over_pairs() -> None:
    loop = Attention(8, 4).double()
    pooled = ConvolutionalAttention(8, 4, "pooled").double()
    pooled.load_state_dict(loop.state_dict())
    tokens = torch.randn(2, 33, 8, 9, 9, dtype=torch.float64)
    expected = torch.stack(loop(list(tokens.unbind(1))), dim=1)
    found = pooled(tokens, torch.ones(2, 33, dtype=torch.bool))
    assert found.shape == (2, 1, 8, 9, 9)
    assert (found - expected).abs().max() < 1e-13


def test_query_attention_depends_on_the_query_and_is_the_loop_with_a_relu() -> None:
    attention = ConvolutionalAttention(8, 4, "query").double()
    tokens = torch.randn(2, 5, 8, 9, 9, dtype=torch.float64)
    q, k, v = attention.qkv(tokens.flatten(0, 1)).unflatten(0, (2, 5)).chunk(3, dim=2)
    expected = []
    for i in range(5):
        logits = torch.stack([attention.score(torch.relu(q[:, i] + k[:, j])) for j in range(5)], dim=1)
        weights = logits.softmax(1).repeat_interleave(2, dim=2)
        expected.append(attention.out((weights * v).sum(1)))
    found = attention(tokens, torch.ones(2, 5, dtype=torch.bool))
    assert (found - torch.stack(expected, dim=1)).abs().max() < 1e-13
    assert (found[:, 0] - found[:, 1]).abs().max() > 1e-3


@pytest.mark.parametrize("padding", ["paper", "masked"])
@pytest.mark.parametrize("attention", ["pooled", "query"])
def test_ragged_and_padded_frames_give_the_same(padding: Any, attention: Any) -> None:
    model = ConvEntion(max_frames=15, width=0.125, padding=padding, attention=attention).eval()
    random_statistics(model)
    frames, band, lengths = ragged([15, 7, 1, 12])
    padded, bands = torch.zeros(4, 15, 32, 32), torch.zeros(4, 15, dtype=torch.long)
    for row, (f, b) in enumerate(zip(frames.split([15, 7, 1, 12]), band.split([15, 7, 1, 12]), strict=True)):
        padded[row, : len(f)], bands[row, : len(b)] = f, b
    logits = model(frames, band, lengths)
    assert logits.std() > 1e-3
    assert torch.allclose(model.forward_padded(padded, bands), logits, atol=1e-6)
    assert torch.allclose(model.forward_padded(padded[1:3, :8], bands[1:3, :8]), logits[1:3], atol=1e-6)


@pytest.mark.parametrize("attention", ["pooled", "query"])
def test_masked_results_depend_on_no_padding_and_no_company(attention: Any) -> None:
    model = ConvEntion(max_frames=30, width=0.125, padding="masked", attention=attention).eval()
    random_statistics(model)
    lengths = [30, 4, 17, 3]
    frames, band, _ = ragged(lengths)
    together = model(frames, band, torch.tensor(lengths))
    alone = [
        model(f, b, torch.tensor([len(f)])) for f, b in zip(frames.split(lengths), band.split(lengths), strict=True)
    ]
    assert (together - torch.cat(alone)).abs().max() < 1e-5
    rubbish = torch.full((1, 30, 32, 32), 7.0)
    rubbish[0, -1] = torch.nan
    rubbish[0, :4] = frames[30:34]
    ids = torch.zeros(1, 30, dtype=torch.long)
    ids[0, :4] = band[30:34]
    assert (model.forward_padded(rubbish, ids) - together[1]).abs().max() < 1e-5


def test_unmasked_results_do_depend_on_missing_groups() -> None:
    short = ConvEntion(max_frames=9, width=0.125).eval()
    frames, band, lengths = ragged([6])
    before = short(frames, band, lengths)
    random_statistics(short.encoder.frame_cnn)  # the token of an empty group comes from its biases and statistics
    with torch.no_grad():
        short.encoder.get_parameter("frame_cnn.4.bn.bias").add_(5)
    masked = ConvEntion(max_frames=9, width=0.125, padding="masked").eval()
    masked.load_state_dict(short.state_dict())
    assert (short(frames, band, lengths) - masked(frames, band, lengths)).abs().max() > 1e-3
    assert torch.isfinite(before).all()


@pytest.mark.parametrize("padding", ["paper", "masked"])
def test_frames_of_two_channels_ragged_and_padded(padding: Any) -> None:
    model = ConvEntion(padding=padding, width=1 / 16, max_frames=9, frame_channels=2).eval()
    random_statistics(model)
    frames, band = torch.randn(2, 7, 2, 32, 32), torch.randint(1, 6, (2, 7))
    band[1, 4:] = 0
    real = band > 0
    ragged_logits = model(frames[real], band[real], torch.tensor([7, 4]))
    assert torch.allclose(model.forward_padded(frames, band), ragged_logits, atol=1e-5)
    silent = frames.clone()
    silent[:, :, 1] = 0
    assert not torch.allclose(model.forward_padded(silent, band), ragged_logits, atol=1e-3)
    with pytest.raises(ValueError, match=r"take \(F, 2, 32, 32\) and \(F,\)"):
        model(frames[:, 0, 0], band[:, 0], torch.tensor([1, 1]))


@pytest.mark.parametrize("padding", ["paper", "masked"])
def test_training_statistics_see_only_groups_that_exist(padding: Any) -> None:
    model = ConvEntionEncoder(max_frames=30, width=0.125, padding=padding)
    frames, band, lengths = ragged([12, 6])
    model(frames, band, lengths)
    own = dict(model.frame_cnn.named_buffers())
    alone = ConvEntionEncoder(max_frames=30, width=0.125)
    alone.load_state_dict(model.state_dict())
    for name, buffer in alone.frame_cnn.named_buffers():
        buffer.fill_(1.0 if "var" in name else 0)
    alone.frame_cnn(frames.view(6, 3, 32, 32), band.view(6, 3), alone.band_embedding.weight.view(10, 32, 32))
    for name, buffer in alone.frame_cnn.named_buffers():
        assert torch.allclose(own[name], buffer, atol=1e-6), name


def test_masked_training_statistics_of_the_blocks_see_real_tokens_only() -> None:
    """In training too the batch of one long and one short object has the statistics of its real tokens."""
    model = ConvEntionEncoder(max_frames=30, width=0.125, padding="masked")
    tokens, mask = torch.randn(2, 10, 8, 9, 9), torch.arange(10) < torch.tensor([[10], [2]])
    ffn = model.block[0].get_submodule("ffn")
    came: list[Tensor] = []
    ffn.register_forward_pre_hook(lambda _, arguments: came.append(arguments[0]))
    model.pooled(tokens, mask)
    real = ffn.get_submodule("1.conv")(came[0][mask]).relu()
    mean = ffn.get_buffer("1.bn.running_mean")
    assert torch.allclose(mean, 0.1 * real.mean((0, 2, 3)), atol=1e-6)
    noise = torch.where(mask[:, :, None, None, None], tokens, 1e3)
    norm = model.block[0].get_submodule("norm_attention")
    assert torch.allclose(norm(noise, mask)[mask], norm(tokens, mask)[mask], atol=1e-4)
    assert norm(tokens, mask)[1, :2].mean().abs() < 1e-5  # normed over its two real tokens
    assert abs(norm(tokens, mask)[1, :2].std(unbiased=False) - 1) < 1e-3


@pytest.mark.parametrize("attention", ["pooled", "query"])
def test_what_stands_in_unreal_slots_has_no_effect(attention: Any) -> None:
    """An object of four tokens in ten slots is one in four slots, whatever fills the other six."""
    wide = ConvEntionEncoder(max_frames=30, width=0.125, padding="masked", attention=attention).double().eval()
    random_statistics(wide)
    narrow = ConvEntionEncoder(max_frames=12, width=0.125, padding="masked", attention=attention).double().eval()
    narrow.load_state_dict({name: x[..., :4] if ".norm_" in name else x for name, x in wide.state_dict().items()})
    tokens = torch.randn(2, 10, 8, 9, 9, dtype=torch.float64)
    mask = (torch.arange(10) < 4).expand(2, 10)
    expected = narrow.pooled(tokens[:, :4], mask[:, :4])
    for filling in (5.0, -5.0):
        found = wide.pooled(tokens.masked_fill(~mask[:, :, None, None, None], filling), mask)
        assert (found - expected).abs().max() < 1e-12


@pytest.mark.parametrize("padding", ["paper", "masked"])
def test_two_training_passes_before_one_backward_pass(padding: Any) -> None:
    """Two views go through one network before the gradients are taken: they are the sum of both."""
    model = ConvEntion(max_frames=12, width=0.125, padding=padding, dropout=0.0).double()
    views = [(frames.double(), band, lengths) for frames, band, lengths in (ragged([12, 5]), ragged([4, 6]))]
    start = copy.deepcopy(model.state_dict())

    def gradients(batches: list[Any], jointly: bool) -> list[Tensor]:
        model.load_state_dict(start)
        model.zero_grad()
        losses = []
        for batch in batches:
            losses.append(model(*batch).square().sum())
            if not jointly:
                losses[-1].backward()
        if jointly:
            torch.stack(losses).sum().backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    together, apart = gradients(views, True), gradients(views, False)
    assert len(together) == len(list(model.parameters()))
    scale = max(float(x.abs().max()) for x in apart)
    assert all((one - other).abs().max() < 1e-10 * scale for one, other in zip(together, apart, strict=True))


def test_dropout_is_where_the_paper_has_it() -> None:
    head = ConvEntion(dropout=0.3).head
    assert [module.p for module in head.children() if isinstance(module, nn.Dropout)] == [0.3, 0.3]
    assert [type(module) for module in head.children()] == [nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]


@pytest.mark.parametrize("padding", ["paper", "masked"])
def test_band_images_train_but_for_that_of_no_frame(padding: Any) -> None:
    model = ConvEntion(max_frames=6, width=0.125, padding=padding)
    frames, _, lengths = ragged([5])
    model(frames, torch.tensor([1, 2, 3, 3, 1]), lengths).square().sum().backward()
    gradient = model.encoder.band_embedding.weight.grad
    assert gradient is not None
    assert (gradient.abs().sum(1) > 0).tolist() == [False, True, True, True] + 6 * [False]


@pytest.mark.parametrize(
    ("sizes", "features"),
    [
        ({"stamp_size": 20, "max_frames": 9}, 72),
        ({"stamp_size": 63, "max_frames": 6}, 5000),
        ({"max_frames": 12, "frames_per_group": 4}, 648),
        ({"bands": 9, "max_frames": 3, "blocks": 1, "heads": 8}, 648),
    ],
)
def test_other_sizes(sizes: dict[str, int], features: int) -> None:
    model = ConvEntion(classes=3, width=0.125, padding="masked", **sizes)
    assert model.encoder.feature_size == features
    size = sizes.get("stamp_size", 32)
    frames, band, lengths = ragged([3, 2], size, sizes.get("bands", 5))
    logits = model(frames, band, lengths)
    assert logits.shape == (2, 3)
    logits.sum().backward()
    swapped = model.eval()(frames, band, lengths)
    assert torch.isfinite(swapped).all()


def test_width_scales_the_channels_of_the_cnn_only() -> None:
    narrow = ConvEntion(width=0.25)
    shapes = [narrow.get_parameter(f"encoder.frame_cnn.{n}.conv.weight").shape[0] for n in "1234"]
    assert shapes == [16, 32, 16, 8]
    assert parameters(narrow.head) == parameters(ConvEntion().head) == 167_172


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bands": 10}, "bands is 10; the band embedding holds 1 to 9"),
        ({"bands": 0}, "bands is 0"),
        ({"max_frames": 100}, "take a multiple of frames_per_group, 3"),
        ({"max_frames": 0}, "max_frames is 0"),
        ({"heads": 3}, "take a divisor of the 8 channels"),
        ({"attention": "quadratic"}, "take 'pooled' or 'query'"),
        ({"padding": "zeros"}, "take 'paper' or 'masked'"),
        ({"blocks": 0}, "blocks is 0; take at least 1"),
        ({"frames_per_group": 0}, "only for 3 or 4"),
        ({"stamp_size": 10}, "at least 15 pixels"),
    ],
)
def test_impossible_sizes_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvEntion(**arguments)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([7], "object 0 of the batch has length 7; take 1 to 6"),
        ([6, 0], "object 1 of the batch has length 0"),
        ([-1, 7], "object 0 of the batch has length -1"),
        ([5], "the lengths sum up to 5, but 6 rows were given"),
        ([6.0], "take a whole number for each object"),
        ([], "take a whole number for each object"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths: list[Any], message: str) -> None:
    model = ConvEntion(max_frames=6, width=0.125).eval()
    frames, band, _ = ragged([6])
    with pytest.raises(ValueError, match=message):
        model(frames, band, lengths)


def test_frames_and_bands_that_do_not_fit_are_refused() -> None:
    model = ConvEntion(max_frames=6, width=0.125).eval()
    frames, band, lengths = ragged([6])
    missing = frames.clone()
    missing[2, 3, 4] = torch.nan
    for wrong, message in (
        ((frames[:, :31], band), r"take \(F, 32, 32\) and \(F,\)"),
        ((frames, band[:5]), r"take \(F, 32, 32\) and \(F,\)"),
        ((frames, band - band), "from 0 to 0 were given; take whole numbers from 1 to 5"),
        ((frames, band * 0 + 6), "from 6 to 6 were given"),
        ((frames, band.float()), "band ids of torch.float32"),
        ((missing, band), "a pixel is NaN or infinite"),
    ):
        with pytest.raises(ValueError, match=message):
            model(*wrong, lengths)
    for shape in ((1, 7, 32, 32), (1, 6, 32, 31), (6, 32, 32)):
        with pytest.raises(ValueError, match="were given"):
            model.forward_padded(torch.randn(shape), torch.ones(shape[:2], dtype=torch.long))
    with pytest.raises(ValueError, match="object 1 of the batch has no frame"):
        model.forward_padded(torch.randn(2, 6, 32, 32), torch.tensor([6 * [1], 6 * [0]]))
    for id_ in (6, -1):
        with pytest.raises(ValueError, match="whole numbers from 0 to 5"):
            model.forward_padded(frames[None], torch.tensor([[id_, 1, 1, 1, 1, 1]]))
    with pytest.raises(ValueError, match="a pixel is NaN"):
        model.forward_padded(missing[None], band[None])


def test_tensors_that_are_not_a_published_network_are_named() -> None:
    tensors: dict[str, NDArray[Any]] = dict(golden_tensors())
    lost = tensors.pop("block.1.ffn.2.bn.bias")
    tensors["block.1.ffn.2.bn.beta"] = lost
    tensors["head.1.weight"] = tensors["head.1.weight"].T
    tensors["head.1.bias"] = np.full(256, np.nan)
    with pytest.raises(
        ValueError,
        match=r"(?s)ffn.2.bn.bias is missing.*ffn.2.bn.beta is unknown.*head.1.bias is not finite.*head.1.weight has",
    ):
        ConvEntion.from_published(tensors)
    with pytest.raises(ValueError, match=r"band_embedding.weight, .* are missing"):
        ConvEntion.from_published({})


def test_published_tensors_of_other_sizes_are_read_from_their_shapes() -> None:
    source = ConvEntion(classes=3, stamp_size=20, max_frames=9, width=0.125, blocks=1, heads=2).eval()
    tensors = {published_name(n): t.numpy() for n, t in source.state_dict().items() if "num_batches" not in n}
    model = ConvEntion.from_published(tensors)
    frames, band, lengths = ragged([8, 3], 20)
    assert torch.equal(model(frames, band, lengths), source(frames, band, lengths))
    assert not model.training


def test_gradients_reach_every_parameter() -> None:
    """A parameter without gradient stops distributed training."""
    model = ConvEntion(max_frames=6, width=0.125)
    model(*ragged([6, 3])).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_batch_norms_can_be_converted_to_synchronised_ones() -> None:
    plain = ConvEntion(max_frames=6, width=0.125).eval()
    random_statistics(plain)
    batch = ragged([6, 3])
    expected = plain(*batch)
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(plain)
    norms = [module for module in converted.modules() if isinstance(module, nn.SyncBatchNorm)]
    assert len(norms) == 4 + 2 * 2
    assert torch.allclose(converted(*batch), expected, atol=1e-6)
    for norm in norms:
        nn.init.zeros_(norm.weight)
    assert not torch.allclose(converted(*batch), expected, atol=1e-3)
