"""The hash of all that decides a run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

from ictconvention import __version__
from ictconvention.configuration.checking.validation import sources_of
from ictconvention.configuration.identity import CONTENT, LABEL, PLACE, leave_out, leave_out_added
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import stages_of
from ictconvention.networks.pictures.weight_file import weight_file_hash
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey


def weight_file(options: RunOptions) -> str | None:
    """Return the file of weights that a run begins with, if it has one: `model.weights`."""
    file: str | None = getattr(options.model, "weights", None)
    return file


def digest(content: object) -> str:
    """Return the SHA-256 of plain values, in hexadecimal."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def run_hash(
    options: RunOptions,
    survey: Survey,
    split: Split,
    precision: str,
    part: Literal["run", "pretrain"] = "run",
    teachers: Sequence[str] = (),
) -> str:
    """Return the hash of all that decides a run's result, or its pre-training: not its name, folders or workers.

    `teachers` are the hashes of the runs that teach it.
    """
    content = leave_out_added(leave_out(asdict(options), options, LABEL | CONTENT | PLACE), options)
    if sources := sources_of(options):
        content["sources"] = sources
    content["trainer"]["precision"] = precision
    start = None if options.init_from is None else RunFolder(locate_run(options.init_from)).last_weights()
    content["init_from"] = None if start is None else weights_hash(start)
    if (file := weight_file(options)) is not None:
        content["weights"] = weight_file_hash(file)
    if teachers:
        content["teachers"] = list(teachers)
    if part == "pretrain":
        content["stage"].pop("finetune")
        if stages_of(options)[-1] != "pretrain":
            content.pop("shift", None)  # an answer to a shift is of the last stage
    return digest([content, survey.hash, split.hash, __version__])
