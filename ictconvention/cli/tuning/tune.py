"""The command that searches for better options of a run, by its validation."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictconvention.cli.next_command import suggest
from ictconvention.configuration.overrides import check_overrides, command
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import UsageError

if TYPE_CHECKING:  # heavy: the function imports it when it runs
    from ictconvention.sweeping.tune import Pruning

USAGE = "write: ictconvention tune experiment=ict_fast space.yaml trials=30 fold.index=0,1 jobs=2"
NUMBERS = {"trials": 30, "jobs": 1, "tune.seed": 0}  # keys of the search, with what they are where they are left out
PRUNING = "tune.pruning"


@lines_on_terminal()
def tune(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SPACE.yaml KEY=VALUE", help="The space, and what each run is asked for by.", show_default=False
        ),
    ] = None,
) -> None:
    r"""Search a space of options by their validation: tune experiment=ict_fast space.yaml trials=30.

    The space is a yaml file: KEY: \[value, ...] or KEY: {low: 1.0e-4, high: 1.0e-2, log: true} for each key of the run
    that may be chosen. fold.index=0,1,2 takes the mean of three folds, jobs=2 runs two at once. The test part decides
    nothing, and a trial that is worse than the median of those before it is pruned (tune.pruning=none: none is). The
    same command resumes; a larger trials= goes on.
    """
    words = [*(words or []), *context.args]
    files = [word for word in words if word.endswith((".yaml", ".yml")) and "=" not in word]
    if len(files) != 1:
        found = "no space is named" if not files else f"{len(files)} spaces are named"
        raise UsageError(found, "ictconvention tune", USAGE, "E-COMMAND-VALUE")
    words.remove(files[0])
    numbers = {name: _take_number(words, name, usual) for name, usual in NUMBERS.items()}
    pruning = _take_pruning(words)
    folds = _take_folds(words)
    check_overrides(words)
    from ictconvention.cli.train import sweep_name
    from ictconvention.configuration.compose import compose_run
    from ictconvention.runs.machine import check_ranks
    from ictconvention.sweeping.space import read_space

    options = compose_run(words)
    check_ranks()
    space = read_space(Path(files[0]), words)
    from ictconvention.sweeping.tune import tune as search

    text = json.dumps(
        [[key, repr(one)] for key, one in space.dimensions.items()] + [folds, numbers["tune.seed"], pruning]
    )
    name = f"tune-{sweep_name(words)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    folder = Path(options.runs) / "sweeps" / name
    best = search(words, space, folder, numbers["trials"], numbers["jobs"], folds, numbers["tune.seed"], pruning)
    typer.echo(f"best: trial {best.number}, validation loss {best.value:.4f}; its runs are in {folder}")
    typer.echo(command(["ictconvention", "train", *best.words]))
    suggest("report", str(folder), "-o", "report.html")


def _take_number(words: list[str], name: str, usual: int) -> int:
    """Take a number of the search out of the words."""
    given = [word for word in words if word.startswith(f"{name}=")]
    for word in given:
        words.remove(word)
    if not given:
        return usual
    text = given[-1].partition("=")[2]
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"{name} is {text!r}", name, "take a whole number", "E-CONFIG-VALUE")
    return int(text)


def _take_pruning(words: list[str]) -> "Pruning":
    """Take out of the words what ends a trial early."""
    given = [word for word in words if word.startswith(f"{PRUNING}=")]
    for word in given:
        words.remove(word)
    match given[-1].partition("=")[2] if given else "median":
        case "median":
            return "median"
        case "none":
            return "none"
        case text:
            raise UsageError(f"{PRUNING} is {text!r}", PRUNING, "take median or none", "E-CONFIG-VALUE")


def _take_folds(words: list[str]) -> Sequence[int]:
    """Take the folds out of the words; 0 where none is named."""
    given = [word for word in words if word.startswith("fold.index=")]
    for word in given:
        words.remove(word)
    if not given:
        return (0,)
    text = given[-1].partition("=")[2]
    if not all(one.isascii() and one.isdigit() for one in text.split(",")) or len({*text.split(",")}) < len(
        text.split(",")
    ):
        raise UsageError(f"fold.index is {text!r}", "fold.index", "write fold.index=0,1,2", "E-CONFIG-VALUE")
    return tuple(map(int, text.split(",")))
