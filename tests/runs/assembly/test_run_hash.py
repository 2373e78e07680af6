"""What decides a result is in the hash of its run, what decides its pre-training in both hashes, and nothing else."""

from dataclasses import asdict
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from ictconvention.configuration.checking.validation import validate_config
from ictconvention.configuration.compose import compose_run
from ictconvention.runs.assembly.run_hash import run_hash

BOTH = [
    "seed=1",
    "model.width=0.5",
    "model.blocks=1",
    "model.heads=2",
    "model.attention=query",
    "model.padding=masked",
    "model.dropout=0.1",
    "learner.tau=0.5",
    "learner.tau_schedule=cosine",
    "learner.classification=2",
    "learner.consistency=0",
    "learner.projection=shared",
    "learner.consistency_on=probabilities",
    "learner.predictor=true",
    "learner.variance=1",
    "learner.unlabelled=true",
    "learner.target_norms=running",
    "learner.target_dropout=true",
    "augmentation.keep=0.9",
    "augmentation.window=0.9",
    "augmentation.rotation=5",
    "augmentation.quarter_turns=true",
    "augmentation.flips=false",
    "imbalance.sampling=0.5",
    "imbalance.weighting=0.5",
    "imbalance.focal=2",
    "sequence.max_frames=30",
    "sequence.frames_per_group=1",
    "sequence.select=nights",
    "pixels.channels=direct+residual",
    "pixels.scaling=standardise",
    "views.online_frames=30",
    "views.online_frames=third",
    "stage.pretrain.max_epochs=1",
    "stage.pretrain.keep=last",
    "stage.pretrain.optimiser.learning_rate=1",
    "trainer.batch_size=16",
    "trainer.accumulate=2",
    "trainer.compile=true",
    "survey.classes=[AGN]",
]
SHARE = ["views.online_frames=third", "views.target_share=0.5"]
RUN = ["stage.finetune.max_epochs=1", "stage.finetune.keep=last", "stage.finetune.optimiser.learning_rate=1"]
NEITHER = [
    "name=another",
    "resume=never",
    "runs=there",
    "surveys=there",
    "figures=false",
    "survey.seed=1",
    "fold.index=1",
    "trainer.devices=2",
    "trainer.num_nodes=2",
    "trainer.workers=2",
    "strategy.kind=ddp",
    "logger.kind=wandb",
]


@cache
def ict() -> DictConfig:
    return OmegaConf.create(asdict(compose_run(["experiment=ict_sdss"])))


def hashes(*overrides: str, survey: str = "s", split: str = "p", precision: str = "32-true") -> tuple[str, str]:
    changed: Any = OmegaConf.to_container(OmegaConf.merge(ict(), OmegaConf.from_dotlist(list(overrides))))
    options = validate_config(changed)
    data: tuple[Any, Any] = SimpleNamespace(hash=survey), SimpleNamespace(hash=split)
    return run_hash(options, *data, precision, "run"), run_hash(options, *data, precision, "pretrain")


@pytest.fixture(scope="module")
def plain() -> tuple[str, str]:
    return hashes()


@pytest.mark.parametrize("override", BOTH)
def test_what_decides_the_pre_training_is_in_both_hashes(plain: tuple[str, str], override: str) -> None:
    changed = hashes(override)
    assert changed[0] != plain[0]
    assert changed[1] != plain[1]


def test_the_share_of_full_views_is_in_both_hashes() -> None:
    """It goes with asymmetric views alone, which are there by themselves."""
    for changed, other in zip(hashes(*SHARE), hashes(*SHARE[:1]), strict=True):
        assert changed != other


@pytest.mark.parametrize("override", RUN)
def test_what_decides_the_fine_tuning_alone_is_in_one(plain: tuple[str, str], override: str) -> None:
    changed = hashes(override)
    assert changed[0] != plain[0]
    assert changed[1] == plain[1]


@pytest.mark.parametrize("override", NEITHER)
def test_what_decides_nothing_is_in_neither(plain: tuple[str, str], override: str) -> None:
    """Survey and fold are there by their own hashes."""
    assert hashes(override) == plain


@pytest.mark.parametrize("content", [{"survey": "t"}, {"split": "q"}, {"precision": "bf16-mixed"}])
def test_survey_split_and_precision_are_in_both(plain: tuple[str, str], content: dict[str, str]) -> None:
    changed = hashes(**content)
    assert changed[0] != plain[0]
    assert changed[1] != plain[1]


def test_the_hash_of_a_command_is_the_one_that_its_runs_were_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another hash would make a finished run anew, in another folder."""
    monkeypatch.setattr("ictconvention.runs.assembly.run_hash.__version__", "0.0.0")
    assert [one[:8] for one in hashes()] == ["1b421a76", "fe528446"]
