"""What a finished run says of itself in more than one file: the copies must agree, or its numbers mean nothing."""

import copy
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from ictconvention.core.errors import UsageError, shorten
from ictconvention.runs.key_by_key import flatten
from ictconvention.runs.status import read_json
from ictconvention.survey.split import Split

REFERENCE_FILE = "reference.npz"  # what the network knows
TESTED = {"test": "predictions.parquet", "extra_test": "predictions_extra_test.parquet"}  # part of the split, and file
FIX = "restore the file from a copy, or train the run again"
OF_THE_PLACE = ("mode", "run", "resume", "runs", "surveys", "figures", "logger", "strategy")  # decide no number
HASHED = ("split", "init_from")  # files and folders, whose content a result records instead


def portable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration without what may differ between machines: what `result.json` has a copy of."""
    content = copy.deepcopy(dict(config))
    for name in (*OF_THE_PLACE, *HASHED):
        content.pop(name, None)
    for group, names in {"trainer": ("workers", "devices", "num_nodes"), "survey": ("path", "verify")}.items():
        for name in names if isinstance(content.get(group), dict) else ():
            content[group].pop(name, None)
    return content


def check_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Compare the `config.yaml` of a finished run with the copy in its `result.json`, key by key.

    A key that is lost would take its default, and another network, split or choice of frames would be read.

    Parameters
    ----------
    folder : Path
        Folder of the run; one without a result is not finished, and passes.
    config : mapping
        What its `config.yaml` holds, before defaults are put in.

    Raises
    ------
    UsageError
        Naming the keys.
    """
    if not (folder / "result.json").exists():
        return
    result = read_json(folder / "result.json")
    recorded = result.get("config")
    if not isinstance(recorded, Mapping):
        raise UsageError("this result records no configuration", folder / "result.json", FIX)
    here, there = flatten(portable(config)), flatten(portable(recorded))
    hashed = HASHED if "init_from" in result else ()  # the first versions had neither
    if lost := [key for key in (*there, *hashed) if key not in here and key not in config]:
        found = f"this configuration has lost {shorten(lost)}, which the run was made with"
        raise UsageError(found, folder / "config.yaml", FIX)
    if hashed:  # whether there is one
        here["init_from"], there["init_from"] = (str(one["init_from"] is not None) for one in (config, result))
    differ = [
        f"{key} is {value} here, {there.get(key)} there" for key, value in here.items() if value != there.get(key)
    ]
    if differ:
        found = f"this configuration is not that of result.json: {shorten(differ, 3)}"
        raise UsageError(found, folder / "config.yaml", FIX)


def check_split(folder: Path, split: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Refuse a `split.json` whose content has not the hash that the run's result records.

    Raises
    ------
    UsageError
        It is another one, was edited, or holds no split.
    """
    try:
        same = Split(**{one.name: split[one.name] for one in fields(Split)}).hash == result["split"]
    except (KeyError, TypeError) as error:
        found = f"this split or its result is damaged, or another version's ({type(error).__name__}: {error})"
        raise UsageError(found, folder / "split.json", FIX) from error
    if not same:
        raise UsageError("this split is not that of result.json: it was edited", folder / "split.json", FIX)
