"""Pictures of hosts: the supernova alone tells the classes apart, and its truth says where it is and how bright."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.api.keywords import words_of_survey
from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import UsageError
from ictconvention.core.magnitudes import nanomaggies
from ictconvention.evaluation.calibration import prior_shift
from ictconvention.evaluation.forest import aperture_features, forest_probabilities
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.simulation import writing
from ictconvention.simulation.hosts.pictures import OBJECTS, PICTURE_BANDS, Hosts, extra_tests, paint_host
from ictconvention.simulation.simulate import simulate_hosts
from ictconvention.survey.neighbours import linking_length, sky_groups
from ictconvention.survey.split_drawing import make_split
from ictconvention.survey.survey import Survey
from tests.conftest import long_test
from tests.refusals import refused
from tests.simulation.test_simulate import digest

TRUTH = ("kind", "peak_mjd", "supernova_i", "supernova_r", "supernova_g", "supernova_x", "supernova_y")


@pytest.fixture(scope="module")
def hosts() -> Hosts:
    return Hosts(100, seed=3, extra_test=32)


def with_and_without(number: int, hosts: Hosts) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an object with its supernova, and as it would be without."""
    (chosen,) = (np.flatnonzero(hosts.has_supernova)[number : number + 1]).tolist()
    found = paint_host(hosts, chosen)
    hosts.has_supernova[chosen] = False
    without = paint_host(hosts, chosen)
    hosts.has_supernova[chosen] = True
    return found, without


@pytest.mark.parametrize("number", range(6))
def test_only_the_supernova_differs_and_it_is_where_and_as_bright_as_its_truth_says(number: int, hosts: Hosts) -> None:
    found, without = with_and_without(number, hosts)
    assert (found["class_name"], without["class_name"]) == ("supernova", "host")
    assert all(without[name] is None for name in TRUTH)
    same = set(found) - {*TRUTH, "frames", "class_name", "true_class"}
    assert all(np.array_equal(found[name], without[name]) for name in same)
    light = found["frames"].astype(float) - without["frames"]
    y, x = np.mgrid[: hosts.size, : hosts.size] - (hosts.size - 1) / 2
    for frame, band, at_x, at_y in zip(light, found["band"], found["x"], found["y"], strict=True):
        place = at_x + found["supernova_x"], at_y + found["supernova_y"]
        near = np.hypot(x - place[0], y - place[1]) < 6
        flux = nanomaggies(found[f"supernova_{PICTURE_BANDS[band]}"])
        assert frame[near].sum() == pytest.approx(flux, rel=0.25)  # its photons change the noise, and wings lie outside
        if flux > 5:
            assert (
                np.hypot(
                    *(np.average(axis[near], weights=frame[near]) - p for axis, p in zip((x, y), place, strict=True))
                )
                < 1
            )


def test_a_picture_is_one_night_in_i_r_and_g_with_seeing_and_sky_of_each_band(hosts: Hosts) -> None:
    made = paint_host(hosts, 0)
    assert [PICTURE_BANDS[band] for band in made["band"]] == ["r", "i", "g"]  # the order of a pass
    assert len({int(mjd) for mjd in made["mjd"]}) == 1
    assert made["frames"].shape == (3, 48, 48)
    assert len(set(made["psf_fwhm"])) == len(set(made["sky_sigma"])) == 3
    assert len(set(made["x"])) == len(set(made["y"])) == 1  # registered


def test_small_and_large_pictures_show_the_same_galaxies() -> None:
    small, large = (Hosts(100, 3, 0, size) for size in (48, 96))
    for number in (0, 1, 2):
        one, other = (paint_host(some, number) for some in (small, large))
        assert other["frames"].shape == (3, 96, 96)
        differ = {name for name in one if not np.array_equal(one[name], other[name])}
        assert differ == {"frames"}
        middle = other["frames"][:, 24:72, 24:72]
        if one["host_r"] < 20:  # other neighbours, and other noise
            assert middle[:, 20:28, 20:28].sum() == pytest.approx(one["frames"][:, 20:28, 20:28].sum(), rel=0.1)


def test_the_additional_test_objects_are_690_and_270_and_share_no_pixel_with_others() -> None:
    hosts = Hosts(OBJECTS, 0, extra_tests(OBJECTS), 96)
    extra = [number for number in range(len(hosts)) if hosts.is_extra(number)]
    assert Counter(hosts.has_supernova[extra].tolist()) == {False: 690, True: 270}
    assert hosts.has_supernova[:OBJECTS].sum() == round(OBJECTS * 270 / 960)
    ra, dec = np.transpose([hosts.position(number) for number in range(len(hosts))])
    assert len(set(sky_groups(ra, dec, linking_length(96, 0.396)).tolist())) == len(hosts)
    assert dec.min() > -1.266
    assert dec.max() < 1.266
    low, high = hosts.has_supernova[: OBJECTS // 2].mean(), hosts.has_supernova[OBJECTS // 2 : OBJECTS].mean()
    assert abs(low - high) < 0.06  # no id tells the class


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "SHARD_OBJECTS", 50)
    one, two = (simulate_hosts(tmp_path / f"{jobs}", 100, 3, jobs, 32) for jobs in (1, 2))
    assert digest(one.path) == digest(two.path)
    assert one.header.full_name == "hosts (simulated)"
    assert one.header.bands == ("i", "r", "g")
    assert (
        one.header.provenance["made by"]
        == "ictconvention simulate --kind hosts --objects 100 --seed 3 --extra-test 32 --size 48"
    )
    split = make_split(one.object_table(), protocol="single", stages=("finetune",))
    assert split.counts()["extra_test"] == {"host": 23, "supernova": 9}
    first = paint_host(Hosts(100, 3, 32), 0)["frames"]
    np.testing.assert_array_equal(one[0].frames, first)
    assert not np.array_equal(first, paint_host(Hosts(100, 4, 32), 0)["frames"])


def test_a_run_simulates_its_pictures_once_each_size_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def noted(path: Path, **given: Any) -> None:
        asked.append((path.name, given))
        raise KeyboardInterrupt

    monkeypatch.setattr("ictconvention.simulation.simulate.simulate_hosts", noted)
    for words in ([], ["survey.size=96"], ["profile=tiny"], ["profile=smoke", "survey.extra_test=7"]):
        with pytest.raises(KeyboardInterrupt):
            open_or_simulate(compose_run(["survey=hosts", f"surveys={tmp_path}", *words]))
    wanted = [tuple(given[name] for name in ("objects", "extra_test", "size")) for _, given in asked]
    assert wanted == [(3375, 960, 48), (3375, 960, 96), (400, 114, 48), (1000, 7, 48)]
    assert len({name for name, _ in asked}) == 4


def test_what_cannot_be_painted_is_refused(tmp_path: Path) -> None:
    for objects, extra, size in ((99, 0, 48), (100, 0, 32), (100, -1, 48)):
        with refused(UsageError, "E-COMMAND-VALUE"):
            simulate_hosts(tmp_path / "none", objects, extra_test=extra, size=size)
    with refused(UsageError, "E-CONFIG-VALUE", "survey.size"):
        compose_run(["survey=hosts", "survey.kind=sdss"])
    assert not list(tmp_path.iterdir())


def test_pictures_are_named_from_python_by_their_kind() -> None:
    words = words_of_survey({"kind": "hosts", "objects": 400, "size": 96})
    options = compose_run(words).survey
    assert (options.kind, options.objects, options.size, options.extra_test) == ("hosts", 400, 96, None)


@long_test
def test_a_forest_on_apertures_is_right_on_four_of_five(tmp_path: Path) -> None:
    """On validation objects, at the survey's class shares, of which the larger is .72."""
    survey: Survey = simulate_hosts(tmp_path / "hosts", jobs=2)
    table = survey.object_table()
    ids, label, features = np.asarray(table["id"]), np.asarray(table["class"]), aperture_features(survey)
    right = []
    for index in range(5):
        parts = make_split(table, protocol="single", index=index, stages=("finetune",)).parts
        train, validation = (np.isin(ids, parts[f"finetune_{part}"]) for part in ("train", "validation"))
        names, votes = forest_probabilities(features[train], label[train], features[validation])
        shares = np.array([np.mean(label[train] == name) for name in names])
        logits = np.log(np.maximum(votes, 1e-3)) + prior_shift(np.full(2, 0.5), shares)
        right += (names[logits.argmax(1)] == label[validation]).tolist()
    assert 0.77 < np.mean(right) < 0.83
