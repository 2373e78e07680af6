"""Compose and check the configuration that ships with the package."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ictconvention.configuration.overrides import (
    check_overrides,
    command,
    config_folder,
    override,
    silent_hydra,
    unknown_choice,
)
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.validation import known_keys, validate_config
from ictconvention.core.errors import UsageError, did_you_mean


def read_group(group: str, choice: str) -> dict[str, Any]:
    """Read one choice of a group of the configuration, such as fold=rotating.

    Raises
    ------
    UsageError
        When the group has no such choice; the message names the nearest.
    """
    folder = config_folder() / group
    if choice not in [path.stem for path in folder.glob("*.yaml")]:
        raise unknown_choice(group, choice)
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

    asked = [one.key_or_group for one in check_overrides(overrides)]
    with silent_hydra(), _no_other_hydra(), initialize_config_dir(str(config_folder()), version_base="1.3"):
        try:
            config = OmegaConf.to_container(compose("train", list(overrides)), resolve=True, throw_on_missing=True)
        except (HydraException, OmegaConfBaseException) as error:
            raise explain_hydra_error(error) from None
    content = {str(name): value for name, value in config.items()} if isinstance(config, dict) else {}
    options = validate_config(content, asked)
    if options.survey.path is not None and not Path(options.survey.path).is_dir():
        raise _no_survey(options.survey.path)
    return options


def _no_survey(path: str) -> UsageError:
    """Return the error about a survey folder that is not there; the shell opens a ~ only where a word begins."""
    fix = "check survey.path"
    if path.startswith("~"):
        fix = f"write the whole path: {command([override('survey.path', str(Path(path).expanduser()))])}"
    return UsageError("no such survey folder", path, fix)


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


def explain_hydra_error(error: Exception) -> UsageError:
    """Return what Hydra found, in one sentence, with the nearest name where there is one."""
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match.group(1)
        if key in known_keys():
            group = key.split(".")[0]
            found = f"{key} is not a key of this choice of {group}"
            return UsageError(found, key, f"leave it out, or choose another {group}")
        groups = [path.name for path in config_folder().iterdir() if path.is_dir()]
        near = did_you_mean(key, [*known_keys(), *groups])
        return UsageError(f"unknown key {key!r}{near}", key, "correct its name, or leave it out")
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, choice = match.groups()
        return unknown_choice(group, choice)
    if "Missing mandatory value" in text:
        key = str(getattr(error, "full_key", None) or "a key")
        return UsageError(f"{key} is not set", key, f"give it: {key}=...")
    if match := re.search(r"An item is already at '([^']+)'", text):
        key = match.group(1)
        return UsageError(f"+ adds a key, and {key} is there", key, f"leave out the +: {key}=VALUE")
    first = text.strip().splitlines()[0]
    if "nterpolation" in text:
        fix = "quote ${...} as '\\${...}' where it is a part of the text, or name a key that there is"
        return UsageError(f"a reference in the overrides leads nowhere ({first})", "the overrides", fix)
    found = f"these overrides do not fit together ({first})"
    return UsageError(found, "the overrides", "correct them; --help lists the groups and keys")
