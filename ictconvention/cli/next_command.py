"""What a command ends with: the command that most users give next, with their own paths, to be copied.

Only the survey to be predicted is left open, for its own is what a run need not be applied to.

It goes to the standard error: what programs read, the standard output, ends as it always did.
"""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.table import Table

    from ictconvention.reporting.compare import Comparison
    from ictconvention.survey.split import Split
    from ictconvention.survey.survey import Survey

NEW_SURVEY = "NEW_SURVEY"  # a folder that the user has to name


def suggest(*words: str | Path) -> None:
    """Say which command of `ictconvention` comes next; words are quoted for a shell where they need it."""
    from ictconvention.configuration.overrides import command

    sys.stderr.write(f"next: {command(['ictconvention', *map(str, words)])}\n")
    sys.stderr.flush()


def suggest_first_training(path: Path) -> None:
    """After a sound survey: train on it by the usual folds or, where these cannot be drawn, by the first way that can.

    Nothing is suggested that is sure to be refused.
    """
    from ictconvention.api.surveys import split
    from ictconvention.core.errors import SplitError
    from ictconvention.survey.labels.targets import SINGLE, STAGES
    from ictconvention.survey.labels.ways import TooFewError
    from ictconvention.survey.survey import Survey

    survey = Survey.open(path)
    objects = survey.object_table()
    labels = {*zip(objects["class"].tolist(), objects["label_source"].tolist(), strict=True)}
    present = [name for name in survey.header.classes if name in {name for name, _ in labels}]
    if not present and not (survey.has_masks and suggest_mask_training(survey)):
        suggest_redshift_training(survey)
    if len(present) < 2:
        return
    survey = survey if len(present) == len(survey.header.classes) else survey.with_classes(present)
    one_stage = len({source == "photometric" for name, source in labels if name is not None}) < 2  # all equally good
    try:
        suggest_training(survey, split(survey, SINGLE if one_stage else "rotating"))
    except TooFewError as few:
        if few.ways:
            way = few.ways[0]
            words = shlex.split(way.as_keys(STAGES[:1] if one_stage else STAGES))
            suggest("train", *_experiment(survey, one_stage, way.classes), *words)
    except SplitError:  # no split is drawn of such a survey
        return


def suggest_redshift_training(survey: "Survey") -> bool:
    """After a survey with redshifts: learn them, where a fold can be drawn; return whether that was suggested."""
    from ictconvention.api.surveys import split
    from ictconvention.core.errors import SplitError, SurveyError
    from ictconvention.survey.labels.targets import SINGLE

    try:
        drawn = split(survey, SINGLE, task="redshift")
        _check_redshifts(survey)
    except (SplitError, SurveyError):  # no object has one, or too few have, or what a column says is none
        return False
    if taught := bool(drawn.parts["pretrain_validation"]):
        suggest("train", *_redshift_keys(survey, True))
    return taught


def suggest_mask_training(survey: "Survey") -> bool:
    """After a survey with masks: learn them, where a fold can be drawn; return whether that was suggested."""
    from ictconvention.api.surveys import split
    from ictconvention.core.errors import SplitError, SurveyError
    from ictconvention.survey.labels.targets import SINGLE

    try:
        drawn = split(survey, SINGLE, task="mask")
    except (SplitError, SurveyError):  # no pixel is known, or too few chips have one
        return False
    known = survey.count_pixels().any(axis=0).sum()
    if taught := bool(drawn.parts["pretrain_validation"]) and known > 1:
        suggest("train", *_mask_keys(survey))
    return taught


def suggest_training(survey: "Survey", drawn: "Split", *keys: str) -> None:
    """After a split of a survey: train on it, where each stage finds objects of every class, of two at least.

    Parameters
    ----------
    survey : Survey
        The survey, with the classes that were chosen.
    drawn : Split
        A split of it; one stage takes all labels where none is left for another.
    *keys : str
        Further overrides.
    """
    from ictconvention.core.errors import SurveyError
    from ictconvention.survey.labels.targets import STAGES
    from ictconvention.survey.masks.strata import stratum_name

    classes, counts = {*survey.header.classes}, drawn.counts()
    one_stage = not drawn.parts["finetune_train"]
    stages = STAGES[:1] if one_stage else STAGES
    if strata := {*drawn.classes.values()} - classes - {None}:  # of redshift, or of masks
        needed = [*(f"{stage}_{part}" for stage in stages for part in ("train", "validation")), "test"]
        of_masks = survey.has_masks and strata <= {stratum_name(name) for name in classes}
        if not of_masks:
            try:
                _check_redshifts(survey)
            except SurveyError:  # a run refuses them
                return
        if all(counts[part].keys() - {None} for part in needed):
            words = _mask_keys(survey, one_stage) if of_masks else _redshift_keys(survey, one_stage)
            suggest("train", *words, *keys)
        return
    taught = all(counts[part].keys() >= classes for part in (*(f"{stage}_train" for stage in stages), "test"))
    if len(classes) > 1 and taught and all(drawn.parts[f"{stage}_validation"] for stage in stages):
        suggest("train", *_experiment(survey, one_stage), *keys)


def _check_redshifts(survey: "Survey") -> None:
    """Refuse redshifts as a run does that learns them: one below 0, say, which a split does not mind."""
    from ictconvention.tasks.redshift.bins import read_redshifts

    read_redshifts(survey)


def _experiment(survey: "Survey", one_stage: bool, classes: Sequence[str] | None = None) -> list[str]:
    """Return the keys that train on a survey with its chosen classes, unless others are chosen further on."""
    from ictconvention.configuration.overrides import override
    from ictconvention.survey.format import NO_UNIT

    unscaled = survey.header.flux_unit == NO_UNIT  # of photographs; the sky's pictures have a noise that scales them
    own = "my_pictures" if unscaled and survey[0].is_picture else "my_survey"
    experiment = [f"experiment={own}"] if one_stage else ["experiment=ict_sdss", "survey=path"]
    words = [*experiment, override("survey.path", survey.path)]
    if survey.chosen_classes is not None and classes is None:
        words.append(override("survey.classes", list(survey.chosen_classes)))
    return words


def _redshift_keys(survey: "Survey", one_stage: bool) -> list[str]:
    """Return the keys that learn the redshifts of a survey, by a network of pictures where they are such."""
    from ictconvention.configuration.overrides import override

    place, picture = ["survey=path", override("survey.path", survey.path)], survey[0].is_picture
    if picture and one_stage:
        return ["experiment=redshift_direct", *place]
    fold = ["fold=single"] if one_stage else []
    return ["task=redshift", *place, *(["model=cnn2"] if picture else []), "imbalance=none", *fold]


def _mask_keys(survey: "Survey", one_stage: bool = True) -> list[str]:
    """Return the keys that learn the masks of a survey."""
    from ictconvention.configuration.overrides import override

    words = ["task=mask", "model=unet", "survey=path", override("survey.path", survey.path)]
    if survey.chosen_classes is not None:
        words.append(override("survey.classes", list(survey.chosen_classes)))
    own = ["learner=supervised", "augmentation=quarter_turns", "imbalance=none"]
    return [*words, *own, *(["fold=single"] if one_stage else [])]


def suggest_forest(run: Path) -> None:
    """After the forest of a run: predict with both, or of redshifts compare both."""
    from ictconvention.runs.published.places import locate_run
    from ictconvention.runs.run_folder import RunFolder

    if RunFolder(locate_run(run)).read_options().task.kind == "redshift":
        suggest("report", run.parent)
    else:
        suggest_prediction(run, "--forest", "mean")


def suggest_prediction(run: Path, *flags: str) -> None:
    """After a run, or its forest: apply it to a survey that it does not know, whose place is left open.

    What it says of its network is all that is read; where it cannot be, nothing is suggested.
    """
    from ictconvention.core.errors import IctConventionError
    from ictconvention.runs.published.places import locate_run
    from ictconvention.runs.run_folder import RunFolder

    try:
        options = RunFolder(locate_run(run)).read_options()
    except IctConventionError:  # the run has ended well, and this is a hint
        return
    if options.shift.kind == "strata":  # one of its runs alone is refused
        return
    module = options.model.module
    words = [*flags, *(["--module", module] if module else [])]
    suggest("predict", run, NEW_SURVEY, "-o", "predictions.ecsv", *words)


def suggest_prediction_of(sweep: Path, comparison: "Comparison") -> None:
    """After a report: apply the model that the others were compared with, by all of its runs together."""
    runs = comparison.collection.runs
    options = [run.options for run in runs[comparison.lead].values()]
    if any(one.shift.kind == "strata" for one in options):
        return
    names = sorted(
        {one.model.module for of in runs.values() for run in of.values() if (one := run.options).model.module}
    )
    words = [*(["--model", comparison.lead] if len(runs) > 1 else [])]
    words += [word for name in names for word in ("--module", name)]
    suggest("predict", sweep, NEW_SURVEY, "-o", "predictions.ecsv", *words)


def suggest_unlike(survey: Path, table: "Table") -> None:
    """After predictions: look at the object that is least like those of training, where the table says how far."""
    import numpy as np

    if "novelty" not in table.colnames or not len(table):
        return
    novelty = np.ma.filled(np.ma.asarray(table["novelty"], dtype=np.float64), np.nan)
    if not np.isfinite(novelty).any():
        return
    id_ = str(table["id"][int(np.nanargmax(novelty))])
    if not id_.startswith("-"):  # an option, for the command
        suggest("show", survey, id_)
