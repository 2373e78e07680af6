"""Synthetic ZTF alerts: records with the fields of the real ones that matter here, and the files they come in."""

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from numpy.typing import NDArray

SIDE = 63  # pixels of a cutout
JD = 2458000.5  # of the first alert: MJD 58000
SKY = 150.0  # [counts] of the science cutout
Alert = dict[str, Any]


def alert(
    object_id: str = "ZTF18aaaaaaa",
    day: float = 0.0,
    fid: int = 1,
    counts: float = 1000.0,
    zero_point: float = 26.0,
    previous: Sequence[Mapping[str, Any]] = (),
    host: float = 4000.0,
    noise: float = 1e-3,
) -> Alert:
    """Return an alert as a broker gives it.

    Parameters
    ----------
    object_id : str
        Whose alert it is.
    day : float
        Days after the first alert.
    fid : int
        1, 2, 3: bands g, r, i.
    counts : float
        What the source gained since the reference; negative where it faded, when the difference is reversed.
    zero_point : float
        Of the science image [AB mag].
    previous : sequence of mapping
        Of `prv_candidates`, see `detection` and `limit`.
    host : float
        Counts of the reference at the same place.
    noise : float
        Of each pixel [counts]; without any, the sky would be no sky.
    """
    rng = np.random.default_rng(round(day * 1e6))
    positive = counts > 0
    candidate = {
        "jd": JD + day,
        "fid": fid,
        "candid": round(day * 1e6) * 10 + fid,
        "isdiffpos": "t" if positive else "f",
        "ra": 120.0,
        "dec": 30.0,
        "xpos": 1500.0,
        "ypos": 1600.0,
        "magpsf": zero_point - 2.5 * np.log10(abs(counts)),
        "sigmapsf": 0.1,
        "diffmaglim": 20.5,
        "fwhm": 2.0,
        "magzpsci": zero_point,
        "jdstarthist": None,
    }
    return {
        "objectId": object_id,
        "candid": candidate["candid"],
        "candidate": candidate,
        "prv_candidates": [dict(one) for one in previous] or None,
        "cutoutScience": cutout(rng.normal(SKY, noise, (SIDE, SIDE)) + source(host + counts)),
        "cutoutTemplate": cutout(rng.normal(SKY, noise, (SIDE, SIDE)) + source(host)),
        "cutoutDifference": cutout(  # a negative one is reference minus science
            rng.normal(0, noise, (SIDE, SIDE)) + source(abs(counts))
        ),
    }


def detection(day: float, fid: int = 1, magnitude: float = 19.0, positive: bool = True) -> Alert:
    return {
        "jd": JD + day,
        "fid": fid,
        "candid": round((day + 1000) * 1e6),
        "magpsf": magnitude,
        "sigmapsf": 0.1,
        "diffmaglim": 20.5,
        "isdiffpos": "t" if positive else "f",
    }


def limit(day: float, fid: int = 1, magnitude: float = 20.5) -> Alert:
    return {"jd": JD + day, "fid": fid, "diffmaglim": magnitude} | dict.fromkeys(
        ("candid", "magpsf", "sigmapsf", "isdiffpos")
    )


def source(counts: float, x: float = 0.0, y: float = 0.0, sigma: float = 0.9) -> NDArray[np.float32]:
    """Return a star of a cutout: x to the right of the centre, y above it [pixels]."""
    across = np.arange(SIDE) - SIDE // 2
    profile = np.exp(-((across[:, None] - y) ** 2 + (across[None] - x) ** 2) / (2 * sigma**2))
    return np.asarray(counts * profile / profile.sum(), dtype=np.float32)


def sky(noise: float = 1e-3, shape: tuple[int, int] = (SIDE, SIDE)) -> NDArray[np.float32]:
    """Return empty sky of a science cutout [counts]."""
    return np.random.default_rng(0).normal(SKY, noise, shape).astype(np.float32)


def cutout(pixels: NDArray[np.floating]) -> Alert:
    """Return a cutout as it is packed: gzip-compressed FITS."""
    data = pixels.astype(">f4").tobytes()
    content = _header(pixels.shape) + data + bytes(-len(data) % 2880)
    return {"fileName": "candid.fits.gz", "stampData": gzip.compress(content, compresslevel=1, mtime=0)}


@cache
def _header(shape: tuple[int, ...]) -> bytes:
    text: str = fits.PrimaryHDU(np.zeros(shape, ">f4")).header.tostring()
    return text.encode()


def schema(lacking: Sequence[str] = (), **types: Any) -> Any:
    """Return the Avro schema of the alerts, without some fields, and with other types of some."""

    def record(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        kept = [{"name": field, "type": kind} for field, kind in fields.items() if field not in lacking]
        return {"type": "record", "name": name, "fields": kept}

    number, whole, text = ["null", "double"], ["null", "long"], ["null", "string"]
    measured = {"candid": whole, "magpsf": number, "sigmapsf": number, "diffmaglim": number, "isdiffpos": text}
    candidate = {"jd": "double", "fid": "int", **measured, "ra": "double", "dec": "double"}
    candidate |= {"xpos": number, "ypos": number, "fwhm": number, "magzpsci": number, "jdstarthist": number}
    previous = record("prv", {"jd": "double", "fid": "int", **measured})
    names = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
    packed = {name: record(f"of_{name}", {"fileName": "string", "stampData": "bytes"}) for name in names}
    fields = {
        "objectId": "string",
        "candid": "long",
        "candidate": record("candidate", candidate),
        "prv_candidates": ["null", {"type": "array", "items": previous}],
        **{name: ["null", kind] for name, kind in packed.items()},
    }
    return fastavro.parse_schema(record("alert", fields | types))


def avro_bytes(alerts: Sequence[Alert], lacking: Sequence[str] = (), codec: str = "null") -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, schema(lacking), alerts, codec=codec, sync_interval=1)  # a block for each
    return file.getvalue()


def write_avro(path: Path, alerts: Sequence[Alert], lacking: Sequence[str] = (), codec: str = "null") -> Path:
    path.write_bytes(avro_bytes(alerts, lacking, codec))
    return path


def write_parquet(path: Path, alerts: Sequence[Alert], rows_of_group: int = 1000, compliant: bool = True) -> Path:
    """Write Parquet; `compliant` names the elements of lists as the format's standard does."""
    packed = pa.struct([("fileName", pa.string()), ("stampData", pa.binary())])
    measured = [("candid", pa.int64()), ("magpsf", pa.float32()), ("sigmapsf", pa.float32())]
    measured += [("diffmaglim", pa.float32()), ("isdiffpos", pa.string())]
    previous = pa.struct([("jd", pa.float64()), ("fid", pa.int32()), *measured])
    table = pa.table(
        {
            "objectId": [one["objectId"] for one in alerts],
            "candid": [one["candid"] for one in alerts],
            "candidate": [one["candidate"] | {"programid": 1} for one in alerts],
            "prv_candidates": pa.array([one["prv_candidates"] for one in alerts], pa.list_(previous)),
            **{
                name: pa.array([one[name] for one in alerts], packed)
                for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference")
            },
        }
    )
    pq.write_table(table, path, row_group_size=rows_of_group, use_compliant_nested_type=compliant)
    return path


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write an archive as ZTF's of a night, compressed where the name says so."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
