"""What Slurm says of processes agrees with the devices of a run, or the run is refused."""

import os

import pytest

from ictconvention.core.errors import UsageError
from ictconvention.runs.machine import check_slurm


@pytest.mark.parametrize(
    ("variables", "devices", "named"),
    [
        ({"SLURM_NTASKS": "4"}, 1, "SLURM_NTASKS"),
        ({"SLURM_NTASKS": "1"}, 2, "SLURM_NTASKS"),
        ({"SLURM_NTASKS": "2"}, 2, "SLURM_NTASKS"),  # nobody has started the other
        ({"SLURM_NTASKS": "2", "SLURM_STEP_ID": "0"}, 2, "SLURM_NTASKS_PER_NODE"),
        ({"SLURM_NTASKS": "2", "SLURM_STEP_ID": "0", "SLURM_NTASKS_PER_NODE": "2"}, 2, None),
        ({"SLURM_NTASKS": "1"}, 1, None),
        ({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "interactive"}, 1, None),
        ({}, 2, None),
    ],
)
def test_a_run_in_an_allocation_is_one_process_a_device_or_refused(
    variables: dict[str, str], devices: int, named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if named is None:
        check_slurm(devices)
        return
    with pytest.raises(UsageError) as caught:
        check_slurm(devices)
    assert caught.value.where == named
