"""Masks come back as they were written, from any layout of shards; what does not fit is refused, damage found."""

import json
import pickle
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from ictconvention.core.errors import SurveyError
from ictconvention.measuring.audit import audit_survey
from ictconvention.survey.bands import select_bands
from ictconvention.survey.format import SurveyHeader, read_header
from ictconvention.survey.masks import pixel_counts
from ictconvention.survey.survey import Survey
from ictconvention.survey.verify import verify_survey
from ictconvention.survey.writer import SurveyWriter, join_shards, shard_name
from tests.conftest import HEADER, image_series, write_survey
from tests.measuring.test_audit import change_array, setting, truncate
from tests.refusals import check_refusal, refused
from tests.small_chips import CHIPS, FIELDS, FOREST, IGNORED, SNOW, WATER, chip, mask_of, write_chips

SMALL = SurveyHeader("chips", ("R",), ("water", "fields", "forest"), 1.0, 3)
VALUES = st.sampled_from([0, 1, 2, IGNORED])


def write_parts(path: Path, masks: NDArray[np.uint8], shards: int) -> Survey:
    """Write masks (n, 3, 3) as a survey of some shards, as even as can be."""
    for number, part in enumerate(np.array_split(np.arange(len(masks)), shards)):
        with SurveyWriter(path / shard_name(number), SMALL, masks=True) as writer:
            for i in part.tolist():
                writer.add(f"c{i}", np.zeros((1, 3, 3)), band=[0], mjd=[58000.0], mask=masks[i])
    return join_shards(path)


@settings(max_examples=12)
@given(st.data())
def test_masks_come_back_as_written_in_any_layout(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 5))
    masks = data.draw(arrays(np.uint8, (count, 3, 3), elements=VALUES))
    survey = write_parts(tmp_path_factory.mktemp("s") / "chips", masks, data.draw(st.integers(1, count)))
    np.testing.assert_array_equal(survey.read_masks(), masks)
    which = data.draw(st.lists(st.integers(0, count - 1), unique=True))
    np.testing.assert_array_equal(survey.read_masks(which), masks[which])
    chosen = survey.select([f"c{i}" for i in which])
    np.testing.assert_array_equal(chosen.read_masks(), masks[which])
    for i, series in zip(which, chosen, strict=True):
        assert series.mask is not None
        np.testing.assert_array_equal(series.mask, masks[i])
    expected = (masks[..., None] == np.arange(3)).sum(axis=(1, 2))
    np.testing.assert_array_equal(survey.count_pixels(), expected)
    np.testing.assert_array_equal(chosen.count_pixels(), expected[which])


def test_a_survey_without_masks_is_of_version_2_and_has_the_files_and_columns_that_it_had(survey: Survey) -> None:
    assert not survey.has_masks
    assert survey[0].mask is None
    assert read_header(survey.path)[1]["version"] == 2
    files = ["band.npy", "frames.npy", "gain.npy", "mjd.npy", "objects.parquet", "psf_fwhm.npy", "sky_sigma.npy"]
    assert sorted(path.name for path in survey.path.iterdir()) == [*files, "survey.json", "x.npy", "y.npy"]
    own = ["id", "class", "label_source", "redshift", "ra", "dec", "first", "length", "crc32"]
    assert survey.shards[0].objects.column_names == own
    keys = list(json.loads((survey.path / "survey.json").read_text()))
    assert keys[:2] == ["format", "version"]
    assert keys[-4:] == ["objects", "frames", "checksums", "sha256"]
    assert "MASKS" not in survey.object_table().meta
    with refused(SurveyError, "E-SURVEY-MASKS", where=survey.path):
        survey.read_masks()
    with refused(SurveyError, "E-SURVEY-MASKS", where=survey.path):
        survey.count_pixels()


def test_a_survey_with_masks_is_of_version_3_and_so_is_one_of_its_shards(tmp_path: Path) -> None:
    survey = write_parts(tmp_path / "s", np.zeros((2, 3, 3), np.uint8), 2)
    assert survey.has_masks
    assert "masks" in repr(survey)
    for folder in (tmp_path / "s", tmp_path / "s" / shard_name(1)):
        assert read_header(folder)[1]["version"] == 3
    assert survey.shards[0].objects["mask_crc32"].to_pylist() == [zlib.crc32(bytes(9))]
    assert "mask_crc32" not in survey.object_table().colnames


def test_a_notebook_is_told_of_masks(tmp_path: Path, survey: Survey) -> None:
    mask = np.full((8, 8), IGNORED)
    mask[:4], mask[4:6] = FOREST, WATER
    chips = write_chips(tmp_path / "chips", [chip(0, mask=mask), chip(1, mask=np.full((8, 8), IGNORED))])
    assert "a class for each pixel: water, fields, forest, snow" in chips._repr_html_()
    assert "25% water, 50% forest" in chips[0]._repr_html_()
    assert "no known pixel" in chips[1]._repr_html_()
    assert "mask" not in survey._repr_html_() + survey[0]._repr_html_() + repr(survey)


def test_masks_are_read_only_views_of_the_file_where_they_stand_beside_each_other(tmp_path: Path) -> None:
    survey = write_chips(tmp_path / "s", [chip(n) for n in range(6)])
    stored = survey.shards[0].masks
    assert stored is not None
    for masks in (survey.read_masks(), survey.read_masks(slice(1, 4)), survey.read_masks([2, 3]), survey[5].mask):
        assert masks is not None
        assert np.shares_memory(masks, stored)
        assert not masks.flags.writeable
    assert not np.shares_memory(survey.read_masks([3, 1]), stored)
    again = pickle.loads(pickle.dumps(survey[2:]))
    np.testing.assert_array_equal(again.read_masks(), survey.read_masks()[2:])


def test_known_pixels_are_counted_whatever_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three chips of 64 pixels, counted by hand: half of one is water, the next has 3 of snow, the last nothing."""
    half, few, none = (np.full((8, 8), value, np.uint8) for value in (WATER, FOREST, IGNORED))
    half[4:], few[0, :3] = FIELDS, SNOW
    for block in (1, 64, 100, 2**24):
        monkeypatch.setattr(pixel_counts, "BLOCK", block)
        survey = write_chips(tmp_path / str(block), [chip(n, mask=mask) for n, mask in enumerate((half, few, none))])
        assert survey.count_pixels().tolist() == [[32, 32, 0, 0], [0, 0, 61, 3], [0, 0, 0, 0]]
        assert survey.select(np.array([False, True, True])).count_pixels().tolist() == [[0, 0, 61, 3], [0, 0, 0, 0]]
        seen = [(slice_.start, len(masks)) for slice_, masks in survey.masks.blocks()]
        assert sum(length for _, length in seen) == 3
        assert max(length for _, length in seen) == min(3, max(1, block // 64))


def test_pixels_of_classes_that_were_left_out_are_ignored_and_the_others_numbered_anew(tmp_path: Path) -> None:
    survey = write_chips(tmp_path / "s", [chip(0), chip(3)])
    chosen = survey.with_classes(["snow", "fields"])
    stored, read = survey.read_masks(), chosen.read_masks()
    assert (read[stored == SNOW] == 0).all()
    assert (read[stored == FIELDS] == 1).all()
    assert (read[~np.isin(stored, [SNOW, FIELDS])] == IGNORED).all()
    np.testing.assert_array_equal(chosen[1].mask, read[1])
    np.testing.assert_array_equal(chosen.count_pixels(), survey.count_pixels()[:, [SNOW, FIELDS]])


def test_a_survey_of_some_bands_keeps_the_masks(tmp_path: Path) -> None:
    survey = write_chips(tmp_path / "s", [chip(n) for n in range(3)])
    some = select_bands(survey, ["NIR", "R"], tmp_path / "two")
    np.testing.assert_array_equal(some.read_masks(), survey.read_masks())


REFUSALS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "none": ({"mask": None}, "E-VALUE-MISSING", ()),
    "another size": ({"mask": np.zeros((8, 7), np.uint8)}, "E-VALUE-SHAPE", ("8, 7",)),
    "numbers that are not whole": ({"mask": np.zeros((8, 8))}, "E-VALUE-TYPE", ("float64",)),
    "no class": ({"mask": np.full((8, 8), 4)}, "E-CLASS-UNKNOWN", ("4",)),
    "below 0": ({"mask": np.full((8, 8), -1)}, "E-CLASS-UNKNOWN", ("-1",)),
    "beyond a byte": ({"mask": np.full((8, 8), 256)}, "E-CLASS-UNKNOWN", ("256",)),
    "a column of its checksums": ({"mask_crc32": 1}, "E-TABLE-COLUMN", ("mask_crc32",)),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_mask_that_does_not_fit_is_refused_and_leaves_no_trace(tmp_path: Path, case: str) -> None:
    change, code, facts = REFUSALS[case]
    with SurveyWriter(tmp_path / "s", CHIPS, masks=True) as writer:
        writer.add(**chip(0))
        with refused(SurveyError, code, *facts, where=tmp_path / "s, object c001"):
            writer.add(**chip(1, **change))
        writer.add(**chip(2))
    survey = Survey.open(tmp_path / "s")
    np.testing.assert_array_equal(survey.read_masks(), [mask_of(0), mask_of(2)])
    assert not audit_survey(survey.path).flaws


def test_a_mask_for_a_survey_without_masks_and_masks_without_classes_are_refused(tmp_path: Path) -> None:
    with SurveyWriter(tmp_path / "s", HEADER) as writer:
        with refused(SurveyError, "E-SURVEY-MASKS", where=tmp_path / "s, object sn0000"):
            writer.add(**image_series(0, 2), mask=np.zeros((32, 32), np.uint8))
        writer.add(**image_series(0, 2))
    with refused(SurveyError, "E-SURVEY-HEADER"):
        SurveyWriter(tmp_path / "t", replace(CHIPS, classes=()), masks=True)


def test_shards_with_and_without_masks_make_no_survey(tmp_path: Path) -> None:
    for number, masks in enumerate((True, False)):
        with SurveyWriter(tmp_path / "s" / shard_name(number), CHIPS, masks=masks) as writer:
            writer.add(**(chip(number) | ({} if masks else {"mask": None})))
    with refused(SurveyError, "E-SURVEY-SHARDS", shard_name(1), where=tmp_path / "s"):
        join_shards(tmp_path / "s")


ON_OPENING: dict[str, Callable[[Path], object]] = {
    "missing": lambda f: (f / "masks.npy").unlink(),
    "truncated": lambda f: truncate(f / "masks.npy", 200),
    "without its header": lambda f: truncate(f / "masks.npy", 20),
    "of another type": lambda f: change_array(f, "masks.npy", lambda a: a.astype(np.int16)),
    "of another shape": lambda f: change_array(f, "masks.npy", lambda a: a[:, :4]),
    "one less": lambda f: change_array(f, "masks.npy", lambda a: a[:-1]),
    "with more bytes": lambda f: (f / "masks.npy").write_bytes((f / "masks.npy").read_bytes() + b"\0"),
}


@pytest.mark.parametrize("case", ON_OPENING)
def test_a_damaged_file_of_masks_is_refused_on_opening(tmp_path: Path, case: str) -> None:
    survey = write_chips(tmp_path / "s", [chip(n) for n in range(5)])
    ON_OPENING[case](survey.path)
    with refused(SurveyError, "E-SURVEY-MASKS", where=tmp_path / "s/masks.npy"):
        Survey.open(survey.path)


@pytest.mark.parametrize(("value", "flaws"), [(FIELDS, 1), (9, 2)])
def test_a_changed_pixel_and_one_of_no_class_are_found(tmp_path: Path, value: int, flaws: int) -> None:
    survey = write_chips(tmp_path / "s", [chip(n, mask=np.full((8, 8), WATER)) for n in range(5)])
    change_array(survey.path, "masks.npy", setting((3, 2, 1), value))
    where = "masks.npy, object c003"
    with refused(SurveyError, "E-SURVEY-MASKS", where=where):
        verify_survey(Survey.open(survey.path))
    report = audit_survey(survey.path)
    assert len(report.flaws) == flaws
    for flaw in report.flaws:
        check_refusal(flaw, "E-SURVEY-MASKS", where=where)
    if value == 9:
        with refused(SurveyError, "E-SURVEY-MASKS", "9", where=where):
            Survey.open(survey.path).count_pixels()


def test_the_checksums_of_masks_cannot_be_lost(tmp_path: Path) -> None:
    """A version 3 without them, as of a survey whose header alone was taken from another."""
    plain = write_survey(tmp_path / "s", [image_series(0, 2)])
    content = json.loads((plain.path / "survey.json").read_text())
    (plain.path / "survey.json").write_text(json.dumps(content | {"version": 3}))
    with refused(SurveyError, "E-SURVEY-MASKS", where=tmp_path / "s/masks.npy"):
        Survey.open(plain.path)
    (plain.path / "survey.json").write_text(json.dumps(content | {"version": 5}))
    with refused(SurveyError, "E-SURVEY-VERSION", where=plain.path / "survey.json"):
        Survey.open(plain.path)


def test_masks_count_where_it_is_asked_how_much_there_is_to_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey = write_chips(tmp_path / "s", [chip(n) for n in range(4)])
    size = survey.shards[0].frames.nbytes + 4 * 64
    for limit, done in ((size, True), (size - 1, False)):
        monkeypatch.setattr("ictconvention.survey.verify.SMALL", limit)
        assert verify_survey(survey) is done
