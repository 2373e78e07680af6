"""The command that trains: `python train.py KEY=VALUE ...`, the same as `ictconvention train KEY=VALUE ...`."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ictconvention.errors import IctConventionError, UsageError, told_in_words
from ictconvention.experiment.config import compose_run, config_folder

USAGE = """usage: python train.py [KEY=VALUE ...]     (ictconvention train [KEY=VALUE ...] is the same)

Takes one model through pre-train, fine-tune and test on one fold of a survey.

  python train.py experiment=ict_sdss profile=laptop
  python train.py experiment=convention_sdss survey=path survey.path=surveys/mine fold.index=2
  python train.py mode=test run=runs/ict_sdss/fold0-seed0-1234abcd

"""
IN_A_TEST = ("mode", "run", "survey", "survey.path", "surveys", "trainer.workers")  # keys that may be given


def main() -> None:
    """Train as the command line says."""
    with told_in_words():
        train(sys.argv[1:])


def train(arguments: Sequence[str]) -> None:
    """Train as some overrides say, or tell how to call it.

    Raises
    ------
    IctConventionError
        Something that a user can mend.
    """
    if not arguments or any(argument in ("-h", "--help") for argument in arguments):
        sys.stdout.write(help_text())
        return
    other = [word for word in arguments if word.split("=")[0] not in IN_A_TEST]
    if any(re.fullmatch(r"mode=['\"]?test['\"]?", word) for word in arguments) and other:
        found = f"mode=test takes the configuration of the run, and {other[0]} would change it"
        raise UsageError(found, other[0], f"leave it out; {', '.join(IN_A_TEST[3:])} may be given")
    options = compose_run(arguments)  # before anything heavy is imported
    if options.run is not None:
        from ictconvention.experiment.retest import retest

        retest(Path(options.run), options)
        return
    from ictconvention.experiment.machine import rank_zero
    from ictconvention.experiment.run import run

    try:
        run(options, arguments)
    except IctConventionError:
        if rank_zero():
            raise
        sys.exit(2)  # the first process tells it


def help_text() -> str:
    """Return how to call it: the groups with their choices, and the keys of conf/train.yaml with their comments."""
    folder = config_folder()
    lines = ["groups, chosen by GROUP=CHOICE:"]
    for group in sorted(path for path in folder.iterdir() if path.is_dir()):
        choices = ", ".join(sorted(path.stem for path in group.glob("*.yaml")))
        lines.append(f"  {group.name:13} {choices}")
    text = (folder / "train.yaml").read_text()
    keys = text[text.index("name:") :].rstrip()
    return (
        USAGE
        + "\n".join(lines)
        + "\n\nkeys, set by KEY=VALUE (a.b=VALUE within a block); further ones are in conf/:\n\n"
        + keys
        + "\n"
    )
