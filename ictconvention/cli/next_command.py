"""What a command ends with: the command that most users give next, with their own paths, to be copied.

It goes to the standard error: what programs read, the standard output, ends as it always did.
"""

import sys
from collections.abc import Iterable
from pathlib import Path


def suggest(*words: str | Path) -> None:
    """Say which command of `ictconvention` comes next; words are quoted for a shell where they need it."""
    from ictconvention.configuration.overrides import command

    sys.stderr.write(f"next: {command(['ictconvention', *map(str, words)])}\n")
    sys.stderr.flush()


def suggest_training(survey: Path, classes: Iterable[str | None], one_stage: bool, *keys: str) -> None:
    """After a sound survey or a split of it: train on it, where its labels are of two classes and more.

    Parameters
    ----------
    survey : Path
        The survey.
    classes : iterable of str
        Its classes.
    one_stage : bool
        Whether all labels are equally good, so that one stage takes them.
    *keys : str
        Further overrides.
    """
    from ictconvention.configuration.overrides import override

    if len({*classes} - {None}) > 1:
        experiment = ["experiment=my_survey"] if one_stage else ["experiment=ict_sdss", "survey=path"]
        suggest("train", *experiment, override("survey.path", survey), *keys)


def suggest_prediction(run: Path) -> None:
    """After a run: apply it, to begin with to the survey that it knows, where that still is.

    What the run says of its survey is all that is read; where it cannot be, nothing is suggested.
    """
    from ictconvention.core.errors import IctConventionError
    from ictconvention.runs.run_folder import RunFolder
    from ictconvention.runs.status import survey_of

    try:
        survey = survey_of(RunFolder(run).read_status())
    except IctConventionError:  # the run has ended well, and this is a hint
        return
    if survey is not None:
        suggest("predict", run, survey, "-o", "predictions.ecsv")
