"""Damaged, hostile and incomplete alert files: what is sound is kept, what is not is one reject with its reason."""

import gzip
import io
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.found import Reject
from ictconvention.ingestion.readers.alert_files import AlertUnit, find_alerts
from ictconvention.ingestion.readers.ztf import MOST_CUTOUT, ZtfOptions, cutout_pixels, read_ztf
from tests.conftest import ROOT
from tests.ingestion.alert_packets import (
    Alert,
    alert,
    avro_bytes,
    cutout,
    schema,
    source,
    write_avro,
    write_parquet,
    write_tar,
)
from tests.ingestion.commands import made, refusal
from tests.refusals import check_refusal


def nights(count: int) -> list[Alert]:
    return [alert(day=day, counts=100.0 + day) for day in range(count)]


def zeros(size: int) -> bytes:
    """Return so many zeros as gzip, made without holding them: each block but the first has the same bytes."""
    packing = zlib.compressobj(9, wbits=31)
    first, next_ = (packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + next_ * (size // 2**20 - 1)


def test_a_truncated_avro_file_keeps_the_alerts_before_the_break(tmp_path: Path) -> None:
    content = avro_bytes(nights(4))
    whole = len(avro_bytes(nights(3)))
    (tmp_path / "a.avro").write_bytes(content[: whole + (len(content) - whole) // 2])
    result = made("ztf", tmp_path / "a.avro", tmp_path / "s")
    assert result.said == "1 object, 3 frames, 1 rejected"
    assert result.rejects[0]["file"] == "a.avro"
    assert result.rejects[0]["reason"].startswith("no whole alert file")


@pytest.mark.parametrize("at", [0.0, 0.1, 0.3, 0.6, 0.9])
def test_bytes_overwritten_by_rubbish_harm_no_other_file(tmp_path: Path, at: float) -> None:
    (tmp_path / "alerts").mkdir()
    content = bytearray(avro_bytes(nights(3)))
    place = int(at * len(content))
    content[place : place + 40] = b"\xff" * 40
    (tmp_path / "alerts" / "a.avro").write_bytes(content)
    write_tar(tmp_path / "alerts" / "b.tar", {"a.avro": bytes(content), "b.avro": avro_bytes([alert("ZTF18tar")])})
    write_avro(tmp_path / "alerts" / "c.avro", [alert("ZTF18sound")])
    result = made("ztf", tmp_path / "alerts", tmp_path / "s", "--max-rejects", 0.9)
    assert "ZTF18sound" in result.survey.ids
    sound = made("ztf", write_avro(tmp_path / "sound.avro", nights(3)), tmp_path / "t").survey[0]
    for series in result.survey:  # no damaged pixel came through
        if series.id == sound.id:
            kept = np.isin(sound.mjd, series.mjd)
            np.testing.assert_array_equal(series.frames, sound.frames[kept])
    assert result.rejects or len(result.survey["ZTF18aaaaaaa"]) == 3  # what is not read may be damaged


def test_a_length_that_no_file_can_have_is_damage_not_a_lack_of_memory(tmp_path: Path) -> None:
    content = avro_bytes(nights(2))
    sync = content[-16:]
    end_of_header = content.index(sync) + 16
    length = b"\xfe\xff\xff\xff\xff\xff\xff\x7f"  # 2**54 bytes, as Avro writes a number
    (tmp_path / "alerts").mkdir()
    broken = content[:end_of_header] + b"\x02" + length + content[end_of_header + 4 :]
    (tmp_path / "alerts" / "a.avro").write_bytes(broken)
    write_tar(tmp_path / "alerts" / "b.tar.gz", {"a.avro": broken})
    write_avro(tmp_path / "alerts" / "c.avro", [alert("ZTF18sound")])
    result = made("ztf", tmp_path / "alerts", tmp_path / "s", "--max-rejects", 0.9)
    assert result.said == "1 object, 1 frame, 2 rejected"


def test_truncated_archives_and_parquet_are_rejected_from_the_break_on(tmp_path: Path) -> None:
    folder = tmp_path / "alerts"
    folder.mkdir()
    write_tar(folder / "a.tar", {f"{n}.avro": avro_bytes([one]) for n, one in enumerate(nights(3))})
    content = (folder / "a.tar").read_bytes()
    member = 512 + len(avro_bytes(nights(1))) // 512 * 512 + 512
    (folder / "a.tar").write_bytes(content[: member + member // 2])
    write_parquet(folder / "b.parquet", nights(3))
    (folder / "b.parquet").write_bytes((folder / "b.parquet").read_bytes()[:-100])
    (folder / "c.tar.gz").write_bytes(b"no archive")
    write_avro(folder / "d.avro", [alert("ZTF18sound")])
    result = made("ztf", folder, tmp_path / "s", "--max-rejects", 0.9)
    assert result.survey.ids == ("ZTF18aaaaaaa", "ZTF18sound")
    assert len(result.survey["ZTF18aaaaaaa"]) == 1  # of the archive, whose second member is cut
    rejected = [row["file"].split("[")[0] for row in result.rejects]
    assert sorted(rejected) == ["a.tar", "b.parquet", "c.tar.gz"]


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_an_archive_whose_second_header_is_damaged_does_not_end_there(tmp_path: Path, ending: str) -> None:
    """The library that reads archives takes a damaged header for the end, and drops all that follows without a word."""
    folder = tmp_path / "alerts"
    folder.mkdir()
    path = write_tar(folder / f"a.{ending}", {f"{n}.avro": avro_bytes([one]) for n, one in enumerate(nights(3))})
    content = bytearray(gzip.decompress(path.read_bytes()) if ending == "tar.gz" else path.read_bytes())
    content[content.index(b"1.avro")] = 0x7F
    path.write_bytes(gzip.compress(bytes(content)) if ending == "tar.gz" else bytes(content))
    write_avro(folder / "d.avro", [alert("ZTF18sound")])
    result = made("ztf", folder, tmp_path / "s", "--max-rejects", 0.9)
    assert len(result.survey["ZTF18aaaaaaa"]) == 1
    assert [row["file"] for row in result.rejects] == [path.name]


def test_a_gzip_bomb_in_a_cutout_is_rejected_in_little_memory_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A thousand times what a cutout may hold; read in a process of its own, whose peak of memory can be told."""
    alerts = nights(3)
    alerts[1]["cutoutScience"] = {"fileName": "bomb", "stampData": zeros(2**30)}
    write_avro(tmp_path / "a.avro", alerts)
    script = f"""
import resource
from pathlib import Path
from ictconvention.ingestion.found import Reject
from ictconvention.ingestion.readers.alert_files import AlertUnit
from ictconvention.ingestion.readers.ztf import ZtfOptions, read_ztf
folder = Path({str(tmp_path)!r})
read = lambda: list(read_ztf(ZtfOptions(folder), AlertUnit(("a.avro",))))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
import fastavro, astropy.io.fits, astropy.units
before = peak()
found = read()
(reject,) = (one for one in found if isinstance(one, Reject))
print(len(found), reject.reason, (peak() - before) / 1024, sep="|")
"""
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    count, reason, megabytes = output.split("|")
    assert (int(count), reason) == (5, f"it unpacks to more than {MOST_CUTOUT} bytes")
    assert float(megabytes) < 50
    result = made("ztf", tmp_path / "a.avro", tmp_path / "s")
    assert result.said == "1 object, 2 frames, 1 rejected"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"no gzip at all", "damaged gzip"),
        (gzip.compress(b"no FITS", mtime=0), "no whole FITS file"),
        (cutout(source(1))["stampData"][:-300], "truncated"),
        (gzip.compress(gzip.decompress(cutout(source(1))["stampData"])[:9000], mtime=0), "no whole FITS file"),
        (cutout(np.zeros((2, 63, 63)))["stampData"], "a cutout of 2 x 63 x 63 pixels"),
        (cutout(np.zeros((20, 20)))["stampData"], "a cutout of 20 x 20 pixels, not 63 x 63"),
        (cutout(np.full((63, 63), np.nan))["stampData"], "no pixel is finite"),
    ],
)
def test_a_damaged_cutout_is_rejected_alone(tmp_path: Path, content: bytes, reason: str) -> None:
    alerts = nights(3)
    alerts[1]["cutoutScience"] = {"fileName": "", "stampData": content}
    write_avro(tmp_path / "a.avro", alerts)
    result = made("ztf", tmp_path / "a.avro", tmp_path / "s")
    assert result.said == "1 object, 2 frames, 1 rejected"
    assert result.rejects[0]["file"] == "a.avro#1"
    assert reason in result.rejects[0]["reason"]


def test_a_cutout_may_fill_its_bound_and_no_byte_more() -> None:
    side = int((MOST_CUTOUT / 4) ** 0.5) - 2  # with a header of 2880 bytes, padded to such blocks
    with pytest.raises(UnreadableError, match=f"a cutout of {side} x {side} pixels"):
        cutout_pixels(cutout(np.zeros((side, side)))["stampData"], {})
    with pytest.raises(UnreadableError, match="unpacks to more than"):
        cutout_pixels(cutout(np.zeros((side + 4, side)))["stampData"], {})


@pytest.mark.parametrize(("kind", "lacking"), [("avro", "objectId"), ("avro", "cutoutScience"), ("parquet", "")])
def test_alerts_that_lack_a_field_are_rejected_and_say_which(tmp_path: Path, kind: str, lacking: str) -> None:
    (tmp_path / "alerts").mkdir()
    if kind == "avro":
        write_avro(tmp_path / "alerts" / "a.avro", nights(2), lacking=[lacking])
    else:
        lacking = "cutoutScience"
        path = write_parquet(tmp_path / "alerts" / "a.parquet", nights(2))
        pq.write_table(pq.read_table(path).drop_columns([lacking]), path)
    write_avro(tmp_path / "alerts" / "b.avro", [alert(day=9)])
    result = made("ztf", tmp_path / "alerts", tmp_path / "s", "--max-rejects", 0.7)
    assert result.said == "1 object, 1 frame, 2 rejected"
    assert all(row["reason"].endswith(f"lacks {lacking}") for row in result.rejects)


def test_an_alert_without_a_cutout_is_rejected_alone(tmp_path: Path) -> None:
    alerts = nights(3)
    alerts[1]["cutoutScience"] = None
    write_avro(tmp_path / "a.avro", alerts)
    write_parquet(tmp_path / "a.parquet", alerts)
    for name in ("a.avro", "a.parquet"):
        result = made("ztf", tmp_path / name, tmp_path / f"s {name}")
        assert result.said == "1 object, 2 frames, 1 rejected"
        assert result.rejects[0]["reason"] == "the alert lacks cutoutScience"
        assert made("ztf", tmp_path / name, tmp_path / f"d {name}", "--cutout", "difference").said.endswith(
            " 0 rejected"
        )


def test_records_that_are_no_alerts_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    fields: list[dict[str, Any]] = [{"name": "objectId", "type": "long"}, {"name": "candidate", "type": "string"}]
    fields.append({"name": "prv_candidates", "type": {"type": "array", "items": "string"}})
    other = fastavro.parse_schema({"type": "record", "name": "other", "fields": fields})
    with (tmp_path / "alerts" / "a.avro").open("wb") as file:
        fastavro.writer(file, other, [{"objectId": 1, "candidate": "x", "prv_candidates": ["y"]}])
    with (tmp_path / "alerts" / "b.avro").open("wb") as file:
        fastavro.writer(file, "string", ["text"])
    pq.write_table(pa.table({"objectId": [1], "candidate": ["x"]}), tmp_path / "alerts" / "c.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "alerts" / "d.parquet")
    write_avro(tmp_path / "alerts" / "e.avro", nights(1))
    result = made("ztf", tmp_path / "alerts", tmp_path / "s", "--max-rejects", 0.9)
    assert result.said == "1 object, 1 frame, 4 rejected"


def test_a_history_that_is_no_list_of_records_costs_its_alert_nothing(tmp_path: Path) -> None:
    strange = alert("ZTF18strange") | {"prv_candidates": ["text"]}
    with (tmp_path / "a.avro").open("wb") as file:
        fastavro.writer(file, schema(prv_candidates={"type": "array", "items": "string"}), [strange])
    write_avro(tmp_path / "b.avro", nights(1))
    result = made("ztf", tmp_path, tmp_path / "out" / "s")
    assert set(result.survey.ids) == {"ZTF18aaaaaaa", "ZTF18strange"}
    assert [row["file"] for row in result.rejects] == ["a.avro[prv_candidates 0]"]


def test_a_file_that_has_gone_is_a_reject(tmp_path: Path) -> None:
    (found,) = read_ztf(ZtfOptions(tmp_path), AlertUnit(("gone.avro",)))
    assert isinstance(found, Reject)
    assert "No such file" in found.reason


def test_names_in_an_archive_write_nothing_anywhere(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "alerts"
    folder.mkdir(parents=True)
    names = ["../../evil.avro", "/tmp/evil-of-an-archive.avro", "sub/../../../evil.avro"]
    write_tar(folder / "a.tar.gz", {name: avro_bytes([one]) for name, one in zip(names, nights(3), strict=True)})
    before = {path for path in tmp_path.rglob("*")}
    result = made("ztf", folder, tmp_path / "out" / "s")
    new = {path for path in tmp_path.rglob("*")} - before
    assert all(path.is_relative_to(tmp_path / "out") for path in new)
    assert not Path(names[1]).exists()
    assert result.said == "1 object, 3 frames, 0 rejected"


def test_a_broken_packet_in_an_archive_costs_no_other(tmp_path: Path) -> None:
    packets = {f"{n:02d}.avro": avro_bytes([alert(day=n)]) for n in range(9)}
    packets["03.avro"] = packets["03.avro"][: len(packets["03.avro"]) // 2]
    (tmp_path / "alerts").mkdir()
    write_tar(tmp_path / "alerts" / "night.tar.gz", packets)
    result = made("ztf", tmp_path / "alerts", tmp_path / "s")
    assert result.said == "1 object, 8 frames, 1 rejected"
    assert result.rejects[0]["file"] == "night.tar.gz[03.avro]"


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    write_avro(tmp_path / "secret.avro", [alert("ZTF18secret")])
    (tmp_path / "alerts").mkdir()
    with tarfile.open(tmp_path / "alerts" / "a.tar", "w") as archive:
        link = tarfile.TarInfo("b.avro")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.avro")
        archive.addfile(link)
        content = avro_bytes(nights(1))
        member = tarfile.TarInfo("a.avro")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    assert made("ztf", tmp_path / "alerts", tmp_path / "s").survey.ids == ("ZTF18aaaaaaa",)


def test_no_alerts_and_a_missing_package_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / "a.json").write_text("{}")
    for name, code in (("alerts", "E-INGEST-NOTHING"), ("no", "E-FILES-MISSING")):
        check_refusal(refusal("ztf", tmp_path / name, tmp_path / "s"), code, where=tmp_path / name)
    write_avro(tmp_path / "alerts" / "a.avro", nights(1))
    monkeypatch.setattr("ictconvention.ingestion.readers.alert_files.find_spec", lambda name: None)
    error = refusal("ztf", tmp_path / "alerts", tmp_path / "s")
    check_refusal(error, "E-PACKAGE-MISSING", "fastavro", "[ztf]", where="ingest ztf")


def test_many_packets_are_read_some_at_once(tmp_path: Path) -> None:
    for number in range(600):
        (tmp_path / f"{number:03d}.avro").touch()
    units = find_alerts(tmp_path)[1]
    assert [len(unit.files) for unit in units] == [256, 256, 88]


def test_a_link_that_leads_nowhere_is_a_reject_and_linked_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "elsewhere").mkdir()
    write_avro(tmp_path / "elsewhere" / "a.avro", [alert()])
    (tmp_path / "alerts" / "night").symlink_to(tmp_path / "elsewhere")
    for name in ("b.avro", "c.parquet", "d.tar.gz", "night2"):
        (tmp_path / "alerts" / name).symlink_to(tmp_path / "gone")
    result = made("ztf", tmp_path / "alerts", tmp_path / "s", "--max-rejects", 0.9)
    assert result.said == "1 object, 1 frame, 4 rejected"
    assert {row["file"] for row in result.rejects} == {"b.avro", "c.parquet", "d.tar.gz", "night2"}
    assert all("symbolic link" in row["reason"] for row in result.rejects)


def test_parquet_that_claims_more_than_its_bytes_can_hold_is_rejected(tmp_path: Path) -> None:
    pq.write_table(pa.table({"objectId": pa.nulls(3_000_000, pa.string())}), tmp_path / "rows.parquet")
    lists = pa.array([[None] * 5_000_000], pa.list_(pa.struct([("jd", pa.float64())])))
    pq.write_table(pa.table({"objectId": ["a"], "fp_hists": lists}), tmp_path / "values.parquet")
    error = refusal("ztf", tmp_path, tmp_path / "s")
    check_refusal(error, "E-INGEST-REJECTS", "3000000 rows", "5000000 values", where=tmp_path / "s")
