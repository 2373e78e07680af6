"""Whether a survey is one that a trained network can be applied to: the same bands, pixels, unit and classes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.identity import SHAPES, values_with
from ictconvention.configuration.overrides import command, override
from ictconvention.configuration.registry import find_network
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.feeding.reddening import WITHOUT, has_reddening
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.simulation.galaxies.bands import BAND_SETS
from ictconvention.survey.format import holds_pictures, ingest_command, unit_in_words
from ictconvention.survey.labels.redshifts import REDDENING
from ictconvention.survey.photometry.table import check_photometry
from ictconvention.survey.survey import Survey

SAME_SCALE = 0.02  # largest relative difference of the pixel scales
CHOICES = ("experiment", "profile", "model", "learner", "task")  # groups that make a network, and its cost
NANOMAGGIES = {"nanomaggy": 1.0, "nmgy": 1.0, "nJy": 1 / 3631, "uJy": 1 / 3.631, "mJy": 1e3 / 3.631, "Jy": 1e6 / 3.631}


def open_for(run: TrainedRun, path: str | Path) -> Survey:
    """Open a survey that a run is to be applied to.

    Raises
    ------
    SurveyError
        It is none; of a folder of pictures the message says how a survey is made of them, of the size that the run
        knows.
    """
    try:
        return Survey.open(path)
    except SurveyError as error:
        if error.code != "E-SURVEY-FORMAT" or not holds_pictures(folder := Path(path)):
            raise
        fix = ingest_command(folder, run.spec.stamp_size)
        raise SurveyError(error.found, error.where, fix, error.code) from None


def check_survey_fits(run: TrainedRun, survey: Survey) -> None:
    """Refuse a survey that the network of a run does not know how to read.

    Raises
    ------
    UsageError
        The survey has other bands, pixels of another size, another stamp or flux unit, or what the task of the run does
        not know, such as another class, or lacks photometry that the network takes; the message says what, by which
        factor, and how a network is trained for it.
    """
    header, spec = survey.header, run.spec

    def begin() -> str:  # composed for a refusal alone: it takes longer than all the checks
        return f"train a network for it that begins with this one: {_beginning(run, survey)}"

    def refused(found: str, *fixes: str) -> UsageError:
        return UsageError(found, survey.path, ", or ".join(fix for fix in fixes if fix), "E-SURVEY-UNSUITED")

    if set(header.bands) != set(spec.bands):
        lacks = [name for name in spec.bands if name not in header.bands]
        besides = [name for name in header.bands if name not in spec.bands]
        parts = [f"{word} {', '.join(names)}" for word, names in (("lacks", lacks), ("has besides", besides)) if names]
        without = "" if lacks else f"leave them out (ingest with {command(['--bands', ','.join(spec.bands)])})"
        sets = [number for number, one in BAND_SETS.items() if {*one.names} == {*spec.bands}]
        if _is_simulated(survey, "galaxies") and sets:
            without = f"simulate it with these (--bands {sets[0]}; of a run survey.band_set={sets[0]})"
        found = f"this survey {' and '.join(parts)}; the network knows the bands {', '.join(spec.bands)}"
        raise refused(found, without, begin())
    there = float(run.survey["pixel_scale"])
    if abs((ratio := header.pixel_scale / there) - 1) > SAME_SCALE:
        size = f"{header.pixel_scale:g} arcsec, {ratio:.3g} times the {there:g} of the training survey"
        raise refused(f"this survey has pixels of {size}", begin())
    if (stamp := header.stamp_size) != (taken := spec.stamp_size):
        found = f"this survey has stamps of {stamp} x {stamp} pixels, the network takes {taken} x {taken}"
        again = any(_is_simulated(survey, kind) for kind in ("galaxies", "hosts", "scenes"))
        simulate = f"simulate it so (--size {taken}; of a run survey.size={taken})"
        cut = f"cut them so (--size {taken})"
        if run.task.learns_masks:  # chips are not cut in ingestion, and scenes may have any size
            cut = "cut the files so and ingest them again, or predict the files (of any size): predict RUN FOLDER"
        raise refused(found, simulate if again else cut)
    if header.flux_unit != (unit := str(run.survey["flux_unit"])):
        factor = NANOMAGGIES.get(header.flux_unit, 0.0) / NANOMAGGIES.get(unit, float("inf"))
        if factor != 1:
            multiply = f"multiply its pixels by {factor:.6g}" if factor else ""
            found = f"this survey is in {header.flux_words}, the network knows {unit_in_words(unit)}"
            raise refused(found, multiply, begin())
    if spec.reddening and not has_reddening(survey):
        found = f"this survey has no column {REDDENING}, and the network knows E(B-V) of each object"
        raise refused(found, f"give its objects the column {REDDENING} [mag]", WITHOUT)
    if spec.points:
        check_photometry(survey)
    left_out = run.survey.get("classes_left_out", ())
    others = [name for name in header.classes if name not in left_out]
    labelled = survey.with_classes(others) if others and len(others) < len(header.classes) else survey
    if (others or not header.classes) and (misfit := run.task.find_misfit(labelled)) is not None:
        raise refused(*misfit, begin())


def _is_simulated(survey: Survey, kind: str) -> bool:
    """Return whether `ictconvention simulate --kind` has made a survey."""
    return survey.header.simulated and f"--kind {kind} " in f"{survey.header.provenance.get('made by')} "


def places_of_bands(run: TrainedRun, survey: Survey) -> NDArray[np.int64]:
    """Return the place of each of the survey's bands among those of the network, (bands,)."""
    return np.array([run.spec.bands.index(name) for name in survey.header.bands], dtype=np.int64)


def _beginning(run: TrainedRun, survey: Survey) -> str:
    """Return the command that trains a network for a survey, of this kind and beginning with these weights."""
    place = ["survey=path", override("survey.path", str(survey.path))]
    words = [*place, override("init_from", str(run.folder))]
    choices = [word for word in RunFolder(run.folder).read_overrides() if word.partition("=")[0] in CHOICES]
    choices, usual = _compose(run, choices, place)  # an experiment may leave the survey open
    if usual is None:  # a choice of another version
        choices, usual = [], compose_run([])
    for group in ("model", "learner", "task"):  # their choices have the names of their kinds
        if (kind := getattr(run.options, group).kind) != getattr(usual, group).kind:
            choices = [word for word in choices if not word.startswith(f"{group}=")] + [f"{group}={kind}"]
    if run.options.model.module is not None and find_network(run.options.model.kind).source is not None:
        words.append(override("model.module", run.options.model.module))
    choices, usual = _compose(run, choices, place)
    own, there = values_with(run.options, SHAPES), {} if usual is None else values_with(usual, SHAPES)
    differ = [override(key, value) for key, value in own.items() if key not in there or there[key] != value]
    return f"python train.py {command([*words, *choices, *differ])}"


def _compose(run: TrainedRun, choices: list[str], place: list[str]) -> tuple[list[str], RunOptions | None]:
    """Compose choices, with what they may need where they alone are refused: the words, and no options if all are."""
    channels = override("pixels.channels", run.options.pixels.channels)  # a network may need residuals
    for needed in ([], [channels], ["augmentation=quarter_turns"]):  # and a mask exact turns
        words = [*choices, *needed]
        try:
            return words, compose_run([*words, *place])
        except UsageError:
            continue
    return choices, None
