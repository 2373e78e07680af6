"""Names of networks, schedules and augmentations: each once, found with the nearest, and none imported by a file."""

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from ictconvention.configuration import functions, registry
from ictconvention.configuration.checking.validation import sources_of
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.composing.folders import config_folder
from ictconvention.configuration.functions import (
    find_function,
    function_source,
    register_augmentation,
    register_tau_schedule,
)
from ictconvention.configuration.identity import SHAPES, roles_of
from ictconvention.configuration.registry import all_networks, default_options, find_network, register_network
from ictconvention.core.errors import UsageError
from tests.refusals import refused

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
    with refused(UsageError, "E-MODULE-DUPLICATE", "'convention'", where="tests.configuration.test_registry"):
        register_network("convention")(type("Other", (), {}))
    with refused(UsageError, "E-MODULE-UNKNOWN", "convention", where="model.kind"):
        find_network("convenion")


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
        with refused(UsageError, "E-MODULE-DUPLICATE", where="tests.configuration.test_registry"):
            register_tau_schedule(name)(lambda step, steps, tau: tau)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("override", ["learner.tau_schedule=cosin", "augmentation.function=noise"])
def test_an_unknown_function_is_refused_before_anything_trains(override: str) -> None:
    with refused(UsageError, "E-MODULE-UNKNOWN") as caught:
        compose_run(["experiment=ict_sdss", override])
    assert caught.value.where == override.partition("=")[0]


@pytest.mark.usefixtures("clean")
def test_an_augmentation_counts_for_the_run(tmp_path: Path) -> None:
    @register_augmentation("nothing")
    def same(view: Any, rng: Any) -> Any:
        return view

    assert sources_of(compose_run(["augmentation.function=nothing"])).keys() == {"augmentation.function"}


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Return a function that makes a module of a network called `own`, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)
    registry.all_networks()  # ours are imported before
    monkeypatch.setattr(registry, "_networks", dict(registry._networks))
    monkeypatch.setattr(registry, "_modules", [])
    names: list[str] = []

    def made(code: str) -> str:
        names.append(f"own_network_{len(names)}")
        (tmp_path / f"{names[-1]}.py").write_text(HEAD + code)
        return names[-1]

    yield made
    for name in names:
        sys.modules.pop(name, None)


HEAD = """from typing import Annotated
from ictconvention.configuration.options import ModelOptions, option_group
from ictconvention.configuration.registry import register_network
from ictconvention.networks.inputs.frames import FrameInputs
"""
WIDE = """
@option_group
class Options(ModelOptions):
    width: float = 2.0

@register_network("own", Options)
class Own:
    takes = FrameInputs
"""


@pytest.mark.parametrize("profile", ["paper", "laptop", "laptop_all_frames", "smoke", "tiny"])
def test_a_profile_sets_no_size_of_a_network_of_ones_own(own_module: Callable[[str], str], profile: str) -> None:
    """What ConvEntion calls width, another network may call so too."""
    words = [f"model.module={own_module(WIDE)}", "model=own", f"profile={profile}"]
    assert compose_run(words).model.width == 2.0  # type: ignore[attr-defined]
    assert compose_run([*words, "model.width=0.5"]).model.width == 0.5  # type: ignore[attr-defined]
    ours = compose_run([f"profile={profile}"]).model
    width = {"paper": 1.0, "laptop": 0.25, "laptop_all_frames": 0.25, "smoke": 0.125, "tiny": 0.125}
    assert ours.width == width[profile]  # type: ignore[attr-defined]


def test_the_code_that_counts_is_that_which_was_imported(own_module: Callable[[str], str], tmp_path: Path) -> None:
    """A file that is edited, or removed, while a run trains says nothing of that run."""
    name = own_module(WIDE)
    options = compose_run([f"model.module={name}", "model=own"])
    before = sources_of(options)
    (tmp_path / f"{name}.py").write_text("edited")
    assert sources_of(options) == before
    (tmp_path / f"{name}.py").unlink()
    assert sources_of(options) == before


def test_a_network_of_ours_under_a_name_of_ones_own_is_ones_own(own_module: Callable[[str], str]) -> None:
    name = own_module(
        "from ictconvention.networks.recurrent import CNNRecurrent\nregister_network('cnn_gru_mine')(CNNRecurrent)\n"
    )
    options = compose_run([f"model.module={name}", "model=cnn_gru_mine"])
    assert sources_of(options).keys() == {"model.kind"}
    assert compose_run(["model=cnn_gru_mine"]).model.module == name  # as a record of the run will say


def test_what_python_has_imported_is_a_choice(own_module: Callable[[str], str]) -> None:
    """A program or a notebook that says `import` needs no model.module."""
    name = own_module(WIDE)
    import_module(name)
    assert compose_run(["model=own"]).model.module == name
    assert name in registry.imported_modules()  # so that the processes of predict import it too


def test_no_file_makes_the_package_import_a_module(own_module: Callable[[str], str], tmp_path: Path) -> None:
    name = own_module(WIDE)
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    text = f"# @package _global_\nmodel:\n  module: {name}\n"
    (tmp_path / "conf" / "experiment" / "odd.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        compose_run([f"--config-dir={tmp_path}/conf", "experiment=odd"])
    assert f"model.module={name}" in caught.value.fix
    assert name not in sys.modules


def test_what_stands_in_no_file_is_refused_at_once() -> None:
    """A cell of a notebook: no other process could import it, and the hash of a run could not cover it."""
    place: dict[str, Any] = {"__name__": "nowhere"}
    exec(compile("class Cell: pass\ndef cell(view, rng): return view", "<cell>", "exec"), place)
    with pytest.raises(UsageError):
        register_network("cell")(place["Cell"])
    with pytest.raises(UsageError):
        register_augmentation("cell")(place["cell"])
    assert "cell" not in {entry.name for entry in all_networks()}
