"""Names of networks, schedules and augmentations: each once, found with the nearest, and none imported by a file."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ictconvention.configuration import functions
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.folders import config_folder
from ictconvention.configuration.functions import (
    find_function,
    function_source,
    register_augmentation,
    register_tau_schedule,
)
from ictconvention.configuration.identity import SHAPES, roles_of
from ictconvention.configuration.registry import all_networks, default_options, find_network, register_network
from ictconvention.configuration.validation import sources_of
from ictconvention.core.errors import UsageError

OURS = [path.stem for path in sorted((config_folder() / "model").glob("*.yaml"))]


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "_functions", {kind: {} for kind in functions.OURS})


@pytest.mark.parametrize("name", OURS)
def test_the_file_of_a_network_holds_its_options_and_their_defaults(name: str) -> None:
    content = OmegaConf.to_container(OmegaConf.load(config_folder() / "model" / f"{name}.yaml"))
    assert content == default_options(find_network(name))


def test_every_network_of_ours_has_a_file() -> None:
    assert sorted(entry.name for entry in all_networks() if entry.source is None) == OURS


def test_sizes_shape_a_network_and_dropout_does_not() -> None:
    shaping = {key for key, role in roles_of(compose_run([]).model, "model.").items() if SHAPES in role}
    assert shaping == {f"model.{name}" for name in ("kind", "width", "blocks", "heads", "attention", "padding")}


def test_a_name_is_given_once() -> None:
    with pytest.raises(UsageError, match="two networks are called 'convention'"):
        register_network("convention")(type("Other", (), {}))
    with pytest.raises(UsageError) as caught:
        find_network("convenion")
    assert "did you mean convention?" in caught.value.found


@pytest.mark.usefixtures("clean")
def test_functions_are_found_by_name_and_named_by_their_file() -> None:
    @register_tau_schedule("linear")
    def rise(step: int, steps: int, tau: float) -> float:
        return tau + (1 - tau) * step / steps

    assert find_function("learner.tau_schedule", "linear") is rise
    assert function_source("learner.tau_schedule", "cosine") is None
    assert function_source("augmentation.function", None) is None
    options = compose_run(["experiment=ict_sdss", "learner.tau_schedule=linear"])
    assert sources_of(options) == {"learner.tau_schedule": function_source("learner.tau_schedule", "linear")}
    for name in ("constant", "linear"):
        with pytest.raises(UsageError):
            register_tau_schedule(name)(lambda step, steps, tau: tau)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("override", ["learner.tau_schedule=cosin", "augmentation.function=noise"])
def test_an_unknown_function_is_refused_before_anything_trains(override: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose_run(["experiment=ict_sdss", override])
    assert caught.value.where == override.partition("=")[0]


@pytest.mark.usefixtures("clean")
def test_an_augmentation_counts_for_the_run(tmp_path: Path) -> None:
    @register_augmentation("nothing")
    def same(view: Any, rng: Any) -> Any:
        return view

    assert sources_of(compose_run(["augmentation.function=nothing"])).keys() == {"augmentation.function"}


def test_what_stands_in_no_file_is_refused_at_once() -> None:
    """A cell of a notebook: no other process could import it, and the hash of a run could not cover it."""
    place: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile("class Cell: pass\ndef cell(view, rng): return view", "<cell>", "exec"), place)
    with pytest.raises(UsageError):
        register_network("cell")(place["Cell"])
    with pytest.raises(UsageError):
        register_augmentation("cell")(place["cell"])
    assert "cell" not in {entry.name for entry in all_networks()}
