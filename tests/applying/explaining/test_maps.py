"""Maps of what a network looked at: class activation maps where these are known, and over the source that decides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ictconvention as ict
from ictconvention.applying.explaining.maps import check_explain, explain_batch, explain_objects, grad_cam, spread_map
from ictconvention.cli.main import main
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.feeding.batch import SeriesView, collate
from ictconvention.feeding.views import ViewRecipe
from ictconvention.networks.parts.convention_encoder import ConvEntionEncoder
from ictconvention.networks.pictures.cnn import PictureCNN
from ictconvention.networks.pictures.timm_encoder import TimmEncoder
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.survey import Survey
from ictconvention.training.run import run
from tests.conftest import long_test, write_survey
from tests.refusals import refused
from tests.reporting.made_up_runs import BANDS, made_up_run
from tests.small_pictures import picture, picture_header, place_of_source, places, write_pictures

pytest.importorskip("captum", reason="captum is not installed: extra explain")


class PoolAndLinear(nn.Module):
    """Of such a network the class activation map (Zhou et al. 2016) is known: the channels by the linear weights."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.linear = nn.Linear(8, 4)

    def forward(self, pictures: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.maps(pictures).mean((2, 3)))
        return logits


@pytest.mark.parametrize("of_class", [0, 3])
def test_it_is_the_class_activation_map_of_a_pooling_and_a_linear_layer(of_class: int) -> None:
    torch.manual_seed(0)
    network, pictures = PoolAndLinear(), torch.randn(5, 3, 12, 12)
    found = grad_cam(network, network.maps, [pictures], of_class)
    with torch.no_grad():
        known = torch.einsum("c,nchw->nhw", network.linear.weight[of_class], network.maps(pictures)).relu() / 12**2
    torch.testing.assert_close(found, known, atol=1e-6, rtol=0)
    assert found.max() > 1e-3


def brightness_cnn(size: int) -> PictureCNN:
    """Return a cnn1 that knows brightness alone: each convolution passes its pixel on, and light speaks for class 1."""
    model = PictureCNN("cnn1", bands=1, stamp_size=size).eval()
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.zero_()
                layer.weight[:, :, 1, 1] = 1 / layer.in_channels
            elif isinstance(layer, nn.Linear):
                layer.weight.fill_(1 / layer.in_features)
                if layer.out_features == 2:
                    layer.weight[0] *= -1
            if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                layer.bias.zero_()
    return model


@pytest.mark.parametrize(("row", "column"), [(8, 40), (24, 24), (39, 10), (44, 44)])
def test_the_peak_follows_a_painted_source(row: int, column: int) -> None:
    size = 48
    model = brightness_cnn(size)
    rows, columns = torch.arange(size)[:, None], torch.arange(size)
    picture = torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8.0)[None, None]
    coarse = grad_cam(model, model.map_layer, [picture, torch.ones(1, 1, dtype=torch.bool)], 1)
    (spread,) = spread_map(coarse, size, model.map_grid)
    peak = np.unravel_index(int(spread.argmax()), spread.shape)
    assert np.hypot(peak[0] - row, peak[1] - column) < 6  # a cell is 8 pixels wide
    against = grad_cam(model, model.map_layer, [picture, torch.ones(1, 1, dtype=torch.bool)], 0)
    assert not against.any()  # nothing in it speaks for the other class


@long_test
@pytest.mark.slow
def test_a_trained_network_looks_at_the_source_that_it_has_learned_to_find(tmp_path: Path) -> None:
    """A source at any place of 48 pixels: the centroid of each map lies at it, and not at the middle of the picture."""
    survey, size = write_pictures(tmp_path / "pictures", objects=450, size=48), 48
    words = [*places(tmp_path), "model=cnn2", "model.width=0.25", "fold=single", "stage.pretrain.max_epochs=12"]
    trained = read_trained(run(compose_run(words), words))
    with_source = [f"p{number:04d}" for number in range(0, 450, 9)]
    away = []
    for one in explain_objects(trained, survey, with_source, "source"):
        spread = one.panels[0].map / one.panels[0].map.sum()
        centroid = np.array([(spread.sum(1 - axis) * np.arange(size)).sum() for axis in (0, 1)])
        source, middle = np.array(place_of_source(int(one.id[1:]), size)), np.full(2, (size - 1) / 2)
        away.append([np.linalg.norm(centroid - source), np.linalg.norm(source - middle)])
    near, moved = np.array(away).T
    assert np.median(near) < 5
    assert (near < moved)[moved > 8].mean() > 0.95


def test_cells_lie_where_their_network_sees_them() -> None:
    coarse = torch.zeros(1, 4, 4)
    coarse[0, 1, 3] = 1.0
    (spread,) = spread_map(coarse, 32, (7.0, 4.0))
    assert divmod(int(spread.argmax()), 32) == (11, 19)
    assert spread[11, 17] == pytest.approx(0.5)
    (corner,) = spread_map(torch.ones(1, 4, 4), 32, (7.0, 4.0))
    inside = torch.zeros(32, dtype=torch.bool)
    inside[5:22] = True  # half a cell beyond the outer ones, which are centred on 7 and 19
    assert torch.equal(corner > 0, inside[:, None] & inside)
    (even,) = spread_map(coarse, 32, None)  # cells of 8 pixels, whose centres are 3.5, 11.5 ...
    assert even[11, 30] == pytest.approx(even[12, 30])
    assert float(even[11:13, 27:].mean()) > 0.9


def test_a_pixel_reaches_the_token_whose_cell_it_lies_on() -> None:
    """Kernels that pass on the pixel in their middle alone: 2 i + 7 is the pixel of cell i."""
    encoder = ConvEntionEncoder(bands=1, max_frames=3, width=1 / 16).eval()
    with torch.no_grad():
        encoder.band_embedding.weight.zero_()
        for layer in encoder.frame_cnn.modules():
            if isinstance(layer, nn.Conv3d):
                middle = layer.kernel_size[0] // 2
                layer.weight.zero_()
                layer.weight[:, :, middle, middle] = 1
        frames = torch.zeros(1, 3, 32, 32)
        frames[0, :, 11, 19] = 1
        images = torch.zeros(10, 32, 32)
        tokens = encoder.frame_cnn(frames, torch.ones(1, 3, dtype=torch.long), images)
    first, step = encoder.map_grid or (0.0, 0.0)
    row, column = divmod(int(tokens[0, 0].argmax()), tokens.shape[3])
    assert (first + step * row, first + step * column) == (11, 19)


@pytest.mark.parametrize("padding", ["paper", "masked"])
@pytest.mark.parametrize("learner", ["ict", "supervised"])
def test_each_group_of_frames_of_convention_has_a_map_of_its_own(learner: str, padding: str) -> None:
    trained = made_up_run(learner, "convention", padding=padding)
    trunk = check_explain(trained)
    rng = np.random.default_rng(0)
    frames, band = rng.normal(size=(5, 32, 32)), (np.arange(5) % len(BANDS)).astype(np.uint8)
    view = SeriesView(ViewRecipe(np.arange(5)), band, np.linspace(6e4, 60040, 5), frames)
    batch, found = collate([view]), []
    for of_class in range(4):
        maps, logits, number = explain_batch(trained, trunk, batch, of_class)
        assert maps.shape[1:] == (32, 32)
        assert number == of_class
        found.append(maps[:2])
    some = [maps for maps in found if maps.any()]
    assert some  # where nothing speaks for a class, its map is zero
    assert all(maps.min() >= 0 and not torch.equal(maps[0], maps[1]) for maps in some)
    _, logits, number = explain_batch(trained, trunk, batch)
    assert number == int(trained.row(logits.numpy()).argmax())


def test_a_network_without_a_map_is_refused_by_name() -> None:
    with refused(UsageError, "E-EXPLAIN-NETWORK", "light_curve", where="nowhere"):
        check_explain(made_up_run("supervised", "light_curve"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a survey of pictures and a run, `run`, of a small cnn2 on it."""
    place = tmp_path_factory.mktemp("explained")
    write_pictures(place / "pictures")
    words = [*places(place), "model=cnn2", "model.width=0.125"]
    run(compose_run(words), words).rename(place / "run")
    return place


def test_objects_are_explained_with_their_class_and_probabilities(folder: Path) -> None:
    trained, survey = read_trained(folder / "run"), Survey.open(folder / "pictures")
    explained = explain_objects(trained, survey)
    assert sorted(str(one.label) for one in explained) == ["plain", "plain", "source", "source"]
    for one in explained:
        (panel,) = one.panels
        assert (panel.frames.shape, panel.map.shape, list(panel.bands)) == ((3, 32, 32), (32, 32), ["R", "G", "B"])
        assert one.of_class == one.classes[int(one.probability.argmax())]
        assert one.probability.sum() == pytest.approx(1)
    (named,) = explain_objects(trained, survey, ["p0001"], "source")
    assert named.of_class == "source"


def test_objects_of_the_test_part_are_explained_first_and_each_says_its_part(folder: Path, tmp_path: Path) -> None:
    trained, survey = read_trained(folder / "run"), Survey.open(folder / "pictures")
    parts = trained.split["parts"]
    explained = explain_objects(trained, survey)
    assert {one.id for one in explained} <= {*parts["test"]}
    assert [one.part for one in explained] == ["test"] * 4
    some = [parts[part][0] for part in ("finetune_train", "pretrain_validation", "test")]
    assert [one.part for one in explain_objects(trained, survey, some)] == ["training", "validation", "test"]
    taught = survey.select([*parts["finetune_train"], *parts["pretrain_train"]])
    assert [one.part for one in explain_objects(trained, taught)] == ["training"] * 4  # where there is nothing else
    elsewhere = write_survey(tmp_path / "elsewhere", [picture(0, picture_header()) | {"ra": 200.0}], picture_header())
    (other,) = explain_objects(trained, elsewhere)
    assert other.part == ""


def test_a_command_draws_a_page_of_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["explain", str(folder / "run"), str(folder / "pictures"), "p0000", "p0001"]
    monkeypatch.setattr("sys.argv", ["ictconvention", *arguments, "-o", str(tmp_path / "page.png")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_bands_stand_in_their_order_whatever_that_of_the_frames(folder: Path, tmp_path: Path) -> None:
    trained = read_trained(folder / "run")
    header = picture_header()
    turned = picture(3, header)
    turned |= {"band": turned["band"][::-1], "frames": turned["frames"][::-1]}
    survey = write_survey(tmp_path / "turned", [turned], header)
    (found,), (known,) = (
        explain_objects(trained, one, ["p0003"]) for one in (survey, Survey.open(folder / "pictures"))
    )
    assert list(found.panels[0].bands) == ["R", "G", "B"]
    assert np.array_equal(found.panels[0].frames, known.panels[0].frames)
    np.testing.assert_allclose(found.probability, known.probability, atol=1e-6)


def test_python_draws_the_same(folder: Path) -> None:
    figure = ict.load(folder / "run").explain(folder / "pictures", ["p0000"], "source")
    said = [text.get_text() for text in figure.texts]
    assert said[0] == "pictures (simulated): where cnn2 looked"
    assert "map of: source" in said


def test_an_encoder_of_timm_has_the_map_that_it_averages() -> None:
    pytest.importorskip("timm")
    model = TimmEncoder("resnet18", stamp_size=64).eval()
    model.freeze()  # a map needs no gradients of weights
    pictures, present = torch.randn(2, 3, 64, 64), torch.ones(2, 3, dtype=torch.bool)
    assert model.map_layer is not None
    found = grad_cam(model, model.map_layer, [pictures, present], 1)
    head = model.head
    assert isinstance(head, nn.Sequential)
    with torch.no_grad():
        maps = model.encoder.forward_features(pictures)
        known = torch.einsum("c,nchw->nhw", head[-1].get_parameter("weight")[1], maps).relu() / 4
    torch.testing.assert_close(found, known, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("name", "padded"), [("resnet18", True), ("efficientnet_b0", True), ("convnext_atto", False)])
def test_a_cell_of_an_encoder_is_drawn_over_the_pixels_that_it_sees(name: str, padded: bool) -> None:
    """By the gradient of a cell; cells of padded convolutions lie 15.5 pixels before the middle of their share."""
    pytest.importorskip("timm")
    torch.manual_seed(0)
    model, size, cell = TimmEncoder(name, stamp_size=192).eval(), 192, 3
    pictures = torch.randn(2, 3, size, size, requires_grad=True)
    maps = model.maps(model.encoder.forward_features(pictures))
    (gradient,) = torch.autograd.grad((maps[:, :, cell, cell] * torch.randn(maps.shape[:2])).sum(), pictures)
    weight = gradient.square().sum((0, 1))
    weight = (weight * (weight > 0.3 * weight.max())).sum(0)
    seen = float((weight * torch.arange(size)).sum() / weight.sum())
    coarse = torch.zeros(1, *maps.shape[2:])
    coarse[0, cell, cell] = 1.0
    (spread,) = spread_map(coarse, size, model.map_grid)
    row, column = divmod(int(spread.argmax()), size)
    assert row == column
    assert abs(column - seen) < 5
    assert (abs(column - (cell + 0.5) * size / len(coarse[0])) > 10) == padded
    whole = spread_map(torch.ones_like(coarse), size, model.map_grid)
    torch.testing.assert_close(whole, torch.ones_like(whole))  # to the edges, which the outer cells see


def test_a_map_of_one_cell_is_no_map(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of resnet18 for pictures of 32 pixels."""
    monkeypatch.setattr("ictconvention.applying.explaining.maps.grad_cam", lambda *_: torch.ones(1, 1, 1))
    with refused(UsageError, "E-EXPLAIN-NETWORK", where=folder / "run"):
        explain_objects(read_trained(folder / "run"), Survey.open(folder / "pictures"), ["p0000"])


def test_a_folder_of_pictures_is_answered_with_the_size_that_the_run_knows(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with refused(SurveyError, "E-SURVEY-FORMAT", "ingest images", "SURVEY --size 32", where=tmp_path):
        ict.load(folder / "run").predict(tmp_path)


def test_what_cannot_be_explained_is_refused(folder: Path) -> None:
    trained, survey = read_trained(folder / "run"), Survey.open(folder / "pictures")
    with refused(SurveyError, "E-ID-UNKNOWN", "p9999", where="pictures"):
        explain_objects(trained, survey, ["p9999"])
    with refused(UsageError, "E-CLASS-UNKNOWN", "sorce", "source", where="--class"):
        explain_objects(trained, survey, ["p0000"], "sorce")
    with refused(UsageError, "E-SURVEY-UNSUITED", where="others"):
        explain_objects(trained, write_pictures(folder / "others", 10, ("g", "r", "i")))
