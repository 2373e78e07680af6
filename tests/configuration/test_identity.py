"""What each option counts for stands beside it, and every hash, record and comparison of runs goes by that."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, field, is_dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import (
    CELL,
    CONTENT,
    LABEL,
    PLACE,
    SHAPES,
    Role,
    leave_out,
    leave_out_added,
    roles_of,
    values_with,
)
from ictconvention.configuration.schema import RunOptions
from ictconvention.runs.assembly.run_hash import run_hash

TEACHER = "learner.teacher"  # counts by the runs that it names


@dataclass(frozen=True)
class Network:
    kind: Annotated[str, SHAPES] = "mine"
    dropout: float = 0.3


@dataclass(frozen=True)
class Deep(Network):
    layers: Annotated[int, SHAPES] = 4


@dataclass(frozen=True)
class Machine:
    devices: int = 1
    precision: Annotated[str, CONTENT | CELL] = "auto"


@dataclass(frozen=True)
class Options:
    name: Annotated[str, LABEL] = "run"
    network: Network = field(default_factory=Deep)
    machine: Annotated[Machine, PLACE] = field(default_factory=Machine)


def test_a_group_hands_its_role_down() -> None:
    roles = roles_of(Options)
    assert roles["machine"] == roles["machine.devices"] == PLACE
    assert roles["machine.precision"] == PLACE | CONTENT | CELL
    assert roles["network.dropout"] == Role(0)


def test_an_instance_has_the_options_of_the_group_that_it_holds() -> None:
    assert "network.layers" not in roles_of(Options)
    assert values_with(Options(), SHAPES) == {"network.kind": "mine", "network.layers": 4}
    assert values_with(Options(network=Network()), SHAPES) == {"network.kind": "mine"}


def test_what_is_left_out_takes_empty_groups_with_it_and_unknown_keys_stay() -> None:
    content = {"name": "a", "network": {"kind": "mine", "older": 1}, "machine": {"devices": 2, "older": 2}, "gone": 3}
    assert leave_out(content, Options, SHAPES) == content | {"network": {"older": 1}}
    assert leave_out(content, Options, PLACE | LABEL) == {"network": {"kind": "mine", "older": 1}, "gone": 3}
    assert leave_out({"network": {"kind": "mine"}}, Options, SHAPES) == {}


def hash_of(options: RunOptions, **data: str) -> str:
    survey, split = (SimpleNamespace(hash=data.get(name, name)) for name in ("survey", "split"))
    made: Any = run_hash
    return str(made(options, survey, split, "32-true"))


def single_options() -> Iterator[str]:
    """Yield the keys that no other key lies in."""
    keys = list(roles_of(compose_run(["experiment=ict_sdss"])))
    yield from (key for key in keys if not any(other.startswith(f"{key}.") for other in keys))


def with_other_value(options: RunOptions, key: str) -> RunOptions:
    """Return a copy with another value of one option, whatever its range."""
    changed = deepcopy(options)
    group: Any = changed
    *groups, name = key.split(".")
    for one in groups:
        group = getattr(group, one)
    object.__setattr__(group, name, f"not {getattr(group, name)}")
    return changed


@pytest.mark.parametrize("key", [key for key in single_options() if key not in ("init_from", TEACHER)])
def test_an_option_is_in_the_hash_unless_it_says_that_it_is_not(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ictconvention.runs.assembly.run_hash.sources_of", lambda options: {}
    )  # of functions that nobody has
    options = compose_run(["experiment=ict_sdss"])
    role = roles_of(options)[key]
    assert (hash_of(with_other_value(options, key)) == hash_of(options)) == bool(role & (PLACE | LABEL | CONTENT))


def test_what_counts_by_its_content_is_in_the_hash_by_that() -> None:
    options = RunOptions()
    assert len({hash_of(options), hash_of(options, survey="other"), hash_of(options, split="other")}) == 3


def test_an_added_option_counts_where_it_is_not_as_before() -> None:
    """Runs that were made before there were other optimisers, schedules and patience are found again."""
    words, stage = ["experiment=ict_sdss"], "stage.finetune"
    before = leave_out_added(asdict(compose_run(words)), RunOptions)["stage"]["finetune"]
    assert set(before) == {"max_epochs", "keep", "optimiser"}
    known = {"learning_rate", "weight_decay", "decay_norms_and_biases", "amsgrad", "warm_up", "clip"}
    assert set(before["optimiser"]) == known
    others = ["patience=5", "optimiser.kind=sgd", "optimiser.schedule=constant", "optimiser.momentum=0.5"]
    assert len({hash_of(compose_run([*words, *more])) for more in ([], *([f"{stage}.{one}"] for one in others))}) == 5


def test_what_counts_otherwise_is_a_choice_that_somebody_has_made() -> None:
    """A new option that is in none of these lists counts for all: forgetting one is never silent."""
    roles = roles_of(compose_run([]))
    assert not any(is_dataclass(value) for value in values_with(RunOptions(), SHAPES).values())

    def keys(role: Role) -> set[str]:
        return {key for key in single_options() if role in roles[key]}

    assert keys(CELL) == {"seed", "fold.index", "trainer.precision"}
    assert keys(LABEL) == {"name"}
    assert keys(CONTENT | PLACE) == {"init_from", "split", TEACHER}
    assert {key.partition(".")[0] for key in keys(CONTENT)} == {
        *("init_from", "split", "survey", "fold", "trainer", "learner")
    }
    places = {key for key in keys(PLACE) if key.partition(".")[0] not in ("logger", "strategy")}
    machine = {
        "model.module",
        "trainer.devices",
        "trainer.num_nodes",
        "trainer.workers",
        "survey.path",
        "survey.state",
        "survey.verify",
        "runs",
        "surveys",
    }
    assert places == machine | {"mode", "run", "resume", "figures", "init_from", "split", TEACHER}
