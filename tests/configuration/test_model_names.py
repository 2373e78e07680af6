"""Models of one name are called as they were typed, and by their keys where that does not tell them apart."""

from collections.abc import Sequence

from ictconvention.configuration.model_names import MadeModel, name_models

COMMON = ["survey=path", "survey.path=/data/a survey", "profile=smoke", "runs=r"]


def made(kind: str, weighting: str = "0.0", name: str = "run", typed: Sequence[str] = (), **keys: str) -> MadeModel:
    return MadeModel(name, {"model.kind": kind, "imbalance.weighting": weighting, **keys}, typed)


def typed(network: str, imbalance: str, seed: int = 0) -> list[str]:
    return [f"model={network}", f"imbalance={imbalance}", *COMMON, f"seed={seed}"]


def test_a_sweep_over_networks_and_switches_is_named_by_what_was_typed_and_differs() -> None:
    models = [
        made("cnn1", "0.0", typed=typed("cnn1", "none"), **{"model.dropout": "0.5"}),
        made("cnn1", "1.0", typed=typed("cnn1", "weighted", seed=1), **{"model.dropout": "0.5"}),
        made("cnn2", "0.0", typed=typed("cnn2", "none"), **{"model.name": "null"}),
    ]
    assert name_models(models) == [
        "model=cnn1 imbalance=none",
        "model=cnn1 imbalance=weighted",
        "model=cnn2 imbalance=none",
    ]


def test_the_last_word_of_a_key_counts_and_a_default_leaves_the_name_of_the_run() -> None:
    tau = {"learner.tau": "0.9"}
    models = [
        made("cnn1", typed=["learner.tau=0.5", "learner.tau=0.9"], **tau),
        made("cnn1", typed=[], **{"learner.tau": "0.99"}),
    ]
    assert name_models(models) == ["learner.tau=0.9", "run"]


def test_names_of_several_runs_stay_in_front() -> None:
    models = [
        made("cnn1", name="pictures", typed=["model=cnn1"]),
        made("cnn2", name="pictures", typed=["model=cnn2"]),
        made("convention", name="paper", typed=["model=convention"]),
    ]
    assert name_models(models) == ["pictures, model=cnn1", "pictures, model=cnn2", "paper"]


def test_models_that_words_do_not_tell_apart_are_named_by_the_keys_that_they_have() -> None:
    models = [
        made("cnn1", version="1", typed=["model=cnn1"]),
        made("cnn1", version="2", typed=["model=cnn1"]),
        made("timm", version="2", **{"model.name": "resnet18"}),
    ]
    assert name_models(models) == [
        "run, model.kind=cnn1, version=1",
        "run, model.kind=cnn1, version=2",
        "run, model.kind=timm, model.name=resnet18, version=2",
    ]


def test_one_model_has_its_own_name() -> None:
    assert name_models([made("cnn1", name="ict", typed=["model=cnn1"])]) == ["ict"]
