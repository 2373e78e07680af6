"""A sweep compared: its table, and in plain words whether ICT is ahead of the others."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ictconvention.core.errors import UsageError
from ictconvention.evaluation.measures import Measures
from ictconvention.evaluation.predictions import ModelPredictions, Pooled, ensemble, pool
from ictconvention.evaluation.significance import (
    describe_seeds,
    differences,
    intervals,
    mcnemar,
    own_sentence,
    sentence,
)
from ictconvention.reporting.entry_file import ENTRIES_FILE, read_entries
from ictconvention.reporting.forest_entry import forest_entries
from ictconvention.reporting.joined_strata import join_entries
from ictconvention.reporting.locate_survey import locate_survey
from ictconvention.reporting.published_numbers import CAUTION, PUBLISHED, PUBLISHED_SCORES
from ictconvention.reporting.table import Table, make_table
from ictconvention.runs.collection import Collection, find_runs, group_runs
from ictconvention.survey.format import full_name
from ictconvention.survey.survey import Survey

REFERENCE = "ConvEntion"  # of training times, where there is a model of this name


@dataclass(frozen=True)
class Comparison:
    """What a sweep has found.

    Parameters
    ----------
    collection : Collection
        Its runs.
    entries : sequence of ModelPredictions
        Each model's predictions, and those of the baselines.
    table : Table
    sentences : sequence of str
        How far the first model of ICT, or else the first model, is ahead of each other one, with intervals.
    remarks : sequence of str
        What must be known to read them.
    survey : Survey, optional
        Where it is on this machine.
    survey_said : str
        Why it is not.
    """

    collection: Collection
    entries: tuple[ModelPredictions, ...]
    table: Table
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]
    survey: Survey | None
    survey_said: str

    @property
    def in_words(self) -> tuple[str, ...]:
        """All that is to be said beside the table."""
        return self.sentences + self.remarks


def compare(sweep: Path, survey: Path | None = None, members: int = 1) -> Comparison:
    """Compare the finished runs of a sweep.

    Parameters
    ----------
    sweep : Path
        Folder of a sweep, or with runs in it.
    survey : Path, optional
        Folder of the survey, where it has moved.
    members : int
        Seeds whose predictions are averaged into one prediction.

    Raises
    ------
    UsageError
        There is nothing to compare, it is not comparable, or the survey that was given is another one.
    SurveyError
        What was given is not a survey.
    """
    collection = group_runs(*find_runs(sweep))
    first = collection.first
    opened, survey_said = locate_survey((run for of in collection.runs.values() for run in of.values()), survey)
    entries = list(collection.entries())
    joined, not_joined = join_entries(collection)
    entries += [*joined, *forest_entries(collection)]
    if members > 1:
        entries = [_ensemble(entry, members) for entry in entries]
    folds = entries[0].folds
    measures = first.task.measures
    for entry in read_entries(Path(sweep) / ENTRIES_FILE, first.task):
        kept = {key: found for key, found in entry.predictions.items() if key[0] in folds}
        if {fold for fold, _ in kept} == set(folds):
            entries.append(replace(entry, predictions=kept))
    wholes = [pool(entry) for entry in entries]
    for entry, whole in zip(entries[1:], wholes[1:], strict=True):
        if not whole.is_of_objects_of(wholes[0]):
            found = f"{entry.name} and {entries[0].name} were tested on different objects, and are not comparable"
            raise UsageError(found, sweep, "compare runs of the same folds of one survey", "E-COMPARE-MISMATCH")
    group = np.arange(len(wholes[0].ids)) if opened is None else first.task.groups_of(opened, wholes[0].ids.tolist())
    kinds = [next(iter(of.values())).options.learner.kind for of in collection.runs.values()]
    lead = kinds.index("ict") if "ict" in kinds else 0
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
    remarks += not_joined
    if others and opened is None:
        remarks.append(f"Each object counts as a sky group of its own: {survey_said}.")
    name = full_name(first.result["survey"]["name"], first.result["survey"]["simulated"])
    published = {}
    if {one.title for one in measures.columns} >= PUBLISHED_SCORES:
        published = {entry.name: PUBLISHED[entry.name] for entry in entries if entry.name in PUBLISHED}
    notes = measures.notes(wholes[0].label)
    notes += [f"Ensembles: the mean of {members} seeds' predictions."] if members > 1 else []
    notes += [CAUTION] if published else []
    names = [entry.name for entry in entries]
    reference = REFERENCE if REFERENCE in names else names[0]
    title = f"{name}, {len(wholes[0].ids)} test objects"
    table = make_table(entries, measures, title, reference, published, notes, spans)
    return Comparison(collection, tuple(entries), table, tuple(sentences), tuple(remarks), opened, survey_said)


def _ensemble(entry: ModelPredictions, members: int) -> ModelPredictions:
    try:
        return ensemble(entry, members)
    except ValueError as error:
        raise UsageError(
            str(error), entry.name, "train as many seeds as the ensembles need", "E-COMPARE-INCOMPLETE"
        ) from None


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
