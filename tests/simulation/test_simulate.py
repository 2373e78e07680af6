"""A simulated survey is the same for any number of jobs, whole or not there, and sound."""

import errno
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.core.errors import FileSystemError, SurveyError, UsageError
from ictconvention.core.growing_array import GrowingArray
from ictconvention.evaluation.ceiling import label_ceiling
from ictconvention.measuring.audit import audit_survey
from ictconvention.simulation import simulate as simulate_module
from ictconvention.simulation import writing
from ictconvention.simulation.sdss import scene as observed_module
from ictconvention.simulation.sdss.population import Population
from ictconvention.simulation.sdss.scene import is_detected, observe_object, scene
from ictconvention.simulation.simulate import simulate
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.conftest import image_series
from tests.refusals import refused

OBJECTS, EXTRA = 100, 20


@pytest.fixture(autouse=True, scope="module")
def small_shards() -> Iterator[None]:
    """Three shards of so few objects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "SHARD_OBJECTS", 50)
        yield


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return simulate(tmp_path_factory.mktemp("sim") / "survey", OBJECTS, seed=5, jobs=2, extra_test=EXTRA)


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_is_a_sound_survey(simulated: Survey) -> None:
    report = audit_survey(simulated.path)
    assert report.flaws == []
    assert report.header.simulated
    assert len(simulated) == OBJECTS + 24 + EXTRA
    assert len(list(simulated.path.glob("shard-*"))) == 3
    assert report.nonfinite == pytest.approx(0)
    assert report.header.provenance["made by"] == "ictconvention simulate --objects 100 --seed 5 --extra-test 20"


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_jobs(simulated: Survey, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", OBJECTS, seed=5, jobs=1, extra_test=EXTRA)
    assert digest(again.path) == digest(simulated.path)
    same, other = (observe_object(Population(OBJECTS, seed, EXTRA), 0)["frames"] for seed in (5, 6))
    np.testing.assert_array_equal(simulated[0].frames, same.astype(simulated[0].frames.dtype))
    assert not np.array_equal(same, other)


def test_it_can_be_split_and_the_additional_objects_are_apart(simulated: Survey) -> None:
    objects = simulated.object_table()
    split = make_split(objects)
    assert set(split.parts["extra_test"]) == set(objects["id"][np.asarray(objects["extra_test"])])
    assert len(split.parts["extra_test"]) == EXTRA


def test_every_object_was_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written was above the detection limit on some night."""
    seen: list[bool] = []

    def remembering(*arguments: Any) -> bool:
        seen.append(is_detected(*arguments))
        return seen[-1]

    monkeypatch.setattr(observed_module, "is_detected", remembering)
    population = Population(300, 5, 40)
    for number in range(0, 300, 5):
        scene(population, number)
        assert seen[-1]
    assert not all(seen)  # and some were drawn again


def test_frames_hold_the_catalogued_flux_of_stars() -> None:
    population = Population(OBJECTS, 5)
    ratios = []
    for star in map(population.draw, range(OBJECTS)):
        r = star.magnitudes[2]
        if not (star.stratum.label == star.true_class == "Variable" and star.host_known and 15 < r < 19):
            continue
        given = observe_object(population, star.number)
        if given["kind"] == "eclipsing":
            total = given["frames"][given["band"] == 2][:, 8:24, 8:24].sum(axis=(1, 2), dtype=np.float64)
            ratios.append(np.median(total) / 10 ** (-0.4 * (given["host_r"] - 22.5)))
    assert len(ratios) > 3
    assert np.median(ratios) == pytest.approx(1.0, abs=0.12)


def _quick(population: Population, number: int) -> dict[str, Any]:
    """Stand in for `observe_object` where the objects do not matter."""
    return image_series(number, 3)


def _simulate_until_killed(path: Path) -> None:
    simulate(path, OBJECTS, jobs=2, progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL))


def test_a_killed_simulation_leaves_nothing_that_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate_module, "observe_object", _quick)
    process = get_context("fork").Process(target=_simulate_until_killed, args=(tmp_path / "s",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with refused(SurveyError, "E-SURVEY-UNFINISHED", where=tmp_path / "s"):
        Survey.open(tmp_path / "s")
    deadline = time.monotonic() + 60  # the workers finish their shard, notice that they are alone, and let go
    while time.monotonic() < deadline:
        try:
            survey = simulate(tmp_path / "s", OBJECTS, jobs=1)
            break
        except FileSystemError:  # they are still writing here
            time.sleep(0.1)
    assert len(survey) == 124
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def _full_disk(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failing_worker_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GrowingArray, "append", _full_disk)
    with refused(FileSystemError, "E-FILES-FULL", where="/.full.partial/shard-00000, object 000000"):
        simulate(tmp_path / "full", 100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        ({"objects": 0}, ["0 objects"]),
        ({"objects": 99}, ["100"]),
        ({"objects": 100, "seed": -1}, ["seed", "-1"]),
        ({"objects": 100, "jobs": 0}, ["jobs", "0"]),
        ({"objects": 100, "extra_test": -5}, ["extra_test", "-5"]),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, arguments: Any, facts: list[str]) -> None:
    with refused(UsageError, "E-COMMAND-VALUE", *facts):
        simulate(tmp_path / "s", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept(simulated: Survey) -> None:
    before = simulated.hash
    with refused(FileSystemError, "E-FILES-EXISTS", where="/survey"):
        simulate(simulated.path, 100)
    assert Survey.open(simulated.path).hash == before


def test_the_ceiling_is_that_of_the_confusion() -> None:
    label = np.array(["A"] * 8 + ["B"] * 2)
    truth = np.array(["A"] * 7 + ["B"] + ["B"] * 2)
    found = label_ceiling(label, truth)
    assert found["accuracy"] == pytest.approx(0.9)
    assert found["balanced accuracy"] == pytest.approx((7 / 8 + 1) / 2)
    assert found["macro F1"] == pytest.approx((14 / 15 + 4 / 5) / 2)
