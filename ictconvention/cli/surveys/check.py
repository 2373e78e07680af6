"""The commands that read a whole survey: to report what is in it, and to rewrite it plainly."""

import typer

from ictconvention.cli.next_command import suggest, suggest_first_training
from ictconvention.cli.run_arguments import SurveyPath
from ictconvention.core.progress import show_progress, wide_console


def check(survey: SurveyPath) -> None:
    """Read a whole survey and report what is in it.

    Exit code 0: sound. Exit code 2: it has flaws, each named with file, object and fix.
    """
    from ictconvention.cli.surveys.audit_report import print_report
    from ictconvention.measuring.audit import audit_survey

    with show_progress("reading") as progress:
        report = audit_survey(survey, progress)
    print_report(report, wide_console())
    if report.flaws:
        raise typer.Exit(2)
    suggest_first_training(report.path)


def compact(survey: SurveyPath) -> None:
    """Rewrite a survey that nights were added to (ingest --into) in the plain form, which reads fastest.

    The survey with its nights, and all its earlier states, moves to a folder beside it, which the runs on these need.
    """
    from ictconvention.survey.growth.compact import compact as rewrite
    from ictconvention.survey.growth.states import SHORTEST_HASH

    with show_progress("writing") as progress:
        made = rewrite(survey, progress)
    states = ", ".join(state[:SHORTEST_HASH] for state in made.states)
    typer.echo(f"before, with the states {states}: {made.before}")
    typer.echo(f"survey: {made.survey.path}")
    suggest("check", made.survey.path)
