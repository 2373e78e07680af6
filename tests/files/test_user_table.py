"""Tables that users write: read as they are meant, and every flaw named by its row."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from ictconvention.cli.main import main
from ictconvention.core.errors import UsageError
from ictconvention.files.user_table import read_objects, read_user_table
from tests.ingestion.commands import flat, made, refusal, rejects_of, write_table
from tests.refusals import check_refusal, refused

SCALE = ("--pixel-scale", 0.4)


def stamp(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(flat(32)).writeto(path, overwrite=True)


def rows_of(text: str | bytes, tmp_path: Path, name: str = "t.csv") -> list[dict[str, Any]]:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return [dict(row) for row in read_user_table(tmp_path / name, ("id",), ("ra", "class")).rows]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path, ends: str, mark: bytes) -> None:
    text = ends.join(["id,ra,note", '7,1.5,"a, b"', "", "né 8,,x", ""])
    assert rows_of(mark + text.encode(), tmp_path) == [
        {"id": "7", "ra": "1.5", "note": "a, b"},
        {"id": "né 8", "ra": None, "note": "x"},
    ]


def test_a_table_of_a_spreadsheet_makes_a_survey(tmp_path: Path) -> None:
    """Windows line ends, a byte order mark, capitals, spaces and letters of any alphabet, in names of files too."""
    names = ["mes images/étoile 1.fits", "mes images/звезда,2.fits"]
    for name in names:
        stamp(tmp_path / "dossier à moi" / name)
    lines = ["ID , File,Band,MJD,Class"]
    lines += [f' SN 2017é , "{name}" ,g,{58000 + n},Ia pec' for n, name in enumerate(names)]
    table = tmp_path / "dossier à moi" / "ma table.csv"
    table.write_bytes(
        b"\xef\xbb\xbf" + "\r\n".join(line.replace(' "', '"').replace('" ', '"') for line in lines).encode()
    )
    result = made("stamps", table, tmp_path / "mon survey", *SCALE)
    assert result.said == "1 object, 2 frames, 0 rejected"
    assert result.survey.ids == ("SN 2017é",)
    assert result.survey[0].metadata["class"] == "Ia pec"
    assert result.sources["file"] == names


def test_numbers_and_what_is_missing_are_known_in_every_spelling(tmp_path: Path) -> None:
    text = "id,ra,class\n1,,nan\n2,NaN,--\n3,null,N/A\n4, None ,AGN\n"
    assert [(row["ra"], row["class"]) for row in rows_of(text, tmp_path)] == [(None, None)] * 3 + [(None, "AGN")]


@pytest.mark.parametrize(
    ("name", "content", "code", "facts"),
    [
        ("t.csv", b"", "E-TABLE-EMPTY", []),
        ("t.csv", b"id,ra\n", "E-TABLE-EMPTY", []),
        ("t.csv", b"name,ra\n1,2\n", "E-TABLE-COLUMN", ["id"]),
        ("t.csv", b"idd,ra\n1,2\n", "E-TABLE-COLUMN", ["id", "did you mean idd?"]),
        ("t.csv", b"id,ra\n1,2\n1,2,3\n", "E-TABLE-DAMAGED", ["row 2"]),
        ("t.csv", b"id,ra\n1,2\n1\n", "E-TABLE-DAMAGED", ["row 2"]),
        ("t.csv", b'id,ra\n"1,2\n', "E-TABLE-DAMAGED", []),
        ("t.csv", b"id,ra\n\xff\xfe,2\n", "E-TABLE-DAMAGED", []),
        ("t.csv", b"id,ra\n1\x00,2\n", None, []),
        ("t.parquet", b"PAR1 it is not", "E-TABLE-DAMAGED", []),
        ("t.fits", b"SIMPLE it is not", "E-TABLE-DAMAGED", []),
        ("t.ecsv", b"id ra\n1 2\n", "E-TABLE-DAMAGED", []),
        ("t.txt", b"id ra\n1 2\n", "E-FILES-ENDING", ["'.txt'"]),
        ("table", b"id ra\n1 2\n", "E-FILES-ENDING", ["'no ending'"]),
    ],
)
def test_what_is_no_table_is_refused(
    tmp_path: Path, name: str, content: bytes, code: str | None, facts: list[str]
) -> None:
    if code is None:
        rows = rows_of(content, tmp_path, name)
        assert rows[0]["id"] == "1\x00"  # which no survey takes as an id
        return
    with refused(UsageError, code, *facts, where=tmp_path / name):
        rows_of(content, tmp_path, name)


def test_a_table_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    error = refusal("stamps", tmp_path / "t.csv", tmp_path / "s", *SCALE)
    check_refusal(error, "E-FILES-MISSING", where=tmp_path / "t.csv")


BASE = {"id": "a", "file": "a.fits", "band": "g", "mjd": 58000.0, "class": "SN Ia", "ra": 1.0, "dec": 2.0}


@pytest.mark.parametrize("name", ["class", "redshift", "label_source", "host"])
def test_one_id_for_two_objects_is_refused_naming_both_rows(tmp_path: Path, name: str) -> None:
    values = {"class": ("SN Ia", "AGN"), "host": ("M31", "M33"), "label_source": ("photometric", "spectroscopic")}
    first, second = values.get(name, (1.25, 1.5))
    rows = [BASE | {"id": "b"}, BASE | {name: first}, BASE | {name: first}, BASE | {name: second}]
    error = refusal("stamps", write_table(tmp_path / "t.csv", rows), tmp_path / "s", *SCALE)
    check_refusal(error, "E-ID-DUPLICATE", "'a'", str(first), str(second), where="/t.csv, row 2 and row 4")


@pytest.mark.parametrize(
    ("changes", "code", "facts"),
    [
        ({"id": None}, "E-VALUE-MISSING", ["id"]),
        ({"id": "a\x07"}, "E-ID-FORMAT", []),
        ({"file": None}, "E-VALUE-MISSING", ["file"]),
        ({"mjd": "yesterday"}, "E-VALUE-TYPE", ["mjd", "'yesterday'"]),
        ({"ra": "1:2:3"}, "E-VALUE-TYPE", ["ra", "'1:2:3'"]),
        ({"ra": 361}, "E-VALUE-RANGE", ["ra", "361.0", "-180 to 360"]),
        ({"dec": None}, "E-VALUE-MISSING", ["ra", "dec"]),
        ({"redshift": -3}, "E-VALUE-RANGE", ["redshift", "-3.0"]),
        ({"label_source": "guessed"}, "E-VALUE-RANGE", ["label_source", "'guessed'"]),
        ({"plane": 1.5}, "E-VALUE-RANGE", ["plane", "1.5"]),
        ({"plane": -1}, "E-VALUE-RANGE", ["plane", "-1"]),
        ({"class_name": "SN Ia"}, "E-TABLE-COLUMN", ["class_name"]),
        ({"crc32": "1"}, "E-TABLE-COLUMN", ["'crc32'"]),
        ({"2mass": "1"}, "E-TABLE-COLUMN", ["'2mass'"]),
    ],
)
def test_a_bad_cell_is_refused_before_anything_is_read(
    tmp_path: Path, changes: dict[str, Any], code: str, facts: list[str]
) -> None:
    columns = list(BASE | changes)
    error = refusal("stamps", write_table(tmp_path / "t.csv", [BASE | changes], columns), tmp_path / "s", *SCALE)
    check_refusal(error, code, *facts)
    assert not list(tmp_path.glob(".*"))


def test_a_class_that_is_not_listed_is_refused_naming_the_nearest(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", [BASE | {"class": "SN IA"}])
    error = refusal("stamps", table, tmp_path / "s", *SCALE, "--classes", "AGN,SN Ia")
    check_refusal(error, "E-CLASS-UNKNOWN", "'SN IA'", "AGN, SN Ia", "did you mean SN Ia?", where="object a")


def test_a_column_of_vectors_in_a_fits_table_is_refused_by_name(tmp_path: Path) -> None:
    columns: dict[str, Any] = {name: [value] * 2 for name, value in BASE.items()}
    Table(columns | {"mags": np.ones((2, 5))}).write(tmp_path / "t.fits")
    error = refusal("stamps", tmp_path / "t.fits", tmp_path / "s", *SCALE)
    check_refusal(error, "E-VALUE-TYPE", "'mags'", "list")


def test_columns_of_numbers_are_numbers_and_others_text() -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "z p": "1.5", "note": "1"},
        {"id": "b", "z p": None, "note": "x"},
        {"id": 7.0, "note": "2"},
    ]
    objects = read_objects((f"t.csv, row {n}", row) for n, row in enumerate(rows))
    assert list(objects) == ["a", "b", "7"]
    assert [own["z_p"] for own in objects.values()] == [1.5, None, None]
    assert [own["note"] for own in objects.values()] == ["1", "x", "2"]


@pytest.mark.parametrize(
    ("command", "arguments"),
    [("stamps", SCALE), ("ccd", ("--positions", "missing.csv")), ("tao", ()), ("ztf", ())],
)
def test_the_command_line_ends_with_2_and_four_lines_of_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    arguments: tuple[object, ...],
) -> None:
    source = write_table(tmp_path / "t.csv", [BASE | {"file": None}]) if command == "stamps" else tmp_path
    words = ["ictconvention", "ingest", command, str(source), str(tmp_path / "s"), *map(str, arguments)]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].strip() for line in lines] == ["error", "where", "fix", "code"]
    assert not (tmp_path / "s").exists()


def test_a_process_of_its_own_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    script = "from ictconvention.cli.main import main; main()"
    words = [sys.executable, "-c", script, "ingest", "tao", str(tmp_path), str(tmp_path / "s")]
    result = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert [line.split(":")[0].strip() for line in result.stderr.splitlines()] == ["error", "where", "fix", "code"]


def test_errors_are_of_the_kind_that_users_can_mend(tmp_path: Path) -> None:
    with refused(UsageError, "E-FILES-ENDING", where=tmp_path):
        read_user_table(tmp_path, ("id",))
    assert rejects_of(tmp_path / "s") == []


@pytest.mark.parametrize(("true", "false"), [("true", "False"), ("T", "f"), ("1", "0"), ("1.0", "0.0")])
def test_who_is_selected_is_said_in_a_table_of_text_too(tmp_path: Path, true: str, false: str) -> None:
    text = f"id,selected,extra_test,mine\na,{true},,yes\nb,{false},{true},no\nc,,{false},no\n"
    (tmp_path / "t.csv").write_text(text)
    objects = read_objects(read_user_table(tmp_path / "t.csv", ("id",)).located)
    assert [own["selected"] for own in objects.values()] == [True, False, None]
    assert [own["extra_test"] for own in objects.values()] == [None, True, False]
    assert [own["mine"] for own in objects.values()] == ["yes", "no", "no"]  # a column of the user's own stays a text


def test_what_is_neither_true_nor_false_is_refused_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,selected\na,true\nb,perhaps\n")
    with refused(UsageError, "E-VALUE-TYPE", "perhaps", where="row 2"):
        read_objects(read_user_table(tmp_path / "t.csv", ("id",)).located)
