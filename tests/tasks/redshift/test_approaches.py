"""The approaches to redshifts: one split and one compute for all, label-free stages that read no label, and guards."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.composing.folders import config_folder
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import learner_in, stage_of, stages_of
from ictconvention.core.errors import UsageError
from ictconvention.feeding.batch import SeriesBatch
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.runs.assembly.run_data import load_or_draw_split, make_data
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.survey.survey import Survey
from ictconvention.training.retest import retest
from ictconvention.training.run import run
from tests.learning.conftest import QUIET
from tests.refusals import refused
from tests.small_runs import result_of
from tests.tasks.redshift.galaxies import write_galaxies

EXPERIMENTS = sorted(path.stem for path in (config_folder() / "experiment").glob("redshift_*.yaml"))
LABELLED, UNLABELLED = 4, 5  # of survey=galaxies, for each five
BUDGET = 36 * LABELLED


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return write_galaxies(tmp_path_factory.mktemp("galaxies") / "survey")


def composed(experiment: str, *words: str) -> RunOptions:
    weights = ["model.weights=some.pth"] if experiment == "redshift_foundation" else []
    return compose_run([f"experiment={experiment}", *weights, *words])


def small(survey: Survey, experiment: str, *words: str) -> list[str]:
    own = ["survey=path", f"survey.path={survey.path}", "profile=tiny", "trainer.batch_size=16", "figures=false"]
    return [f"experiment={experiment}", *own, "model.width=0.0625", "task.bins.number=20", *words]


def passes(options: RunOptions) -> Iterator[float]:
    """Yield the passes of pictures through the network in each stage: one forward, and two backward."""
    for stage in stages_of(options):
        objects = LABELLED + UNLABELLED * (options.learner.unlabelled and stage == "pretrain")
        each = 3
        if options.learner.kind == "ict":
            weight = stage_of(options, stage).consistency
            each = 2 * (3 + ((learner_in(options, stage).consistency if weight is None else weight) > 0))
        yield stage_of(options, stage).max_epochs * objects * each


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_approach_has_the_same_compute_and_views_that_keep_colours(experiment: str) -> None:
    options = composed(experiment, "profile=smoke")
    assert options.name == experiment
    assert options.task.kind == "redshift"
    assert sum(passes(options)) == BUDGET
    assert options.augmentation.brightness == options.augmentation.contrast == 0
    assert options.augmentation.reddening > 0
    assert options.imbalance.sampling == options.imbalance.weighting == 0


def test_all_approaches_have_the_very_same_split(galaxies: Survey) -> None:
    hashes = set()
    for experiment in EXPERIMENTS:
        options = composed(experiment)
        split = load_or_draw_split(options, galaxies)
        hashes.add(split.hash)
        for stage in stages_of(options):
            data = make_data(options, galaxies, split, stage)
            assert data.train_part == "pretrain_train"
            assert ("pretrain_unlabelled" in data.train_parts) == (options.learner.unlabelled and stage == "pretrain")
    assert len(hashes) == 1
    assert split.parts["pretrain_unlabelled"]


def of_pretraining(galaxies: Survey, *words: str) -> tuple[RunOptions, SeriesDataModule]:
    options = compose_run(small(galaxies, "redshift_pretrained", *words))
    return options, make_data(options, galaxies, load_or_draw_split(options, galaxies), "pretrain")


@pytest.mark.slow
def test_redshifts_may_be_permuted_without_changing_a_bit_of_a_pre_training_without_labels(galaxies: Survey) -> None:
    found = []
    for permuted in (False, True):
        options, data = of_pretraining(galaxies)
        if permuted:
            order = np.random.default_rng(0).permutation(len(galaxies))
            data.training.labels, numbers = data.training.labels[order], data.training.numbers
            data.training.numbers = {**numbers, "truth": numbers["truth"][order]}
        learner = make_learner(options, data)
        lightning.Trainer(max_epochs=1, enable_checkpointing=False, limit_val_batches=0, **QUIET).fit(learner, data)
        found.append(learner.state_dict())
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


def test_no_batch_has_the_redshift_of_an_object_without_a_label(galaxies: Survey) -> None:
    _, data = of_pretraining(galaxies, "learner.flux=0.1")
    table = galaxies.object_table()
    true = np.asarray(table["true_redshift"], dtype=np.float32)
    hidden = true[np.ma.getmaskarray(np.ma.masked_invalid(np.ma.filled(table["redshift"], np.nan)))]
    assert len(hidden) == 10
    for view in next(iter(data.train_dataloader())):
        assert view.truth is not None
        assert view.truth.isnan().any()  # there are such objects
        for one in fields(SeriesBatch):
            values = getattr(view, one.name)
            assert values is None or not np.isin(hidden, values.numpy()).any(), one.name


@pytest.mark.slow
def test_pre_trained_without_labels_and_fine_tuned_on_the_same_objects_it_is_tested_again(
    galaxies: Survey, tmp_path: Path
) -> None:
    epochs = ["stage.finetune.max_epochs=1", "learner.flux=0.1"]
    words = small(galaxies, "redshift_pretrained", *epochs, f"runs={tmp_path}/runs")
    folder = run(compose_run(words), words)
    result = result_of(folder)
    assert {"sigma_mad", "bias", "outliers_15", "crps"} <= result["test"].keys()
    assert retest(folder, compose_run([]))["test"] == result["test"]


def test_what_would_collapse_or_change_colours_is_refused_and_missing_weights_are_named() -> None:
    unguarded = ["learner.predictor=false", "learner.variance=0"]
    with refused(UsageError, "E-CONFIG-VALUE", "collapse", where="the configuration"):
        composed("redshift_pretrained", *unguarded)
    for words in (["augmentation=pictures"], ["augmentation.contrast=0.1"]):
        with refused(UsageError, "E-CONFIG-CONFLICT", where="augmentation"):
            composed("redshift_direct", *words)
    with refused(UsageError, "E-CONFIG-CONFLICT", where="augmentation"):
        composed("redshift_direct", "model=cnn_gru")  # which sees no picture
    with refused(UsageError, "E-CONFIG-MISSING", "tf_efficientnet_lite0", where="model.weights"):
        compose_run(["experiment=redshift_foundation"])
    with refused(UsageError, "E-CONFIG-CONFLICT", where="learner.flux"):
        composed("redshift_foundation", "model.freeze=encoder", "learner.flux=0.1")


def test_another_network_takes_the_place_of_the_usual_one_whether_it_has_a_width_or_not() -> None:
    assert composed("redshift_direct", "model=resnet18").model.kind == "resnet18"
    assert composed("redshift_direct", "model=cnn1").model.width == 0.25  # type: ignore[attr-defined]
    with refused(UsageError, "E-CONFIG-UNKNOWN", where="model.width"):
        composed("redshift_direct", "model=resnet18", "model.width=0.5")


def test_a_fold_of_one_stage_with_labels_has_two_where_the_first_reads_none(galaxies: Survey) -> None:
    options, data = of_pretraining(galaxies)
    assert stages_of(options) == ["pretrain", "finetune"]
    tuned = make_data(options, galaxies, data.split, "finetune")
    assert tuned.positions(tuned.train_part).tolist() == data.positions(data.train_part).tolist()
    with refused(UsageError, "E-CONFIG-VALUE", "single", where="the configuration"):
        composed("redshift_pretrained", "stage.pretrain.classification=1", "stage.finetune.max_epochs=3")
