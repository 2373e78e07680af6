"""The check of a survey of pictures: sizes of the files by class, and equal pixels under two labels."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ictconvention.cli.surveys.audit_report import print_report
from ictconvention.measuring.audit import SurveyAudit, audit_survey
from ictconvention.survey.format import SurveyHeader
from tests.conftest import image_series, write_survey

HEADER = SurveyHeader("pictures", ("R", "G", "B"), ("a", "b"), 1.0, 8, "float16", "none")


def audit(path: Path, *labels: str | None, same: tuple[int, ...] = (), **columns: list[Any]) -> SurveyAudit:
    """Audit pictures of these classes, of which some are the same."""
    objects = []
    for number, name in enumerate(labels):
        frames = np.random.default_rng(0 if number in same else number + 1).random((3, 8, 8))
        given = {"id": f"p{number}", "frames": frames, "band": [0, 1, 2], "mjd": [51544.0] * 3, "class_name": name}
        objects.append(given | {column: values[number] for column, values in columns.items()})
    return audit_survey(write_survey(path, objects, HEADER).path)


def printed(report: SurveyAudit) -> str:
    text = StringIO()
    print_report(report, Console(file=text, width=160))
    return text.getvalue()


def test_equal_pixels_of_two_classes_are_a_conflict(tmp_path: Path) -> None:
    report = audit(tmp_path / "s", "a", "b", "a", None, same=(0, 1, 3))
    assert report.same_frames == [["p0", "p1", "p3"]]
    assert report.label_conflicts == {0: "p0 (a) = p1 (b)"}
    assert not report.flaws
    text = printed(report)
    assert "warning: equal pixels and different classes, of which one is wrong: p0 (a) = p1 (b)" in text
    assert text.splitlines()[-1].startswith("1 warning; ")
    assert "no flaw" not in text
    assert "duplicates" not in text  # named above


def test_equal_pixels_of_one_class_or_without_a_label_are_none(tmp_path: Path) -> None:
    report = audit(tmp_path / "s", "a", "a", None, "b", same=(0, 1, 2))
    assert report.same_frames == [["p0", "p1", "p2"]]
    assert not report.label_conflicts
    text = printed(report)
    assert "warning" not in text
    assert "duplicates, other id with the same frames: p0 = p1 = p2" in text


def test_photographs_have_no_sky_no_depth_and_no_neighbours(tmp_path: Path) -> None:
    report = audit(tmp_path / "photographs", "a", "a", "b")
    text = printed(report)
    assert report.photographs
    assert not [word for word in ("sky group", "depth", "neighbours", "seeing", "AB mag") if word in text]
    placed = printed(audit(tmp_path / "placed", "a", "b", ra=[10.0, 11.0], dec=[0.0, 0.0]))
    assert all(word in placed for word in ("sky group", "depth", "neighbours", "seeing", "AB mag"))


def test_the_sizes_of_the_files_are_those_of_each_class(tmp_path: Path) -> None:
    report = audit(tmp_path / "s", "a", "a", "b", file_width=[10, 20, 300], file_height=[8, 30, 40])
    assert report.pictures
    lines = [line.split() for line in printed(report).splitlines()]
    assert ["a", "10", "15", "20", "8", "19", "30"] in lines
    assert ["b", "300", "300", "300", "40", "40", "40"] in lines


def test_means_and_scatter_of_each_band_are_measured(tmp_path: Path) -> None:
    report = audit(tmp_path / "s", "a", "b")
    pixels = np.stack([np.random.default_rng(n).random((3, 8, 8)) for n in (1, 2)]).astype(np.float16)
    for number, band in enumerate(report.bands.values()):
        here = pixels[:, number].astype(np.float64)
        assert np.allclose((band.mean, band.std), (here.mean(), here.std()))


def test_a_survey_of_series_holds_no_pictures_and_groups_are_counted(tmp_path: Path) -> None:
    assert not audit_survey(write_survey(tmp_path / "s", [image_series(0, 30)]).path).pictures
    report = audit(tmp_path / "p", "a", "b", "a", group=["x", "x", None])
    assert report.groups == 1
    assert "the column group: 1 group" in printed(report)
