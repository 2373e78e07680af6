"""What is measured of a survey that has grown is that of all its frames, measured of the changed objects alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ictconvention.measuring.measured_cache import CachedMedianFrames, MeasuredCache
from ictconvention.survey.series import ImageSeries
from ictconvention.survey.survey import Survey
from tests.ingestion.growing.nights import add_night


class CachedSums(MeasuredCache):
    """Sum and square of the sum of each frame."""

    name = "sums"

    def settings(self) -> dict[str, Any]:
        return {}

    def measured(self, series: ImageSeries) -> np.ndarray:
        total = series.frames.sum((1, 2))
        return np.stack([total, total**2], axis=1)


@pytest.mark.parametrize("kind", [CachedSums, CachedMedianFrames])
def test_a_night_lets_only_objects_with_new_frames_be_measured(
    tmp_path: Path, kind: type[MeasuredCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_night(tmp_path / "s", 0)
    kind(Survey.open(tmp_path / "s"))
    measure, done = kind.measured, list[str]()

    def measured(self: MeasuredCache, series: ImageSeries) -> np.ndarray:
        done.append(series.id)
        return measure(self, series)

    monkeypatch.setattr(kind, "measured", measured)
    for night in (1, 2, 3):
        before = Survey.open(tmp_path / "s")
        survey = add_night(tmp_path / "s", night).survey
        if night == 2:  # nobody reads this state
            continue
        last = before if night == 1 else Survey.open(tmp_path / "s", state=survey.lineage[1])
        changed = [id_ for id_ in survey.ids if id_ not in last or len(last[id_]) != len(survey[id_])]
        done.clear()
        found = kind(survey)
        assert done == changed
        assert 0 < len(done) < len(survey)
        for series in survey:
            np.testing.assert_array_equal(found[series.id], measure(found, series).astype(np.float32))


def test_a_damaged_file_of_an_earlier_state_is_not_taken_over(tmp_path: Path) -> None:
    add_night(tmp_path / "s", 0)
    path = CachedSums(Survey.open(tmp_path / "s")).path
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)
    survey = add_night(tmp_path / "s", 1).survey
    found = CachedSums(survey)
    for series in survey:
        np.testing.assert_array_equal(found[series.id], found.measured(series).astype(np.float32))
