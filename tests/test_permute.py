"""What is exchanged of the inputs of a frame transformer, and of which runs."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from experiments.frame_transformer.permute import BAND, FLUXES, FRAMES, channel, permuted_scores
from ictconvention.networks.frame_transformer import DEFAULT, UGRIZ, FrameTransformer


@pytest.mark.parametrize(("channels", "said"), [(1, "without residuals"), (2, "model.host=false")])
def test_a_run_without_median_stamps_is_refused_with_the_reason(channels: int, said: str) -> None:
    network = FrameTransformer(options=replace(DEFAULT, host=False), shape=replace(UGRIZ, channels=channels))
    run: Any = SimpleNamespace(folder="runs/one", learner=SimpleNamespace(network=network))
    with pytest.raises(SystemExit, match=f"runs/one is a run .*{said}"):
        permuted_scores(run, "test", 0)


def test_a_channel_is_exchanged_within_its_band_in_stamps_and_in_fluxes_alike() -> None:
    band = torch.arange(60) % 3 + 1
    given = torch.arange(60.0)[:, None, None, None].expand(60, 2, 1, 1)
    inputs = [given, given, band]
    torch.manual_seed(0)
    channel(1)(inputs)
    assert torch.equal(inputs[FRAMES], inputs[FLUXES])
    assert torch.equal(inputs[FRAMES][:, 0], given[:, 0])
    places = inputs[FRAMES][:, 1].flatten().long()
    assert (places != torch.arange(60)).sum() > 40
    assert torch.equal(band[places], inputs[BAND])
