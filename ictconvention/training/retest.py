"""A finished run, tested once more: its weights must give its numbers again."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from ictconvention.configuration.key_by_key import largest_difference
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import labelled_stages, stages_of
from ictconvention.core.errors import UsageError, readable_os_errors, short_hash
from ictconvention.evaluation.calibration import Calibration
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.runs.assembly.run_data import make_data, make_task
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.runs.checkpoints import load_checkpoint, take_weights
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.run_record import warn_of_changed_code
from ictconvention.runs.shift.prepare import prepare_shift
from ictconvention.runs.status import survey_of
from ictconvention.survey.growth.states import find_state
from ictconvention.survey.split import Split
from ictconvention.survey.verify import verify_survey
from ictconvention.training.evaluate import evaluate
from ictconvention.training.lightning_noise import silence_lightning
from ictconvention.training.memory import keep_freed_memory

logger = logging.getLogger(__name__)

NEWER = ("classwise_calibration_error", "auroc_pairs")  # scores that results of a version before do not have
OF_CLASS = "calibration_error"  # that a class has where its result has the first of them
SAME = 1e-6  # largest difference between the numbers of a run and of its later test


def retest(folder: Path, options: RunOptions) -> dict[str, Any]:
    """Test a finished run once more, and compare with its result.

    Parameters
    ----------
    folder : Path
        Folder of the run.
    options : RunOptions
        Only `survey.path`, `survey.verify`, `surveys` and `trainer.workers` of it count, where set: the survey
        may have moved.

    Raises
    ------
    UsageError
        The run is not finished, its files do not fit together, the survey or the split is another one, or the numbers
        differ by more than 1e-6.
    """
    keep_freed_memory()
    with silence_lightning(), readable_os_errors("testing the run", folder):
        run = RunFolder(locate_run(folder))
        recorded, weights = run.read_options(), run.last_weights()
        before = run.read_result("survey", "split", "precision", "test")
        warn_of_changed_code(recorded, before, run.result)
        own, data = open_data(run, options)
        learner = make_learner(own, data)
        take_weights(learner, load_checkpoint(weights), weights)
        kept = None if "logit_shift" in before else Calibration.restore(before, *run.read_priors())
        evaluated = evaluate(learner, data, before["precision"], own.shift.kind == "latent_knn", kept)
        result = evaluated.result
        if kept is not None:  # of a version before, which calibrated otherwise: its scores are those of its calibration
            del result["logit_shift"]
        for line in learner.task.describe(result, data.survey.header.full_name):
            logger.info(line)
        if "prior" not in before:  # a result of a version before
            survey_prior, training_prior = run.read_priors()
            before["prior"] = {"survey": survey_prior.tolist(), "training": training_prior.tolist()}
        _leave_out_newer(result, before)
        before.get("sets", {}).pop("file", None)  # of the table beside the result, and no number
        difference = largest_difference(result, {name: before.get(name) for name in result})
        if not difference <= SAME:
            found = f"the numbers differ from those of {run.result.name} by up to {difference:.2g}"
            fix = f"compare {run.environment.name}: other versions or processors may compute differently"
            raise UsageError(found, folder, fix, "E-RUN-NUMBERS")
        how = f"to within {difference:.1g}" if difference else "to the last digit"
        logger.info(f"the same as {run.result.name}, {how}")
        if not run.sample.exists() and not run.is_published:  # of a version before
            evaluated.sample.save(run.sample)
            logger.info(f"kept for `compare-survey`: {run.sample.name}")
    return result


def _leave_out_newer(result: dict[str, Any], before: dict[str, Any]) -> None:
    """Take out of a result what one of a version before has not."""
    if "sets" not in before:
        result.pop("sets", None)
    for part, found in result.items():
        known = before.get(part)
        if not isinstance(found, dict) or not isinstance(known, dict):
            continue
        for name in [name for name in NEWER if name in found and name not in known]:
            del found[name]
            if name == NEWER[0]:
                for scores in found["classes"].values():
                    del scores[OF_CLASS]


def open_data(run: RunFolder, options: RunOptions) -> tuple[RunOptions, SeriesDataModule]:
    """Return the options of a finished run as they are here, and the data of its last stage.

    Parameters
    ----------
    run : RunFolder
        Folder of the run.
    options : RunOptions
        As of `retest`.

    Raises
    ------
    UsageError
        The run is not finished, or the survey or the split is another one.
    """
    own, before = run.read_options(), run.read_result("survey", "split")
    known = survey_of(run.read_status()) if run.status.exists() else None
    survey_path = options.survey.path or (str(known) if known else own.survey.path)
    trained_on = (before["survey"]["hash"], before["survey"].get("origin", ""))
    states = [find_state(Path(survey_path), one) for one in trained_on if one] if survey_path is not None else []
    state = next((one for one in states if one is not None), None)  # as it was, where nights were added since
    own = replace(
        own,
        survey=replace(own.survey, path=survey_path, state=state, verify=options.survey.verify),
        surveys=own.surveys if options.surveys == RunOptions().surveys else options.surveys,
        trainer=replace(own.trainer, workers=options.trainer.workers, devices=1, num_nodes=1),
    )
    survey = open_or_simulate(own)
    if survey.hash != before["survey"]["hash"]:
        hashes = f"its hash is {short_hash(survey.hash)}, that of the run's {short_hash(before['survey']['hash'])}"
        found = f"this is not the survey of the run: {hashes}"
        raise UsageError(found, survey.path, "give it by survey.path=FOLDER", "E-SURVEY-MISMATCH")
    verify_survey(survey, options.survey.verify)
    run.read_split()  # sees that it is the run's
    split = Split.load(run.split_file, make_task(own, survey).split_table(survey), labelled_stages(own))
    if own.shift.kind == "strata":
        split = prepare_shift(own, survey, split).split
    return own, make_data(own, survey, split, stages_of(own)[-1])
