"""The runs of a sweep from Python: compared, and at work together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from astropy.table import Table

from ictconvention.api.run import Run
from ictconvention.core.errors import pluralize
from ictconvention.core.progress import facts_html
from ictconvention.runs.finished_run import find_runs
from ictconvention.survey.survey import Survey

if TYPE_CHECKING:
    from ictconvention.reporting.compared_part import ComparedPart


@dataclass(frozen=True, eq=False)
class SweepComparison:
    """How the models of a sweep compare.

    Parameters
    ----------
    table : Table
        A row for each model; all numbers, unrounded.
    sentences : tuple of str
        How far the first model of ICT, or else the first model, is ahead of each other one, with 95 % intervals.
    remarks : tuple of str
        What must be known to read them, and what was left out.
    text : str
        The table as `ictconvention report` shows it.
    extra_test : SweepComparison, optional
        The same of the additional test objects, where every run has predicted them: in a survey whose labelled objects
        are unlike the others, what decides between models.
    """

    table: Table
    sentences: tuple[str, ...]
    remarks: tuple[str, ...]
    text: str
    extra_test: "SweepComparison | None" = None

    def __str__(self) -> str:
        extra = [] if self.extra_test is None else ["", str(self.extra_test)]
        return "\n".join([self.text, *self.sentences, *self.remarks, *extra])

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(line)}</p>" for line in (*self.sentences, *self.remarks))
        extra = "" if self.extra_test is None else self.extra_test._repr_html_()
        return f"<pre>{escape(self.text)}</pre>{said}{extra}"


class FinishedSweep:
    """The finished runs of a sweep, or of any folder with runs in it.

    Parameters
    ----------
    folder : str or Path
        Folder of the sweep; `load_sweep` gives one.

    Attributes
    ----------
    folder : Path
    runs : tuple of Run
        Those that are finished.
    left_out : tuple of str
        Those that are not, or are damaged, with the reason.

    Raises
    ------
    UsageError
        There is no such folder, or no finished run in it.

    Examples
    --------
    >>> sweep = ict.load_sweep(run.folder.parent)
    >>> len(sweep.compare().table) == len({run.options.name for run in sweep.runs})
    True
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        found, left_out = find_runs(self.folder)
        self.runs = tuple(Run(one.folder) for one in found)
        self.left_out = tuple(left_out)

    def __repr__(self) -> str:
        return f"<FinishedSweep {self.folder}: {pluralize(len(self.runs), 'finished run')}>"

    def _repr_html_(self) -> str:
        facts: dict[str, object] = {repr(run): run.summary for run in self.runs}
        return facts_html(f"{self.folder}: {pluralize(len(self.runs), 'finished run')}", facts)

    def compare(self, survey: Survey | str | Path | None = None, members: int = 1) -> SweepComparison:
        """Compare the models.

        Parameters
        ----------
        survey : Survey or path, optional
            Where the survey is now, if it has moved.
        members : int
            Seeds whose probabilities are averaged into one prediction.

        Raises
        ------
        UsageError
            The runs are not comparable, or the survey is another one.
        """
        from ictconvention.reporting.compare import compare

        found = compare(self.folder, _path(survey), members)
        left_out = tuple(f"left out: {line}" for line in found.collection.left_out)
        extra = None if found.extra_test is None else _compared(found.extra_test, found.extra_remarks)
        return replace(_compared(found.test, found.remarks + left_out), extra_test=extra)

    def predict(
        self,
        survey: Survey | str | Path,
        *,
        model: str | None = None,
        prior: str | Path | Mapping[str, float] = "train",
        coverage: float | None = None,
        first_days: float | None = None,
        forest: Literal["mean", "alone"] | None = None,
        batch_size: int = 64,
        devices: int = 1,
        verify: bool | Literal["auto"] = "auto",
    ) -> Table:
        """Predict every object of a survey by all runs of one model together, as `ictconvention predict SWEEP` does.

        An object that some of the runs have trained on is predicted by the others alone.

        Parameters
        ----------
        model : str, optional
            Which model, where the sweep has several.
        survey, prior, coverage, first_days, forest, batch_size, devices, verify
            As of `Run.predict`.

        Returns
        -------
        Table
            As of `Run.predict`, and for each class its spread between the runs.

        Raises
        ------
        UsageError
            As of `Run.predict`; or the sweep has several models and none was chosen.
        """
        from ictconvention.api.together import predict_together
        from ictconvention.applying.choose_runs import choose_runs

        runs, left_out = choose_runs(self.folder, model)
        table = predict_together(runs, survey, prior, first_days, forest, batch_size, devices, verify, coverage)
        table.meta["NOTES"] = "; ".join([*(f"left out: {line}" for line in left_out), table.meta["NOTES"]])
        return table

    def predict_masks(
        self, survey: Survey | str | Path, folder: str | Path, *, model: str | None = None, batch_size: int = 64
    ) -> dict[str, Path]:
        """Write the masks of a survey by all runs of one model together: the mean of their probabilities decides.

        Parameters, result and errors are those of `Run.predict_masks`, and of `predict` for `model`.
        """
        from ictconvention.api.together import predict_masks_together
        from ictconvention.applying.choose_runs import choose_runs

        return predict_masks_together(choose_runs(self.folder, model)[0], survey, folder, batch_size)

    def predict_scenes(
        self,
        scenes: str | Path,
        folder: str | Path | None = None,
        *,
        model: str | None = None,
        batch_size: int = 64,
    ) -> Table:
        """Predict scenes of any size by all runs of one model together; the table has the spread of each share.

        Parameters, result and errors are those of `Run.predict_scenes`, and of `predict` for `model`.
        """
        from ictconvention.api.together import predict_scenes_together
        from ictconvention.applying.choose_runs import choose_runs

        return predict_scenes_together(choose_runs(self.folder, model)[0], scenes, folder, batch_size)

    def report(self, path: str | Path, survey: Survey | str | Path | None = None) -> None:
        """Write the page that compares the runs, see `ictconvention report`.

        Raises
        ------
        UsageError, FileSystemError
            The runs are not comparable, or the page cannot be written.
        """
        from ictconvention.reporting.page import write_report

        write_report(self.folder, Path(path), _path(survey))


def load_sweep(folder: str | Path) -> FinishedSweep:
    """Open the folder of a sweep, or any folder with runs in it.

    Raises
    ------
    UsageError
        There is no such folder, or no finished run in it.

    Examples
    --------
    >>> ict.load_sweep(run.folder.parent).runs[0].options.name
    'ict_sdss'
    """
    return FinishedSweep(folder)


def _path(survey: Survey | str | Path | None) -> Path | None:
    return survey.path if isinstance(survey, Survey) else None if survey is None else Path(survey)


def _compared(part: "ComparedPart", remarks: tuple[str, ...]) -> SweepComparison:
    """Return a part of a comparison, all its numbers in a table."""
    from ictconvention.reporting.table import as_text

    numbers = part.table.numbers
    names = list(dict.fromkeys(name for row in numbers for name in row))
    table = Table({name: _column([row.get(name) for row in numbers]) for name in names})
    table.meta = {"title": part.table.title, "notes": list(part.table.notes)}
    return SweepComparison(table, part.sentences, remarks, as_text(part.table))


def _column(values: list[Any]) -> list[Any]:
    """Return a column of numbers, NaN where there is none; or of texts."""
    if any(isinstance(value, str) for value in values):
        return ["" if value is None else value for value in values]
    return [float("nan") if value is None else value for value in values]
