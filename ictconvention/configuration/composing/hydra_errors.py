"""What Hydra and the reader of yaml raise, in words."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from omegaconf.errors import OmegaConfBaseException

from ictconvention.configuration.checking.known_keys import known_keys
from ictconvention.configuration.composing.folders import ConfigFolders
from ictconvention.configuration.options import ALL_STRATA, STRATA
from ictconvention.configuration.overrides import (
    unknown_choice,
)
from ictconvention.core.errors import UsageError, did_you_mean

GIVEN = {  # how keys are given that a choice leaves open; of others it is said that they are
    "shift.stratum": f"shift.stratum=0 to {STRATA - 1}, each a run of its own; all of them by {ALL_STRATA}",
}


@contextmanager
def readable_hydra_errors(folders: ConfigFolders) -> Iterator[None]:
    """Turn what Hydra and the reader of yaml raise into a `UsageError`."""
    from hydra.errors import HydraException
    from yaml import MarkedYAMLError, YAMLError

    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise _explain(error, folders) from None
    except RecursionError:
        found = "the configuration is nested too deeply, or in a circle"
        raise UsageError(found, "the overrides", "give plain values", "E-CONFIG-VALUE") from None
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        where = f"{mark.name}, line {mark.line + 1}" if mark else "the files of your choices"
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise UsageError(f"this file is no yaml: {problem}", where, "correct the file", "E-CONFIG-FILE") from None
    except (AssertionError, AttributeError, ImportError, RuntimeError, TypeError, ValueError) as error:
        if not _is_of_hydra(error):
            raise
        raise _explain(error, folders) from None


def _is_of_hydra(error: Exception) -> bool:
    """Return whether Hydra's own code, or that of its reader of values, has raised an error of a general type."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] in ("hydra", "omegaconf", "antlr4", "yaml")


def _explain(error: Exception, folders: ConfigFolders) -> UsageError:
    """Return what Hydra found, in one sentence, with the nearest name where there is one."""
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'", text):
        key = match.group(1)
        if key in known_keys():
            group = key.split(".")[0]
            found = f"{key} is not a key of this choice of {group}"
            return UsageError(found, key, f"leave it out, or choose another {group}", "E-CONFIG-UNKNOWN")
        near = did_you_mean(key, [*known_keys(), *folders.groups])
        return UsageError(f"unknown key {key!r}{near}", key, "correct its name, or leave it out", "E-CONFIG-UNKNOWN")
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, choice = match.groups()
        return unknown_choice(group, choice, folders)
    if "Missing mandatory value" in text:
        key = str(getattr(error, "full_key", None) or "a key")
        return UsageError(f"{key} is not set", key, f"give it: {GIVEN.get(key, f'{key}=...')}", "E-CONFIG-MISSING")
    if match := re.search(r"An item is already at '([^']+)'", text):
        key = match.group(1)
        return UsageError(f"+ adds a key, and {key} is there", key, f"leave out the +: {key}=VALUE", "E-CONFIG-SYNTAX")
    first = (text.strip() or type(error).__name__).splitlines()[0]
    if "plugin" in text:
        fix = "choose hydra/launcher and hydra/sweeper among what --info plugins shows, or install the plugin"
        return UsageError(f"Hydra finds no such plugin ({first})", "hydra/launcher", fix, "E-CONFIG-CHOICE")
    if "nterpolation" in text:
        fix = "quote ${...} as '\\${...}' where it is a part of the text, or name a key that there is"
        return UsageError(
            f"a reference in the overrides leads nowhere ({first})", "the overrides", fix, "E-CONFIG-SYNTAX"
        )
    found = f"these overrides do not fit together ({first})"
    return UsageError(found, "the overrides", "correct them; --help lists the groups and keys", "E-CONFIG-CONFLICT")
