"""What a page shows of one part of the split: in words, in its table and figures, and what goes wrong there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ictconvention.configuration.stages import validation_chooses
from ictconvention.drawing.embedded_figure import Picture
from ictconvention.drawing.panels import Compared
from ictconvention.drawing.style import style_of
from ictconvention.evaluation.predictions import pool
from ictconvention.evaluation.sets.coverage import describe_sets, pool_sets
from ictconvention.reporting import page_figures as report_figures
from ictconvention.reporting.compare import Comparison
from ictconvention.reporting.compared_part import ComparedPart
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task import Task
from ictconvention.tasks.task_figures import Section, ShownObject, WorstObjects


@dataclass(frozen=True)
class Shown:
    """An object of the page's table of what goes wrong: its number in it, its film strip, and what else is known."""

    number: int
    of: ShownObject
    strip: Picture | None
    known: str


@dataclass(frozen=True)
class PagePart:
    """One part of the split on a page.

    Parameters
    ----------
    compared : ComparedPart
        What was found on it.
    models : sequence of Compared
        Its models, as they are drawn.
    heading : str
        "Test part", "Extra test part"; empty where it is the only one.
    end : str
        Of the addresses of its sections in the page.
    facts : str
        What was tested, in a few words.
    remarks : sequence of str
        What must be known to read its sentences.
    notes : sequence of str
        Lines below its table that stand below no table before.
    points : mapping of str to sequence of Picture
        The chief scores of every fold and seed, by heading.
    of_models, of_objects : sequence of Section
        Those of the task.
    worst : WorstObjects, optional
        What the models get most wrong.
    shown : sequence of Shown
        The same, with their film strips.
    """

    compared: ComparedPart
    models: Sequence[Compared]
    heading: str
    end: str
    facts: str
    remarks: Sequence[str]
    notes: Sequence[str]
    points: Mapping[str, Sequence[Picture]]
    of_models: Sequence[Section]
    of_objects: Sequence[Section]
    worst: WorstObjects | None
    shown: Sequence[Shown]

    def title(self, title: str) -> str:
        """Return the title of a section, with the part where there are several."""
        return f"{title}: {self.compared.title}" if self.heading else title


def page_parts(comparison: Comparison, task: Task, survey: str, opened: Survey | None) -> list[PagePart]:
    """Return the parts of a comparison, drawn.

    Parameters
    ----------
    comparison : Comparison
        What was found.
    task : Task
        What its models have learned.
    survey : str
        Names the survey, and says whether it is simulated.
    opened : Survey, optional
        The survey itself, where it can be read.
    """
    parts: list[PagePart] = []
    several, said = len(comparison.parts) > 1, set[str]()
    for compared in comparison.parts:
        notes = [line for line in compared.table.notes if line not in said]
        said |= {*notes}
        notes += _sets(comparison, compared)
        models = [Compared(one.name, style_of(number), pool(one)) for number, one in enumerate(compared.entries)]
        named = f"{survey}, {compared.title} part" if several else survey
        worst = task.figures.worst([model.pooled for model in models])
        looks = {model.name: model.look for model in models}
        kinds = task.measures.count_in_words(models[0].pooled.label)
        part = PagePart(
            compared,
            models,
            f"{compared.title[0].upper()}{compared.title[1:]} part" if several else "",
            compared.end.replace("_", "-"),
            f"{len(models[0].pooled.ids)} {compared.title} objects" + (f": {kinds}" if kinds else ""),
            comparison.extra_remarks if parts else comparison.remarks,
            notes,
            report_figures.points(compared.entries, looks, task.measures, named),
            task.figures.of_models(models, named),
            [] if opened is None else task.figures.of_objects(models, opened, named),
            worst,
            [] if worst is None else _shown(worst, opened),
        )
        parts.append(part)
    return parts


def side_by_side(
    parts: Sequence[PagePart], sections: Sequence[Sequence[Section]]
) -> list[tuple[Section, Sequence[Compared]]]:
    """Return the sections of all parts, each with its models; those of one kind follow each other.

    Each has an address and a title of its own.

    Parameters
    ----------
    parts : sequence of PagePart
        The parts.
    sections : sequence of sequence of Section
        Those of each part.
    """
    kinds = dict.fromkeys(section.anchor for of_part in sections for section in of_part)
    return [
        (replace(one, anchor=f"{kind}{part.end}", title=part.title(one.title)), part.models)
        for kind in kinds
        for part, of_part in zip(parts, sections, strict=True)
        for one in of_part
        if one.anchor == kind
    ]


def _sets(comparison: Comparison, compared: ComparedPart) -> list[str]:
    """Return how often the sets of each model hold the class, a line for all its runs together."""
    lines = []
    for name, of in comparison.collection.runs.items():
        runs = [run for run in of.values() if compared.part in run.result.get("sets", {})]
        pooled = pool_sets([run.result["sets"] for run in runs], compared.part)
        if line := describe_sets(pooled, compared.part, any(validation_chooses(run.options) for run in runs)):
            several = f", {len(runs)} runs" if len(runs) > 1 else ""
            lines.append(f"{name}{several}: {line}" + (" (the fewest of a run)" if several else ""))
    return lines


def _shown(worst: WorstObjects, opened: Survey | None) -> list[Shown]:
    ids = [one.id for one in worst.objects]
    strips = report_figures.film_strips(opened, ids) if opened is not None else {}
    return [
        Shown(number, one, strips.get(one.id), _known(one.id, opened)) for number, one in enumerate(worst.objects, 1)
    ]


def _known(id_: str, opened: Survey | None) -> str:
    """Return what else the survey tells of an object: where its label is from, and in a simulated one the truth."""
    if opened is None:
        return ""
    row = opened[id_].metadata
    parts = [f"label: {row['label_source']}"] if row["label_source"] else []
    parts += [f"in truth {row['true_class']}"] if row.get("true_class") else []
    return ", ".join(parts)
