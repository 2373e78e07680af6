"""Where an answer to a shift has no meaning: refused before a run begins."""

from ictconvention.configuration.schema import RunOptions
from ictconvention.configuration.stages import labelled_stages
from ictconvention.core.errors import SplitError, UsageError, pluralize
from ictconvention.evaluation.shift.propensity import LEAST
from ictconvention.survey.labels.selected import SELECTED, read_selected
from ictconvention.survey.split import UNLABELLED_PART, Split
from ictconvention.survey.survey import Survey

MEASURED = ("weights", "strata", "adversarial")  # the answers for which a classifier tells who is to be predicted

SIMULATE = "; simulated galaxies are selected: survey=galaxies survey.select=magnitude (or redshift, colour)"


def check_shift(options: RunOptions, survey: Survey, split: Split) -> None:
    """Refuse an answer to a shift of a survey that has none.

    Raises
    ------
    UsageError
        The survey does not say which objects are selected, or all or none are.
    SplitError
        Too few objects train, or too few of those to be predicted are at hand.
    """
    kind = options.shift.kind
    if kind == "none":
        return
    selected, where = read_selected(survey.object_table()), "shift.kind"
    if selected is None:
        found = f"shift.kind is {kind}, and no column `{SELECTED}` of the survey says which objects have a redshift"
        fix = f"write the survey with a column {SELECTED} of true and false, or take shift=none{SIMULATE}"
        raise UsageError(found, where, fix, "E-CONFIG-CONFLICT")
    if selected.all() or not selected.any():
        which = "all" if selected.all() else "none"
        found = (
            f"shift.kind is {kind}, and {which} of {pluralize(len(selected), 'object')} are selected: none is shifted"
        )
        raise UsageError(found, where, f"take shift=none, or another survey{SIMULATE}", "E-CONFIG-CONFLICT")
    if kind not in MEASURED:
        return
    for part in (f"{labelled_stages(options)[-1]}_train", UNLABELLED_PART):
        if (number := len(split.parts[part])) < LEAST:
            found = f"shift.kind is {kind}, and the part {part} has {pluralize(number, 'object')}"
            fix = f"put {LEAST} or more into it, or take shift=none"
            raise SplitError(found, f"split of survey {survey.header.name}", fix, "E-SPLIT-EMPTY")
