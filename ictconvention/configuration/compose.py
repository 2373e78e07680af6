"""Compose and check the configuration that ships with the package."""

import pickle
import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ictconvention.configuration.checking.known_keys import known_keys
from ictconvention.configuration.checking.validation import validate_config
from ictconvention.configuration.folders import ConfigFolders, config_folder
from ictconvention.configuration.options import ALL_STRATA, STRATA
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
from ictconvention.configuration.sweep_size import OF_SWEEPER
from ictconvention.core.errors import UsageError, did_you_mean, readable_os_errors

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

WIDTH = "width"
SIZED, SIZES = "convention", (WIDTH, "padding")  # the network whose sizes our profiles set, and which
SECOND = "stage.finetune.max_epochs"  # of the stage that a fold of a single one does without
HOSTED, CHANNELS, RESIDUAL = (
    "frame_transformer",
    "pixels.channels",
    "direct+residual",
)  # the network that needs median stamps
SELECT = "sequence.select"
GIVEN = {  # how keys are given that a choice leaves open; of others it is said that they are
    "shift.stratum": f"shift.stratum=0 to {STRATA - 1}, each a run of its own; all of them by {ALL_STRATA}",
}
CNNS, ENCODERS = ("cnn1", "cnn2"), ("timm", "resnet18", "resnet50", "efficientnet_b0", "tf_efficientnet_lite0")
PICTURES = (*CNNS, *ENCODERS)  # networks of which no frame may be left out
MASKS = ("unet", "unet_preligens", "smp")  # those that give each pixel a class, of which none may be left out either


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
    from hydra import initialize_config_dir

    check_overrides(overrides)
    words, folders = hydra_words(overrides), ConfigFolders.named_in(overrides)
    with silent_hydra(), _no_other_hydra(), initialize_config_dir(str(config_folder()), version_base="1.3"):
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
            raise UsageError(error.found, _file_of(key, chosen, folders) or key, error.fix, error.code) from None
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
    from hydra import compose, initialize_config_dir

    folders = ConfigFolders.named_in(words)
    with (
        silent_hydra(),
        _no_other_hydra(),
        initialize_config_dir(str(config_folder()), version_base="1.3"),
        readable_hydra_errors(folders),
    ):
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
        if _leaves_second_open(config, chosen, words, folders):
            config.stage.finetune.max_epochs = 0
        if _leaves_channels_open(config, chosen, words, folders):
            config.pixels.channels = RESIDUAL
        if _leaves_select_open(config, chosen, words, folders):
            config.sequence.select = "nights"
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
    from hydra import initialize_config_dir

    own, folders = hydra_words(words), ConfigFolders.named_in(words)
    with silent_hydra(), _no_other_hydra(), initialize_config_dir(str(config_folder()), version_base="1.3"):
        with readable_hydra_errors(folders):
            config, chosen = _compose_fast(own, folders)
        second = [f"{SECOND}=0"] if _leaves_second_open(config, chosen, own, folders) else []
        channels = [f"{CHANNELS}={RESIDUAL}"] if _leaves_channels_open(config, chosen, own, folders) else []
        return second + channels + ([f"{SELECT}=nights"] if _leaves_select_open(config, chosen, own, folders) else [])


def _leaves_second_open(
    config: DictConfig, chosen: Mapping[Any, Any], words: Sequence[str], folders: ConfigFolders
) -> bool:
    """Return whether a fold has a single stage with labels, and nobody but ours says that another one trains.

    What pre-trains without labels needs the other one.
    """
    given = any(word.lstrip("+").startswith(("stage=", "stage.finetune=", f"{SECOND}=")) for word in words)
    single = OmegaConf.select(config, "fold.protocol") == "single"  # a file of one's own may leave it out
    both = single and OmegaConf.select(config, "stage.pretrain.max_epochs") != 0
    both = both and OmegaConf.select(config, "stage.pretrain.classification") != 0
    return both and not given and _file_of(SECOND, chosen, folders) is None


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
        and (_file_of(f"model.{WIDTH}", chosen, folders) is None)
    )


def _leaves_channels_open(
    config: DictConfig, chosen: Mapping[Any, Any], words: Sequence[str], folders: ConfigFolders
) -> bool:
    """Return whether the network needs median stamps, and nobody chooses the channels of its frames."""
    given = any(word.lstrip("+").startswith(("pixels=", f"{CHANNELS}=")) for word in words)
    needs = OmegaConf.select(config, "model.kind") == HOSTED and OmegaConf.select(config, "model.host")
    return bool(needs) and not given and _file_of(CHANNELS, chosen, folders) is None


def _leaves_select_open(
    config: DictConfig, chosen: Mapping[Any, Any], words: Sequence[str], folders: ConfigFolders
) -> bool:
    """Return whether the network sees pictures, and nobody chooses what is left out of a sequence as a whole."""
    given = any(word.lstrip("+").startswith(("sequence=", f"{SELECT}=")) for word in words)
    pictures = OmegaConf.select(config, "model.kind") in (*PICTURES, *MASKS)
    return pictures and not given and _file_of(SELECT, chosen, folders) is None


def _no_survey(path: str) -> UsageError:
    """Return the error about a survey folder that is not there; the shell opens a ~ only where a word begins."""
    fix = "check survey.path"
    if path.startswith("~"):
        fix = f"write the whole path: {command([override('survey.path', str(Path(path).expanduser()))])}"
    return UsageError("no such survey folder", path, fix, "E-SURVEY-MISSING")


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


def _file_of(key: str, chosen: Mapping[Any, Any], folders: ConfigFolders) -> Path | None:
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
