"""One run from options to result: pre-train, fine-tune, test."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ictconvention import __version__
from ictconvention.configuration.schema import RunOptions, stage_of, stages_of
from ictconvention.core.atomic import folder_lock, whole_file
from ictconvention.core.errors import IctConventionError, pluralize, readable_os_errors
from ictconvention.feeding.datamodule import SeriesDataModule
from ictconvention.learning.learner import Learner
from ictconvention.runs.assembly import make_data, make_learner
from ictconvention.runs.checkpoints import load_checkpoint, weights_hash
from ictconvention.runs.machine import check_launch, environment, rank_zero, started_alone
from ictconvention.runs.plan import Plan, plan_run
from ictconvention.runs.run_record import REFERENCE_FILE, TESTED, portable
from ictconvention.runs.seen_objects import save_seen
from ictconvention.runs.status import MetricsTable, Status, read_json, write_json
from ictconvention.runs.warm_start import last_weights, start_from
from ictconvention.survey.bands import origin_of
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey
from ictconvention.training.dashboard import Dashboard
from ictconvention.training.epoch_report import describe_network
from ictconvention.training.evaluate import evaluate, in_words, save_predictions
from ictconvention.training.lightning_noise import silence_lightning
from ictconvention.training.memory import keep_freed_memory
from ictconvention.training.run_figures import draw_figures
from ictconvention.training.stage import Records, fit

Say = Callable[[str], object]


def run(options: RunOptions, overrides: Sequence[str] = (), say: Say = print) -> Path:
    """Train and test one model on one fold.

    Parameters
    ----------
    options : RunOptions
        What to train, on what, how long.
    overrides : sequence of str
        How the options were asked for; kept beside them.
    say : function
        Called with a line about each thing that happens.

    Returns
    -------
    Path
        The run's folder: `config.yaml`, `overrides.txt`, `environment.json`, `split.json`, `status.json`,
        `metrics.csv`, `checkpoints/`, `predictions.parquet`, `result.json`, `figures/`.

    Raises
    ------
    IctConventionError
        A problem that a user can fix.
    """
    if not rank_zero():
        say = _silent
    check_launch(options.trainer)
    keep_freed_memory()
    with silence_lightning():
        plan = plan_run(options, say)
        survey, folder = plan.survey, plan.folder
        verify_survey(survey, options.survey.verify)
        with readable_os_errors("making the folder of the run", folder):
            folder.mkdir(parents=True, exist_ok=True)
        say(f"survey {survey.header.full_name}: {len(survey)} objects at {survey.path}")
        say(f"run: {folder}, {plan.precision}")
        with folder_lock(folder) if rank_zero() else nullcontext(), readable_os_errors("the run", folder):
            if (folder / "result.json").exists():
                _report_finished(folder, options, survey, say)
                if rank_zero() and (status := Status(folder)).content["state"] != "finished":
                    status.set(state="finished")  # it was killed in that moment
            elif rank_zero():
                write_provenance(plan, options, overrides)
                _run(plan, options, say)
            else:
                _stages(plan, options, None, say)
    return folder


def _run(plan: Plan, options: RunOptions, say: Say) -> None:
    """Take all stages, with what a run leaves whatever happens: its state, and the end of its W&B page."""
    folder = plan.folder
    status = Status(folder)
    status.set(state="running", error=None, hashes=plan.hashes, survey=str(plan.survey.path.absolute()))
    dashboard = Dashboard(options.logger, folder, status, portable(asdict(options)), _tags(options), say)
    finished = False
    try:
        records = Records(MetricsTable(folder / "metrics.csv"), status, dashboard)
        _stages(plan, options, records, say)
        finished = True
        status.set(state="finished")
    except KeyboardInterrupt:
        say("the same command resumes after the last completed training epoch")
        with suppress(IctConventionError):  # the reason of the stop says more
            status.set(state="stopped")
        raise
    except Exception as error:
        with suppress(IctConventionError):
            status.set(state="failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        dashboard.close(failed=not finished)


def _stages(plan: Plan, options: RunOptions, records: Records | None, say: Say) -> None:
    stages = stages_of(options)
    feeds = {stage: make_data(options, plan.survey, plan.split, stage) for stage in stages}
    objects = {stage: len(feeds[stage].positions(*feeds[stage].train_parts)) for stage in stages}
    if records is not None and "pretrain" in stages and started_alone():
        _share_pretraining(plan, records, say)
    learner: Learner | None = None
    for place, stage in enumerate(stages):
        first = learner is None
        learner = make_learner(options, feeds[stage], learner)
        if first:
            say(describe_network(learner))
            if options.init_from is not None:
                say(start_from(learner, options.init_from))
        later = sum(objects[other] * stage_of(options, other).max_epochs for other in stages[place + 1 :])
        fit(options, learner, feeds[stage], plan.folder, plan.precision, records, later, say)
    assert learner is not None  # the options have at least one stage
    if records is not None:
        _test(plan, options, learner, feeds[stages[-1]], records, say)


def _test(
    plan: Plan, options: RunOptions, learner: Learner, data: SeriesDataModule, records: Records, say: Say
) -> None:
    """Test, and leave predictions, figures and, last of all, the result."""
    survey, folder = plan.survey, plan.folder
    result, parts, reference = evaluate(learner, data, plan.precision)
    reference.save(folder / REFERENCE_FILE)
    save_seen(folder, survey, plan.split, options.init_from)
    for part, found in parts.items():
        save_predictions(folder / TESTED[part], survey, found, options.fold.index)
    said = in_words(result, survey)
    try:
        if options.figures:
            records.dashboard.show(draw_figures(folder, parts, data, records.metrics))
    except IctConventionError:
        raise
    except Exception as error:  # noqa: BLE001 - of whatever kind: a picture must not cost a result
        said.append(f"the figures failed ({error}); all else is there")
    records.dashboard.conclude({f"{part}/{name}": value for part in result for name, value in _numbers(result[part])})
    result |= {
        "survey": {
            "name": survey.header.name,
            "simulated": survey.header.simulated,
            "hash": survey.hash,
            "origin": origin_of(survey),
            "bands": list(survey.header.bands),
            "pixel_scale": survey.header.pixel_scale,
            "flux_unit": survey.header.flux_unit,
        },
        "photometry": None if data.training.photometry is None else data.training.photometry.settings(),
        "split": plan.split.hash,
        "init_from": None if options.init_from is None else weights_hash(last_weights(options.init_from)),
        "precision": plan.precision,
        "parameters": sum(parameter.numel() for parameter in learner.network.parameters()),
        "config": portable(asdict(options)),
        "version": __version__,
    }
    write_json(folder / "result.json", result)
    for line in said:
        say(line)
    say(f"result, predictions{' and figures' if options.figures else ''}: {folder}")


def _numbers(scores: Any) -> list[tuple[str, float]]:
    return [(name, x) for name, x in scores.items() if isinstance(x, int | float)] if isinstance(scores, dict) else []


def _silent(line: str) -> None:
    """Say nothing."""


def write_provenance(plan: Plan, options: RunOptions, overrides: Sequence[str]) -> None:
    """Write all that makes the run: its configuration, split and environment."""
    folder = plan.folder
    plan.split.save(folder / "split.json", record=True)
    with whole_file(folder / "config.yaml", "saving the configuration", record=True) as partial:
        OmegaConf.save(OmegaConf.create(asdict(options)), partial)
    with whole_file(folder / "overrides.txt", "saving the overrides", record=True) as partial:
        partial.write_text("".join(f"{line}\n" for line in overrides), encoding="utf-8")
    write_json(folder / "environment.json", environment(plan.precision, options.trainer))


def _share_pretraining(plan: Plan, records: Records, say: Say) -> None:
    """Take the weights of another run with the same pre-training, where one below the same folder has finished it."""
    folder, own_hash = plan.folder, plan.hashes["pretrain"]
    own = folder / "checkpoints" / "pretrain.ckpt"
    if own.exists():
        return
    for path in sorted(folder.parent.parent.glob("*/*/status.json")):
        weights = path.parent / "checkpoints" / "pretrain.ckpt"
        if path.parent == folder or not weights.exists():
            continue
        try:
            if read_json(path).get("hashes", {}).get("pretrain") != own_hash:
                continue
            load_checkpoint(weights)
            metrics = MetricsTable(path.parent / "metrics.csv")
        except IctConventionError as error:
            say(f"{path.parent} is damaged and left alone: {error.found}")
            continue
        own.parent.mkdir(exist_ok=True)
        with whole_file(own, "taking the weights of the same pre-training", record=True) as partial:
            shutil.copyfile(weights, partial)
        records.metrics.take(metrics, "pretrain")
        say(f"pretrain: the same as that of {path.parent}, whose weights are taken")
        return


def _report_finished(folder: Path, options: RunOptions, survey: Survey, say: Say) -> None:
    """Say what a finished run has found, and what the same command will not do again."""
    result = read_json(folder / "result.json")
    for line in in_words({part: found for part, found in result.items() if "test" in part}, survey):
        say(line)
    machine = read_json(folder / "environment.json")
    devices, nodes = int(machine.get("devices", 1)), int(machine.get("nodes", 1))
    by = pluralize(devices * nodes, "device") + (f" on {nodes} nodes" if nodes > 1 else "")
    say(f"finished before, by {by}; remove the folder to run it again")
    if options.logger.kind == "wandb":
        say("W&B: a finished run gets no page")


def _tags(options: RunOptions) -> list[str]:
    tags = [options.model.kind, options.learner.kind, f"fold {options.fold.index}", f"seed {options.seed}"]
    return [*tags, f"tau {options.learner.tau}"] if options.learner.kind == "ict" else tags
