"""From a trained run to masks: files, their counts, several runs together, scenes by tiles, an exported model."""

import csv
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from astropy.table import Table
from numpy.typing import NDArray
from PIL import Image

import ictconvention as ict
from ictconvention.applying.export import describe_model, export_run, exportable_run
from ictconvention.applying.fitting_survey import check_survey_fits
from ictconvention.applying.masks.predict import check_gives_masks
from ictconvention.applying.masks.predict_scenes import predict_scene, tiling_of
from ictconvention.applying.masks.scenes import Scene, find_scenes, is_of_scenes
from ictconvention.applying.model_file import read_model
from ictconvention.applying.predict import predict_survey
from ictconvention.applying.publishing.publish import publish
from ictconvention.cli.main import main
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.runs.trained_run import TrainedRun, read_trained
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import SurveyWriter
from ictconvention.tasks.mask.options import MaskOptions
from ictconvention.tasks.mask.task import Masks
from ictconvention.training.run import run
from tests.chips import CLASSES, HEADER, chip, write_chips
from tests.refusals import refused

LEARN = [
    *("survey=path", "task=mask", "task.estimate=argmax", "model=unet", "model.filters=4", "model.layers=2"),
    *("learner=supervised", "augmentation=none", "profile=tiny", "fold=single", "figures=false", "name=masks"),
    *("stage.pretrain.max_epochs=12", "stage.pretrain.optimiser.learning_rate=1e-2", "trainer.batch_size=16"),
]


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_chips(tmp_path_factory.mktemp("surveys") / "chips", 90)


@pytest.fixture(scope="module")
def folders(chips: Survey, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return two finished runs of one model."""
    runs = tmp_path_factory.mktemp("runs")
    return [run(compose_run([*LEARN, f"survey.path={chips.path}", f"runs={runs}", f"seed={seed}"])) for seed in (0, 1)]


@pytest.fixture(scope="module")
def trained(folders: list[Path]) -> list[TrainedRun]:
    return [read_trained(folder) for folder in folders]


def read_mask(path: Path) -> NDArray[np.uint8]:
    """Return a mask as the survey has it: the last row of the file first."""
    with Image.open(path) as image:
        return np.asarray(image)[::-1]


def blank_chip(path: Path, bands: tuple[str, ...], size: int) -> Survey:
    """Return a survey of one chip in other bands, or of another size."""
    with SurveyWriter(path, replace(HEADER, bands=bands, stamp_size=size), masks=True) as writer:
        mask = np.zeros((size, size), dtype=np.uint8)
        writer.add("a", np.ones((2, size, size)), band=[0, 1], mjd=[51_544.0] * 2, mask=mask)
    return Survey.open(path)


def counts(mask: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.bincount(mask.ravel(), minlength=len(CLASSES))[: len(CLASSES)] / mask.size


def shares(table: Table) -> NDArray[np.float64]:
    return np.column_stack([table[f"share_{name}"] for name in CLASSES])


def scene_of(path: Path, pixels: NDArray[np.floating]) -> Scene:
    """Return a file of pixels (bands, H, W), rows up, as a scene."""
    np.save(path, np.ascontiguousarray(pixels[:, ::-1]))
    (scene,) = find_scenes(path, ("R", "NIR"))
    return scene


@pytest.mark.slow
def test_the_counts_of_each_mask_are_the_shares_of_its_row(chips: Survey, folders: list[Path], tmp_path: Path) -> None:
    one = ict.load(folders[0])
    files = one.predict_masks(chips[:9], tmp_path / "masks")
    assert sorted(files) == [f"chip{number:03d}" for number in range(9)]
    masks = np.stack([read_mask(path) for path in files.values()])
    np.testing.assert_allclose(shares(one.predict(chips[:9])), [counts(mask) for mask in masks], atol=1e-12)
    known = chips.read_masks(np.arange(9))
    here = known != IGNORED
    right, turned_over = ((found == known)[here].mean() for found in (masks, masks[:, ::-1]))
    assert right > 0.75
    assert right > turned_over + 0.15  # rows stand as they do in the survey


@pytest.mark.slow
def test_several_runs_are_the_mean_of_their_probabilities_and_one_is_itself(
    chips: Survey, folders: list[Path], trained: list[TrainedRun], tmp_path: Path
) -> None:
    chosen = chips[:4]
    sweep = ict.load_sweep(folders[0].parent)
    files = sweep.predict_masks(chosen, tmp_path / "both")
    scene = scene_of(tmp_path / "one.npy", chosen[0].frames)
    one, both = predict_scene(trained[:1], scene), predict_scene(trained, scene)
    np.testing.assert_array_equal(predict_scene(trained[:1] * 2, scene).mask, one.mask)
    np.testing.assert_allclose(both.shares, [one.shares[0], predict_scene(trained[1:], scene).shares[0]])
    seen = [bool(ict.load(folder).predict(chosen)["seen_in_training"][0]) for folder in folders]
    if seen[0] == seen[1]:
        np.testing.assert_array_equal(read_mask(files["chip000"]), both.mask)
    table = sweep.predict_scenes(tmp_path / "one.npy")
    np.testing.assert_allclose(shares(table), both.shares.mean(0)[None])
    assert table[f"share_{CLASSES[0]} spread"][0] == pytest.approx(both.shares[:, 0].std(ddof=1))


@pytest.mark.slow
def test_a_scene_of_the_size_of_a_chip_is_predicted_as_the_chip(
    chips: Survey, folders: list[Path], trained: list[TrainedRun], tmp_path: Path
) -> None:
    scene = scene_of(tmp_path / "chip.npy", chips[3].frames)
    made = predict_scene(trained[:1], scene)
    one = ict.load(folders[0])
    np.testing.assert_allclose(made.shares, shares(one.predict(chips[3:4])), atol=1e-9)
    np.testing.assert_array_equal(made.mask, read_mask(one.predict_masks(chips[3:4], tmp_path / "masks")["chip003"]))


@pytest.mark.slow
def test_pixels_without_data_are_in_no_mask_and_no_share_of_a_survey_either(
    folders: list[Path], trained: list[TrainedRun], tmp_path: Path
) -> None:
    frames = chip(3)["frames"].copy()
    frames[:, :, 12:] = np.nan
    frames[0, :4] = np.nan  # the other band has these
    with SurveyWriter(tmp_path / "cut", HEADER) as writer:
        writer.add("chip003", frames, band=[0, 1], mjd=[59000.0, 59000.0])
    cut = Survey.open(tmp_path / "cut")
    missing = ~np.isfinite(frames).any(0)
    made = predict_scene(trained[:1], scene_of(tmp_path / "chip.npy", frames))
    one = ict.load(folders[0])
    np.testing.assert_allclose(made.shares, shares(one.predict(cut)), atol=1e-9)
    mask = read_mask(one.predict_masks(cut, tmp_path / "one")["chip003"])
    np.testing.assert_array_equal(mask, made.mask)
    np.testing.assert_array_equal(mask == IGNORED, missing)
    both = read_mask(ict.load_sweep(folders[0].parent).predict_masks(cut, tmp_path / "both")["chip003"])
    np.testing.assert_array_equal(both == IGNORED, missing)


@pytest.mark.slow
def test_a_scene_of_any_size_has_a_mask_and_pixels_without_data_have_none(
    trained: list[TrainedRun], tmp_path: Path
) -> None:
    pixels = np.tile(chip(5)["frames"], (1, 3, 4))[:, :43, :61]
    pixels[:, 7:20, 3:9] = np.nan
    made = predict_scene(trained[:1], scene_of(tmp_path / "a.npy", pixels), batch_size=3)
    assert made.mask.shape == (43, 61)
    np.testing.assert_array_equal(made.mask == IGNORED, ~np.isfinite(pixels).any(0))
    assert made.shares.sum() == pytest.approx(1)
    seen = made.mask[made.mask != IGNORED]
    np.testing.assert_allclose(made.shares[0], np.bincount(seen, minlength=3) / len(seen), atol=1e-6)
    assert tiling_of(trained[0]).stride == 2
    nothing = predict_scene(trained[:1], scene_of(tmp_path / "b.npy", np.full((2, 20, 20), np.nan, dtype=np.float32)))
    np.testing.assert_allclose(nothing.shares[0], trained[0].calibration.survey_prior)


@pytest.mark.slow
def test_the_command_writes_shares_masks_and_the_challenges_table(
    folders: list[Path], chips: Survey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: object) -> int:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
            patch.setattr("sys.argv", ["ictconvention", "predict", *map(str, words)])
            main()
        return int(end.value.code or 0)

    output, masks = tmp_path / "shares.csv", tmp_path / "masks"
    assert call(folders[0], chips.path, "-o", output, "--masks", masks) == 0
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(list(masks.glob("*.tif"))) == 90
    assert all(abs(sum(float(row[f"share_{name}"]) for name in CLASSES) - 1) < 1e-9 for row in rows)
    assert (masks / "classes.csv").read_text().splitlines()[1] == "0,field"
    output.unlink()
    capsys.readouterr()
    assert call(folders[0], chips.path, "-o", output, "--masks", masks) == 2  # it is not empty
    assert call(folders[0], chips.path, "-o", output, "--prior", "uniform") == 2
    assert call(folders[0], chips.path, "-o", output, "--format", "preligens") == 2  # fields are none of its classes
    said = capsys.readouterr().err
    for code in ("E-FILES-EXISTS", "E-RUN-TASK", "E-CLASS-UNKNOWN"):
        assert code in said
    assert not output.exists()
    np.save(tmp_path / "scene.npy", np.tile(chip(1)["frames"], (1, 2, 3)))
    assert call(folders[0], tmp_path / "scene.npy", "-o", output, "--masks", tmp_path / "scenes") == 0
    assert read_mask(tmp_path / "scenes" / "scene.tif").shape == (32, 48)
    assert output.read_text().splitlines()[1].startswith("scene,")
    assert call(folders[0], tmp_path / "scene.npy", "-o", output, "--first-days", "3") == 2
    assert call(folders[0], tmp_path / "scene.npy", "-o", output, "--scheduler", "local:2") == 2


@pytest.mark.slow
@pytest.mark.parametrize(("estimate", "ending"), [("argmax", "pt2"), ("mean", "pt2"), ("calibrated", "onnx")])
def test_an_exported_model_gives_the_shares_of_predict(
    estimate: Literal["argmax", "mean", "calibrated"],
    ending: str,
    chips: Survey,
    folders: list[Path],
    tmp_path: Path,
) -> None:
    run = read_trained(folders[0])
    assert isinstance(run.task, Masks)
    run.task.options = MaskOptions(kind="mask", estimate=estimate)
    frames = np.stack([chips[n].frames for n in range(5)])
    frames[1, :, 11:] = np.nan
    frames[1:3, 0, :, :3] = np.nan
    with SurveyWriter(tmp_path / "cut", HEADER) as writer:
        for number, pictures in enumerate(frames):
            writer.add(f"chip{number:03d}", pictures, band=[0, 1], mjd=[59000.0, 59000.0])
    expected = predict_survey(run, Survey.open(tmp_path / "cut")).row
    arguments = {"frames": torch.from_numpy(frames), "present": torch.ones(5, 2, dtype=torch.bool)}
    with torch.no_grad():
        made = exportable_run(run)(**arguments)
    assert made["logits"].shape == (5, 3, 16, 16)
    np.testing.assert_allclose(made["share"], expected, atol=1e-5)
    export_run(run, tmp_path / f"model.{ending}")
    known, outputs_of = read_model(tmp_path / f"model.{ending}")
    assert known["outputs"]["share"]["shape"] == ["objects", 3]
    found = outputs_of(arguments)
    np.testing.assert_allclose(found["share"], expected, atol=1e-5)
    np.testing.assert_allclose(found["logits"], made["logits"], atol=1e-4)


@pytest.mark.slow
def test_masks_are_refused_of_runs_that_give_none(trained: list[TrainedRun]) -> None:
    one = trained[0]
    alone = MaskOptions(kind="mask", shares="direct")
    shares_alone = replace(one, options=replace(one.options, task=alone))
    with refused(UsageError, "E-RUN-TASK", "task.shares=direct", where="--masks"):
        check_gives_masks(shares_alone, "--masks")
    check_gives_masks(shares_alone, "--format", needed=False)
    with refused(UsageError, "E-RUN-TASK", "give a survey", where="SURVEY") as caught:
        check_gives_masks(shares_alone, "SURVEY")
    assert "leave it out" not in caught.value.fix


@pytest.mark.slow
def test_what_follows_a_survey_that_does_not_fit_can_be_typed(trained: list[TrainedRun], tmp_path: Path) -> None:
    other = blank_chip(tmp_path / "other", ("G", "SWIR"), 16)
    with refused(UsageError, "E-SURVEY-UNSUITED", "init_from=") as caught:
        check_survey_fits(trained[0], other)
    words = shlex.split(caught.value.fix.partition("train.py ")[2])
    assert "task=mask" in words
    assert compose_run(words).task.kind == "mask"
    larger = blank_chip(tmp_path / "larger", ("R", "NIR"), 32)
    with refused(UsageError, "E-SURVEY-UNSUITED", "32 x 32", "predict the files") as caught:
        check_survey_fits(trained[0], larger)
    assert "--size" not in caught.value.fix  # ingestion of chips has no such option


@pytest.mark.slow
def test_an_exported_model_says_that_its_first_row_is_the_lowest(trained: list[TrainedRun]) -> None:
    """A GeoTIFF as it is read would stand upside down, and its shares be near those of predict but not the same."""
    one = trained[0]
    assert "first row is the lowest" in describe_model(one, exportable_run(one))["inputs"]["frames"]["meaning"]


def test_a_scene_that_was_cut_short_is_named(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: extra scenes")
    file, shape = tmp_path / "cut.tif", {"height": 64, "width": 64, "count": 2, "dtype": "uint16"}
    pixels = np.random.default_rng(0).integers(0, 3000, (2, 64, 64), dtype=np.uint16)
    place = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 49e5)}
    with rasterio.open(file, "w", driver="GTiff", **shape, **place) as written:
        written.write(pixels)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (scene,) = find_scenes(file, ("R", "NIR"))  # the header is whole
    with refused(UsageError, "E-IMAGE-DAMAGED", where="cut.tif") as caught, scene.open() as read:
        read(0, 0, 64, 64)
    assert "previous exception" not in str(caught.value)


def test_bands_of_a_file_are_found_by_name_and_others_are_refused(tmp_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed: extra scenes")

    def write(name: str, bands: Sequence[str], **profile: object) -> Path:
        shape = {"height": 5, "width": 7, "count": len(bands), "dtype": "uint16"}
        place = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 49e5)}
        with rasterio.open(tmp_path / name, "w", driver="GTiff", **shape, **place, **profile) as file:
            for number, band in enumerate(bands, 1):
                file.write(np.arange(35, dtype=np.uint16).reshape(5, 7) + 100 * number, number)
                file.set_band_description(number, band)
        return tmp_path / name

    (scene,) = find_scenes(write("a.tif", ("NIR", "swir", "r"), nodata=134), ("R", "NIR"))
    assert (scene.id, scene.shape, scene.planes) == ("a", (5, 7), (2, 0))
    assert scene.ground is not None
    assert scene.ground.transform == (10, 0, 5e5, 0, -10, 49e5)
    with scene.open() as read:
        window = read(0, 5, 2, 2)  # the last rows of the file, the lowest first
    np.testing.assert_array_equal(window, [[[333, 334], [326, 327]], [[133, np.nan], [126, 127]]])
    with refused(UsageError, "E-VALUE-SHAPE", "swir", where="b.tif"):
        find_scenes(write("b.tif", ("NIR", "swir", "G")), ("R", "NIR"))
    with refused(UsageError, "E-VALUE-SHAPE", "NIR, swir", where="c.tif"):  # NIR would be taken for R
        find_scenes(write("c.tif", ("NIR", "swir")), ("R", "NIR"))
    (named,) = find_scenes(write("d.tif", ("red", "NIR")), ("R", "NIR"))
    assert named.planes == (0, 1)


def test_what_is_no_scene_is_refused_and_a_survey_is_none(chips: Survey, tmp_path: Path) -> None:
    assert not is_of_scenes(chips.path)
    assert not is_of_scenes(tmp_path)
    (tmp_path / "rubbish.npy").write_bytes(b"rubbish")
    assert is_of_scenes(tmp_path)
    with refused(UsageError, "E-IMAGE-DAMAGED", where="rubbish.npy"):
        find_scenes(tmp_path, ("R", "NIR"))
    (tmp_path / "rubbish.npy").unlink()
    (tmp_path / "none").mkdir()
    with refused(UsageError, "E-INGEST-NOTHING", where="none"):
        find_scenes(tmp_path / "none", ("R", "NIR"))


def test_a_published_run_predicts_the_same_shares(folders: list[Path], chips: Survey, tmp_path: Path) -> None:
    made = publish(folders[0], tmp_path / "published", onnx=False)
    before, after = (ict.load(folder).predict(chips[:20]) for folder in (folders[0], made.folder))
    for name in before.colnames:
        np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    assert "pipeline_tag: image-segmentation" in (made.folder / "README.md").read_text()
    with refused(UsageError, "E-RUN-TASK", "mask", where="--coverage"):
        ict.load(made.folder).predict(chips[:20], coverage=0.9)
