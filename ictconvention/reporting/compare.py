"""A sweep compared, on its test part and on the additional test objects that every model has predicted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ictconvention.core.errors import IctConventionError, UsageError, shorten
from ictconvention.evaluation.predictions import ModelPredictions, ensemble
from ictconvention.reporting.compared_part import ComparedPart, compare_part
from ictconvention.reporting.entry_file import ENTRIES_FILE, read_entries
from ictconvention.reporting.forest_entry import forest_entries
from ictconvention.reporting.joined_strata import join_entries
from ictconvention.reporting.locate_survey import locate_survey
from ictconvention.reporting.table import Table
from ictconvention.runs.collection import Collection, group_runs
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.run_folder import RunFolder
from ictconvention.survey.format import full_name
from ictconvention.survey.survey import Survey

EXTRA = "extra_test"


@dataclass(frozen=True)
class Comparison:
    """What a sweep has found.

    Parameters
    ----------
    collection : Collection
        Its runs.
    lead : str
        The model that the others are compared with: the first of ICT, or else the first.
    test : ComparedPart
        On the test part.
    extra_test : ComparedPart, optional
        On the additional test objects, where every run has predicted them. It has a table and sentences of its own:
        a row for each model is what readers of the table of the test part rely on.
    remarks : sequence of str
        What must be known to read the test part, and why there is no extra test part where some runs have one.
    survey : Survey, optional
        Where it is on this machine.
    survey_said : str
        Why it is not.
    """

    collection: Collection
    lead: str
    test: ComparedPart
    extra_test: ComparedPart | None
    remarks: tuple[str, ...]
    survey: Survey | None
    survey_said: str

    @property
    def entries(self) -> tuple[ModelPredictions, ...]:
        """Each model's predictions of the test part, and those of the baselines."""
        return self.test.entries

    @property
    def table(self) -> Table:
        """The table of the test part."""
        return self.test.table

    @property
    def sentences(self) -> tuple[str, ...]:
        """How far the lead is ahead of each other model on the test part, with intervals."""
        return self.test.sentences

    @property
    def parts(self) -> tuple[ComparedPart, ...]:
        """The parts that were compared, the test part first."""
        return (self.test,) if self.extra_test is None else (self.test, self.extra_test)

    @property
    def extra_remarks(self) -> tuple[str, ...]:
        """What must be known to read the extra test part, beyond what was said of the test part."""
        said = () if self.extra_test is None else self.extra_test.remarks
        return tuple(line for line in said if line not in self.remarks)

    @property
    def in_words(self) -> tuple[str, ...]:
        """All that is to be said beside the tables; lines about the extra test part begin with its name."""
        extra = () if self.extra_test is None else (*self.extra_test.sentences, *self.extra_remarks)
        return (*self.sentences, *self.remarks, *(f"Extra test part: {line}" for line in extra))


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
    trained = _entries(collection, "test", members)
    entries, folds = list(trained), trained[0].folds
    _, not_joined = join_entries(collection)
    for entry in read_entries(Path(sweep) / ENTRIES_FILE, first.task):
        kept = {key: found for key, found in entry.predictions.items() if key[0] in folds}
        if {fold for fold, _ in kept} == set(folds):
            entries.append(replace(entry, predictions=kept))
    kinds = [next(iter(of.values())).options.learner.kind for of in collection.runs.values()]
    lead = kinds.index("ict") if "ict" in kinds else 0
    name = full_name(first.result["survey"]["name"], first.result["survey"]["simulated"])
    notes = [f"Ensembles: the mean of {members} seeds' predictions."] if members > 1 else []
    test = compare_part("test", entries, lead, first.task, name, opened, sweep, notes)
    extra, why = _extra_entries(collection, members)
    extra_test = None
    if extra:
        absent = [entry.name for entry in entries[len(trained) :]]
        notes += [f"Without an extra test part: {', '.join(absent)}."] if absent else []
        extra_test = compare_part(EXTRA, extra, lead, first.task, name, opened, sweep, notes)
    remarks = [
        *test.remarks,
        *_warnings(collection),
        *not_joined,
        *([f"The extra test part is not compared: {why}."] if why else []),
    ]
    if len(entries) > 1 and opened is None:
        remarks.append(f"Each object counts as a sky group of its own: {survey_said}.")
    leader = entries[lead].name
    return Comparison(collection, leader, test, extra_test, tuple(remarks), opened, survey_said)


def _entries(collection: Collection, part: str, members: int) -> Sequence[ModelPredictions]:
    """Return each model's predictions of a part, of so many seeds at a time, strata joined and forests after them."""
    joined, _ = join_entries(collection, part)
    entries = [*collection.entries(part), *joined, *forest_entries(collection, part)]
    alone = collection.first.task.measures.alone
    return entries if members == 1 else [_ensemble(entry, members, alone) for entry in entries]


def _extra_entries(collection: Collection, members: int) -> tuple[Sequence[ModelPredictions], str]:
    """Return each model's predictions of the additional test objects; none where a run lacks them, and why."""
    runs = [run for of in collection.runs.values() for run in of.values()]
    lacking = [RunFolder(run.folder).title for run in runs if EXTRA not in run.result]
    if lacking:
        return (), "" if len(lacking) == len(runs) else f"{shorten(lacking)} tested no additional objects"
    try:
        return _entries(collection, EXTRA, members), ""
    except IctConventionError as error:
        return (), f"{error.where}: {error.found}"


def _warnings(collection: Collection) -> list[str]:
    """Return what the runs of each model warn of in their records, each warning once."""
    said = {
        f"{name}: {warning}"
        for name, of in collection.runs.items()
        for run in of.values()
        if (warning := run.result.get("shift", {}).get("warning"))
    }
    return sorted(said)


def _ensemble(entry: ModelPredictions, members: int, alone: Sequence[str]) -> ModelPredictions:
    try:
        return ensemble(entry, members, alone)
    except ValueError as error:
        raise UsageError(
            str(error), entry.name, "train as many seeds as the ensembles need", "E-COMPARE-INCOMPLETE"
        ) from None
