"""Find and read the configuration that ships with the package."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ictconvention.errors import UsageError, did_you_mean


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
