"""Find, compose and check the configuration that ships with the package."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ictconvention.errors import UsageError, did_you_mean
from ictconvention.experiment.schema import RunOptions, checked, known_keys

FULL_ERROR = "HYDRA_FULL_ERROR"  # variable that lets Hydra's errors through


def config_folder() -> Path:
    """Return the folder `conf`, in a clone as in an installed wheel."""
    return Path(str(files("ictconvention") / "conf"))


def read_group(group: str, choice: str) -> dict[str, Any]:
    """Read one choice of a group of the configuration, such as fold=rotating.

    Raises
    ------
    UsageError
        When the group has no such choice; the message names the nearest.
    """
    folder = config_folder() / group
    choices = sorted(path.stem for path in folder.glob("*.yaml"))
    if choice not in choices:
        mend = f"choose {', '.join(choices)}"
        raise UsageError(f"{group} has no choice {choice!r}{did_you_mean(choice, choices)}", folder, mend)
    content = OmegaConf.to_container(OmegaConf.load(folder / f"{choice}.yaml"), resolve=True)
    return {str(name): value for name, value in content.items()} if isinstance(content, dict) else {}


def compose_run(overrides: Sequence[str]) -> RunOptions:
    """Compose the configuration of a run and check it.

    Parameters
    ----------
    overrides : sequence of str
        Such as "experiment=ict_sdss" and "trainer.devices=4".

    Raises
    ------
    UsageError
        An override names no key, group or choice, or a value is of the wrong type or out of range.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException

    with _no_other_hydra(), initialize_config_dir(str(config_folder()), version_base="1.3"):
        try:
            config = OmegaConf.to_container(compose("train", list(overrides)), resolve=True, throw_on_missing=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise _readable(error) from None
        except ValueError as error:  # a number for a group, such as fold=2
            for group, _, choice in (word.partition("=") for word in overrides):
                if (config_folder() / group).is_dir():
                    read_group(group, choice)
            raise _readable(error) from None
    options = checked({str(name): value for name, value in config.items()} if isinstance(config, dict) else {})
    if options.survey.path is not None and not Path(options.survey.path).is_dir():
        raise UsageError("no such survey folder", options.survey.path, "check survey.path")
    return options


def quoted(value: object) -> str:
    """Return a value as it may stand in an override, whatever letters it has."""
    return "'" + str(value).replace("'", "\\'") + "'"


@contextmanager
def _no_other_hydra() -> Iterator[None]:
    """Set aside the Hydra of a sweep while one of its jobs is composed."""
    from hydra.core.global_hydra import GlobalHydra

    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = outer


def multirun(overrides: Sequence[str]) -> None:
    """Let Hydra expand overrides of several values, and launch a job for each combination.

    Raises
    ------
    IctConventionError
        An override names no key, group or choice; or as of the launcher.
    """
    import hydra
    from hydra.errors import HydraException

    from ictconvention.experiment.cluster import submitted

    arguments, sys.argv = sys.argv, [sys.argv[0], "--multirun", "hydra.job.name=ictconvention", *overrides]
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"  # else Hydra ends the process with a message of its own
    try:
        hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")(submitted)()
    except (HydraException, OmegaConfBaseException) as error:
        raise _readable(error) from None
    finally:
        sys.argv = arguments
        os.environ.pop(FULL_ERROR)
        if before is not None:
            os.environ[FULL_ERROR] = before


def _readable(error: Exception) -> UsageError:
    """Return what Hydra found, in one sentence, with the nearest name where there is one."""
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match.group(1)
        if key in known_keys():
            group = key.split(".")[0]
            found = f"{key} is no key of this choice of {group}"
            return UsageError(found, key, f"leave it out, or choose another {group}")
        groups = [path.name for path in config_folder().iterdir() if path.is_dir()]
        near = did_you_mean(key, [*known_keys(), *groups])
        return UsageError(f"unknown key {key!r}{near}", key, "correct its name, or leave it out")
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, choice = match.groups()
        try:
            read_group(group, choice)
        except UsageError as unknown:
            return unknown
    if "Missing mandatory value" in text:
        key = str(getattr(error, "full_key", None) or "a key")
        return UsageError(f"{key} is not set", key, f"give it: {key}=...")
    if "Ambiguous value for argument" in text:
        mend = "give one value, or add -m for a sweep; a list for one key is written [a,b], in quotes"
        return UsageError("one key has several values", text.split("'")[1] if "'" in text else "the overrides", mend)
    if match := re.search(r"LexerNoViableAltException: (-\S*)", text):
        return UsageError(f"{match.group(1)} is no override", match.group(1), "write KEY=VALUE, without dashes")
    first = text.strip().splitlines()[0]
    return UsageError(first, "the configuration", "correct the override; --help lists the groups and keys")
