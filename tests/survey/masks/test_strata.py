"""A split of chips keeps scenes whole, and puts rare classes into every part."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.typing import NDArray

from ictconvention.api.surveys import split
from ictconvention.cli.surveys.split_report import notes
from ictconvention.core.errors import SplitError, SurveyError
from ictconvention.survey.labels.groups import find_groups
from ictconvention.survey.labels.strata import STRATA
from ictconvention.survey.masks.strata import LEAST, rarest_classes, split_table, stratify_chips
from ictconvention.survey.split import Split
from ictconvention.survey.survey import Survey
from tests.conftest import image_series, objects_table, write_survey
from tests.refusals import refused
from tests.small_chips import IGNORED, SNOW, WATER, chip, write_chips


@pytest.fixture(scope="module")
def chips(tmp_path_factory: pytest.TempPathFactory) -> Survey:
    """300 chips of 150 scenes; 15 chips have snow, 75 water, 12 no known pixel."""
    return write_chips(tmp_path_factory.mktemp("s") / "chips", [chip(n) for n in range(300)])


def present(survey: Survey, part: NDArray[np.str_], cls: int) -> int:
    return int((survey.select(part).count_pixels()[:, cls] > 0).sum())


def test_the_rarest_class_of_a_chip_is_that_of_the_fewest_pixels_in_all() -> None:
    pixels = np.array([[50, 9, 0], [50, 0, 1], [0, 20, 0], [40, 20, 1], [0, 0, 0]])
    assert rarest_classes(pixels).tolist() == [1, 2, 1, 2, -1]
    assert rarest_classes(np.zeros((2, 3), np.int64)).tolist() == [-1, -1]
    assert rarest_classes(np.array([[1, 0], [0, 1], [1, 1]])).tolist() == [0, 1, 0]  # of equals the first


@pytest.mark.parametrize("index", range(5))
def test_scenes_stay_whole_and_rare_classes_are_in_every_part(chips: Survey, index: int) -> None:
    drawn = split(chips, index=index)
    assert drawn.rule["protocol"] == "single"
    where = {id_: part for part, ids in drawn.parts.items() for id_ in ids}
    scenes: dict[str, set[str]] = {}
    for id_, scene in zip(chips.ids, chips.object_table()["scene"], strict=True):
        if id_ in where:
            scenes.setdefault(scene, set()).add(where[id_])
    assert all(len(parts) == 1 for parts in scenes.values())
    for part, least in (("pretrain_train", 7), ("pretrain_validation", 1), ("test", 2)):
        ids = np.array(drawn.parts[part])
        assert present(chips, ids, SNOW) >= least
        assert present(chips, ids, WATER) >= 5 * least
        assert chips.select(ids).count_pixels().any(axis=1).all()


def test_folds_test_every_chip_with_a_known_pixel_once(chips: Survey) -> None:
    tested = [id_ for index in range(5) for id_ in split(chips, index=index).parts["test"]]
    known = chips.count_pixels().any(axis=1)
    assert sorted(tested) == sorted(np.array(chips.ids)[known])


def test_a_class_of_too_few_scenes_goes_by_the_next_rarest_of_its_chips() -> None:
    """Snow in one scene less than is spread: its chips count as water where they have some, else as the most."""
    pixels = np.tile([0, 60, 40, 0], (100, 1))
    pixels[:30, WATER] = 5
    pixels[25 : 25 + LEAST - 1, SNOW] = 1
    table = survey_table(100)
    assert {*stratify_chips(table, pixels, "wfts")["class"]} == {"rarest w", "rarest t"}
    pixels[25 : 25 + LEAST, SNOW] = 1
    strata = stratify_chips(table, pixels, "wfts")
    assert strata.meta[STRATA] == "mask"
    assert np.flatnonzero(strata["class"] == "rarest s").tolist() == [*range(25, 25 + LEAST)]
    assert np.flatnonzero(strata["class"] == "rarest w").tolist() == [*range(25)]


def test_scenes_are_counted_and_not_chips() -> None:
    """Fifty chips of snow from five scenes are five."""
    pixels = np.tile([0, 60, 40, 0], (100, 1))
    pixels[:50, SNOW] = 1
    table = survey_table(100)
    table["scene"] = [f"s{n // 10}" for n in range(100)]
    assert {*stratify_chips(table, pixels, "wfts")["class"]} == {"rarest t"}
    del table["scene"]
    assert {*stratify_chips(table, pixels, "wfts")["class"]} == {"rarest t", "rarest s"}


def survey_table(count: int) -> Table:
    nowhere = [np.nan] * count
    table = objects_table([f"c{n:03d}" for n in range(count)], [(None, None)] * count, nowhere, nowhere)
    table.meta["MASKS"] = True
    return table


def test_a_scene_binds_chips_with_masks_alone(tmp_path: Path, chips: Survey) -> None:
    """Surveys without masks may have had such a column before, and are split as they were."""
    plain = write_survey(tmp_path / "s", [image_series(n, 2) | {"scene": "one"} for n in range(6)])
    assert len({*find_groups(plain.object_table(), 1.0)}) == 6
    assert len({*find_groups(chips.object_table(), 1.0)}) == 150


def test_a_saved_split_is_read_and_checked_again(tmp_path: Path, chips: Survey) -> None:
    drawn = split(chips)
    drawn.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json", split_table(chips)) == drawn
    assert split(chips, task="mask") == drawn
    scenes = [chips[id_].metadata["scene"] for id_ in drawn.parts["test"]]
    torn = next(id_ for id_, scene in zip(drawn.parts["test"], scenes, strict=True) if scenes.count(scene) == 2)
    parts = {part: sorted({*ids} - {torn}) for part, ids in drawn.parts.items()}
    parts["pretrain_train"] = sorted([*parts["pretrain_train"], torn])
    with refused(SplitError, "E-SPLIT-LEAK", "scene", torn):
        Split(parts, drawn.classes).check(split_table(chips))
    blank = next(id_ for id_, name in drawn.classes.items() if name is None)
    with refused(SplitError, "E-SPLIT-LABELS", "known pixel", blank):
        Split({**drawn.parts, "pretrain_train": [*drawn.parts["pretrain_train"], blank]}, drawn.classes).check(
            split_table(chips)
        )
    with refused(SplitError, "E-SPLIT-MISMATCH", "of another rarest class now", torn):
        Split(drawn.parts, {**drawn.classes, torn: "rarest ice"}).check(split_table(chips))


def test_the_report_of_a_split_says_which_classes_make_no_stratum(chips: Survey) -> None:
    """Else the stratum of chips that were put together reads as if a frequent class were the rarest of them."""
    said = [*notes(split(chips, task="mask"), split_table(chips))]
    assert any(f"fewer than {LEAST} scenes" in line for line in said)


def test_masks_that_are_asked_for_and_are_not_there_are_refused(survey: Survey, tmp_path: Path) -> None:
    with refused(SurveyError, "E-SURVEY-MASKS", where=survey.path):
        split(survey, task="mask")
    blank = [chip(n, mask=np.full((8, 8), IGNORED)) for n in range(20)]
    with refused(SplitError, "E-SPLIT-LABELS", "known pixel"):
        split(write_chips(tmp_path / "s", blank))


def test_classes_of_objects_come_before_masks(tmp_path: Path) -> None:
    given = [chip(n, class_name=("fields", "forest")[n % 2]) for n in range(40)]
    survey = write_chips(tmp_path / "s", given)
    assert {*split(survey, "single").classes.values()} == {"fields", "forest"}
    assert {*split(survey, task="mask").classes.values()} - {None} <= {
        f"rarest {name}" for name in survey.header.classes
    }


def test_chips_of_an_additional_test_make_no_stratum_large_enough() -> None:
    """They go to no part of the folds: of 14 chips with snow all but nine are tested beside."""
    pixels, table = np.tile([0, 60, 40, 0], (100, 1)), survey_table(100)
    pixels[: LEAST + 4, SNOW] = 1
    table["extra_test"] = np.isin(np.arange(100), np.arange(5))
    assert {*stratify_chips(table, pixels, "wfts")["class"]} == {"rarest t"}
    table["extra_test"] = np.isin(np.arange(100), np.arange(4))
    assert {*stratify_chips(table, pixels, "wfts")["class"]} == {"rarest t", "rarest s"}
    table["extra_test"] = np.arange(100) < LEAST + 4  # snow is tested beside alone: no part could have any
    assert {*stratify_chips(table, pixels, "wfts")["class"]} == {"rarest t"}
