"""A kind of cases: what is damaged, the command that reads it, what it makes, and what must then hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from numpy.random import Generator

from experiments.faults.damage import damage
from experiments.faults.draws import one_of

NOTHING: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A case that is ready to run.

    Parameters
    ----------
    words : sequence of str
        Arguments of the command.
    said : str
        What was done, in words.
    target : str
        The damaged file, relative to the case's folder; empty where none was.
    """

    words: Sequence[str]
    said: str
    target: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of cases. Patterns are of paths in the case's folder, and their `*` matches slashes too.

    Parameters
    ----------
    name : str
    inputs : sequence of str
        Sound inputs that are copied.
    damaged : sequence of str
        Patterns of what is damaged: one of them is drawn, then one of its files.
    words : sequence of str
        The command; `{run}` is the folder of the run, `{target}` the damaged file.
    outputs : sequence of str
        Patterns of what it makes.
    on_refusal : sequence of str
        Patterns of what it may leave when it refuses.
    rewrites : sequence of str
        Patterns of inputs that it may change.
    covered : sequence of str
        Patterns of damaged files in which a change must be found, or change nothing.
    ingests : bool
        Whether it makes a survey of files, of which each frame is named as taken or left out.
    share : float
        Share of the cases, relative to other kinds.
    limit : float
        Seconds after which it hangs.
    kills : float
        Share of the kills, relative to other kinds.
    """

    name: str
    inputs: Sequence[str]
    damaged: Sequence[str]
    words: Sequence[str]
    outputs: Sequence[str] = NOTHING
    on_refusal: Sequence[str] = NOTHING
    rewrites: Sequence[str] = NOTHING
    covered: Sequence[str] = ("*",)
    ingests: bool = False
    share: float = 1.0
    limit: float = 20.0
    kills: float = 1.0
    drawn: Callable[[Path, Generator], Prepared] | None = None

    def prepare(self, folder: Path, rng: Generator) -> Prepared:
        """Damage something in the folder of a case, and return the case."""
        if self.drawn is not None:
            return self.drawn(folder, rng)
        places = {pattern: matching(folder, [pattern]) for pattern in self.damaged}
        pattern = one_of(self.damaged, rng)
        path = one_of(places[pattern], rng)
        words = self.sound_words(folder, path)
        said = damage(folder / path, rng)
        return Prepared(words, f"{path}: {said}", path)

    def sound_words(self, folder: Path, target: str = "") -> list[str]:
        """Return the command of the folder of a case; without a target, on the first of what may be damaged."""
        if not target and any("{target}" in word for word in self.words):
            target = matching(folder, self.damaged[:1])[0]
        runs = sorted(folder.glob("runs/*_sdss/*"))
        run = str(runs[0].relative_to(folder)) if runs else "runs"
        return [word.replace("{run}", run).replace("{target}", target) for word in self.words]


def matching(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Return the files below a folder that match one of some patterns, relative to it and in order."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return [name for name in names if matches(name, patterns)]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a path matches one of some patterns."""
    return any(fnmatch(name, pattern) for pattern in patterns)
