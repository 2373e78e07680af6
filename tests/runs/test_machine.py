"""What torchrun and Slurm say of processes agrees with the devices and nodes of a run, or the run is refused."""

import os

import pytest

from ictconvention.configuration.run_groups import TrainerOptions
from ictconvention.core.errors import UsageError
from ictconvention.runs.machine import RANKS, check_alone, check_launch, check_ranks, first_of_node
from tests.refusals import refused

TWO = {"SLURM_NTASKS": "2", "SLURM_STEP_ID": "0"}
FOUR = {"SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_NTASKS_PER_NODE": "2"}
SRUN = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
ELASTIC = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
BY_HAND = {"WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
OF_LAUNCHERS = ("SLURM_", "TORCHELASTIC_", "OMPI_", "PMI_", "MV2_", "WORLD_SIZE", "MASTER_")


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str | None]) -> None:
    for name in [name for name in os.environ if name.startswith(OF_LAUNCHERS) or name in RANKS]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        if value is not None:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "devices", "nodes", "named"),
    [
        ({"SLURM_NTASKS": "4"}, 1, 1, "SLURM_NTASKS"),
        ({"SLURM_NTASKS": "1"}, 2, 1, "SLURM_NTASKS"),
        ({"SLURM_NTASKS": "2"}, 2, 1, "SLURM_NTASKS"),  # nobody has started the other
        (TWO, 2, 1, "SLURM_NTASKS_PER_NODE"),
        (TWO | {"SLURM_NTASKS_PER_NODE": "2"}, 2, 1, "SLURM_PROCID"),  # which of the two is this?
        (TWO | SRUN | {"SLURM_NTASKS_PER_NODE": "2"}, 2, 1, None),
        ({"SLURM_NTASKS": "1"}, 1, 1, None),
        ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive"}, 1, 1, None),
        ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive"}, 1, 4, "trainer.num_nodes"),
        ({}, 2, 1, None),
        ({}, 2, 2, "trainer.num_nodes"),  # nobody would start those of the other node
        (FOUR | SRUN | {"SLURM_NNODES": "2"}, 2, 2, None),
        (FOUR | {"SLURM_NNODES": "4"}, 2, 2, "SLURM_NNODES"),
        (FOUR | {"SLURM_NNODES": "2"}, 4, 1, "SLURM_NNODES"),
        (FOUR | {"SLURM_NNODES": "2"}, 2, 1, "SLURM_NTASKS"),
        (FOUR | {"SLURM_NNODES": "2"}, 1, 4, "SLURM_NNODES"),
        (FOUR | {"SLURM_NTASKS_PER_NODE": "3"}, 2, 2, "SLURM_NTASKS_PER_NODE"),
        (ELASTIC, 2, 2, None),
        (ELASTIC, 4, 1, "WORLD_SIZE"),
        (ELASTIC, 1, 1, "WORLD_SIZE"),
        (ELASTIC, 2, 4, "WORLD_SIZE"),
        (ELASTIC | {"SLURM_NTASKS": "2"}, 2, 2, None),  # srun starts a torchrun on each node
        (ELASTIC | {"OMPI_COMM_WORLD_SIZE": "2"}, 2, 2, None),  # mpirun does
        ({"TORCHELASTIC_RUN_ID": "none"}, 1, 1, "WORLD_SIZE"),
        (ELASTIC | {"LOCAL_WORLD_SIZE": None}, 2, 2, "LOCAL_WORLD_SIZE"),
        (ELASTIC | {"LOCAL_WORLD_SIZE": "0"}, 2, 2, "LOCAL_WORLD_SIZE"),
        ({"SLURM_NTASKS": "1", "OMPI_COMM_WORLD_SIZE": "2"}, 1, 1, "OMPI_COMM_WORLD_SIZE"),  # inside a job of one
        ({"SLURM_NTASKS": "1", "OMPI_COMM_WORLD_SIZE": "1"}, 1, 1, None),
        ({"WORLD_SIZE": "1", "RANK": "0"}, 1, 1, None),
        ({"WORLD_SIZE": "1"}, 2, 1, None),  # Lightning starts the other
        (BY_HAND, 2, 1, None),  # as Lightning tells the other
        (BY_HAND, 1, 1, "WORLD_SIZE"),  # two processes, each of which would train alone
        (BY_HAND, 4, 1, "WORLD_SIZE"),
        (BY_HAND, 1, 2, "trainer.num_nodes"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, 2, 1, "LOCAL_RANK"),  # each would start another
        (BY_HAND | {"MASTER_PORT": None}, 2, 1, "MASTER_PORT"),  # each would wait at a door of its own
        (BY_HAND | {"RANK": "2"}, 2, 1, "RANK"),
        ({"RANK": "1"}, 1, 1, "RANK"),  # it would train, and keep nothing
        ({"LOCAL_RANK": "1"}, 1, 1, "LOCAL_RANK"),
        ({"LOCAL_RANK": "0"}, 2, 1, "LOCAL_RANK"),  # it would wait for the other
        ({"NODE_RANK": "1"}, 2, 1, "NODE_RANK"),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, 4, 1, "OMPI_COMM_WORLD_SIZE"),
        ({"PMI_SIZE": "4"}, 1, 1, "PMI_SIZE"),
        ({"PMI_SIZE": "1"}, 2, 1, None),
        ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive", "SLURM_PROCID": "3"}, 4, 1, "SLURM_PROCID"),
    ],
)
@pytest.mark.usefixtures("launched")
def test_a_run_is_one_process_for_each_device_of_each_node_or_refused(
    devices: int, nodes: int, named: str | None
) -> None:
    options = TrainerOptions(devices=devices, num_nodes=nodes)
    if named is None:
        check_launch(options)
        return
    with refused(UsageError, "E-MACHINE-NODES") as caught:
        check_launch(options)
    assert caught.value.where == named


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, True),
        ({"RANK": "1", "LOCAL_RANK": "1"}, False),
        ({"SLURM_PROCID": "2", "SLURM_LOCALID": "0"}, True),
        ({"SLURM_PROCID": "3", "SLURM_LOCALID": "1"}, False),
    ],
)
@pytest.mark.usefixtures("launched")
def test_one_process_of_each_node_tells_what_went_wrong(first: bool) -> None:
    assert first_of_node() == first


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID", "SLURM_LOCALID", "WORLD_SIZE", "SLURM_NTASKS"])
@pytest.mark.parametrize("value", ["x", "", "-1"])
def test_a_rank_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with refused(UsageError, "E-MACHINE-NODES", where=name):
        check_ranks()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, "SLURM_STEP_NUM_TASKS"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE"),
        ({"PMI_SIZE": "2"}, "PMI_SIZE"),
        ({"SLURM_PROCID": "1"}, "SLURM_PROCID"),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, None),  # the script of a job, which is one process
        ({}, None),
    ],
)
@pytest.mark.usefixtures("launched")
def test_what_is_done_once_is_refused_to_one_of_several_processes(named: str | None) -> None:
    if named is None:
        check_alone("search")
        return
    with refused(UsageError, "E-MACHINE-NODES", where=named):
        check_alone("search")
