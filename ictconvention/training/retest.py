"""A finished run, tested once more: its weights must give its numbers again."""

from collections.abc import Callable
from dataclasses import replace
from math import inf, isnan
from pathlib import Path
from typing import Any

from ictconvention.configuration.schema import RunOptions, stages_of
from ictconvention.core.errors import UsageError, readable_os_errors, shorten
from ictconvention.runs.assembly import make_data, make_learner, open_or_simulate
from ictconvention.runs.checkpoints import load_checkpoint, take_weights
from ictconvention.runs.run_record import check_split
from ictconvention.runs.status import read_json
from ictconvention.runs.warm_start import last_weights, read_run
from ictconvention.survey.split import Split
from ictconvention.survey.verify import verify_survey
from ictconvention.training.evaluate import evaluate, in_words
from ictconvention.training.lightning_noise import silence_lightning
from ictconvention.training.memory import keep_freed_memory

SAME = 1e-6  # largest difference between the numbers of a run and of its later test


def retest(folder: Path, options: RunOptions, say: Callable[[str], object] = print) -> dict[str, Any]:
    """Test a finished run once more, and compare with its result.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    options : RunOptions
        Only `survey.path`, `survey.verify`, `surveys` and `trainer.workers` of it count, where set: the survey
        may have moved.
    say : function
        Called with a line about each thing that happens.

    Raises
    ------
    UsageError
        The run is not finished, its files do not fit together, the survey or the split is another one, or the numbers
        differ by more than 1e-6.
    """
    keep_freed_memory()
    with silence_lightning(), readable_os_errors("testing the run", folder):
        own = read_run(folder)
        known = read_json(folder / "status.json").get("survey") if (folder / "status.json").exists() else None
        survey_path = options.survey.path or (known if known and Path(known).is_dir() else own.survey.path)
        own = replace(
            own,
            survey=replace(own.survey, path=survey_path, verify=options.survey.verify),
            surveys=own.surveys if options.surveys == RunOptions().surveys else options.surveys,
            trainer=replace(own.trainer, workers=options.trainer.workers, devices=1, num_nodes=1),
        )
        weights = last_weights(folder)
        before = read_json(folder / "result.json")
        if absent := [name for name in ("survey", "split", "precision", "test") if name not in before]:
            raise UsageError(f"this result lacks {shorten(absent)}", folder / "result.json", "train the run again")
        survey = open_or_simulate(own, say)
        if survey.hash != before["survey"]["hash"]:
            raise UsageError("this is not the survey of the run", survey.path, "give it by survey.path=FOLDER")
        verify_survey(survey, options.survey.verify)
        check_split(folder, read_json(folder / "split.json"), before)
        split = Split.load(folder / "split.json", survey.object_table())
        stage = stages_of(own)[-1]
        data = make_data(own, survey, split, stage)
        learner = make_learner(own, data)
        take_weights(learner, load_checkpoint(weights), weights)
        result, _, _ = evaluate(learner, data, before["precision"])
        for line in in_words(result, survey):
            say(line)
        difference = largest_difference(result, {name: before.get(name) for name in result})
        if not difference <= SAME:
            found = f"the numbers differ from those of result.json by up to {difference:.2g}"
            fix = "compare environment.json: other versions or processors may compute differently"
            raise UsageError(found, folder, fix)
        say("the same as result.json" + (f", to within {difference:.1g}" if difference else ", to the last digit"))
    return result


def largest_difference(first: Any, second: Any) -> float:
    """Return the largest difference between the numbers of two records; infinite for other forms, and for NaN."""
    match first, second:
        case dict(), dict():
            pairs = [(first[name], second[name]) for name in first] if first.keys() == second.keys() else [(0, None)]
        case list(), list():
            pairs = list(zip(first, second, strict=True)) if len(first) == len(second) else [(0, None)]
        case ((bool() | str() | None), _):
            return 0.0 if first == second else inf
        case _:
            difference = abs(first - second) if isinstance(second, int | float) else inf
            return inf if isnan(difference) else difference  # NaN is not a number, and the same as none
    return max((largest_difference(*pair) for pair in pairs), default=0.0)
