"""One run from options to result: pre-train, fine-tune, test."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from time import process_time
from typing import Any

from ictconvention import __version__
from ictconvention.configuration.checking.validation import sources_of
from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import parts_of, validation_chooses
from ictconvention.core.atomic import folder_lock
from ictconvention.core.console import silent_unless
from ictconvention.core.errors import IctConventionError, pluralize, readable_os_errors
from ictconvention.evaluation.sets.coverage import describe_sets
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.networks.pictures.weight_file import weight_file_hash
from ictconvention.runs.assembly.run_data import make_task
from ictconvention.runs.assembly.run_hash import weight_file
from ictconvention.runs.assembly.run_learner import make_learner
from ictconvention.runs.checkpoints import load_checkpoint, take_weights, weights_hash
from ictconvention.runs.machine import check_launch, environment, rank_zero, started_alone
from ictconvention.runs.plan import Plan, name_unfinished, plan_run, warn_of_few
from ictconvention.runs.pretrained import Pretraining
from ictconvention.runs.published.places import locate_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.run_record import portable
from ictconvention.runs.status import SHIFT, MetricsTable, describe_kept, find_kept
from ictconvention.runs.warm_start import pin_start, start_from, start_from_file
from ictconvention.survey.bands import origin_of
from ictconvention.survey.format import sha256
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey
from ictconvention.tasks.task import Task
from ictconvention.training.dashboard import NAMES, Dashboard
from ictconvention.training.epoch_report import Records, describe_network
from ictconvention.training.evaluate import evaluate, measure_domains, prediction_columns
from ictconvention.training.lightning_noise import silence_lightning
from ictconvention.training.masks.figures import draw_tested_chips
from ictconvention.training.memory import keep_freed_memory
from ictconvention.training.run_figures import draw_figures
from ictconvention.training.stage import Run, fit, is_alone

logger = logging.getLogger(__name__)


def run(options: RunOptions, overrides: Sequence[str] = ()) -> Path:
    """Train and test one model on one fold.

    Parameters
    ----------
    options : RunOptions
        What to train, on what, how long.
    overrides : sequence of str
        How the options were asked for; kept beside them.

    Returns
    -------
    Path
        The run's folder, see `RunFolder`.

    Raises
    ------
    IctConventionError
        A problem that a user can fix.
    """
    check_launch(options.trainer)
    keep_freed_memory()
    with silence_lightning(), silent_unless(rank_zero()):
        options, overrides = pin_start(options, overrides)
        plan = plan_run(options)
        survey, folder = plan.survey, plan.folder.path
        verify_survey(survey, options.survey.verify)
        with readable_os_errors("making the folder of the run", folder):
            folder.mkdir(parents=True, exist_ok=True)
        logger.info(f"survey {survey.header.full_name}: {len(survey)} objects at {survey.path}")
        logger.info(f"run: {folder}, {plan.precision}")
        if left := name_unfinished(options, plan):
            logger.warning(left)
        if not plan.folder.is_finished and (few := warn_of_few(options, plan.split)):
            logger.warning(few)
        with folder_lock(folder) if rank_zero() else nullcontext(), readable_os_errors("the run", folder):
            if plan.folder.is_finished:
                _report_finished(plan.folder, options, survey)
                if rank_zero():
                    _mend_status(plan)
            elif rank_zero():
                made = environment(plan.precision, options.trainer)
                plan.folder.begin(options, overrides, plan.split, made)
                _keep_records(options, plan)
            else:
                _take_stages(Run(options, plan, None))
    return folder


def _keep_records(options: RunOptions, plan: Plan) -> None:
    """Take all stages, with what a run leaves whatever happens: its state, and the end of its page."""
    folder = plan.folder
    status = folder.open_status()
    status.set(state="running", error=None, **_identity(plan))
    dashboard = Dashboard(options.logger, folder, status, portable(asdict(options)), _tags(options))
    finished = False
    try:
        _take_stages(Run(options, plan, Records(folder.open_metrics(), status, dashboard)))
        finished = True
        status.set(state="finished")
    except KeyboardInterrupt:
        logger.info("the same command resumes after the last completed training epoch")
        with suppress(IctConventionError):  # the reason of the stop says more
            status.set(state="stopped")
        raise
    except Exception as error:
        with suppress(IctConventionError):
            status.set(state="failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        dashboard.close(failed=not finished)


def _mend_status(plan: Plan) -> None:
    """Let the status of a finished run say so, where it was killed in that moment or its status was lost."""
    status = plan.folder.open_status()
    if status.content["state"] != "finished" or "run" not in status.content["hashes"]:
        status.set(state="finished", **_identity(plan))


def _identity(plan: Plan) -> dict[str, Any]:
    """Return what a status says of which run it is."""
    place = str(plan.survey.path.absolute())
    return {"hashes": plan.hashes, "survey": place, "survey_hash": plan.survey.hash}


def _take_stages(run: Run) -> None:
    """Train every stage, and test."""
    options, records = run.options, run.records
    begin = process_time()
    if run.prepared.said:
        if records is not None and is_alone(options):
            records.status.measure(SHIFT, process_time() - begin)
        logger.info(run.prepared.said)
    if run.prepared.warning:
        logger.warning(run.prepared.warning)
    if run.plan.teachers.folders:
        logger.info(run.plan.teachers.said)
        for line in run.plan.teachers.left_out:
            logger.info(f"teacher: left out: {line}")
    if records is not None and "pretrain" in run.feeds and started_alone():
        _take_pretraining(run.plan, records)
    learner: Learner | None = None
    for stage, data in run.feeds.items():
        first = learner is None
        learner = make_learner(options, data, learner)
        if first:
            logger.info(describe_network(learner))
            if options.init_from is not None:
                logger.info(start_from(learner, locate_run(options.init_from)))
            if (file := weight_file(options)) is not None:
                logger.info(start_from_file(learner, file))
        fit(run, stage, learner)
        if records is not None and stage == "pretrain" and run.later(stage):
            _keep_pretraining(run.plan)
    assert learner is not None  # the options have at least one stage
    if records is not None:
        _test(run, learner, records)


def _test(run: Run, learner: Learner, records: Records) -> None:
    """Test, and leave predictions, figures and, last of all, the result."""
    options, plan, data = run.options, run.plan, list(run.feeds.values())[-1]
    survey, folder = plan.survey, plan.folder
    by_neighbours = options.shift.kind == "latent_knn"
    result, parts, reference, sample, neighbours, validation = evaluate(learner, data, plan.precision, by_neighbours)
    reference.save(folder.reference)
    sample.save(folder.sample)
    if neighbours is not None:
        neighbours.save(folder.neighbours)
        logger.info(neighbours.said)
    start = None if options.init_from is None else RunFolder(locate_run(options.init_from))
    folder.write_seen(survey, plan.split, parts_of(options), start, plan.teachers.runs)
    for part, found in parts.items():
        own = run.prepared.columns.get(part, {})
        folder.write_predictions(part, prediction_columns(learner.task, found, options.fold.index) | own)
    if validation is not None:
        folder.write_validation(prediction_columns(learner.task, validation, options.fold.index))
        result["sets"]["file"] = sha256(folder.validation)
    failed = None
    try:
        if options.figures:
            drawn = draw_figures(folder, learner.task, parts, data, records.metrics)
            records.dashboard.show(drawn | draw_tested_chips(folder, learner, parts, data, plan.precision))
    except IctConventionError:
        raise
    except Exception as error:  # noqa: BLE001 - of whatever kind: a picture must not cost a result
        failed = f"the figures failed ({error}); all else is there"
    records.dashboard.conclude({f"{part}/{name}": value for part in result for name, value in _numbers(result[part])})
    if details := {part: of for part, found in parts.items() if (of := learner.task.detail(found, survey))}:
        result["details"] = details
    result |= {
        "survey": {
            "name": survey.header.name,
            "simulated": survey.header.simulated,
            "hash": survey.hash,
            "origin": origin_of(survey),
            "bands": list(survey.header.bands),
            "pixel_scale": survey.header.pixel_scale,
            "flux_unit": survey.header.flux_unit,
            **({"classes_left_out": list(survey.left_out)} if survey.left_out else {}),
        },
        "task": {
            "kind": options.task.kind,
            "names": list(learner.task.names),
            **({"training": dict(learner.task.training)} if learner.task.training else {}),
        },
        "photometry": None if data.training.photometry is None else data.training.photometry.settings(),
        "split": plan.split.hash,
        "init_from": None if start is None else weights_hash(start.last_weights()),
        "precision": plan.precision,
        "parameters": sum(parameter.numel() for parameter in learner.network.parameters()),
        "config": portable(asdict(options)),
        "version": __version__,
    }
    if shift := run.prepared.record:
        if data.domains:
            shift = {**shift, **_tell_domains(run, learner, data)}
        kept = {} if neighbours is None else {**neighbours.record, "file": sha256(folder.neighbours)}
        result["shift"] = {**shift, **kept}
    if plan.teachers.folders:
        result["teacher"] = plan.teachers.record
    if sources := sources_of(options):
        result["sources"] = sources
    if (file := weight_file(options)) is not None:
        result["weights"] = weight_file_hash(file)
    folder.write_result(result)
    _say_kept(records.metrics, options, learner.task)
    for line in learner.task.describe(result, survey.header.full_name):
        logger.info(line)
    for part in parts:
        if line := describe_sets(result.get("sets", {}), part, validation_chooses(options)):
            logger.info(f"{survey.header.full_name}, {part.replace('_', ' ')} part: {line}")
    if failed is not None:
        logger.warning(failed)
    logger.info(f"result, predictions{' and figures' if options.figures else ''}: {folder}")


def _tell_domains(run: Run, learner: Learner, data: SeriesDataModule) -> dict[str, Any]:
    """Measure, and say, how well features that were trained against it still tell who is selected."""
    weights = run.folder.weights(data.stage)
    kept = load_checkpoint(weights)
    head = learner.begin_domains(run.options.shift.strength, run.options.seed)
    learner.end_domains()
    take_weights(head, {"state_dict": kept.get("domain", {})}, weights)
    found = measure_domains(learner, data, head, run.plan.precision)
    logger.info(
        f"shift: features tell {found['apart']} objects of {found['part']} from selected ones with an AUC of "
        f"{found['head_auc']:.3f} to the head in training, {found['auc']:.3f} to a new logistic regression (.5: not)"
    )
    return found


def _say_kept(metrics: MetricsTable, options: RunOptions, task: Task) -> None:
    if kept := find_kept(metrics, options, task.monitor):
        logger.info(describe_kept(kept))


def _numbers(scores: Any) -> list[tuple[str, float]]:
    """Return the scores of a part that are numbers, those of a group within it by `group/name`."""
    found: list[tuple[str, float]] = []
    for name, x in scores.items() if isinstance(scores, dict) else ():
        found += [(f"{name}/{inner}", y) for inner, y in _numbers(x)] if isinstance(x, dict) else []
        found += [(name, x)] if isinstance(x, int | float) else []
    return found


def _take_pretraining(plan: Plan, records: Records) -> None:
    """Take the weights of the same pre-training, where another run has finished it."""
    shared = Pretraining(plan.runs, plan.hashes["pretrain"])
    try:
        if (other := shared.take(plan.folder, records.metrics)) is not None:
            logger.info(f"pretrain: the same as that of {other}, whose weights are taken")
            trained = max(epoch for stage, epoch in records.metrics.rows if stage == "pretrain")
            records.status.set(epochs=records.status.content["epochs"] | {"pretrain": trained})
    except IctConventionError as error:
        logger.warning(f"{shared.folder} is left alone, and may be removed; the stage trains: {error.found}")


def _keep_pretraining(plan: Plan) -> None:
    """Keep a finished pre-training for other runs; one that cannot be kept costs the run nothing."""
    try:
        Pretraining(plan.runs, plan.hashes["pretrain"]).keep(plan.folder)
    except IctConventionError as error:
        logger.warning(f"pretrain: not kept for other runs: {error.found}")


def _report_finished(folder: RunFolder, options: RunOptions, survey: Survey) -> None:
    """Say what a finished run has found, and what the same command will not do again."""
    result = folder.read_result()
    tested, task = {part: found for part, found in result.items() if "test" in part}, make_task(options, survey)
    with suppress(IctConventionError):  # the metrics may be lost, and the result is there all the same
        _say_kept(folder.open_metrics(), options, task)
    for line in task.describe(tested, survey.header.full_name):
        logger.info(line)
    if warning := result.get("shift", {}).get("warning"):
        logger.warning(warning)
    machine = folder.read_environment()
    devices, nodes = int(machine.get("devices", 1)), int(machine.get("nodes", 1))
    by = pluralize(devices * nodes, "device") + (f" on {nodes} nodes" if nodes > 1 else "")
    logger.info(f"finished before, by {by}; remove the folder to run it again")
    if options.logger.kind != "csv":
        logger.warning(f"{NAMES[options.logger.kind]}: a finished run gets no page")


def _tags(options: RunOptions) -> list[str]:
    tags = [options.model.kind, options.learner.kind, f"fold {options.fold.index}", f"seed {options.seed}"]
    return [*tags, f"tau {options.learner.tau}"] if options.learner.kind == "ict" else tags
