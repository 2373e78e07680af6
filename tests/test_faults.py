"""The campaign of damaged inputs, in short: `python -m experiments.faults` takes thousands of them."""

import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.forked import prepared_processes

TOO_LONG = 600  # [s]
SHORT = {"check": 2, "split-load": 2, "ingest-stamps": 3, "ingest-table": 2, "words": 1}
KILLED = {"split": 2}


def take(folder: Path, said: Connection) -> None:
    from experiments.faults.campaign import Campaign
    from experiments.faults.every_kind import KINDS

    os.environ.pop("PYTEST_CURRENT_TEST", None)
    campaign = Campaign(folder)
    campaign.make_inputs([KINDS[name] for name in (*SHORT, *KILLED)])
    verdicts = [campaign.take(name, seed) for name, number in SHORT.items() for seed in range(number)]
    verdicts += [campaign.kill(name, seed) for name, number in KILLED.items() for seed in range(number)]
    said.send([(one.kind, one.seed, str(one.outcome), one.said, one.reason) for one in verdicts])


@pytest.mark.slow
def test_damaged_inputs_are_refused_or_change_nothing_unsaid(tmp_path: Path) -> None:
    faults = ("traceback", "hang", "half-written", "silently wrong")
    here, there = prepared_processes().Pipe(duplex=False)
    process = prepared_processes().Process(target=take, args=(tmp_path, there))
    process.start()
    there.close()
    assert here.poll(TOO_LONG)
    verdicts = here.recv()
    process.join()
    assert len(verdicts) == sum(SHORT.values()) + sum(KILLED.values())
    assert [one for one in verdicts if one[2] in faults] == []
    assert {one[2] for one in verdicts} >= {"refused", "accepted, sound", "same output"}
