"""Where a run is that is not named by its folder: the demo of the package, or a published run on a hub."""

import glob
import logging
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ictconvention.core.errors import FileSystemError, UsageError, is_file_error, readable_os_errors
from ictconvention.core.plain_file import read_plain
from ictconvention.runs.published.manifest import CARD, MANIFEST, digest, needed_files

logger = logging.getLogger(__name__)

DEMO = "demo"  # the name of the model that ships with the package
DEMO_FOLDER = Path(__file__).parent / DEMO
# SHA-256 of its manifest, which has those of all its files; experiments/demo writes it.
DEMO_DIGEST = "a5ad0035ca33e599f294d0226a681afe0ddd7859f2f911cc5d05a93a2b72d88e"
HUB = re.compile(r"hf:/{1,2}(?P<name>[^/@]+/[^/@]+)(@(?P<revision>.+?))?/?")  # a path has lost one of the two strokes
FORM = "hf://OWNER/NAME, or hf://OWNER/NAME@REVISION"


def locate_run(given: str | Path) -> Path:
    """Return the folder of a run that is named in any of the three ways.

    Parameters
    ----------
    given : str or Path
        A folder, which is returned as it is; `demo`, the model that ships with the package, unless there is a folder of
        that name, which is said; or hf://OWNER/NAME[@REVISION], which is fetched once to the cache of huggingface_hub:
        what predicting needs of it, and which commit that is, is said.

    Raises
    ------
    UsageError
        It is no such name, there is no such repository or revision, it holds no published run, or huggingface_hub is
        not installed.
    FileSystemError
        The hub does not answer, and the cache has no copy; or the cache cannot be written.
    """
    text = str(given)
    if text == DEMO:
        if os.path.lexists(text):
            logger.info(f"{DEMO}: the folder {Path(text).absolute()}, not the model that ships with the package")
            return Path(text)
        return _demo()
    if not text.startswith("hf:"):
        return Path(given)
    if (match := HUB.fullmatch(text)) is None:
        raise UsageError(f"{text!r} names no repository of a hub", "RUN", f"write {FORM}", "E-COMMAND-VALUE")
    return _fetch(match["name"], match["revision"])


def pin_run(given: str) -> str:
    """Return a name that is of the same run for ever: of a hub with its commit, any other as it is.

    Errors are those of `locate_run`.
    """
    name = repository(given)
    return f"hf://{name}@{locate_run(given).name}" if name else given


def repository(given: str | None) -> str:
    """Return OWNER/NAME, the repository that a name is of; nothing where it is of no hub."""
    match = HUB.fullmatch(given or "")
    return "" if match is None else match["name"]


def is_demo(folder: Path) -> bool:
    """Return whether a folder is that of the model that ships with the package."""
    return folder.resolve() == DEMO_FOLDER.resolve()


def _demo() -> Path:
    """Return the folder of the demo, whose manifest must be the one that this code names."""
    try:
        same = digest(read_plain(DEMO_FOLDER / MANIFEST)) == DEMO_DIGEST
    except OSError:
        same = False
    if not same:
        found = "the demo of this installation is damaged, or not there"
        raise UsageError(found, DEMO_FOLDER, "install the package again", "E-RUN-DAMAGED")
    return DEMO_FOLDER


@lru_cache  # a run that begins with one asks several times, and must see one revision
def _fetch(name: str, revision: str | None) -> Path:
    """Return the folder of a commit in the cache of huggingface_hub, with what a run needs of it."""
    where = f"hf://{name}" + (f"@{revision}" if revision else "")
    folder = _download(name, revision, [MANIFEST], where)
    if not (folder / MANIFEST).exists():
        found = f"this repository has no {MANIFEST}, so that it is no published run"
        raise UsageError(found, where, "name one that `ictconvention publish` has made", "E-RUN-MISSING")
    logger.info(f"{where}: commit {folder.name}, in {folder}")
    return _download(name, folder.name, [CARD, MANIFEST, *needed_files(folder)], where)


def _download(name: str, revision: str | None, files: Sequence[str], where: str) -> Path:
    """Return the folder of a revision, whose name is its commit, after some of its files were fetched to it."""
    try:
        from huggingface_hub import errors as of_hub
        from huggingface_hub import snapshot_download
    except ModuleNotFoundError as error:
        fix = "install the extra: pip install -c constraints.txt '.[hub]'; or download the folder, and name that"
        raise UsageError("the package huggingface_hub is not installed", where, fix, "E-PACKAGE-MISSING") from error
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            allow_patterns=[glob.escape(file) for file in files],
            library_name="ictconvention",
            tqdm_class=_silent_bar(),
        )
        return Path(folder)
    except of_hub.HFValidationError as error:
        found = f"a hub has no such names: {_first_line(error)}"
        raise UsageError(found, where, f"write {FORM}", "E-COMMAND-VALUE") from None
    except of_hub.RevisionNotFoundError as error:
        found = f"this repository has no revision {revision or 'main'}"
        raise UsageError(found, where, "name a branch, a tag or a commit of it", "E-RUN-MISSING") from error
    except of_hub.RepositoryNotFoundError as error:
        found = "the hub has no such repository, or you may not read it"
        fix = "check owner and name; for a private one log in first: hf auth login"
        raise UsageError(found, where, fix, "E-RUN-MISSING") from error
    except Exception as error:  # whatever the network raises
        if is_file_error(error):
            with readable_os_errors("keeping it in the cache of huggingface_hub, which HF_HOME may place,", where):
                raise
        fix = "go online, or name a revision that the cache has, or a folder; HF_ENDPOINT names another hub"
        found = f"the hub does not answer, and the cache has no copy ({type(error).__name__}: {_first_line(error)})"
        raise FileSystemError(found, where, fix, "E-SERVER-FAILS") from error


def _silent_bar() -> type:
    """Return a progress bar that shows nothing: no bar goes into a file."""
    from tqdm.auto import tqdm

    class Silent(tqdm):  # type: ignore[misc] # it ships no types
        def __init__(self, *arguments: object, **keywords: object) -> None:
            keywords["disable"] = True
            super().__init__(*arguments, **keywords)

    return Silent


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no reason").splitlines()[0]
