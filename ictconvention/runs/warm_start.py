"""First weights: of another run, perhaps of other classes and bands, where names decide what is kept; or of a file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ictconvention.configuration.identity import SHAPES, values_with
from ictconvention.configuration.overrides import command, override
from ictconvention.configuration.registry import find_network
from ictconvention.configuration.schema import RunOptions
from ictconvention.core.errors import SplitError, UsageError, pluralize, shorten
from ictconvention.learning.learner import Learner
from ictconvention.networks.network import Places, Rows
from ictconvention.networks.pictures.picture_network import PictureNetwork
from ictconvention.networks.pictures.weight_file import take_weight_file
from ictconvention.runs.assembly.run_learner import survey_shape
from ictconvention.runs.checkpoints import check_weights, load_checkpoint
from ictconvention.runs.published.places import locate_run, pin_run
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.run_record import warn_of_changed_code
from ictconvention.survey.bands import lineage_of
from ictconvention.survey.labels.groups import positions_of as places_of
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey

APART = 2 / 3600  # [deg]; objects of one id that are further from each other are two


def pin_start(options: RunOptions, words: Sequence[str]) -> tuple[RunOptions, tuple[str, ...]]:
    """Return options, and the words that ask for them, which name the commit where they begin with a run of a hub.

    A branch may move, and then the same words would begin with other weights. Errors are those of `locate_run`.
    """
    given = options.init_from
    if given is None or (pinned := pin_run(given)) == given:
        return options, tuple(words)
    others = [word for word in words if word.lstrip("+").partition("=")[0] != "init_from"]
    return replace(options, init_from=pinned), (*others, override("init_from", pinned))


def check_start(folder: str | Path, options: RunOptions, split: Split, survey: Survey) -> None:
    """Refuse to begin with a run that is not finished, of another architecture, or that has trained on what is tested.

    Raises
    ------
    UsageError
        It is not finished, a run before it is gone, or the keys that are named differ.
    SplitError
        It has seen objects, of the same survey, that are to be tested or to validate here; or a run before it has.
    """
    start = RunFolder(folder)
    seen_before = start.read_options()
    start.last_weights()
    there, here = values_with(seen_before, SHAPES), values_with(options, SHAPES)
    differ = [override(key, value) for key, value in there.items() if here.get(key) != value]
    if differ:
        raise UsageError(
            "that run is of another architecture",
            folder,
            f"take {command(differ)}, as that run did",
            "E-WEIGHTS-MISMATCH",
        )
    warn_of_changed_code(seen_before, start.read_result(), start.result)
    check_unseen(folder, split, survey, "begin with a run of the same fold, or of another survey")


def check_unseen(folder: str | Path, split: Split, survey: Survey, fix: str) -> None:
    """Refuse a finished run that has trained on what is tested or validates, or of which a run before it has.

    Before it are the runs that it began with, and those that taught it.

    Parameters
    ----------
    folder : str or Path
        Folder of the run.
    split : Split
        Parts of the run that is to be.
    survey : Survey
        Survey of the same.
    fix : str
        What to do instead.

    Raises
    ------
    SplitError
        It has seen such objects.
    UsageError
        A run before it is gone, or what those have seen.
    """
    tested, validating, _ = _uses(survey, split.parts)
    before: Path | None = Path(folder)
    while before is not None:
        if not before.is_dir():
            gone = "put it back in its place, or begin with another run"
            raise UsageError(
                "a run that came before is gone, so that nobody can say what it has seen", before, gone, "E-RUN-MISSING"
            )
        run = RunFolder(before)
        own, options = run.read_split()["parts"], run.read_options()
        earlier, taught = options.init_from, options.learner.teacher is not None
        _, chose, used = _uses(survey, own)
        both = (tested & used) | (validating & used & ~chose)
        said = run.read_result().get("survey", {})
        if lineage_of(survey).isdisjoint({said.get("hash"), said.get("origin")}):
            both[:] = False  # ids of another survey are other objects; those of other bands of it are not
        before = None
        if taught or (run.is_published and earlier is not None):  # it carries what they have seen, and not these runs
            trained, validated = _seen_before(run, survey)
            both |= tested & (trained | validated) | validating & trained
        if earlier is not None and not run.is_published:
            before = locate_run(earlier)
        if both.any():
            number = pluralize(int(np.count_nonzero(both)), "object")
            found = f"{number} that this run would test or validate on trained that one: "
            raise SplitError(found + shorten(sorted(survey.ids.where(both))), run.path, fix, "E-SPLIT-LEAK")


def _seen_before(run: RunFolder, survey: Survey) -> NDArray[np.bool_]:
    """Return which objects of a survey trained a run or one before it, and which validated it, as it says, (2, n).

    Objects are the same by their ids, unless they lie apart.
    """
    seen = np.zeros((2, len(survey) + 1), dtype=bool)  # the last: of another survey
    if (known := run.read_seen()) is None:
        fix = "publish it again" if run.is_published else "restore it from a copy, or train the run again"
        raise UsageError(f"it has lost its {run.seen.name}", run.path, fix, "E-RUN-DAMAGED")
    at = survey.ids.positions(known.column("id").to_pylist())
    here = np.column_stack(
        [np.append(np.asarray(x, dtype=np.float64), np.nan) for x in places_of(survey.object_table())]
    )[at]
    there = np.column_stack([known.column(name).to_numpy() for name in ("ra", "dec")])
    cosine = np.cos(np.radians(there[:, 1]))
    around = (here[:, 0] - there[:, 0] + 180) % 360 - 180
    apart = np.hypot(around * cosine, here[:, 1] - there[:, 1]) > APART  # NaN where a place is not known: one object
    validated = np.array([part.endswith("_validation") for part in known.column("part").to_pylist()])
    for one, those in zip(seen, (~validated, validated), strict=True):
        one[at[~apart & those]] = True
    return seen[:, :-1]


def _uses(survey: Survey, parts: Mapping[str, Sequence[str]]) -> NDArray[np.bool_]:
    """Return which objects of a survey test, validate, and are used to train or validate, (3, n)."""
    uses = np.zeros((3, len(survey) + 1), dtype=bool)  # the last: of another survey
    for part, ids in parts.items():
        kinds = np.flatnonzero(["test" in part, part.endswith("_validation"), "test" not in part])
        uses[kinds[:, None], survey.ids.positions(ids)] = True
    return uses[:, :-1]


def start_from(learner: Learner, folder: str | Path) -> str:
    """Give a new learner the weights of a run, and return what was taken and what is new.

    The scaling stays that of the new data, and what learns fluxes is new; the rows of classes and the places of bands
    go by name.

    Raises
    ------
    UsageError
        The weights do not fit.
    """
    weights = RunFolder(folder).last_weights()
    checkpoint = load_checkpoint(weights)
    try:
        task = checkpoint["task"]
        old_classes, old_bands = list(task["classes"]), list(task["bands"])
    except (KeyError, TypeError):
        fix = "train it again by this version"
        raise UsageError(
            "these weights do not say of which classes and bands they are", folder, fix, "E-WEIGHTS-MISMATCH"
        ) from None
    if (known := bool(task.get("reddening", False))) != learner.spec.reddening:
        which = ("did not know E(B-V), and this one does", "knew E(B-V), and this one does not")[known]
        fix = "set model.reddening=false" if learner.spec.reddening else "take a survey with the column ebv"
        raise UsageError(f"that run {which}", folder, fix, "E-WEIGHTS-MISMATCH")
    own, before = learner.state_dict(), checkpoint["state_dict"]
    check_weights(own, checkpoint, weights)
    classes, bands = _places(learner.spec.classes, old_classes), _places(learner.spec.bands, old_bands)
    moved = _class_rows(learner, classes) | _band_places(learner, bands, len(old_bands), folder)
    new: dict[str, Tensor] = {}
    for name, value in own.items():
        if name.startswith(("inputs.scaling.", "flux.")):
            new[name] = value
        elif name in moved and name in before and _alike(value, before[name], moved[name][0]):
            new[name] = _moved(value, before[name], *moved[name])
        elif name not in moved and name in before and before[name].shape == value.shape:
            new[name] = before[name]
        else:
            fix = f"take stamps of the same size and the options of that run, in its {RunFolder(folder).config.name}"
            raise UsageError(f"the weights of that run do not fit: {name}", folder, fix, "E-WEIGHTS-MISMATCH")
    learner.load_state_dict(new)
    fresh = [
        f"new weights for {what} {shorten(names)}"
        for what, names in (
            ("class", [c for c, place in zip(learner.spec.classes, classes, strict=True) if place is None]),
            ("band", [b for b, place in zip(learner.spec.bands, bands, strict=True) if place is None]),
        )
        if names
    ]
    return f"weights of {folder}" + "".join(f"; {words}" for words in fresh)


def check_weight_file(options: RunOptions, file: str, survey: Survey) -> None:
    """Refuse a file of weights that a network for a survey cannot take; errors as of `take_weight_file`.

    Raises
    ------
    UsageError
        The network cannot be built for the survey.
    """
    kind = find_network(options.model.kind, options.model.module).network
    try:
        network = kind.make(options.model, survey_shape(options, survey))
    except ValueError:
        return  # what is wrong is not the file; it is said where the network is built for training
    take_weight_file(network, file)


def start_from_file(learner: Learner, file: str) -> str:
    """Give the networks of a learner the weights of a file, and return what was taken; as `take_weight_file`."""
    said = [
        take_weight_file(network, file) for network in learner.trunks.values() if isinstance(network, PictureNetwork)
    ]
    return said[0]  # of the target network it is the same


def _places(names: tuple[str, ...], before: list[str]) -> Places:
    return [before.index(name) if name in before else None for name in names]


def _class_rows(learner: Learner, classes: Places) -> Rows:
    """Return the rows of the layers that give a logit for each class; none where a task makes them of others."""
    if learner.task.outputs != len(classes):
        return {}
    return {f"{layer}.{part}": (0, classes) for layer in learner.output_layers for part in ("weight", "bias")}


def _band_places(learner: Learner, bands: Places, before: int, folder: str | Path) -> Rows:
    """Return the places of bands in the weights."""
    rows: Rows = {}
    for name, network in learner.trunks.items():
        placed = network.place_bands(bands, before)
        if placed is None:
            if bands == list(range(before)):
                return {}
            kind = type(network).__name__
            found = f"{kind} does not say which of its weights belong to a band, and these are other bands than before"
            raise UsageError(
                found, folder, "begin with a run of the same bands, or give it place_bands", "E-WEIGHTS-MISMATCH"
            )
        rows |= {f"{name}.{tensor}": place for tensor, place in placed.items()}
    return rows


def _alike(value: Tensor, before: Tensor, dimension: int) -> bool:
    return value.select(dimension, 0).shape == before.select(dimension, 0).shape


def _moved(value: Tensor, before: Tensor, dimension: int, places: Places) -> Tensor:
    """Return the new weights with those of the known places before.

    Raises
    ------
    ValueError
        There are other places than rows.
    """
    if len(places) != value.shape[dimension]:
        raise ValueError(f"{len(places)} places were given for {value.shape[dimension]} along dimension {dimension}")
    value = value.clone()
    for new, old in enumerate(places):
        if old is not None:
            value.select(dimension, new).copy_(before.select(dimension, old))
    return value
