"""The folders that hold the choices of each group: ours, then those of a user (--config-dir, hydra.searchpath)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from ictconvention.configuration.registry import own_networks, own_tasks
from ictconvention.core.errors import UsageError, readable_os_errors, shorten
from ictconvention.core.plain_file import read_plain

FLAG, SEARCHPATH = "--config-dir", "hydra.searchpath"  # how a user names folders


def config_folder() -> Path:
    """Return the folder `conf`, in a clone as in an installed wheel."""
    return Path(str(files("ictconvention") / "conf"))


def names_folder(word: str) -> bool:
    """Return whether a word of a command line names a folder of choices, and is no override of a key."""
    return word.partition("=")[0] in (FLAG, SEARCHPATH)


@dataclass(frozen=True)
class ConfigFolders:
    """Folders of choices, in the order in which they are looked through.

    Parameters
    ----------
    paths : sequence of Path
        Ours, and after it those of a user. A group is a folder in them, a choice a yaml file in a group.
    """

    paths: tuple[Path, ...]

    @classmethod
    def named_in(cls, words: Sequence[str]) -> Self:
        """Return our folder and those that words of a command line name.

        Parameters
        ----------
        words : sequence of str
            Of which `--config-dir=FOLDER` and `hydra.searchpath=[file://FOLDER]` count; the last of the latter.

        Raises
        ------
        UsageError
            A folder is not there or has no choice of a group, or a choice in it is one that would never be read.
        """
        named = [(word.partition("=")[2], word) for word in words if word.startswith(f"{FLAG}=")]
        for word in [word for word in words if word.startswith(f"{SEARCHPATH}=")][-1:]:
            named += [(text, word) for text in _searchpath(word)]
        folders = cls((config_folder(),))
        for text, word in named:
            folders = cls((*folders.paths, folders._checked(_path(text, word), word)))
        return folders

    @property
    def searchpath(self) -> list[str]:
        """The folders of a user, as Hydra's key hydra.searchpath takes them."""
        return [f"file://{path}" for path in self.paths[1:]]

    @property
    def groups(self) -> list[str]:
        """The groups, such as "augmentation" and "hydra/launcher"."""
        ours = self.paths[0]
        return sorted(Path(place).relative_to(ours).as_posix() for place, *_ in os.walk(ours) if place != str(ours))

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """Return each of our files, with its time [ns] and its size: whether anybody has changed one."""
        paths = (Path(place, name) for place, _, names in os.walk(self.paths[0]) for name in names)
        return tuple((str(path), (stat := path.stat()).st_mtime_ns, stat.st_size) for path in paths)

    def choices(self, group: str) -> list[str]:
        """Return the choices of a group in all folders."""
        files = {path.stem for folder in self.paths for path in (folder / group).glob("*.yaml")}
        return sorted(files | registered(group))

    def find(self, group: str, choice: str) -> Path | None:
        """Return the file of a choice; None where there is none."""
        paths = [folder / group / f"{choice}.yaml" for folder in self.paths]
        return next((path for path in paths if path.is_file()), None)

    def _checked(self, folder: Path, word: str) -> Path:
        """Return a user's folder, or refuse what would silently do nothing."""
        own = [(group, path) for group in self.groups for path in sorted((folder / group).glob("*.yaml"))]
        if not own:
            groups = [group for group in self.groups if not group.startswith("hydra")]
            fix = f"put a file into the folder of its group, {folder}/GROUP/NAME.yaml; groups are {', '.join(groups)}"
            raise UsageError(f"{word} names a folder without a choice of any group", folder, fix, "E-CONFIG-FOLDER")
        hidden = []
        for group, path in own:
            text, first = _text(path), self.find(group, path.stem)
            if first is not None and _text(first) != text:
                hidden.append(path)
        if (folder / "train.yaml").is_file() and not hidden:
            hidden = [folder / "train.yaml"]
        if hidden:
            names = shorten(path.relative_to(folder).as_posix() for path in hidden)
            found = f"{names} in this folder would never be read: a folder before it has the same name"
            raise UsageError(found, folder, "give it a name of its own", "E-CONFIG-FOLDER")
        return folder


def registered(group: str) -> set[str]:
    """Return the choices of a group that modules of a user's own have registered so far."""
    return {*({"model": own_networks, "task": own_tasks}.get(group, dict)())}


def _text(path: Path) -> str:
    with readable_os_errors("reading a choice", path):
        try:
            return read_plain(path).decode("utf-8")
        except UnicodeDecodeError:
            raise UsageError(
                "this file is no text in UTF-8", path, "save it as yaml in UTF-8", "E-CONFIG-FILE"
            ) from None


def _searchpath(word: str) -> list[str]:
    """Return the texts that a word gives to hydra.searchpath."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        parsed = OverridesParser.create().parse_override(word)
        value = None if parsed.is_sweep_override() else parsed.value()
    except HydraException:
        value = None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        found = f"{word} is no list of folders"
        raise UsageError(
            found, SEARCHPATH, f"write '{SEARCHPATH}=[file://FOLDER]', in quotes for the shell", "E-CONFIG-FOLDER"
        )
    return [str(one) for one in value]


def _path(text: str, word: str) -> Path:
    """Return the folder that a text of hydra.searchpath or --config-dir means."""
    scheme, separated, rest = text.partition("://")
    if separated and scheme == "pkg":
        package = rest.strip("/").replace("/", ".")
        try:
            known = find_spec(package)
        except (ImportError, ValueError):
            known = None
        if known is None:
            raise UsageError(
                f"no such package: {package}", word, "install it, or name a folder: file://FOLDER", "E-PACKAGE-MISSING"
            )
        return Path(str(files(package)))
    if separated and scheme != "file":
        raise UsageError(
            f"{text} begins with {scheme}://", word, "take file://FOLDER or pkg://PACKAGE", "E-CONFIG-FOLDER"
        )
    path = Path(rest if separated else text)
    if not str(path).strip() or not text or not path.is_dir():
        fix = f"check {word.partition('=')[0]}"
        if str(path).startswith("~"):
            fix = f"write the whole path: {path.expanduser()}"
        raise UsageError("no such folder", path if text else word, fix, "E-FILES-MISSING")
    return path.absolute()
