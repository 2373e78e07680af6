"""A simulated survey is the same for any number of jobs, whole or not there, and sound."""

import errno
import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.data.growing_array import GrowingArray
from ictconvention.data.simulation import observed as observed_module
from ictconvention.data.simulation.ceiling import label_ceiling
from ictconvention.data.simulation.observed import detected, observed
from ictconvention.data.simulation.population import Population
from ictconvention.data.simulation.simulate import simulate
from ictconvention.data.split_rule import make_split
from ictconvention.data.survey import Survey
from ictconvention.data.survey_check import check_survey
from ictconvention.errors import FileSystemError, SurveyError, UsageError


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    return simulate(tmp_path_factory.mktemp("sim") / "survey", 300, seed=5, jobs=2, extra_test=40)


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_is_a_sound_survey(simulated: Survey) -> None:
    report = check_survey(simulated.path)
    assert report.flaws == []
    assert report.header.simulated
    assert len(simulated) == 300 + 73 + 40
    assert report.nonfinite == pytest.approx(0)
    assert report.header.provenance["made by"] == "ictconvention simulate --objects 300 --seed 5 --extra-test 40"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_for_any_number_of_jobs(simulated: Survey, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", 300, seed=5, jobs=1, extra_test=40)
    assert digest(again.path) == digest(simulated.path)
    other = simulate(tmp_path / "other", 300, seed=6, jobs=2, extra_test=40)
    assert not np.array_equal(other[0].frames, simulated[0].frames)


def test_it_can_be_split_and_the_additional_objects_are_apart(simulated: Survey) -> None:
    objects = simulated.object_table()
    split = make_split(objects)
    assert set(split.parts["extra_test"]) == set(objects["id"][np.asarray(objects["extra_test"])])
    assert len(split.parts["extra_test"]) == 40


def test_every_object_was_detected(simulated: Survey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written was above the detection limit on some night."""
    seen: list[bool] = []

    def remembering(*arguments: object) -> bool:
        seen.append(detected(*arguments))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(observed_module, "detected", remembering)
    population = Population(300, 5, 40)
    for number in range(0, 300, 5):
        observed(population, number)
        assert seen[-1]
    assert not all(seen)  # and some were drawn again


def test_frames_hold_the_catalogued_flux_of_stars(simulated: Survey) -> None:
    objects = simulated.object_table()
    stars = (objects["true_class"] == "Variable") & (objects["kind"] == "eclipsing") & (objects["class"] == "Variable")
    ratios = []
    for series in simulated.select(np.asarray(stars.filled(False) if hasattr(stars, "filled") else stars)):
        r = series.metadata["host_r"]
        if r is None or not 15 < r < 19:
            continue
        total = series.frames[series.band == 2][:, 8:24, 8:24].sum(axis=(1, 2), dtype=np.float64)
        ratios.append(np.median(total) / 10 ** (-0.4 * (r - 22.5)))
    assert len(ratios) > 3
    assert np.median(ratios) == pytest.approx(1.0, abs=0.12)


def test_a_killed_simulation_leaves_nothing_that_opens(tmp_path: Path) -> None:
    script = (
        "import sys; from ictconvention.data.simulation.simulate import simulate;"
        "simulate(sys.argv[1], 3000, jobs=2, progress=lambda done, total: print(done, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "s")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "256\n"
    process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait()
    with pytest.raises(SurveyError, match="never finished"):
        Survey.open(tmp_path / "s")
    deadline = time.monotonic() + 60  # the workers finish their shard, notice that they are alone, and let go
    while time.monotonic() < deadline:
        try:
            survey = simulate(tmp_path / "s", 100, jobs=1)
            break
        except FileSystemError:  # they are still writing here
            time.sleep(0.5)
    assert len(survey) == 124
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def _full_disk(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failing_worker_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GrowingArray, "append", _full_disk)
    with pytest.raises(FileSystemError, match="No space left"):
        simulate(tmp_path / "full", 100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objects": 0}, "0 objects are too few"),
        ({"objects": 99}, "at least 100"),
        ({"objects": 100, "seed": -1}, "seed is -1"),
        ({"objects": 100, "jobs": 0}, "jobs is 0"),
        ({"objects": 100, "extra_test": -5}, "extra_test is -5"),
    ],
)
def test_bad_arguments_are_refused(tmp_path: Path, arguments: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        simulate(tmp_path / "s", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_kept(simulated: Survey) -> None:
    before = simulated.hash
    with pytest.raises(FileSystemError, match="exists already"):
        simulate(simulated.path, 100)
    assert Survey.open(simulated.path).hash == before


def test_the_ceiling_is_that_of_the_confusion() -> None:
    label = np.array(["A"] * 8 + ["B"] * 2)
    truth = np.array(["A"] * 7 + ["B"] + ["B"] * 2)
    found = label_ceiling(label, truth)
    assert found["accuracy"] == pytest.approx(0.9)
    assert found["balanced accuracy"] == pytest.approx((7 / 8 + 1) / 2)
    assert found["macro F1"] == pytest.approx((14 / 15 + 4 / 5) / 2)
