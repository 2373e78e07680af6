"""One page that compares the finished runs of a sweep, and needs no other file."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from ictconvention import __version__
from ictconvention.configuration.identity import CELL, LABEL, leave_out
from ictconvention.configuration.key_by_key import KeyByKey, compare_keys
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import SurveyError, pluralize, shorten
from ictconvention.core.output_place import check_place
from ictconvention.evaluation.predictions import ModelPredictions
from ictconvention.measuring.photometry import photometry_recipe
from ictconvention.reporting import page_figures as report_figures
from ictconvention.reporting.compare import Comparison, compare
from ictconvention.reporting.masks.sections import mask_sections
from ictconvention.reporting.page_maps import network_maps
from ictconvention.reporting.page_parts import PagePart, page_parts, side_by_side
from ictconvention.runs.finished_run import FinishedRun
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.format import full_name
from ictconvention.survey.survey import Survey

logger = logging.getLogger(__name__)

WRONG = "Objects that the models get wrong"
TOLD_FIRST = 4  # sentences; further ones are behind a click
MOST_BESIDE = 5  # models whose configurations stand side by side
MOST_ROOMY, MOST_NARROW = 7, 13  # models that have a wide column each, and a narrow one; of more, words are broken
MOST_NAMED = {"run": 4, "model": 20}  # of those that have a value in common


def write_report(
    sweep: Path, output: Path, survey: Path | None = None, comparison: Comparison | None = None
) -> Comparison:
    """Write the page of a sweep; return what it shows.

    Parameters
    ----------
    sweep : Path
        Folder of a sweep, or any folder with runs in it.
    output : Path
        The page to write.
    survey : Path, optional
        Folder of the survey, where it has moved. Where it is not on this machine, the page has no film strips and no
        recall against quantities, and says so.
    comparison : Comparison, optional
        Comparison of this sweep, where it was made before.

    Raises
    ------
    UsageError
        There is no finished run, the runs are not comparable, the survey is not theirs, or the page would lie in a
        survey or a run.
    SurveyError
        The folder that was given is not a survey.
    FileSystemError
        The page cannot be written.
    """
    check_place(output, "saving the page")
    comparison = compare(sweep, survey) if comparison is None else comparison
    opened, survey_said = comparison.survey, comparison.survey_said
    if opened is not None:
        try:
            photometry_recipe(opened.header.pixel_scale, opened.header.stamp_size, opened.path)
        except SurveyError as error:
            opened, survey_said = None, error.found
    logger.info(f"{pluralize(len(comparison.entries), 'model')}; drawing")
    if survey_said:
        against = comparison.collection.first.task.figures.against
        logger.warning(f"no film strips{f', and no {against}' if against else ''}: {survey_said}")
    page = _page(comparison, opened, survey_said, sweep)
    with whole_file(output, "saving the page") as partial:
        partial.write_bytes(page.encode("utf-8", "replace"))
    return comparison


def _page(comparison: Comparison, opened: Survey | None, survey_said: str, sweep: Path) -> str:
    collection, entries = comparison.collection, comparison.entries
    first = collection.first
    task = first.task
    kept = [run for of in collection.runs.values() for run in of.values()]
    about = first.result["survey"]
    survey = full_name(about["name"], about["simulated"])
    parts = page_parts(comparison, task, survey, opened)
    looks = {model.name: model.look for model in parts[0].models}
    curves_missing: list[str] = []
    maps, maps_missing = ([], []) if opened is None else network_maps(collection, opened, survey)
    of_models = side_by_side(parts, [part.of_models for part in parts])
    of_masks = mask_sections(collection, parts[0].models, looks, opened, survey)
    of_objects = [*((section, parts[0].models) for section in of_masks)]
    of_objects += side_by_side(parts, [part.of_objects for part in parts])
    configuration = compare_keys({name: _configuration(of) for name, of in collection.runs.items()})
    beside = len(collection.runs) <= MOST_BESIDE
    content: dict[str, Any] = {
        "version": __version__,
        "name": about["name"],
        "survey": survey,
        "simulated": about["simulated"],
        "title": f"{pluralize(len(entries), 'model')} compared" if len(entries) > 1 else "one model",
        "facts": _facts(entries, parts, about.get("classes_left_out", ())),
        "sections": {
            "words": "In words",
            "table": "Table",
            "left-out": "What was left out",
            "folds": "Every fold and seed",
            **{section.anchor: section.title for section, _ in of_models},
            "curves": "Learning curves",
            **{section.anchor: section.title for section, _ in of_objects},
            **({"maps": "Where the networks looked"} if maps else {}),
            **{f"worst{part.end}": part.title(WRONG) for part in parts if part.worst is not None},
            "environment": "Environment",
            "configuration": "Configuration",
        },
        "parts": parts,
        "models": parts[0].models,
        "told_first": TOLD_FIRST,
        "left_out": collection.left_out,
        "survey_said": survey_said,
        "against": task.figures.against,
        "of_models": of_models,
        "curves": report_figures.learning_curves(collection, looks, survey, curves_missing),
        "curves_missing": curves_missing,
        "kept": report_figures.kept_epochs(collection),
        "of_objects": of_objects,
        "maps": maps,
        "maps_missing": maps_missing,
        "environment": _environment(kept),
        "configuration": configuration if beside else _grouped(configuration, "model"),
        "configuration_names": list(collection.runs) if beside else [],
        "many": len(entries) > MOST_ROOMY,
        "crowd": len(entries) > MOST_NARROW,
        "runs": pluralize(len(kept), "run"),
        "folder": str(sweep),
    }
    environment = Environment(
        loader=PackageLoader("ictconvention.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(content)


def _facts(entries: Sequence[ModelPredictions], parts: Sequence[PagePart], left_out: Sequence[str]) -> str:
    """Return in one line what was tested, and how often."""
    seeds = sorted({len(entry.seeds) for entry in entries})
    of_seeds = pluralize(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    folds = pluralize(len(entries[0].folds), "fold")
    tested = " · ".join(part.facts for part in parts)
    without = f" · left out by survey.classes: {', '.join(left_out)}" if left_out else ""
    return f"{tested} · {folds}, {of_seeds} of each model{without}"


def _environment(runs: Sequence[FinishedRun]) -> KeyByKey:
    """Compare the environments of runs; where they differ, each value has the runs with it."""
    return _grouped(compare_keys({RunFolder(run.folder).title: run.environment for run in runs}), "run")


def _grouped(found: KeyByKey, noun: str) -> KeyByKey:
    """Return a comparison in which each value has those that have it, in place of a column for each of them."""
    grouped: dict[str, Mapping[str, str]] = {}
    for key, values in found.differing.items():
        who: dict[str, list[str]] = defaultdict(list)
        for name, value in values.items():
            who[value].append(name)
        grouped[key] = {
            value: f"{pluralize(len(of), noun)}: {shorten(of, MOST_NAMED[noun])}" for value, of in who.items()
        }
    return KeyByKey(found.common, grouped)


def _configuration(runs: Mapping[Any, FinishedRun]) -> dict[str, Any]:
    """Return what makes a model, which all of its runs have in common but for fold and seed."""
    result = next(iter(runs.values())).result
    content = leave_out(result["config"], RunOptions, LABEL | CELL)
    content["survey"] = {"bands": None} | content["survey"]  # results of before bands could be chosen
    content |= {"weights": result["weights"]} if "weights" in result else {}
    content |= {"teacher": result["teacher"]["model"]} if "teacher" in result else {}
    return content | {name: result.get(name) for name in ("precision", "init_from", "version")}
