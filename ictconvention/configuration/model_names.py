"""What tables call models whose runs have one name: by what was typed of each, `model=cnn2 imbalance=none`.

Knows words of a command line and configurations by key; where they come from it does not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ictconvention.configuration.overrides import WITHOUT_CHOICE


@dataclass(frozen=True)
class MadeModel:
    """A model, as a name needs it.

    Parameters
    ----------
    name : str
        What its runs are called.
    made : mapping of str to str
        All that makes it, by key such as learner.tau.
    typed : sequence of str
        The overrides that its runs were started with; none where that is not known.
    """

    name: str
    made: Mapping[str, str]
    typed: Sequence[str] = ()


def name_models(models: Sequence[MadeModel]) -> list[str]:
    """Return a name for each model, another for each.

    Models of one name are told apart by the overrides in which they differ, as they were typed, and by their name
    where no override is left; the name stands first where there are several. Where what was typed does not tell models
    apart, such as of runs that keep no overrides, the keys do in which they differ.

    Parameters
    ----------
    models : sequence of MadeModel
        No two are made alike.
    """
    several = len({model.name for model in models}) > 1
    named = {name: _apart([model for model in models if model.name == name]) for name in {one.name for one in models}}
    typed = [named[model.name].get(id(model), "") for model in models]
    names = [
        ", ".join([model.name, words] if several and words else [words or model.name])
        for model, words in zip(models, typed, strict=True)
    ]
    doubtful = {model.name for model, name in zip(models, names, strict=True) if names.count(name) > 1}
    return [
        _by_keys(model, models) if model.name in doubtful else name for model, name in zip(models, names, strict=True)
    ]


def _apart(alike: Sequence[MadeModel]) -> dict[int, str]:
    """Return the words in which models of one name differ, by the identity of each."""
    differing = _differing(alike)
    typed = [_by_key(model.typed, differing) for model in alike]
    return {
        id(model): " ".join(word for key, word in own.items() if any(other.get(key) != word for other in typed))
        for model, own in zip(alike, typed, strict=True)
    }


def _by_key(words: Sequence[str], differing: Sequence[str]) -> dict[str, str]:
    """Return the words that choose something of these keys, by what they set; the last of a key counts."""
    found: dict[str, str] = {}
    for word in words:
        key = word.partition("=")[0].lstrip("+~")
        if key in WITHOUT_CHOICE or any(one == key or one.startswith(f"{key}.") for one in differing):
            found.pop(key, None)
            found[key] = word
    return found


def _differing(alike: Sequence[MadeModel]) -> list[str]:
    keys = {key for model in alike for key in model.made}
    return sorted(key for key in keys if len({model.made.get(key) for model in alike}) > 1)


def _by_keys(model: MadeModel, models: Sequence[MadeModel]) -> str:
    """Return a model's name and the keys in which it differs from others of that name, where it has them."""
    alike = [other for other in models if other.name == model.name]
    return ", ".join([model.name, *(f"{key}={model.made[key]}" for key in _differing(alike) if key in model.made)])
