"""Every run that the configuration offers can be composed, and every mistake is told in words, at once."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig

from ictconvention.configuration import compose, registry
from ictconvention.configuration.checking.known_keys import known_keys
from ictconvention.configuration.compose import compose_run, implied_overrides
from ictconvention.configuration.composing import folders
from ictconvention.configuration.composing.folders import ConfigFolders, config_folder
from ictconvention.configuration.options import OptimiserOptions, SequenceOptions
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import stages_of
from ictconvention.core.errors import UsageError
from ictconvention.networks.convention import ConvEntionOptions
from tests.conftest import ROOT
from tests.refusals import refused

EXPERIMENTS = [
    "ict_sdss",
    "ict_fast",
    "convention_sdss",
    "cnn_gru_sdss",
    "cnn_lstm_sdss",
    "light_curve_sdss",
    "frame_transformer_sdss",
    "ict_frame_transformer_sdss",
    "light_curve_transformer_sdss",
]
REDSHIFTS = [f"redshift_{name}" for name in ("direct", "published", "semi", "pretrained", "foundation")]


OWN = ("my_survey", "my_pictures")  # of one's own survey
FRAMES = {"paper": 99, "laptop": 30, "laptop_all_frames": 99, "smoke": 15, "tiny": 15}  # of each profile


@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("profile", FRAMES)
def test_every_experiment_composes_in_every_profile(experiment: str, profile: str) -> None:
    options = compose_run([f"experiment={experiment}", f"profile={profile}"])
    assert options.name == experiment
    assert (options.learner.kind == "ict") == experiment.startswith("ict_")
    assert options.survey.path is None  # the simulated one
    assert options.sequence.max_frames == FRAMES[profile]


@pytest.mark.parametrize(
    "words",
    [
        ["seed=3", "experiment=light_curve_sdss", "seed=4", "name='a, b'", "split=null", "survey.bands=[g,r]"],
        ["model.width=0.5", "profile=tiny", "model=convention", "stage.finetune.optimiser.learning_rate=1e-3"],
        ["augmentation={keep: 0.5}", "augmentation.keep=0.9", "augmentation=paper"],
        ["+name=x"],
        ["++name=x", "profile=null"],
    ],
)
def test_what_is_composed_of_kept_choices_is_what_hydra_composes(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def composed() -> RunOptions | str:
        try:
            return compose_run(words)
        except UsageError as error:
            return repr((error.found, error.where, error.fix, error.code))

    kept = [composed(), composed()]
    monkeypatch.setattr(compose, "_compose_fast", lambda words, folders: compose._compose_anew(words))
    assert kept == [composed()] * 2


def test_a_file_of_choices_that_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = Path(shutil.copytree(config_folder(), tmp_path / "conf"))
    for module in (compose, folders):
        monkeypatch.setattr(module, "config_folder", lambda: conf)
    before = compose_run(["profile=tiny"])
    path = conf / "profile" / "tiny.yaml"
    path.write_text(path.read_text().replace("max_frames: 15", "max_frames: 18"))
    assert (before.sequence.max_frames, compose_run(["profile=tiny"]).sequence.max_frames) == (15, 18)


def test_there_are_no_other_experiments_and_profiles() -> None:
    assert {path.stem for path in (config_folder() / "experiment").glob("*.yaml")} == {*EXPERIMENTS, *OWN, *REDSHIFTS}
    assert {path.stem for path in (config_folder() / "profile").glob("*.yaml")} == FRAMES.keys()


@pytest.mark.parametrize("experiment", OWN)
@pytest.mark.parametrize("profile", FRAMES)
def test_a_survey_of_ones_own_trains_one_stage_with_the_budget_of_pre_training(
    tmp_path: Path, profile: str, experiment: str
) -> None:
    words = [f"experiment={experiment}", f"survey.path={tmp_path}", f"profile={profile}"]
    options, two = compose_run(words), compose_run([f"profile={profile}"])
    assert (options.name, options.fold.protocol, options.survey.path) == (experiment, "single", str(tmp_path))
    assert stages_of(options) == ["pretrain"]
    assert options.stage.pretrain == two.stage.pretrain
    assert stages_of(compose_run([*words, "stage.pretrain.max_epochs=0"])) == ["finetune"]
    with refused(UsageError, "E-CONFIG-MISSING", where="survey.path"):
        compose_run([f"experiment={experiment}"])


def test_a_fold_of_one_stage_turns_the_other_off_but_never_one_that_was_asked_for(tmp_path: Path) -> None:
    assert stages_of(compose_run(["fold=single"])) == stages_of(compose_run(["fold.protocol=single"])) == ["pretrain"]
    assert stages_of(compose_run(["fold=rotating"])) == ["pretrain", "finetune"]
    for asked in ("stage.finetune.max_epochs=3", "stage.finetune={max_epochs:3}"):
        with refused(UsageError, "E-CONFIG-VALUE", "stage.finetune.max_epochs=0"):
            compose_run(["fold=single", asked])
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nstage: {finetune: {max_epochs: 4}}\n")
    with refused(UsageError, "E-CONFIG-VALUE", "single"):
        compose_run([f"--config-dir={tmp_path}", "experiment=mine", "fold=single"])


@pytest.mark.parametrize(
    "model",
    [
        *("cnn1", "cnn2", "timm", "resnet18", "resnet50", "efficientnet_b0", "tf_efficientnet_lite0"),
        *("unet", "unet_preligens", "smp"),
    ],
)
def test_pictures_keep_their_bands_unless_these_are_to_be_left_out(model: str) -> None:
    words = [f"model={model}", "augmentation=pictures"]
    options = compose_run(words)
    assert options.sequence.select == "nights"
    assert options.augmentation.flips == "horizontal"
    assert implied_overrides(words) == ["sequence.select=nights"]
    for refusal, key in {
        "sequence.select=frames": "sequence.select",
        "views.online_frames=3": "views.online_frames",
        "pixels.channels=direct+residual": "model",
        "model.freeze=encoder": "model.freeze",
    }.items():
        with refused(UsageError, "E-CONFIG-CONFLICT", where=key):
            compose_run([*words, "learner=ict", refusal])
    with refused(UsageError, "E-CONFIG-CONFLICT", where="model.weights"):
        compose_run([*words, "model.weights=some.pth", "init_from=runs/some"])


def test_what_is_for_pictures_is_refused_for_sequences() -> None:
    assert compose_run([]).sequence.select == "frames"
    for refusal, key in {
        "augmentation=pictures": "augmentation",
        "augmentation.contrast=0.1": "augmentation",
        "pixels.scaling=imagenet": "pixels.scaling",
        "pixels.scaling=centred": "pixels.scaling",
    }.items():
        with refused(UsageError, "E-CONFIG-CONFLICT", where=key):
            compose_run([refusal])


def test_a_network_that_needs_median_stamps_gets_them_unless_channels_are_chosen(tmp_path: Path) -> None:
    words = ["model=frame_transformer", "profile=smoke"]
    assert compose_run(words).pixels.channels == "direct+residual"
    assert implied_overrides(words) == ["pixels.channels=direct+residual"]
    with refused(UsageError, "E-CONFIG-CONFLICT", "pixels.channels=direct+residual", where="model"):
        compose_run([*words, "pixels.channels=direct"])
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\npixels: {channels: direct}\n")
    with refused(UsageError, "E-CONFIG-CONFLICT", "pixels.channels=direct+residual", where="model"):
        compose_run([f"--config-dir={tmp_path}", "experiment=mine", *words])
    for without in ([*words, "model.host=false"], ["model=light_curve_transformer"], ["model=convention"]):
        assert compose_run(without).pixels.channels == "direct"
        assert implied_overrides(without) == []


def test_the_first_command_of_the_readme_is_that_of_the_frame_transformer() -> None:
    named = compose_run(["experiment=frame_transformer_sdss", "profile=smoke"])
    assert compose_run(["model=frame_transformer", "profile=smoke"]) == replace(named, name="run")


def test_the_tiny_profile_is_the_quickest() -> None:
    tiny, smoke = compose_run(["profile=tiny"]), compose_run(["profile=smoke"])
    assert (tiny.stage.pretrain.max_epochs, tiny.stage.finetune.max_epochs, tiny.survey.objects) == (1, 1, 400)
    assert replace(tiny, stage=smoke.stage, survey=smoke.survey) == smoke  # which trains longer, on more


@pytest.mark.parametrize("model", ["light_curve", "cnn_gru", "frame_transformer"])
def test_a_profile_gives_no_other_network_the_sizes_of_convention(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is seen without composing a second time, and would be the same after it."""
    words, once = [f"model={model}", "profile=tiny", "model.dropout=0.2"], compose._compose_fast
    composed: list[object] = []

    def count(words: Sequence[str], folders: ConfigFolders) -> tuple[DictConfig, dict[str, Any]]:
        composed.append(words)
        return once(words, folders)

    monkeypatch.setattr(compose, "_compose_fast", count)
    quick = compose_run(words)
    assert len(composed) == 1
    monkeypatch.setattr(compose, "_profile_alone_sizes", lambda *_: False)
    assert compose_run(words) == quick
    assert len(composed) == 3
    assert quick.model.dropout == 0.2
    assert not hasattr(quick.model, "width")


def test_the_paper_profile_is_the_papers() -> None:
    options = compose_run(["experiment=ict_sdss"])
    assert options.sequence == SequenceOptions(99, 3, "frames")
    assert options.stage.pretrain.optimiser == OptimiserOptions(2e-3, 0.1339)
    assert (options.stage.pretrain.max_epochs, options.stage.finetune.max_epochs) == (50, 30)
    assert (options.trainer.batch_size, options.learner.tau, options.fold.count) == (128, 0.99, 5)
    assert options.model == ConvEntionOptions(dropout=0.3, width=1.0, blocks=2, heads=4)


def test_an_override_reaches_its_key_and_nothing_else() -> None:
    plain, changed = asdict(compose_run([])), asdict(compose_run(["stage.finetune.optimiser.learning_rate=0.5"]))
    assert changed["stage"]["finetune"]["optimiser"].pop("learning_rate") == 0.5
    assert plain["stage"]["finetune"]["optimiser"].pop("learning_rate") == 2e-3
    assert changed == plain


@pytest.mark.parametrize(
    ("overrides", "kind", "where", "facts"),
    [
        ("learner.taau=0.5", "UNKNOWN", "learner.taau", ["did you mean learner.tau?"]),
        ("+trainer.batchsize=3", "UNKNOWN", "trainer.batchsize", ["did you mean trainer.batch_size?"]),
        ("experiment=ict_sds", "CHOICE", "/experiment", ["'ict_sds'", "did you mean ict_sdss?", "cnn_gru_sdss"]),
        ("experiment=ict_sdss learner.tau=2", "VALUE", "learner.tau", ["is 2", "at least 0", "at most 1"]),
        ("fold.index=7", "VALUE", "fold", ["fold.index is 7", "0 to 4"]),
        ("sequence.max_frames=50", "VALUE", "sequence", ["max_frames 50", "frames_per_group 3"]),
        ("sequence.max_frames=many", "VALUE", "sequence.max_frames", ["'many'", "integer"]),
        ("trainer.precision=bf17", "VALUE", "trainer.precision", ["'bf17'", "'auto', '32-true' or 'bf16-mixed'"]),
        ("trainer.devices=3", "VALUE", "trainer", ["trainer.batch_size is 128", "trainer.devices", "3"]),
        ("trainer.devices=2 trainer.num_nodes=3", "VALUE", "trainer", ["trainer.batch_size is 128", "2 times 3, 6"]),
        ("trainer.accumulate=0", "VALUE", "trainer.accumulate", ["is 0", "whole number", "above 0"]),
        ("survey=path", "MISSING", "survey.path", ["survey.path=..."]),
        ("survey.objects=20", "VALUE", "survey.objects", ["is 20", "at least 100", "null"]),
        ("model=cnn_gru profile=laptop model.width=0.5", "UNKNOWN", "model.width", []),
        ("views.online_frames=30", "VALUE", "the configuration", ["views.online_frames", "learner=ict"]),
        ("experiment=ict_sdss views.target_share=0.5", "VALUE", "views", ["is 0.5", "views.online_frames=third"]),
        ("experiment=ict_fast views.target_share=0", "VALUE", "views.target_share", ["is 0", "above 0", "at most 1"]),
        ("views.online_frames=third", "VALUE", "the configuration", ["views.online_frames", "learner=ict"]),
        ("experiment=ict_sdss views.online_frames=2", "VALUE", "the configuration", ["is 2", "3 to 99", "third"]),
        ("experiment=ict_sdss views.online_frames=half", "VALUE", "views.online_frames", ["'half'", "'third'"]),
        (
            "experiment=ict_fast sequence.max_frames=6",
            "VALUE",
            "the configuration",
            ["views.online_frames is third, of at most 6", "3 at least", "a number from 3 to 6"],
        ),
        ("stage.pretrain.max_epochs=-1", "VALUE", "stage.pretrain.max_epochs", ["is -1", "at least 0"]),
        (
            "stage.pretrain.max_epochs=0 stage.finetune.max_epochs=0",
            "VALUE",
            "stage",
            ["stage.pretrain.max_epochs", "stage.finetune.max_epochs", "0"],
        ),
        ("model=cnn_gru model.padding=masked", "UNKNOWN", "model.padding", []),
        ("mode=test", "VALUE", "the configuration", ["mode is test", "run is None", "mode=test run=FOLDER"]),
        ("logger=wandb logger.tags=one", "VALUE", "logger.tags", ["'one'", "'[a,b]'"]),
        ("logger=wandb logger.tags=[1]", "VALUE", "logger.tags", ["is 1", "\"logger.tags=['1']\""]),
        ("trainer.devices=0", "VALUE", "trainer.devices", ["is 0", "whole number", "above 0"]),
        ("augmentation.keep=0", "VALUE", "augmentation.keep", ["is 0", "above 0", "at most 1"]),
        ("stage.finetune.optimiser.warm_up=1", "VALUE", "stage.finetune.optimiser.warm_up", ["is 1", "below 1"]),
        (
            "experiment=ict_sdss learner.tau=nan",
            "VALUE",
            "learner.tau",
            ["is nan", "finite", "at least 0", "at most 1"],
        ),
        ("model.heads=3", "VALUE", "model.heads", ["is 3", "1, 2, 4 or 8"]),
        ("survey.verify=maybe", "VALUE", "survey.verify", ["'maybe'", "boolean, or 'auto'"]),
        ("--max_epochs=3", "SYNTAX", "--max_epochs=3", ["KEY=VALUE"]),
        ("seed=1,2", "SWEEP", "seed=1,2", ["-m"]),
        (
            "experiment=light_curve_sdss pixels.channels=direct+residual",
            "CONFLICT",
            "pixels.channels",
            ["direct+residual", "light_curve"],
        ),
        ("fold=2", "CHOICE", "/fold", ["'2'", "fixed, rotating"]),
        ("name=..", "VALUE", "the configuration", ["name", "'..'"]),
        ("strategy=dp", "CHOICE", "/strategy", ["'dp'", "auto, ddp"]),
        ("name=a/b", "VALUE", "the configuration", ["name", "'a/b'"]),
        ("learner.tau", "SYNTAX", "learner.tau", ["learner.tau=VALUE"]),
    ],
)
def test_a_mistake_is_told(overrides: str, kind: str, where: str, facts: list[str]) -> None:
    with refused(UsageError, f"E-CONFIG-{kind}", *facts, where=where):
        compose_run(overrides.split())


def test_a_survey_that_is_not_there_is_told() -> None:
    with refused(UsageError, "E-SURVEY-MISSING", "survey.path", where="/nowhere"):
        compose_run(["survey=path", "survey.path=/nowhere"])


def test_the_command_tells_it_without_a_traceback_and_without_waiting_for_torch() -> None:
    for command in ([sys.executable, "train.py"], [str(Path(sys.executable).parent / "ictconvention"), "train"]):
        result = subprocess.run([*command, "learner.taau=1"], cwd=ROOT, capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("error: ")
        assert result.stderr.endswith("  code:  E-CONFIG-UNKNOWN\n")
        assert "Traceback" not in result.stderr
    code = "import sys, ictconvention.cli.train as c\ntry: c.compose_run(['learner.tau=2'])\n"
    code += "except c.UsageError as error: print(error.where, 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "learner.tau False\n"


def test_help_names_every_group_and_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from ictconvention.cli.train import help_text

    ours = {entry.name: entry for entry in registry.all_networks() if entry.source is None}
    monkeypatch.setattr(registry, "_networks", ours)  # other tests may have imported one of their own
    text = help_text(ConfigFolders((config_folder(),)))
    for group in (path.name for path in config_folder().iterdir() if path.is_dir() and path.name != "hydra"):
        assert f"  {group} " in text
    assert "-m (--multirun)" in text
    blocks = yaml.safe_load(text[text.index("\nname:") :])
    shown = {f"{block}.{key}" for block, keys in blocks.items() if isinstance(keys, dict) for key in keys} | {*blocks}
    kinds = {f"{path.name}.kind" for path in config_folder().iterdir()}  # which the choice of the group sets
    keys = {key for key in known_keys() if not any(other.startswith(f"{key}.") for other in known_keys())}
    assert {".".join(key.split(".")[:2]) for key in keys - kinds} <= shown
    assert blocks["learner"]["tau"] == 0.99
    assert blocks["augmentation"]["rotation"] == 15
    assert blocks["model"]["width"] == 1
    assert blocks["fold"]["protocol"] == "rotating"
    assert RunOptions().name == "run"


def test_a_stratum_that_is_not_given_is_asked_for_with_the_command_of_all() -> None:
    words = ["task=redshift", "model=cnn_gru", "shift=strata"]
    with refused(UsageError, "E-CONFIG-MISSING", "-m", "shift.stratum=0,1,2,3,4", where="shift.stratum"):
        compose_run(words)
    with refused(UsageError, "E-CONFIG-VALUE", "shift.stratum=0,1,2,3,4"):
        compose_run([*words[:2], "shift.kind=strata"])
