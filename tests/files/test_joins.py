"""Names that match nothing: an error where none does, a line where some do not."""

from pathlib import Path

from ictconvention.core.errors import UsageError
from ictconvention.files.joins import check_matched, report_unused_names
from tests.ingestion.alert_packets import alert, write_avro
from tests.ingestion.commands import refusal, spoken, write_table
from tests.refusals import check_refusal, refused


def test_ids_of_which_none_matches_are_an_error_with_both_sides() -> None:
    with refused(UsageError, "E-INGEST-MISMATCH", "a, b, c and 1 more", "A, B", where="labels.csv"):
        check_matched(Path("labels.csv"), ["a", "b", "c", "d"], ["A", "B"], "the alerts")


def test_ids_of_which_some_match_are_a_line_and_all_are_none() -> None:
    (line,) = check_matched(Path("labels.csv"), ["a", "x", "y"], ["a", "b"], "the alerts")
    assert line.startswith("2 of 3 ids in labels.csv")
    assert line.endswith("x, y")
    assert check_matched(Path("labels.csv"), ["a", "b"], ["a", "b", "c"], "the alerts") == []


def test_bands_and_classes_that_nothing_has_are_named() -> None:
    objects = {"a": {"class_name": "AGN"}, "gone": {"class_name": "SN Ia"}}
    lines = report_unused_names(("g", "z"), {"g"}, ("AGN", "SN Ia"), ["a", "b"], objects)
    assert ["z" in lines[0], "SN Ia" in lines[1]] == [True, True]
    assert report_unused_names(None, {"g"}, None, ["a"], objects) == []


def test_labels_of_alerts_match_or_are_said_not_to(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(2):
        write_avro(tmp_path / "a" / f"{number}.avro", [alert(f"ZTF18{'ab'[number]}", day=number)])
    write_table(tmp_path / "case.csv", [{"id": "ztf18a", "class": "AGN"}, {"id": "ztf18b", "class": "AGN"}])
    error = refusal("ztf", tmp_path / "a", tmp_path / "s", "--objects", tmp_path / "case.csv")
    check_refusal(error, "E-INGEST-MISMATCH", "ztf18a", "ZTF18a", where=tmp_path / "case.csv")
    write_table(tmp_path / "part.csv", [{"id": "ZTF18a", "class": "AGN"}, {"id": "ZTF18x", "class": "AGN"}])
    lines = spoken("ztf", tmp_path / "a", tmp_path / "s", "--objects", tmp_path / "part.csv")
    assert any("1 of 2 ids in part.csv" in line and "ZTF18x" in line for line in lines)
