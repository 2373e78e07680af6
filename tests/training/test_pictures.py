"""Networks of pictures go the whole way: trained, frozen, begun with a file, killed and resumed, applied, exported."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import ictconvention as ict
from ictconvention.applying.export import export_run
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import FileSystemError, SurveyError, UsageError
from ictconvention.learning.learner import Learner
from ictconvention.learning.optimiser import optimiser_for
from ictconvention.learning.target import set_target_mode
from ictconvention.networks.pictures.cnn import PictureCNN
from ictconvention.runs.assembly.run_data import make_data
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.trained_run import read_trained
from ictconvention.runs.warm_start import start_from, start_from_file
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from ictconvention.training.epoch_report import describe_network
from ictconvention.training.run import run
from tests.refusals import refused
from tests.small_pictures import places, write_pictures
from tests.training.test_stopped_run import same, strike

Train = Callable[..., Path]
CNN = ["model=cnn2", "model.width=0.25", "trainer.precision=32-true"]
LABEL_FREE = ["learner=ict", "stage.pretrain.classification=0", "stage.pretrain.keep=last", "learner.predictor=true"]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_pictures(folder / "pictures")
    torch.manual_seed(0)
    torch.save(PictureCNN("cnn2", stamp_size=32, width=0.25).state_dict(), folder / "cnn2.pth")
    return folder


@pytest.fixture(scope="module")
def train(work: Path) -> Train:
    def trained(*overrides: str) -> Path:
        words = [*places(work), *overrides]
        return run(compose_run(words), words)

    return trained


def weights_at(folder: Path, stage: str = "finetune") -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_checkpoint(folder / "checkpoints" / f"{stage}.ckpt")["state_dict"]
    return state


@pytest.mark.slow
def test_a_frozen_encoder_keeps_the_weights_of_its_file_and_the_run_needs_the_file_no_more(
    work: Path, train: Train, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes((work / "cnn2.pth").read_bytes())
    folder = train(*CNN, f"model.weights={file}", "model.freeze=encoder")
    given, ended = torch.load(file, weights_only=True), weights_at(folder)
    for name, value in given.items():
        assert torch.equal(value, ended[f"network.{name}"]) == (not name.startswith("head.1")), name
    assert any("of which 130 are trained" in line for line in caplog.messages)
    file.unlink()
    trained = ict.load(folder)
    table = trained.predict(work / "pictures")
    tested = pq.read_table(folder / "predictions.parquet").to_pydict()
    rows = {id_: row for row, id_ in enumerate(table["id"])}
    found = table["source"][[rows[id_] for id_ in tested["id"]]]
    np.testing.assert_allclose(found, tested["source"], atol=1e-5)
    export_run(read_trained(folder), tmp_path / "model.pt2")  # which compares the two


def test_a_run_is_known_by_the_content_of_its_weights_wherever_they_lie(work: Path, tmp_path: Path) -> None:
    from ictconvention.runs.plan import plan_run

    copy, other = tmp_path / "copy.pth", tmp_path / "other.pth"
    copy.write_bytes((work / "cnn2.pth").read_bytes())
    torch.save(PictureCNN("cnn2", stamp_size=32, width=0.25).state_dict(), other)
    words = [*places(work), *CNN]
    plain, first, again, changed, frozen = (
        plan_run(compose_run([*words, *own])).hashes
        for own in (
            [],
            [f"model.weights={work}/cnn2.pth"],
            [f"model.weights={copy}"],
            [f"model.weights={other}"],
            [f"model.weights={copy}", "model.freeze=encoder"],
        )
    )
    assert first == again
    for part in ("run", "pretrain"):
        assert len({one[part] for one in (plain, first, changed, frozen)}) == 4


def test_weights_that_do_not_fit_are_refused_before_anything_starts(work: Path, tmp_path: Path) -> None:
    from ictconvention.runs.plan import plan_run

    words = [*places(work), f"runs={tmp_path}/runs", *CNN]
    with refused(UsageError, "E-WEIGHTS-MISMATCH", "maps.0.weight", where="cnn2.pth"):
        plan_run(compose_run([*words, "model.width=0.5", f"model.weights={work}/cnn2.pth"]))
    with refused(FileSystemError, "E-FILES-MISSING", where="none.pth"):
        plan_run(compose_run([*words, f"model.weights={tmp_path}/none.pth"]))
    assert not (tmp_path / "runs").exists()


def test_what_rests_has_no_place_in_the_optimiser_whichever_the_learner(work: Path) -> None:
    for words in ([], ["learner=ict"]):
        learner = learner_of(work, [*CNN, f"model.weights={work}/cnn2.pth", "model.freeze=encoder", *words])
        trunks = [trunk for trunk in learner.trunks.values() if isinstance(trunk, PictureCNN)]
        resting = {id(parameter) for trunk in trunks for parameter in trunk.maps.parameters()}
        optimiser, _ = optimiser_for(learner.network, learner.optimiser, 10)
        held = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
        assert held
        assert resting.isdisjoint(held)
        assert "the encoder is frozen" in describe_network(learner)
        learner.train()
        if isinstance(learner, ict.ICT) and learner.target is not None:
            set_target_mode(learner.target, "batch", dropout=True)
        assert len(trunks) == 1 + isinstance(learner, ict.ICT)
        assert all(not part.training for trunk in trunks for part in trunk.maps.modules())


@pytest.mark.slow
def test_killed_in_the_second_epoch_it_resumes_to_the_same_digits(work: Path, train: Train, tmp_path: Path) -> None:
    """Brightness, contrast and dropout drawn again; batch norms where they were."""
    words = [*CNN, "learner=ict", "stage.pretrain.max_epochs=2", "trainer.batch_size=6", "augmentation.bands=0.3"]
    whole = train(*words, f"runs={tmp_path}/whole")
    arguments = [*places(work), *words, f"runs={tmp_path}/killed"]
    assert strike(tmp_path, "pretrain", 5, signal.SIGKILL, *arguments).returncode == -signal.SIGKILL
    same(whole, train(*words, f"runs={tmp_path}/killed"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the projections have collapsed")
@pytest.mark.parametrize("model", ["cnn1", "cnn2", "resnet18"])
def test_ict_trains_it_also_without_labels_in_pre_training(train: Train, tmp_path: Path, model: str) -> None:
    if model == "resnet18":
        pytest.importorskip("timm")
    folder = train(f"model={model}", *LABEL_FREE, f"runs={tmp_path}")
    before, after = weights_at(folder, "pretrain"), weights_at(folder)
    assert all(x.isfinite().all() for x in after.values())
    assert not torch.equal(before["network.classifier.weight"], after["network.classifier.weight"])


@pytest.mark.slow
@pytest.mark.parametrize(("model", "ending"), [("cnn1", "onnx"), ("resnet18", "onnx")])  # cnn2 as .pt2 is above
def test_its_model_is_a_file_that_gives_its_numbers(train: Train, tmp_path: Path, model: str, ending: str) -> None:
    pytest.importorskip("onnxruntime")
    if model == "resnet18":
        pytest.importorskip("timm")
    export_run(read_trained(train(f"model={model}", f"runs={tmp_path}")), tmp_path / f"model.{ending}")
    assert (tmp_path / f"model.{ending}").exists()  # it is compared before it takes its name


def test_fixed_scales_are_for_pictures_from_0_to_1_and_imagenets_for_three_bands(work: Path, tmp_path: Path) -> None:
    learner = learner_of(work, [*CNN, "pixels.scaling=imagenet"])
    assert learner.inputs.scaling.offset.tolist() == pytest.approx([0.485, 0.456, 0.406])
    assert learner.inputs.scaling.scale.tolist() == pytest.approx([0.229, 0.224, 0.225])
    zero = learner_of(work, [*CNN, "pixels.scaling=centred"]).inputs.scaling(
        torch.tensor([0.0, 1.0]), torch.tensor([0, 2])
    )
    assert zero.tolist() == [-1, 1]
    write_pictures(tmp_path / "pictures", bands=("g", "r", "i", "z"))
    from ictconvention.runs.plan import plan_run

    with refused(UsageError, "E-CONFIG-CONFLICT", "4", where="pixels.scaling"):
        plan_run(compose_run([*places(tmp_path), *CNN, "pixels.scaling=imagenet"]))
    write_pictures(tmp_path / "blue" / "pictures", bands=("B", "G", "R"))
    with refused(UsageError, "E-CONFIG-CONFLICT", "survey.bands", where="pixels.scaling"):
        plan_run(compose_run([*places(tmp_path / "blue"), *CNN, "pixels.scaling=imagenet"]))
    bright = write_pictures(tmp_path / "bright", brightness=300.0)
    with refused(SurveyError, "E-SURVEY-UNSUITED", where="bright"):
        learner_of(tmp_path, [*CNN, "pixels.scaling=centred", f"survey.path={bright.path}"])


def learner_of(folder: Path, words: list[str]) -> Learner:
    """Return the learner of a pre-training, as a run makes it."""
    options = compose_run([*places(folder), *words])
    survey = Survey.open(options.survey.path)  # type: ignore[arg-type]
    data = make_data(options, survey, make_split(survey.object_table()), "pretrain")
    return make_learner(options, data)


def test_the_target_network_begins_with_the_file_too(work: Path) -> None:
    learner = learner_of(work, [*CNN, "learner=ict"])
    assert "cnn2.pth" in start_from_file(learner, str(work / "cnn2.pth"))
    given = torch.load(work / "cnn2.pth", weights_only=True)
    assert len(learner.trunks) == 2
    for trunk in learner.trunks.values():
        own = trunk.state_dict()
        assert all(torch.equal(value, own[name]) for name, value in given.items() if not name.startswith("head."))


def test_a_run_of_other_bands_gives_each_band_its_own_plane(work: Path, train: Train, tmp_path: Path) -> None:
    words = ["model=cnn1", "model.width=0.125", f"runs={tmp_path}/runs", "stage.pretrain.max_epochs=0"]
    before = weights_at(start := train(*words))
    write_pictures(tmp_path / "pictures", bands=("B", "infrared", "R"))
    learner = learner_of(tmp_path, ["model=cnn1", "model.width=0.125"])
    new = learner.state_dict()["network.maps.0.weight"].clone()
    said = start_from(learner, start)
    after, old = learner.state_dict()["network.maps.0.weight"], before["network.maps.0.weight"]
    assert torch.equal(after[:, 0], old[:, 2])
    assert torch.equal(after[:, 2], old[:, 0])
    assert torch.equal(after[:, 1], new[:, 1])
    assert "infrared" in said


def test_a_sequence_too_short_for_every_band_is_refused(work: Path) -> None:
    with refused(UsageError, "E-CONFIG-CONFLICT", "sequence.max_frames=9", where="model cnn2"):
        learner_of(work, [*CNN, "sequence.max_frames=2", "sequence.frames_per_group=1"])
