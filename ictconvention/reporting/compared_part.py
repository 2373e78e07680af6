"""One part of the split, compared: its table, and in plain words how far the first model is ahead of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ictconvention.core.errors import UsageError
from ictconvention.evaluation.measures import Measures
from ictconvention.evaluation.predictions import ModelPredictions, Pooled, pool
from ictconvention.evaluation.significance import (
    describe_seeds,
    differences,
    intervals,
    mcnemar,
    own_sentence,
    sentence,
)
from ictconvention.reporting.published_numbers import CAUTION, PUBLISHED, PUBLISHED_SCORES
from ictconvention.reporting.table import Table, make_table
from ictconvention.survey.survey import Survey
from ictconvention.tasks.task import Task

REFERENCE = "ConvEntion"  # of training times, where there is a model of this name


@dataclass(frozen=True)
class ComparedPart:
    """What a sweep has found on one part.

    Parameters
    ----------
    part : str
        Of the split: "test" or "extra_test".
    entries : sequence of ModelPredictions
        Each model's predictions, and those of the baselines.
    table : Table
    sentences : sequence of str
        How far the lead is ahead of each other model, with intervals.
    remarks : sequence of str
        What must be known to read them.
    """

    part: str
    entries: tuple[ModelPredictions, ...]
    table: Table
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name in words: "test" or "extra test"."""
        return self.part.replace("_", " ")

    @property
    def end(self) -> str:
        """What the names of its files end in, before their kind: nothing, or "_extra_test"."""
        return "" if self.part == "test" else f"_{self.part}"


def compare_part(
    part: str,
    entries: Sequence[ModelPredictions],
    lead: int,
    task: Task,
    survey: str,
    opened: Survey | None,
    where: Path,
    notes: Sequence[str] = (),
) -> ComparedPart:
    """Compare models on one part.

    Parameters
    ----------
    part : str
        Of the split: "test" or "extra_test".
    entries : sequence of ModelPredictions
        Of the same objects.
    lead : int
        Place of the model that the others are compared with.
    task : Task
        What they have learned.
    survey : str
        Names the survey, and says whether it is simulated.
    opened : Survey, optional
        The survey itself; without it each object is a group of its own.
    where : Path
        Folder of the runs, for errors.
    notes : sequence of str
        Further lines below the table.

    Raises
    ------
    UsageError
        The models were tested on different objects.
    """
    measures, said = task.measures, part.replace("_", " ")
    wholes = [pool(entry) for entry in entries]
    for entry, whole in zip(entries[1:], wholes[1:], strict=True):
        if not whole.is_of_objects_of(wholes[0]):
            found = f"{entry.name} and {entries[0].name} were tested on different {said} objects "
            found += f"({_tell_apart(whole, wholes[0])}), and are not comparable"
            raise UsageError(found, where, "compare runs of the same folds of one survey", "E-COMPARE-MISMATCH")
    group = np.arange(len(wholes[0].ids)) if opened is None else task.groups_of(opened, wholes[0].ids.tolist())
    others = [number for number in range(len(entries)) if number != lead]
    sentences = [
        sentence(entries[lead].name, entries[n].name, differences(wholes[lead], wholes[n], group, measures))
        for n in others
    ]
    remarks = _of_seeds(entries[lead], [entries[n] for n in others], wholes[lead].cells, measures)
    spans = {}
    if measures.with_intervals:
        for entry, whole in zip(entries, wholes, strict=True):
            spans[entry.name] = intervals(whole, group, measures, scores=measures.columns)
        remarks += [own_sentence(name, of, measures.columns) for name, of in spans.items()]
    if others:
        pair = {entries[n].name: wholes[n] for n in (lead, others[0])}
        remarks += _describe_pair(pair, measures)
    names = [entry.name for entry in entries]
    published = {}
    if part == "test" and {one.title for one in measures.columns} >= PUBLISHED_SCORES:
        published = {name: PUBLISHED[name] for name in names if name in PUBLISHED}
    below = [*measures.notes(wholes[0].label), *notes, *([CAUTION] if published else [])]
    reference = REFERENCE if REFERENCE in names else names[0]
    title = f"{survey}, {len(wholes[0].ids)} {said} objects"
    table = make_table(entries, measures, title, reference, published, below, spans)
    return ComparedPart(part, tuple(entries), table, tuple(sentences), tuple(remarks))


def _tell_apart(one: Pooled, other: Pooled) -> str:
    """Say how many objects each has, or of how many objects the survey says something else."""
    if not np.array_equal(one.ids, other.ids):
        alone = len(np.setdiff1d(one.ids, other.ids)), len(np.setdiff1d(other.ids, one.ids))
        return f"{len(one.ids)} and {len(other.ids)}; {alone[0]} and {alone[1]} of them are not those of the other"
    differ = (one.label != other.label) & ~((one.label != one.label) & (other.label != other.label))  # NaN: unknown
    return f"the same {len(one.ids)}, and other labels of {int(differ.reshape(len(differ), -1).any(1).sum())}"


def _of_seeds(lead: ModelPredictions, others: list[ModelPredictions], cells: int, measures: Measures) -> list[str]:
    """Say what the intervals hold, for each number of seeds that the pairs have."""
    names: dict[int, list[str]] = {}
    for other in others:
        names.setdefault(min(len(lead.seeds), len(other.seeds)), []).append(other.name)
    return [
        (f"Against {', '.join(of)}: " if len(names) > 1 else "") + describe_seeds(seeds, cells, measures)
        for seeds, of in names.items()
    ]


def _describe_pair(pair: Mapping[str, Pooled], measures: Measures) -> list[str]:
    """Say which objects one of two models alone has right, by their names, where there is a right and a wrong."""
    right = [measures.right(whole.of_seed(0), whole.label) for whole in pair.values()]
    if right[0] is None or right[1] is None:
        return []
    (first, second), (only_first, only_second, chance) = pair, mcnemar(right[0], right[1])
    return [
        f"Of the first seed's fixed predictions, {first} alone has {only_first} objects right and {second} "
        f"alone {only_second} (McNemar, p = {chance:.2g}): a description of these trainings, silent about others."
    ]
