"""The survey of finished runs: where it was, or where it has moved."""

from collections.abc import Iterable
from pathlib import Path

from ictconvention.core.errors import SurveyError, UsageError, short_hash
from ictconvention.runs.collection import origin
from ictconvention.runs.finished_run import FinishedRun
from ictconvention.survey.growth.states import find_state
from ictconvention.survey.survey import Survey


def locate_survey(runs: Iterable[FinishedRun], given: Path | None = None) -> tuple[Survey | None, str]:
    """Open the survey of runs.

    Parameters
    ----------
    runs : iterable of FinishedRun
        On one survey, whichever of its bands.
    given : Path, optional
        Its folder, where it has moved.

    Returns
    -------
    survey, said : Survey or None, str
        None where it is not on this machine any more, and then why.

    Raises
    ------
    SurveyError
        The folder that was given is not a survey.
    UsageError
        It is another survey.
    """
    runs = list(runs)
    hashes = dict.fromkeys([*map(origin, runs), *(str(run.result["survey"]["hash"]) for run in runs)])
    name = runs[0].result["survey"]["name"]
    if given is not None:
        survey = _open(given, hashes)
        if survey.hash not in hashes:
            known = " or ".join(map(short_hash, hashes))
            found = f"this survey has the hash {short_hash(survey.hash)}, that of the runs has {known}{_was(runs)}"
            raise UsageError(
                found, given, f"give the folder of the survey {name!r} that the runs were made on", "E-SURVEY-MISMATCH"
            )
        return survey, ""
    opened: dict[str, Survey] = {}
    changed = ""
    for path in dict.fromkeys(run.survey for run in runs if run.survey is not None):
        try:
            survey = _open(path, hashes)
        except SurveyError as error:
            changed = f"what is at {path} is not sound ({error.found})"
            continue
        opened.setdefault(survey.hash, survey)
        changed = f"the survey at {path} is not that of the runs any more"
    for hash_ in hashes:  # with all of its bands first
        if hash_ in opened:
            return opened[hash_], ""
    return None, changed or f"the survey is not on this machine{_was(runs)}"


def _open(path: Path, hashes: Iterable[str]) -> Survey:
    """Open a survey in the first of some states that it has, or in its newest."""
    states = (find_state(path, one) for one in hashes)
    return Survey.open(path, state=next((one for one in states if one is not None), None))


def _was(runs: Iterable[FinishedRun]) -> str:
    """Say where the survey of runs was, where one of them knows it."""
    places = dict.fromkeys(str(run.status["survey"]) for run in runs if run.status.get("survey"))
    return f" (it was at {next(iter(places))})" if places else ""
