"""The command that trains: `python train.py KEY=VALUE ...`, the same as `ictconvention train KEY=VALUE ...`."""

import hashlib
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ictconvention.cli.flags import read_flags
from ictconvention.cli.next_command import suggest, suggest_prediction
from ictconvention.configuration.compose import compose_run, implied_overrides, read_sweeper_params
from ictconvention.configuration.composing.folders import FLAG, ConfigFolders, config_folder, names_folder
from ictconvention.configuration.composing.hydra_errors import readable_hydra_errors
from ictconvention.configuration.composing.sweep_size import check_sweep_size
from ictconvention.configuration.overrides import check_overrides, hydra_words, override, silent_hydra
from ictconvention.core.console import PACKAGE, lines_on_terminal
from ictconvention.core.errors import IctConventionError, UsageError, readable_os_errors, report_errors

logger = logging.getLogger(f"{PACKAGE}.cli.train")  # by its name: a job of a sweep runs this file as __main__

USAGE = """usage: python train.py [-m] [--config-dir FOLDER] [KEY=VALUE ...]     (ictconvention train ... is the same)

Takes one model through pre-train, fine-tune and test on one fold of a survey.
With -m (--multirun) keys may have several values; each combination is a run, and what is finished is not repeated.

  python train.py experiment=ict_sdss profile=laptop
  python train.py experiment=convention_sdss survey=path survey.path=surveys/mine fold.index=2
  python train.py mode=test run=runs/ict_sdss/fold0-seed0-1234abcd   (ictconvention test RUN is the same)
  python train.py -m experiment=ict_sdss fold.index=0,1,2,3,4 learner.tau=0.9,0.99,0.996 jobs=2 on_error=stop

  jobs=N        runs at once of a sweep; processors and GPUs are shared out (1)
  on_error=...  stop or continue: what becomes of the runs that have not begun when one fails (continue)

  --config-dir FOLDER   adds choices of your own: FOLDER/augmentation/mine.yaml is augmentation=mine
                        (hydra.searchpath=[file://FOLDER] does too)
  --cfg job             shows the configuration in place of a run; --cfg hydra|all, --package P, --resolve
  --info                shows how it is composed: all, config, defaults, defaults-tree, plugins or searchpath

"""
SHORT = {"jobs": "hydra.launcher.jobs", "on_error": "hydra.launcher.on_error"}  # keys of the sweep itself
FULL_ERROR = "HYDRA_FULL_ERROR"  # variable that lets Hydra's errors through
WHOLE = ("experiment", "profile")  # groups whose choices set keys of other groups
HYDRAS = "multirun.yaml"  # Hydra's own record, the first file in the folder of a sweep
NO_RESULT = (  # keys that change none
    *("jobs", "on_error", "logger", "strategy", "hydra", "figures"),
    *("trainer.devices", "trainer.num_nodes", "trainer.workers", "survey.verify"),
)
IN_A_TEST = (  # keys that may be given
    *("mode", "run", "survey", "survey.path", "survey.verify", "surveys", "trainer.workers", "model.module"),
)


def main() -> None:
    """Train as the command line says."""
    with report_errors():
        train(sys.argv[1:])


@lines_on_terminal()
def train(arguments: Sequence[str]) -> None:
    """Train as some overrides say, or tell how to call it.

    Raises
    ------
    IctConventionError
        A problem that a user can fix.
    """
    request = read_flags(arguments)
    if not arguments or request.helps:
        sys.stdout.write(help_text(ConfigFolders.named_in(request.words)))
        return
    if request.several:
        sweep(request.words)
        return
    arguments = request.words
    if ours := [word for word in arguments if word.split("=")[0] in SHORT]:
        raise UsageError(
            f"{ours[0].split('=')[0]} is a key of a sweep", ours[0], "add -m, or leave it out", "E-CONFIG-SWEEP"
        )
    overrides = check_overrides(arguments)
    if request.shown:
        words = [*hydra_words(arguments), *implied_overrides(arguments)]
        _hydra([*request.shown, *words], ConfigFolders.named_in(arguments))
        return
    testing = any(one.key_or_group == "mode" and one.value() == "test" for one in overrides)
    if testing:
        check_test_words(arguments)
    options = compose_run(arguments)  # before anything heavy is imported
    if options.run is not None:
        from ictconvention.runs.machine import check_ranks

        check_ranks()
        from ictconvention.training.retest import retest

        retest(Path(options.run), options)
        suggest_prediction(Path(options.run))
        return
    from ictconvention.runs.machine import check_ranks, first_of_node, rank_zero

    check_ranks()  # which Lightning reads when it is imported
    from ictconvention.training.run import run

    try:
        folder = run(options, arguments)
    except IctConventionError:
        if first_of_node():
            raise
        sys.exit(2)  # the first process of its node tells it
    if rank_zero() and __name__ != "__main__":  # nobody reads what a job of a sweep would suggest
        suggest_prediction(folder)


def check_test_words(arguments: Sequence[str]) -> None:
    """Refuse overrides that would change the configuration of a finished run, with a `UsageError`."""
    if other := [word for word in arguments if word.split("=")[0] not in IN_A_TEST]:
        found = f"a test takes the configuration of the run, and {other[0]} would change it"
        raise UsageError(found, other[0], f"leave it out; {', '.join(IN_A_TEST[3:])} may be given", "E-CONFIG-CONFLICT")


@lines_on_terminal()
def sweep(arguments: Sequence[str]) -> None:
    """Run every combination of the values that the overrides give.

    Raises
    ------
    IctConventionError
        A problem that a user can fix; or some runs have failed, after all have ended.
    """
    overrides = check_overrides(arguments, several=True)
    values = {one.key_or_group: one for one in overrides}
    folders = ConfigFolders.named_in(arguments)
    parsed = zip((word for word in arguments if not names_folder(word)), overrides, strict=True)
    single = [word for word, one in parsed if not one.is_sweep_override() and not one.key_or_group.startswith("hydra.")]
    plain = [*filter(names_folder, arguments), *single]
    check_sweep_size(overrides, folders, read_sweeper_params(plain) if folders.searchpath else None)
    runs = values["runs"].value() if "runs" in values and not values["runs"].is_sweep_override() else "runs"
    folder = Path(str(runs)) / "sweeps" / sweep_name(arguments)
    logger.info("sweep: checking every run before the first begins")  # at once: what follows takes seconds to import
    from ictconvention.runs.machine import check_ranks

    check_ranks()
    from ictconvention.sweeping.cluster import run_job

    words = [SHORT.get(word.split("=")[0], word.split("=")[0]) + word[len(word.split("=")[0]) :] for word in arguments]
    if "hydra.sweep.dir" not in values:
        words.append(override("hydra.sweep.dir", str(folder)))
    new = [path for path in (folder, *list(folder.parents)[:2]) if not path.exists()]
    try:
        with readable_os_errors("making the folder of the sweep", folder):
            _hydra(["--multirun", "hydra.job.name=ictconvention", *hydra_words(words)], folders, run_job)
    finally:
        if folder in new and folder.is_dir() and [path.name for path in folder.iterdir()] == [HYDRAS]:
            (folder / HYDRAS).unlink()  # the sweep was refused, and leaves nothing
            for path in new:
                with suppress(OSError):  # something else is there by now
                    path.rmdir()
    place = values["hydra.sweep.dir"].value() if "hydra.sweep.dir" in values else folder
    suggest("report", str(place), "-o", "report.html")


def _hydra(words: Sequence[str], folders: ConfigFolders, task: Callable[[Any], None] = lambda config: None) -> None:
    """Let Hydra do what its flags say: expand overrides of several values and launch a job for each, or show."""
    import hydra

    arguments, sys.argv = sys.argv, [sys.argv[0], *words]
    before = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"  # else Hydra ends the process with a message of its own
    try:
        with silent_hydra(), readable_hydra_errors(folders):
            hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="train")(task)()
    except SystemExit as ended:  # --package names none, and Hydra has said so
        sys.exit(2 if ended.code else 0)
    finally:
        sys.argv = arguments
        os.environ.pop(FULL_ERROR)
        if before is not None:
            os.environ[FULL_ERROR] = before


def sweep_name(arguments: Sequence[str]) -> str:
    """Return the name of a sweep's folder: the same for the same runs, so that a sweep that was stopped resumes."""
    folders = [f"{FLAG}={path}" for path in ConfigFolders.named_in(arguments).paths[1:]]
    ours = [word for word in arguments if not any(re.match(rf"[+~]*{key}[=./@]", word) for key in (*NO_RESULT, FLAG))]
    kept = sorted([*ours, *folders])
    experiment = [word.partition("=")[2] for word in arguments if word.startswith("experiment=")]
    name = experiment[0] if experiment and re.fullmatch(r"\w+", experiment[0]) else "sweep"
    return f"{name}-{hashlib.sha256(' '.join(kept).encode()).hexdigest()[:8]}"


def help_text(folders: ConfigFolders) -> str:
    """Return how to call it: the groups with their choices, and the keys of the root and of the groups, commented."""
    groups = [group for group in folders.groups if not group.startswith("hydra")]
    lines = ["groups, chosen by GROUP=CHOICE:"]
    lines += [f"  {group:13} {', '.join(folders.choices(group))}" for group in groups]
    text = (config_folder() / "train.yaml").read_text()
    lines += ["", "keys, set by KEY=VALUE (a.b=VALUE within a block):", "", text[text.index("name:") :].rstrip(), ""]
    lines += [line for group in groups if group not in WHOLE for line in _keys_of(group, folders)]
    return USAGE + "\n".join(lines) + "\n"


def _keys_of(group: str, folders: ConfigFolders) -> list[str]:
    """Return the keys of a group as yaml: those of the default, then those that other choices of ours have besides."""
    from yaml import safe_load

    usual = safe_load((config_folder() / "train.yaml").read_text())["defaults"]
    texts = {path.stem: path.read_text() for path in sorted((folders.paths[0] / group).glob("*.yaml"))}
    keys = {
        name: [line for line in text.splitlines() if re.match(r"\w+:", line) and not line.startswith("kind:")]
        for name, text in texts.items()
    }
    lines: dict[str, str] = {}
    for name in sorted(keys, key=lambda one: {group: one} not in usual):
        end = "" if {group: name} in usual else f"  ({name})"
        for line in keys[name]:
            said = line if "#" in line or not end else f"{line}  #"
            lines.setdefault(line.split(":")[0], f"  {said}{end}")
    return [f"{group}:", *lines.values()] if lines else []


if __name__ == "__main__":  # a job of a sweep
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the sweep may have been started with Ctrl-C ignored
    main()
