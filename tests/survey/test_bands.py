"""A survey of some bands holds the same objects, with the frames of these bands and nothing else."""

from pathlib import Path

import numpy as np
import pytest

from ictconvention.configuration.compose import compose_run
from ictconvention.core.errors import SurveyError, UsageError
from ictconvention.measuring.audit import audit_survey
from ictconvention.runs.assembly.run_survey import open_or_simulate
from ictconvention.survey.bands import origin_of, select_bands
from ictconvention.survey.format import ORIGIN
from ictconvention.survey.split_drawing import make_split
from tests.conftest import image_series, write_survey
from tests.refusals import refused


def test_the_frames_are_those_of_the_bands_in_their_new_order(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "whole", [image_series(n, 40) | {"field": f"f{n}"} for n in range(4)])
    few = select_bands(survey, ("r", "g"), tmp_path / "few")
    assert few.header.bands == ("r", "g")
    assert few.ids == survey.ids
    assert not audit_survey(few.path).flaws
    for series, whole in zip(few, survey, strict=True):
        here = np.isin(whole.band, (1, 2))
        np.testing.assert_array_equal(series.frames, whole.frames[here])
        np.testing.assert_array_equal(series.band, np.where(whole.band[here] == 2, 0, 1))
        for name in ("mjd", "psf_fwhm", "sky_sigma"):
            np.testing.assert_array_equal(getattr(series, name), getattr(whole, name)[here])
        assert dict(series.metadata) == dict(whole.metadata)
    assert few.header.provenance[ORIGIN] == survey.hash == origin_of(few) == origin_of(survey)


def test_splits_are_those_of_the_whole_survey(tmp_path: Path) -> None:
    survey = write_survey(tmp_path / "whole", [image_series(n, 30) | {"label_source": None} for n in range(60)])
    few = select_bands(survey, ("z",), tmp_path / "few")
    assert make_split(few.object_table(), index=2).hash == make_split(survey.object_table(), index=2).hash


def test_objects_without_a_frame_in_the_bands_are_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    without = image_series(0, 5) | {"band": [0, 1, 3, 4, 0]}
    survey = write_survey(tmp_path / "whole", [without, image_series(1, 40)])
    few = select_bands(survey, ("r",), tmp_path / "few")
    assert few.ids == ("sn0001",)
    assert caplog.messages == ["1 object without a frame in r, left out: sn0000"]
    alone = write_survey(tmp_path / "alone", [without])
    with refused(SurveyError, "E-BAND-EMPTY", "r", where=tmp_path / "alone"):
        select_bands(alone, ("r",), tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("bands", "code"), [(("G",), "E-BAND-UNKNOWN"), (("g", "g"), "E-CONFIG-VALUE"), ((), "E-CONFIG-VALUE")]
)
def test_bands_that_cannot_be_are_named(tmp_path: Path, bands: tuple[str, ...], code: str) -> None:
    survey = write_survey(tmp_path / "whole", [image_series(1, 10)])
    with refused(SurveyError, code, *(f"'{name}'" for name in set(bands))):
        select_bands(survey, bands, tmp_path / "few")


def test_a_band_that_is_no_list_is_told_how_to_be_written() -> None:
    with refused(UsageError, "E-CONFIG-VALUE", "'[a,b]'", where="survey.bands"):
        compose_run(["survey.bands=g"])


def test_a_run_makes_the_survey_of_its_bands_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    survey = write_survey(tmp_path / "whole", [image_series(n, 20) for n in range(3)])
    words = ["survey=path", f"survey.path={survey.path}", f"surveys={tmp_path}/surveys"]
    few = open_or_simulate(compose_run([*words, "survey.bands=[g]"]))
    assert few.header.bands == ("g",)
    assert len(caplog.messages) == 1
    assert open_or_simulate(compose_run([*words, "survey.bands=[g]"])).path == few.path
    assert len(caplog.messages) == 1
    assert open_or_simulate(compose_run([*words, "survey.bands=[u,g,r,i,z]"])).path == survey.path
    own = ["survey=path", f"survey.path={few.path}", "survey.bands=[g]"]
    assert open_or_simulate(compose_run(own)).path == few.path
