"""The finished runs that teach another, found and checked: of the same survey and classes, and innocent of its test."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ictconvention.configuration.identity import CELL, leave_out
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import SplitError, UsageError, short_hash, shorten
from ictconvention.core.output_place import SWEEP_MARK
from ictconvention.runs.assembly.run_hash import digest
from ictconvention.runs.checkpoints import weights_hash
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.published.places import locate_run, repository
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.run_record import names_of
from ictconvention.runs.warm_start import check_unseen
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey

KEY = "learner.teacher"
SAME_FOLD = "take runs of the same fold as teachers"
ALONE = f"or name the runs that are to teach: '{KEY}=[FOLDER,FOLDER]'"


@dataclass(frozen=True)
class Teachers:
    """The runs that teach another; none by default.

    Parameters
    ----------
    folders : tuple of Path
        Their folders, in the order of the hashes, whichever was named first.
    hashes : tuple of str
        What each predicts by: of its options, weights and calibration, not of its place.
    left_out : tuple of str
        The runs of sweeps that cannot teach this one, and why.
    """

    folders: tuple[Path, ...] = ()
    hashes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def runs(self) -> list[RunFolder]:
        """Their folders, to be read."""
        return [RunFolder(folder) for folder in self.folders]

    @property
    def record(self) -> dict[str, Any]:
        """What the result of the run that they teach says of them.

        `hashes` are theirs; `model` is the same for the teachers of every fold and seed of one model.
        """
        results = [run.read_result() for run in self.runs]
        beside = ("init_from", "version", "precision", "weights", "sources")  # what is no word of the configuration
        models = [
            {**leave_out(result["config"], RunOptions, CELL), "name": None, "beside": [result.get(x) for x in beside]}
            for result in results
        ]
        told = [result.get("teacher", {}).get("model") for result in results]
        alike = sorted(digest(model) for model in zip(models, told, strict=True))
        return {"hashes": list(self.hashes), "model": digest(alike)}

    @property
    def said(self) -> str:
        """The same in words."""
        names = shorten([run.title for run in self.runs], 4)
        return f"teacher: {'the mean of ' * (len(self.folders) > 1)}{names}"


def find_teachers(options: RunOptions, split: Split, survey: Survey) -> Teachers:
    """Return the runs that a run is taught by.

    A run of a sweep that has trained on what is tested or validates here, such as one of another fold, is left out; one
    that is named by itself is refused, and so is a sweep of which none is left.

    Raises
    ------
    UsageError
        One is not there, not finished, of another survey or of other classes, or has learned something else.
    SplitError
        One has trained on an object that this run tests or validates on, as of `check_unseen`.
    """
    found: dict[str, Path] = {}
    left_out: list[str] = []
    for name in options.learner.teachers:
        if repository(name):
            fix = f"download it, and give its folder: {KEY}=FOLDER"
            raise UsageError(f"{name} is on a hub, whose branches move", KEY, fix, "E-CONFIG-VALUE")
        of_name: dict[str, Path] = {}
        leak: SplitError | None = None
        for folder, alone in _named(locate_run(name)):
            _check_kind(RunFolder(folder), options, survey)
            try:
                check_unseen(folder, split, survey, SAME_FOLD)
            except SplitError as error:
                if alone:
                    raise
                leak = error
                left_out.append(f"{RunFolder(folder).title}: {error.found}")
                continue
            of_name[_hash_of(RunFolder(folder))] = folder
        if leak is not None and not of_name:
            raise leak
        found |= {one: folder for one, folder in of_name.items() if one not in found}
    hashes = sorted(found)
    return Teachers(tuple(found[one] for one in hashes), tuple(hashes), tuple(left_out))


def _named(path: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the runs that a name is of, and whether it is of one alone."""
    if not (path / SWEEP_MARK).is_file() or RunFolder(path).is_run:
        RunFolder(path).read_options()  # names the runs that may have been meant
        yield path, True
        return
    runs, others = find_runs(path)
    if others:
        found = f"a run of this sweep cannot teach: {shorten(others, 3)}"
        raise UsageError(found, path, f"finish the sweep by its command, {ALONE}", "E-RUN-UNFINISHED")
    yield from ((run.folder, False) for run in runs)


def _check_kind(run: RunFolder, options: RunOptions, survey: Survey) -> None:
    """Refuse a run that is not finished, or that says nothing of the classes of the objects of this survey."""
    result = run.read_result("survey", "split", "prior")
    run.last_weights()
    known, kind = run.read_options(), options.task.kind
    if known.task.kind != kind:
        found = f"that run has learned {known.task.kind}, and this one learns {kind}"
        raise UsageError(found, run.path, f"take a teacher of task={kind}", "E-RUN-TASK")
    bands = result["survey"].get("bands") == list(survey.header.bands)
    if (there := result["survey"].get("hash")) not in (survey.hash, *survey.lineage) or not bands:
        hashes = f"{short_hash(str(there))}, and this one is of {short_hash(survey.hash)}"
        found = f"that run is of another survey than this one, or of other bands of it: of the hash {hashes}"
        raise UsageError(found, run.path, "train a teacher on this survey", "E-SURVEY-MISMATCH")
    names = survey.header.classes
    if (learned := names_of(result)) != list(names):
        found = f"that run tells apart {', '.join(learned)}, and this one {', '.join(names)}"
        raise UsageError(found, run.path, "take a teacher of the same classes, in their order", "E-CLASS-UNKNOWN")
    if run.read_seen() is None:
        found = "that run keeps no list of the objects that it has seen: it is older, or has lost it"
        raise UsageError(found, run.path, "train it again by this version", "E-RUN-VERSION")


def _hash_of(run: RunFolder) -> str:
    """Return the hash of what a run predicts by."""
    result, known = run.read_result(), run.read_status().get("hashes", {})
    calibration = [result.get(name) for name in ("temperature", "logit_shift", "prior")]
    return digest([known.get("run"), weights_hash(run.last_weights()), *calibration])
