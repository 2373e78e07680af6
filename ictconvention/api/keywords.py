"""Keywords of Python as the overrides of the command line, so that both have the same checks, messages and folders."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ictconvention.configuration.composing.folders import FLAG, ConfigFolders
from ictconvention.configuration.functions import OURS, find_function
from ictconvention.configuration.overrides import override
from ictconvention.configuration.registry import own_networks, own_tasks
from ictconvention.core.errors import UsageError
from ictconvention.survey.growth.states import find_state
from ictconvention.survey.survey import Survey


def overrides_of(
    experiment: str | None, survey: object, config_dir: str | Path | None, keywords: Mapping[str, Any]
) -> list[str]:
    """Return the overrides that mean what keywords say.

    Parameters
    ----------
    experiment : str, optional
        Choice of the group `experiment`.
    survey : Survey, path or mapping, optional
        See `words_of_survey`.
    config_dir : path, optional
        A user's folder of choices.
    keywords : mapping
        For a group such as `model`: a text chooses, a mapping sets keys, and a pair of the two does both. For other
        keys: a value, or a mapping of values; names with dots are keys as they stand.

    Raises
    ------
    UsageError
        A value is nothing that an override can hold.
    """
    words = [] if config_dir is None else [f"{FLAG}={Path(config_dir)}"]
    groups = ConfigFolders.named_in(words).groups
    words += [] if experiment is None else [override("experiment", experiment)]
    words += words_of_survey(survey)
    for key, value in keywords.items():
        if key in groups and isinstance(value, tuple):
            if len(value) != 2 or not isinstance(value[0], str) or not isinstance(value[1], Mapping):
                fix = f'give {key}=("CHOICE", {{"key": value}}), or one of the two'
                raise UsageError(f"{key} is {value!r}, no pair of a choice and its keys", key, fix, "E-CONFIG-SYNTAX")
            words += [override(key, value[0]), *_words(key, value[1])]
        else:
            words += _words(key, value)
    return [*words, *_module_of(words)]


def words_of_survey(survey: object) -> list[str]:
    """Return the overrides that name a survey.

    Parameters
    ----------
    survey : Survey, path or mapping, optional
        A survey of one's own, or its folder; or the keys of the group `survey`, of which `path` names such a one and
        without which the survey is simulated: `kind="hosts"` names pictures, and so on. None: nothing is said of it.

    Raises
    ------
    UsageError
        It is a selection: a run takes the whole survey, and a split says which objects it learns.
    """
    match survey:
        case None:
            return []
        case Survey() | str() | Path():
            own = survey.chosen_classes if isinstance(survey, Survey) else None
            classes = [override("survey.classes", own)] if own is not None else []
            return ["survey=path", override("survey.path", _folder(survey)), *_state(survey), *classes]
        case Mapping():
            keys = {name: _folder(value) if name == "path" else value for name, value in survey.items()}
            chosen = "path" if keys.get("path") is not None else keys.get("kind")
            choice = [f"survey={chosen}"] if chosen in ("path", "hosts", "galaxies", "scenes") else []
            state = _state(value) if isinstance(value := survey.get("path"), Survey) else []
            return [*choice, *_words("survey", keys), *state]
    raise UsageError(
        f"survey is a {type(survey).__name__}",
        "survey",
        "give a Survey, its folder, or a mapping of keys",
        "E-VALUE-TYPE",
    )


def _folder(survey: Any) -> str | None:
    if not isinstance(survey, Survey):
        return None if survey is None else str(survey)
    if (state := find_state(survey.path, survey.hash)) is None:
        raise UsageError("the survey has changed since it was opened", survey.path, "open it again", "E-SURVEY-CHANGED")
    whole = Survey.open(survey.path, state=state)
    if sorted(whole.ids) != sorted(survey.ids):
        found = f"this is a selection of {len(survey)} of the {len(whole)} objects, and a run takes the whole survey"
        raise UsageError(
            found,
            survey.path,
            "give the whole survey, and name the objects of each part by split=FILE",
            "E-SURVEY-SELECTION",
        )
    return str(survey.path)


def _state(survey: object) -> list[str]:
    """Return the override that names the state of an opened survey, where it is not the newest of its folder."""
    if not isinstance(survey, Survey) or Survey.open(survey.path).hash == survey.hash:
        return []
    return [override("survey.state", survey.hash)]


def _words(key: str, value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _words(f"{key}.{name}", inner)
    else:
        yield override(key, _plain(key, value))


def _plain(key: str, value: Any) -> object:
    """Return a value as an override writes it; of numpy's numbers those of Python."""
    if isinstance(value, list | tuple):
        return [_plain(key, one) for one in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist") and getattr(value, "ndim", None) in (0, 1):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str | list):
        return value
    fix = "save it, and give its file: split.save('mine.json'), split='mine.json'" if key == "split" else ""
    raise UsageError(
        f"{key} is a {type(value).__name__}", key, fix or "give a number, a text, a list or a mapping", "E-VALUE-TYPE"
    )


def _module_of(words: list[str]) -> list[str]:
    """Return the override that names the module of what this program has registered and the words choose.

    Raises
    ------
    UsageError
        It is the program that runs, which no other process could import.
    """
    given = dict(word.partition("=")[::2] for word in words)
    if "model.module" in given:
        return []
    network = own_networks().get(given.get("model", ""))
    made = [] if network is None else [network.network]
    made += [task for name, task in own_tasks().items() if name in (given.get("task"), given.get("task.kind"))]
    made += [find_function(kind, given[kind]) for kind in OURS if given.get(kind, "null") not in ("null", *OURS[kind])]
    if not made:
        return []
    if (module := made[0].__module__) == "__main__":
        found = f"{made[0].__qualname__} is defined in the program that runs, and so no other process could import it"
        raise UsageError(found, module, "move it to a file of its own, and import that", "E-MODULE-MISSING")
    return [override("model.module", module)]
