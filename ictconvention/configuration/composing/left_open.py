"""Keys that choices of ours leave open: what another choice implies, where nobody has set the key."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ictconvention.configuration.composing.folders import ConfigFolders

CNNS, ENCODERS = ("cnn1", "cnn2"), ("timm", "resnet18", "resnet50", "efficientnet_b0", "tf_efficientnet_lite0")
PICTURES = (*CNNS, *ENCODERS)  # networks of which no frame may be left out
MASKS = ("unet", "unet_preligens", "smp")  # those that give each pixel a class, of which none may be left out either


@dataclass(frozen=True)
class OpenKey:
    """A key that other choices decide.

    Parameters
    ----------
    key : str
    value : str or int
        What they imply.
    groups : tuple of str
        Groups and blocks that set the key too, where the command line has them.
    implied : callable
        Whether a composed configuration implies it.
    """

    key: str
    value: str | int
    groups: tuple[str, ...]
    implied: Callable[[DictConfig], bool]


def _has_one_stage(config: DictConfig) -> bool:
    """Return whether a fold has a single stage with labels; what pre-trains without labels needs the other one."""
    select = OmegaConf.select  # a file of one's own may leave a key out
    single = bool(select(config, "fold.protocol") == "single") and select(config, "stage.pretrain.max_epochs") != 0
    return single and bool(select(config, "stage.pretrain.classification") != 0)


def _needs_medians(config: DictConfig) -> bool:
    """Return whether the network needs median stamps."""
    hosted = OmegaConf.select(config, "model.kind") == "frame_transformer"
    return hosted and bool(OmegaConf.select(config, "model.host"))


def _sees_pictures(config: DictConfig) -> bool:
    """Return whether the network sees pictures, of which whole nights are left out."""
    return OmegaConf.select(config, "model.kind") in (*PICTURES, *MASKS)


OPEN_KEYS = (
    OpenKey("stage.finetune.max_epochs", 0, ("stage", "stage.finetune"), _has_one_stage),
    OpenKey("pixels.channels", "direct+residual", ("pixels",), _needs_medians),
    OpenKey("sequence.select", "nights", ("sequence",), _sees_pictures),
)


def implied_values(
    config: DictConfig, chosen: Mapping[Any, Any], words: Sequence[str], folders: ConfigFolders
) -> dict[str, str | int]:
    """Return the values that choices imply, by key, of those that nobody but ours has set.

    Parameters
    ----------
    config : DictConfig
        As composed.
    chosen : mapping
        The choice of each group.
    words : sequence of str
        Overrides.
    folders : ConfigFolders
        Where the choices are.
    """
    implied = [one for one in OPEN_KEYS if one.implied(config)]
    given = {word.lstrip("+").partition("=")[0] for word in words}
    unset = [one for one in implied if not given & {*one.groups, one.key}]
    return {one.key: one.value for one in unset if file_of(one.key, chosen, folders) is None}


def file_of(key: str, chosen: Mapping[Any, Any], folders: ConfigFolders) -> Path | None:
    """Return the file of a user that gives a key its value, of those that were chosen."""
    for group, choice in reversed(list(chosen.items())):  # an experiment is composed last
        path = folders.find(str(group), str(choice))
        if path is None or folders.paths[0] in path.parents:
            continue
        whole = re.search(r"^#\s*@package\s+_global_", path.read_text(encoding="utf-8"), re.MULTILINE)
        content = OmegaConf.load(path)
        inner = key if whole else key.removeprefix(f"{group}.")
        if inner == group or OmegaConf.select(content, inner) is not None:
            return path
    return None
