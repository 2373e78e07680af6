"""Whatever is wrong in a record of a run or a sweep is refused with its file, and costs no sound run anything."""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ictconvention.configuration.registry import find_task
from ictconvention.core.errors import FileSystemError, SplitError, UsageError
from ictconvention.evaluation.novelty import NoveltyReference
from ictconvention.reporting.entry_file import read_entries
from ictconvention.runs.checkpoints import load_checkpoint
from ictconvention.runs.finished_run import find_runs
from ictconvention.runs.run_folder import RunFolder
from ictconvention.runs.trained_run import read_trained
from ictconvention.survey.split import PARTS, Split
from ictconvention.survey.survey import Survey
from ictconvention.sweeping.sweep import Sweep
from tests.core.test_plain_file import ODD, make_odd, within
from tests.refusals import check_refusal, refused
from tests.small_runs import Smoke, read_json

GONE = object()


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def damage(path: Path, place: str, value: object) -> None:
    """Put a value at a place of a JSON file, such as `test.confusion.0`, or take away what is there."""
    content: Any = read_json(path)
    at = content
    *way, last = [int(one) if one.isdigit() else one for one in place.split(".")]
    for one in way:
        at = at[one]
    if value is GONE:
        del at[last]
    else:
        at[last] = value
    path.write_text(json.dumps(content))


def read_record(run: RunFolder, name: str) -> object:
    """Read a record by its own door."""
    doors: dict[str, Callable[[], object]] = {
        "status": run.read_status,
        "result": run.read_result,
        "environment": run.read_environment,
        "split": run.read_split,
        "config": run.read_options,
        "metrics": run.open_metrics,
        "reference": run.read_reference,
        "seen": run.read_seen,
        "predictions": run.read_predictions,
    }
    return doors[name]()


@pytest.mark.parametrize(
    ("file", "place", "value"),
    [
        ("status.json", "hashes", None),
        ("status.json", "hashes.run", 1),
        ("status.json", "seconds", [1.0]),
        ("status.json", "core_seconds", {"pretrain": "ten"}),
        ("status.json", "seconds.pretrain", -1.0),
        ("status.json", "epochs.pretrain", "1"),
        ("status.json", "survey", 5),
        ("status.json", "state", "asleep"),
        ("result.json", "temperature", "1"),
        ("result.json", "logit_shift", 0.5),
        ("result.json", "prior", []),
        ("result.json", "survey", "miniature"),
        ("result.json", "survey.bands", "ugriz"),
        ("result.json", "survey.pixel_scale", 0),
        ("result.json", "survey.name", None),
        ("result.json", "test", []),
        ("result.json", "test.accuracy", None),
        ("result.json", "test.balanced_accuracy", GONE),
        ("result.json", "test.classes", []),
        ("result.json", "test.confusion", None),
        ("result.json", "test.confusion.0", {}),
        ("result.json", "test_uniform.f1_macro", "0.1"),
        ("result.json", "task", {}),
        ("result.json", "parameters", "many"),
        ("result.json", "config", []),
        ("environment.json", "devices", "one"),
        ("environment.json", "nodes", 0),
        ("environment.json", "packages", ["torch"]),
        ("environment.json", "gpus", 2),
        ("split.json", "parts", []),
        ("split.json", "parts.test", "sn0001"),
        ("split.json", "classes", None),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_file_and_place(
    copied: Path, file: str, place: str, value: object
) -> None:
    damage(copied / file, place, value)
    with refused(UsageError, "E-RUN-DAMAGED", place.partition(".")[0], where=f"/{file}"):
        read_record(RunFolder(copied), file.partition(".")[0])


@pytest.mark.parametrize("name", ["status", "result", "environment", "split", "config", "metrics", "reference", "seen"])
def test_no_record_of_a_run_is_anything_but_a_plain_file(copied: Path, name: str) -> None:
    run = RunFolder(copied)
    path: Path = getattr(run, name)
    for kind in ("a folder", "a pipe", "a link to a device"):
        path.unlink()
        make_odd(copied.parent, kind).rename(path)
        with within(5), pytest.raises((FileSystemError, UsageError)) as caught:
            read_record(run, name)
        check_refusal(caught.value, "E-RUN-DAMAGED" if name == "reference" else "E-FILES-KIND", where=path)
        if path.is_dir():
            path.rmdir()
            path.touch()


@pytest.mark.parametrize("name", ["status", "environment", "split", "metrics"])
@pytest.mark.parametrize("kind", ["a link to nowhere", "a link in a circle"])
def test_a_record_that_is_a_link_which_leads_nowhere_is_not_taken_for_a_new_run(
    copied: Path, name: str, kind: str
) -> None:
    path: Path = getattr(RunFolder(copied), name)
    path.unlink()
    path.symlink_to("nowhere" if kind == "a link to nowhere" else path)
    with refused(FileSystemError, "E-FILES-MISSING" if kind == "a link to nowhere" else "E-FILES-KIND", where=path):
        read_record(RunFolder(copied), name)


@pytest.mark.parametrize("name", ["status", "result", "environment", "split", "config"])
def test_a_record_that_is_nested_without_end_is_refused(copied: Path, name: str) -> None:
    path: Path = getattr(RunFolder(copied), name)
    path.write_text("[" * 100_000)
    with refused(UsageError, "E-RUN-DAMAGED", where=path):
        read_record(RunFolder(copied), name)


def fitting(path: Path) -> None:
    """Give an edited split the hash that fits."""
    content = read_json(path)
    own = {one.name: content[one.name] for one in fields(Split)}
    content["hash"] = sha256(json.dumps(own, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((f"parts.{part}", GONE) for part in PARTS),
        ("parts.test", None),
        ("parts.test.0", 5),
        ("parts", [["sn0001"]]),
        ("classes", ["AGN"]),
        ("classes.sn0001", 3),
        ("classes.sn0001", GONE),
        ("excluded", None),
        ("excluded", {"sn0001": None}),
        ("rule", "single"),
        ("rule.index", "0"),
        ("rule.seed", None),
        *((f"rule.{name}", GONE) for name in ("protocol", "index", "count", "seed")),
        ("rule.count", -1),
        ("linking_length", None),
        ("linking_length", "9"),
        ("linking_length", -1),
    ],
)
def test_a_split_of_wrong_types_is_refused_also_where_its_hash_fits(
    copied: Path, work: Path, place: str, value: object
) -> None:
    path = copied / "split.json"
    damage(path, place, value)
    fitting(path)
    with refused(SplitError, "E-SPLIT-FORMAT", where="/split.json"):
        Split.load(path, Survey.open(work / "miniature").object_table())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("jobs", None),
        ("jobs", {}),
        ("jobs.0", "job"),
        ("jobs.0.folder", 5),
        ("jobs.0.folder", GONE),
        ("jobs.0.state", None),
        ("jobs.0.log", []),
        ("jobs.0.seconds", "ten"),
        ("jobs.0.model", 1),
        ("seconds", None),
        ("seconds", "1"),
    ],
)
def test_an_edited_record_of_a_sweep_is_refused(tmp_path: Path, place: str, value: object) -> None:
    job: dict[str, Any] = {
        "folder": "a",
        "state": "finished",
        "log": None,
        "seconds": 1.0,
        "model": None,
        "title": "",
        "overrides": [],
    }
    (tmp_path / "sweep.json").write_text(json.dumps({"seconds": 1.0, "jobs": [job]}))
    damage(tmp_path / "sweep.json", place, value)
    doors: tuple[Callable[[], object], ...] = (lambda: find_runs(tmp_path), lambda: Sweep(tmp_path, []))
    for door in doors:
        with refused(UsageError, "E-RUN-DAMAGED", place.split(".")[0], where="/sweep.json"):
            door()


def test_a_damaged_neighbour_costs_a_sound_run_nothing(finished: Path, smoke: Smoke, tmp_path: Path) -> None:
    """In every folder beside it, whatever is wrong there: the sound run is read, and trains."""
    neighbours = [Path(shutil.copytree(finished, tmp_path / "runs" / "ict_sdss" / f"n{number}")) for number in range(4)]
    values: tuple[object, ...] = (None, [], "x", {"run": None})
    for neighbour, value in zip(neighbours, values, strict=True):
        damage(neighbour / "status.json", "hashes", value)
    sound = smoke("experiment=light_curve_sdss", f"runs={tmp_path / 'runs'}")
    runs, left_out = find_runs(tmp_path / "runs")
    assert [run.folder for run in runs] == [sound]
    assert len(left_out) == 4


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (lambda c: c["state_dict"].pop(next(iter(c["state_dict"]))), "E-WEIGHTS-MISMATCH"),
        (lambda c: c["state_dict"].update(more=torch.zeros(1)), "E-WEIGHTS-MISMATCH"),
        (lambda c: c["state_dict"].update({next(reversed(c["state_dict"])): torch.zeros(7, 7)}), "E-WEIGHTS-MISMATCH"),
        (lambda c: c.update(state_dict=[1, 2]), "E-WEIGHTS-DAMAGED"),
        (lambda c: c.update(state_dict={"a": 1}), "E-WEIGHTS-DAMAGED"),
        (lambda c: c.update(task=[]), "E-WEIGHTS-DAMAGED"),
        (lambda c: c.update(optimizer_states={}), "E-WEIGHTS-DAMAGED"),
        (lambda c: c.update(optimizer_states=[{"state": [], "param_groups": []}]), "E-WEIGHTS-DAMAGED"),
    ],
)
def test_a_checkpoint_of_other_contents_is_refused(copied: Path, how: Callable[[Any], object], code: str) -> None:
    path = RunFolder(copied).weights("finetune")
    content = torch.load(path, weights_only=True)
    how(content)
    torch.save(content, path)
    with refused(UsageError, code, where=path):
        read_trained(copied)


@pytest.mark.parametrize("kind", ODD)
def test_no_checkpoint_is_anything_but_a_plain_file(tmp_path: Path, kind: str) -> None:
    with within(5), pytest.raises(FileSystemError):
        load_checkpoint(make_odd(tmp_path, kind))


def test_no_flipped_bit_in_the_predictions_goes_beyond_their_door(copied: Path) -> None:
    """Each is refused, or changes nothing that is read."""
    run = RunFolder(copied)
    path, sound = run.predictions(), run.read_predictions()
    content = path.read_bytes()
    refusals = set()
    for place in np.random.default_rng(0).integers(0, 8 * len(content), 100).tolist():
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(bytes(flipped))
        try:
            found = run.read_predictions()
        except UsageError as error:
            refusals.add(error.code)
        else:
            assert {row: x.tolist() for row, x in found.rows.items()} == {
                row: x.tolist() for row, x in sound.rows.items()
            }
            assert (found.label.tolist(), found.ids.tolist()) == (sound.label.tolist(), sound.ids.tolist())
    assert {"E-RUN-DAMAGED"} <= refusals <= {"E-RUN-DAMAGED", "E-RUN-EDITED"}


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (" + b"9" * 500 + b",)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        b"{" * 300,
        b"nonsense",
        b"{'descr': 'x', 'fortran_order': 0, 'shape': 1}",
    ],
)
def test_a_nonsense_header_of_an_array_is_refused(tmp_path: Path, header: bytes) -> None:
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
    path = tmp_path / "reference.npz"
    with zipfile.ZipFile(path, "w") as packed:
        for name in ("means", "precision", "validation"):
            packed.writestr(f"{name}.npy", array)
    with refused(UsageError, "E-RUN-DAMAGED", where=path):
        NoveltyReference.load(path)


@pytest.mark.parametrize("kind", ["a folder", "a pipe"])
def test_predictions_of_no_run_are_read_by_the_same_door(tmp_path: Path, kind: str) -> None:
    with within(5), refused(FileSystemError, "E-FILES-KIND"):
        read_entries(make_odd(tmp_path, kind), find_task("classes")(("AGN",)))
