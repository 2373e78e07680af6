"""Compose and check the configuration that ships with the package."""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ictconvention.configuration.checking.validation import validate_config
from ictconvention.configuration.composing.folders import ConfigFolders, config_folder
from ictconvention.configuration.composing.hydra_errors import readable_hydra_errors
from ictconvention.configuration.composing.left_open import file_of, implied_values
from ictconvention.configuration.composing.sweep_size import OF_SWEEPER
from ictconvention.configuration.overrides import (
    check_overrides,
    command,
    hydra_words,
    override,
    override_parser,
    silent_hydra,
    unknown_choice,
)
from ictconvention.configuration.registry import default_options, default_task_options, own_networks, own_tasks
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import UsageError, readable_os_errors

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

WIDTH = "width"
SIZED, SIZES = "convention", (WIDTH, "padding")  # the network whose sizes our profiles set, and which


def read_group(group: str, choice: str) -> dict[str, Any]:
    """Read one choice of a group of the configuration, such as fold=rotating.

    Raises
    ------
    UsageError
        When the group has no such choice; the message names the nearest.
    """
    ours = ConfigFolders((config_folder(),))
    if (path := ours.find(group, choice)) is None:
        raise unknown_choice(group, choice, ours)
    content = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    return {str(name): value for name, value in content.items()} if isinstance(content, dict) else {}


def compose_run(overrides: Sequence[str]) -> RunOptions:
    """Compose the configuration of a run and check it.

    Parameters
    ----------
    overrides : sequence of str
        Such as "experiment=ict_sdss" and "trainer.devices=4"; "--config-dir=FOLDER" adds a folder of choices.

    Raises
    ------
    UsageError
        An override names no key, group or choice, or a value is of the wrong type or out of range.
    """
    check_overrides(overrides)
    words, folders = hydra_words(overrides), ConfigFolders.named_in(overrides)
    with _begin_hydra():
        with readable_hydra_errors(folders):
            config = OmegaConf.to_container(_composed(words, folders), resolve=True, throw_on_missing=True)
        try:
            options = validate_config(
                {str(name): value for name, value in config.items()} if isinstance(config, dict) else {}
            )
        except UsageError as error:
            key = str(error.where)
            if not folders.searchpath or key in {word.partition("=")[0] for word in overrides} - set(folders.groups):
                raise
            chosen = _compose_fast(words, folders)[1]
            raise UsageError(error.found, file_of(key, chosen, folders) or key, error.fix, error.code) from None
    if options.survey.path is not None:
        with readable_os_errors("looking for the survey", options.survey.path):
            there = Path(options.survey.path).is_dir()
        if not there:
            raise _no_survey(options.survey.path)
    return options


def read_sweeper_params(words: Sequence[str]) -> dict[str, Any]:
    """Return what the files of choices give to `hydra.sweeper.params`: further values of keys of a sweep.

    Parameters
    ----------
    words : sequence of str
        Overrides of one value each.

    Raises
    ------
    UsageError
        They do not compose.
    """
    from hydra import compose

    folders = ConfigFolders.named_in(words)
    with _begin_hydra(), readable_hydra_errors(folders):
        config = compose("train", hydra_words(words), return_hydra_config=True)
        params = OmegaConf.select(config, OF_SWEEPER)
        plain = OmegaConf.to_container(params) if OmegaConf.is_dict(params) else None
    return {str(name): value for name, value in plain.items()} if isinstance(plain, dict) else {}


def _composed(words: Sequence[str], folders: ConfigFolders) -> DictConfig:
    """Compose, and set what a choice of ours leaves open.

    Sizes in a profile are ConvEntion's, and another network with such an option keeps its own. A fold of a single stage
    has no second one. One that needs median stamps gets the channels that bring them, one of pictures whole nights.
    """
    config, chosen = _compose_fast(words, folders)
    profile = chosen.get("profile")
    with open_dict(config):
        for key, value in implied_values(config, chosen, words, folders).items():
            OmegaConf.update(config, key, value)
        if config.model.kind != SIZED:
            own = config.model
            if _profile_alone_sizes(chosen, words, folders):
                own = {name: value for name, value in own.items() if name not in SIZES}
            else:
                own = _compose_fast([*words, "profile=paper"], folders)[0].model  # which sets no size
            if (config_folder() / "profile" / f"{profile}.yaml").is_file():
                config.model = own
            for name in [name for name in SIZES if name not in own]:  # of a profile that begins with one of ours
                config.model.pop(name, None)
        if _has_no_width(chosen, words, folders):
            config.model.pop(WIDTH, None)  # of an experiment of ours, for the network that it usually has
    return config


def _compose_fast(words: Sequence[str], folders: ConfigFolders) -> tuple[DictConfig, dict[str, Any]]:
    """Compose as Hydra does, and return the choices too, by group: files are read once for all that choose the same.

    The jobs of a sweep choose the same files and set other values; Hydra reads and merges 25 files for each. A user's
    own folders of choices are left to Hydra.
    """
    if len(folders.paths) > 1:
        return _compose_anew(words)
    groups = folders.groups
    choices, values = list[str](), list["Override"]()
    for word in words:
        one = override_parser().parse_override(word)
        key = one.key_or_group
        if one.is_sweep_override() or one.is_add() or one.is_force_add() or one.is_delete() or one.package is not None:
            return _compose_anew(words)
        if key in groups and isinstance(one.value(), dict):  # it sets values, which the order of the words may change
            return _compose_anew(words)
        if key in groups or key.startswith("hydra"):
            choices.append(word)
        else:
            values.append(one)
    own = (*map(default_options, own_networks().values()), *map(default_task_options, own_tasks()))
    pickled, chosen = _compose_choices(tuple(choices), (folders.state(), repr(own)))
    config: DictConfig = pickle.loads(pickled)
    try:
        for one in values:
            OmegaConf.update(config, one.key_or_group, one.value(), merge=True)
    except OmegaConfBaseException:  # Hydra says what is wrong
        return _compose_anew(words)
    return config, dict(chosen)


@lru_cache(maxsize=64)
def _compose_choices(words: tuple[str, ...], state: tuple[Any, ...]) -> tuple[bytes, dict[str, Any]]:
    """Compose what chooses files, which are in this state."""
    config, chosen = _compose_anew(words)
    return pickle.dumps(config), chosen


def _compose_anew(words: Sequence[str]) -> tuple[DictConfig, dict[str, Any]]:
    from hydra import compose

    config = compose("train", list(words), return_hydra_config=True)
    chosen = {str(group): choice for group, choice in config.hydra.runtime.choices.items()}
    with open_dict(config):
        config.pop("hydra")
    return config, chosen


def implied_overrides(words: Sequence[str]) -> list[str]:
    """Return the overrides that the choices of others imply, for whoever shows a configuration without a run."""
    own, folders = hydra_words(words), ConfigFolders.named_in(words)
    with _begin_hydra(), readable_hydra_errors(folders):
        config, chosen = _compose_fast(own, folders)
    return [f"{key}={value}" for key, value in implied_values(config, chosen, own, folders).items()]


def _profile_alone_sizes(chosen: Mapping[Any, Any], words: Sequence[str], folders: ConfigFolders) -> bool:
    """Return whether nothing that was chosen but a profile of ours can name a size: that is seen without composing."""
    files = (folders.find(str(group), str(choice)) for group, choice in chosen.items() if group != "profile")
    texts = [*words, *(path.read_text(encoding="utf-8") for path in files if path is not None)]
    return len(folders.paths) == 1 and not any(size in text for size in SIZES for text in texts)


def _has_no_width(chosen: Mapping[Any, Any], words: Sequence[str], folders: ConfigFolders) -> bool:
    """Return whether the network is one of ours without a width, and nobody but ours gives it one."""
    given = any(word.lstrip("+").startswith(f"model.{WIDTH}=") for word in words)
    path = config_folder() / "model" / f"{chosen.get('model')}.yaml"
    return (
        not given
        and path.is_file()
        and WIDTH not in OmegaConf.load(path)
        and (file_of(f"model.{WIDTH}", chosen, folders) is None)
    )


def _no_survey(path: str) -> UsageError:
    """Return the error about a survey folder that is not there; the shell opens a ~ only where a word begins."""
    fix = "check survey.path"
    if path.startswith("~"):
        fix = f"write the whole path: {command([override('survey.path', str(Path(path).expanduser()))])}"
    return UsageError("no such survey folder", path, fix, "E-SURVEY-MISSING")


@contextmanager
def _begin_hydra() -> Iterator[None]:
    """Let Hydra compose from our folder, without its warnings; that of a sweep is set aside while a job is composed."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with silent_hydra(), initialize_config_dir(str(config_folder()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = outer
