"""Train ICT on a survey in one process or several, and save the weights of each; run by test_two_processes.

With exact options (no dropout, frozen batch norms, double precision) two processes must end where one does; with each
of the other options they must not wait for a gradient that nobody computes.
"""

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path

import torch

from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.learning.conftest import feed_of, ict, trainer
from tests.learning.test_ict import OPTIONS, FrozenNorms


def train_in_rank(rank: int, port: int, survey: Path, folder: Path) -> None:
    """Train as the process of this rank of two, as a launcher of processes would start it."""
    os.environ |= {"LOCAL_RANK": str(rank), "NODE_RANK": "0", "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    train(survey, folder, 2)


def train(survey: Path, folder: Path, devices: int) -> None:
    """Train with the exact options, and in two processes with each of the other options."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    opened = Survey.open(survey)
    split = make_split(opened.object_table())
    sixteen = replace(split, parts={**split.parts, "pretrain_train": split.parts["pretrain_train"][:16]})
    feed = feed_of(opened, sixteen)
    data = feed(imbalance="both", batch_size=8)
    exact = ict(data, dropout=0.0, target_norms="running").double()
    strategy = {"strategy": "ddp", "devices": devices} if devices > 1 else {"devices": 1}
    fitted = trainer(folder, max_epochs=2, callbacks=[FrozenNorms()], **strategy)
    fitted.fit(exact, data)
    torch.save(exact.state_dict(), folder / f"{devices}-{fitted.global_rank}.pt")
    metrics = {name: float(value) for name, value in fitted.callback_metrics.items()}
    (folder / f"{devices}-{fitted.global_rank}.json").write_text(json.dumps(metrics))
    few = {"pretrain_train": 16, "pretrain_unlabelled": 4}
    parts = {**split.parts, **{part: split.parts[part][:number] for part, number in few.items()}}
    data = feed_of(opened, replace(split, parts=parts))(batch_size=10, unlabelled=True, domains=True)
    against = ict(data, dropout=0.0, target_norms="running", unlabelled=True)
    against.begin_domains(1.0, 0)
    fitted = trainer(folder, max_epochs=2, callbacks=[FrozenNorms()], **strategy)
    fitted.fit(against.double(), data)
    torch.save(against.state_dict(), folder / f"domains-{devices}-{fitted.global_rank}.pt")
    if devices == 1:
        return
    data = feed(batch_size=8)
    for number, options in enumerate(OPTIONS):
        learner = ict(data, **options)
        trained = trainer(folder, max_epochs=1, limit_train_batches=2, limit_val_batches=1, **strategy)
        trained.fit(learner, data)
        torch.save(learner.state_dict(), folder / f"option{number}-{trained.global_rank}.pt")
