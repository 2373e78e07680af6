"""The small vision transformer: bands, patches that divide the stamps, and no weights to fetch."""

import pytest
import torch

from ictconvention.core.errors import UsageError
from ictconvention.networks.inputs.inputs import InputShape
from ictconvention.networks.pictures.vit import UGRIZ, ViT, ViTOptions
from tests.networks.conftest import parameters
from tests.refusals import refused

pytest.importorskip("timm", reason="timm is not installed: extra encoders")


def test_its_sizes_are_the_options() -> None:
    assert parameters(ViT()) == 2_735_042
    small = ViT(4, ViTOptions(kind="vit", patch=16, size=32, layers=1, heads=4), UGRIZ).eval()
    assert small.feature_size == 32
    assert len(small.encoder.blocks) == 1
    assert small.encoder.patch_embed.num_patches == 4
    assert small(torch.randn(2, 5, 32, 32), torch.ones(2, 5, dtype=torch.bool)).shape == (2, 4)
    assert small.map_layer is None
    assert small.fetch_command is None


@pytest.mark.parametrize("size", [32, 48, 64])
def test_pictures_of_any_size_that_its_patches_divide(size: int) -> None:
    model = ViT(None, ViTOptions(kind="vit", size=24, layers=1), InputShape(("g", "r"), size)).eval()
    assert model.features(torch.randn(2, 2, size, size), torch.ones(2, 2, dtype=torch.bool)).shape == (2, 24)


def test_patches_that_do_not_divide_the_stamps_are_refused_with_those_that_do() -> None:
    options = ViTOptions(kind="vit", patch=7)
    for build in (lambda: ViT(None, options, UGRIZ), lambda: ViT.check_pixels(options, 1, (32, 0.4))):
        with pytest.raises(ValueError, match=r"model\.patch=2 or 4 or 8 or 16"):
            build()
    with pytest.raises(ValueError, match="heads 3"):
        ViTOptions(kind="vit", size=32)


def test_a_band_that_the_survey_has_not_is_refused() -> None:
    with refused(UsageError, "E-BAND-UNKNOWN", "rr", "r", where="model.bands_to_rgb"):
        ViT(None, ViTOptions(kind="vit", bands_to_rgb=("i", "rr", "g")), UGRIZ)
