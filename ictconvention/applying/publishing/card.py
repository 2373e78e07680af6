"""The card of a published run: its README, with the head that model hubs read. Every number in it is in the result."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ictconvention import __version__
from ictconvention.configuration.overrides import command
from ictconvention.configuration.stages import labelled_stages, stages_of, validation_chooses
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import pluralize
from ictconvention.evaluation.sets.coverage import describe_sets
from ictconvention.runs.published.manifest import MANIFEST, ONNX, WEIGHTS
from ictconvention.runs.published.places import repository
from ictconvention.runs.run_folder import TESTED, RunFolder
from ictconvention.runs.shift.kept import KIND
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import full_name, unit_in_words

TAGS = ("astronomy", "image-time-series", "ictconvention")
HUB_TASKS = {"classes": "image-classification", "mask": "image-segmentation"}  # what hubs call our tasks
LEARNED = {
    "classes": "the class of an object",
    "redshift": "the redshift of a galaxy",
    "mask": "the class of each pixel",
}
OF_CLASSES = ("objects", "recall", "precision", "f1", "auroc")  # columns of the table of classes
SHARES = {"": "at the survey's class shares", "_uniform": "at equal class shares"}
MOST_ROWS = 40  # outputs in a table: redshifts have hundreds of bins


@dataclass(frozen=True)
class Card:
    """What a card is written of.

    Parameters
    ----------
    title, licence : str
    run : TrainedRun
    result : mapping
        The result of the run.
    words : sequence of str
        Overrides that the run was started with, without places.
    without_onnx : str
        Why there is no ONNX file; empty where there is one.
    known : mapping
        What the manifest says of the model.
    """

    title: str
    licence: str
    run: TrainedRun
    result: Mapping[str, Any]
    words: Sequence[str]
    without_onnx: str
    known: Mapping[str, Any]

    @property
    def survey(self) -> str:
        """The name of the survey, with "(simulated)" where it is."""
        return full_name(self.run.survey["name"], self.run.survey["simulated"])

    @property
    def simulated(self) -> bool:
        """Whether the survey was simulated."""
        return bool(self.run.survey["simulated"])


def write_card(path: Path, card: Card) -> None:
    """Write the card to a Markdown file, with a head of YAML.

    Raises
    ------
    FileSystemError
        The file cannot be written.
    """
    head = yaml.safe_dump(head_of(card), sort_keys=False, allow_unicode=True, width=120)
    with whole_file(path, "saving the model card", record=True) as partial:
        partial.write_text(f"---\n{head}---\n\n" + "\n".join(_body(card)) + "\n", encoding="utf-8")


def head_of(card: Card) -> dict[str, Any]:
    """Return the head that hubs read: licence, tags, and the scores of each part that was tested."""
    kind = card.run.options.task.kind
    task = {"type": HUB_TASKS.get(kind, "other"), "name": kind}
    results = [
        {
            "task": dict(task),
            "dataset": {
                "type": "simulated" if card.simulated else "survey",
                "name": f"{card.survey}, {_part(name)}",
            },
            "metrics": [
                {"type": metric, "value": value, "name": metric.replace("_", " ")}
                for metric, value in card.result[name].items()
                if isinstance(value, float)
            ],
        }
        for name in _scored(card.result)
    ]
    return {
        "license": card.licence,
        "library_name": "ictconvention",
        **({"pipeline_tag": HUB_TASKS[kind]} if kind in HUB_TASKS else {}),
        "tags": [*TAGS, *(["simulated"] if card.simulated else [])],
        "model-index": [{"name": card.title, "results": results}],
    }


def _scored(result: Mapping[str, Any]) -> list[str]:
    return [name for part in TESTED for end in SHARES if (name := f"{part}{end}") in result]


def _part(name: str) -> str:
    for end in ("_uniform", ""):
        if name.endswith(end):
            return f"{name.removesuffix(end).replace('_', ' ')} part" + (", equal class shares" if end else "")
    return name


def _body(card: Card) -> Iterator[str]:
    run, task = card.run, card.run.options.task.kind
    about = f"learned {LEARNED.get(task, f'the task {task}')} on the survey {card.survey}"
    yield from (f"# {card.title}", "")
    yield f"A {run.options.model.kind} ({run.options.learner.kind}) that has {about}, by ictconvention {__version__}."
    if card.simulated:
        yield from ("", "**The survey is simulated. No number below says how well it does on real images.**")
    yield from ("", *_use(card), "", *_inputs(card), "", *_outputs(card), "", *_not_for(card), "", *_scores(card))
    yield from ("", *_made(card), "", *_files(card), "", "## Licence", "")
    said = f"`{card.licence}`."
    yield said if card.licence != "unknown" else "None was given: ask before you use these weights or pass them on."


def _use(card: Card) -> list[str]:
    return [
        *("## Use", "", "```sh"),
        "ictconvention predict FOLDER SURVEY -o predictions.ecsv        # FOLDER: this one, or hf://OWNER/NAME",
        "python train.py init_from=FOLDER ...                           # a network that begins with these weights",
        *("```", "", "In Python `ict.load(FOLDER).predict(SURVEY)`. No code in this folder is run."),
    ]


def _inputs(card: Card) -> list[str]:
    known, spec = card.known, card.run.spec
    module = card.run.options.model.module
    lines = [
        *("## What it takes", "", "| | |", "|---|---|"),
        f"| survey | {card.survey} |",
        f"| bands | {', '.join(known['bands'])} |",
        f"| stamps | {spec.stamp_size} x {spec.stamp_size} pixels of {known['pixel_scale']:g} arcsec |",
        f"| fluxes | {unit_in_words(known['flux_unit'])} |",
        f"| frames | at most {known['max_frames']}, of longer series evenly, by {known['select']} |",
    ]
    return lines if module is None else [*lines, f"| module of one's own | `{module}`, which is not in this folder |"]


def _outputs(card: Card) -> list[str]:
    task, calibration = card.run.task, card.run.calibration
    names, stage = task.names, labelled_stages(card.run.options)[-1]
    lines = ["## What it gives", "", f"{task.format.gives[:1].upper()}{task.format.gives[1:]}."]
    if len(names) <= MOST_ROWS:
        lines += ["", "| output | share in the survey, which predictions are at | share in training |", "|---|---|---|"]
        shares = zip(names, calibration.survey_prior, calibration.training_prior, strict=True)
        lines += [f"| {name} | {survey:.4f} | {training:.4f} |" for name, survey, training in shares]
    last = pluralize(len(card.run.split["parts"].get(f"{stage}_validation", ())), "object")
    if card.run.options.shift.kind == KIND:
        known = card.result["shift"]
        how = f"of the {known['neighbours']} nearest of {known['objects']} training objects in the network's features"
        lines += [
            "",
            f"The network's own outputs are not used: a PDF is made {how}, each {known['width']:g} (1 + z) wide.",
        ]
        lines.append(f"Both numbers were chosen on the validation part ({last}).")
    else:
        lines += ["", f"Calibrated by one temperature, {calibration.temperature:.4f}, on the validation part ({last})."]
    if task.format.takes_prior:
        lines.append("`--prior` moves the probabilities to other class shares.")
    return lines


def _not_for(card: Card) -> list[str]:
    lines = ["## What it must not be used for", ""]
    if card.simulated:
        lines.append("- Any claim about the real sky: it has seen simulated images alone.")
    if card.run.options.task.kind == "classes":
        names = ", ".join(card.run.task.names)
        lines.append(f"- Objects that may be none of {names}: each is called one of these. See the column `novelty`.")
        lines.append("- Counts or rates of classes: these follow the shares that were assumed. See `--prior`.")
    if card.run.options.task.kind == "redshift":
        lines.append(
            "- Objects unlike those that trained, such as fainter ones, without a check against known redshifts."
        )
    if card.run.options.task.kind == "mask":
        lines.append("- Land unlike that of the training scenes: other regions, seasons or sensors.")
    lines.append("- Other bands, pixel scales, stamps or units than those above; `predict` refuses them.")
    lines.append("- Scores of objects that trained it: `predict` marks them in the column `seen_in_training`.")
    return lines


def _scores(card: Card) -> list[str]:
    lines = ["## Scores", "", *(f"- {line}" for line in card.run.task.describe(card.result, card.survey))]
    for name in _scored(card.result):
        classes = card.result[name].get("classes")
        if not isinstance(classes, Mapping) or not name.endswith("_uniform"):
            continue
        present = [key for key in OF_CLASSES if any(key in of for of in classes.values())]
        lines += ["", f"{_part(name)}:", "", f"| class | {' | '.join(present)} |", "|---" * (len(present) + 1) + "|"]
        lines += [f"| {one} | {' | '.join(_cell(of.get(key)) for key in present)} |" for one, of in classes.items()]
    sets = {
        part: describe_sets(card.result.get("sets", {}), part, validation_chooses(card.run.options)) for part in TESTED
    }
    lines += ["", *(f"- {_part(part)}: {said}" for part, said in sets.items() if said)]
    lines += ["", "One run, so the scatter between seeds is not in these numbers. They are those of the result;", ""]
    survey = "" if card.run.options.survey.path is None else " survey=path survey.path=SURVEY"
    return [*lines, f"    ictconvention test FOLDER{survey}", "", "gives them again."]


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def _made(card: Card) -> list[str]:
    options, parts = card.run.options, card.run.split["parts"]
    used = {name: len(ids) for name, ids in parts.items() if ids}
    stages = ", ".join(f"{name} {getattr(options.stage, name).max_epochs}" for name in stages_of(options))
    lines = ["## How it was made", "", f"    python train.py {command(list(card.words))}", ""]
    lines.append(f"Training epochs: {stages}. Objects: {', '.join(f'{name} {n}' for name, n in used.items())}.")
    lines.append(f"Fold {options.fold.index}, seed {options.seed}; run {card.run.hash}.")
    if options.init_from is not None:
        which = f"`{options.init_from}`" if repository(options.init_from) else "another run"
        lines.append(
            f"It began with the weights of {which}; what that one has seen is among the objects that this one knows."
        )
    if options.learner.teachers:
        lines.append(
            "It was taught by the predictions of other runs; what those have seen is among the objects that it knows."
        )
    return lines


def _files(card: Card) -> list[str]:
    files = RunFolder(card.run.folder)
    kept = f"`{files.result.name}`, `{files.split_file.name}`, `{files.config.name}`"
    onnx = f"`{ONNX}`, from raw fluxes to predictions, without this package"
    return [
        *("## Files", ""),
        f"- `{WEIGHTS}`: the weights; `{MANIFEST}`: what the model is, and SHA-256 of the rest.",
        f"- {onnx}." if not card.without_onnx else f"- No ONNX file: {card.without_onnx}.",
        f"- {kept} and the rest: the run's. They have ids and labels of its objects, so that nobody scores it on",
        "  what has trained it.",
    ]
