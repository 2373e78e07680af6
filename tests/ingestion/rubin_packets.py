"""Synthetic Rubin alerts: records with the fields of the real ones that matter here, and the files they come in."""

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io import fits
from numpy.typing import NDArray

NANOJANSKY = 1 / 3630.780547701  # [nanomaggies]
SCALE = 0.2  # [arcsec]
SIDE = 30  # pixels of a cutout
MJD = 61000.0
OBJECT = 169813006680588318  # more digits than a double has
RA, DEC = 150.0, -40.0
FLAGS = (
    "psfFlux_flag",
    "centroid_flag",
    "pixelFlags_nodataCenter",
    "pixelFlags_saturatedCenter",
    "pixelFlags_offimage",
    "pixelFlags_injectedCenter",
)
Alert = dict[str, Any]


def alert(
    object_id: int | None = OBJECT,
    day: float = 0.0,
    band: str = "r",
    angle: float = 0.0,
    flux: float = 10_000.0,
    at: tuple[float, float] = (0.0, 0.0),
    middle: tuple[float, float] = (0.0, 0.0),
    fwhm: float = 0.7,
    noise: float = 20.0,
    side: int = SIDE,
    seed: int = 0,
    **source: Any,
) -> Alert:
    """Return an alert of schema 10, without photometry of other times.

    Parameters
    ----------
    object_id : int, optional
        Its diaObjectId; None or 0: a moving source.
    day : float
        Days after the first alert.
    band : str
        Its band.
    angle : float
        By which the cutout is turned against north up, east left [deg].
    flux : float
        Of its star [nJy].
    at : pair of float
        Where the star lies east and north of the object [arcsec].
    middle : pair of float
        Where the object lies to the right of the middle of the cutout and above it [pixels].
    fwhm : float
        Seeing [arcsec].
    noise : float
        Of each pixel [nJy].
    side : int
        Of the cutout [pixels].
    seed : int
        Of the noise.
    source : any
        Other values of diaSource.
    """
    matrix = turn(angle)
    x, y = np.array(middle) + np.linalg.solve(matrix, np.array(at) / 3600)
    sky = np.random.default_rng(seed).normal(0, noise, (side, side))
    content = cutout(sky + blob(side, float(x), float(y), flux, fwhm / SCALE), matrix, middle, noise, fwhm)
    number = round(day * 1e6) * 10 + 1
    found: Alert = {"diaSourceId": number, "diaObjectId": object_id, "ssObjectId": None if object_id else 77}
    found |= {"midpointMjdTai": MJD + day, "band": band, "ra": RA, "dec": DEC, "psfFlux": flux, "psfFluxErr": 5 * noise}
    found |= {"reliability": 0.9, "timeWithdrawnMjdTai": None, **dict.fromkeys(FLAGS, False)}
    return {
        "diaSourceId": number,
        "diaSource": found | source,
        "prvDiaSources": None,
        "prvDiaForcedSources": None,
        "diaObject": {"diaObjectId": object_id, "ra": RA, "dec": DEC} if object_id else None,
        "cutoutScience": content,
        "cutoutDifference": content,
    }


def turn(angle: float) -> NDArray[np.float64]:
    """Return the matrix from a step in column and row [pixels] to one east and north [deg]."""
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return SCALE / 3600 * np.array([[-cosine, sine], [sine, cosine]])


def blob(side: int, x: float, y: float, flux: float, fwhm: float) -> NDArray[np.float64]:
    """Return a star, summed over each pixel (side, side): x to the right of the middle and y above it [pixels]."""
    finer = 5
    across = (np.arange(side * finer) - (side * finer - 1) / 2) / finer
    profile = np.exp(-4 * np.log(2) * ((across[:, None] - y) ** 2 + (across[None] - x) ** 2) / fwhm**2)
    whole = np.pi / (4 * np.log(2)) * fwhm**2 * finer**2
    return np.asarray(flux / whole * profile.reshape(side, finer, side, finer).sum((1, 3)))


def cutout(
    pixels: NDArray[np.floating],
    matrix: NDArray[np.float64] | None = None,
    middle: tuple[float, float] = (0.0, 0.0),
    noise: float = 20.0,
    fwhm: float = 0.7,
    **header: Any,
) -> bytes:
    """Return a cutout as Rubin packs it: pixels, variance and PSF, and a WCS whose axes have no names."""
    matrix = turn(0) if matrix is None else matrix
    image = fits.PrimaryHDU(pixels.astype(">f4"))
    image.header["BUNIT"] = "nJy"
    for axis, (value, length) in enumerate(zip((RA, DEC), pixels.shape[::-1], strict=True), 1):
        image.header[f"CRVAL{axis}"] = value
        image.header[f"CRPIX{axis}"] = (length + 1) / 2 + middle[axis - 1]
        for other in (1, 2):
            image.header[f"PC{axis}_{other}"] = matrix[axis - 1, other - 1]
    image.header.update(header)
    variance = fits.ImageHDU(np.full(pixels.shape, noise**2, ">f4"), name="UNCERT")
    variance.header["UTYPE"] = "VarianceUncertainty"
    psf = fits.ImageHDU(blob(41, 0, 0, 1.0, fwhm / SCALE), name="PSFIMAGE")
    file = io.BytesIO()
    fits.HDUList([image, variance, psf]).writeto(file)
    return file.getvalue()


def earlier(day: float, flux: float = 5_000.0, **other: Any) -> Alert:
    """Return a record of prvDiaSources."""
    known = {"midpointMjdTai": MJD + day, "band": "r", "psfFlux": flux, "psfFluxErr": 100.0, "reliability": 0.9}
    return known | {"timeWithdrawnMjdTai": None, **dict.fromkeys(FLAGS, False)} | other


def forced(day: float, flux: float | None = 50.0, **other: Any) -> Alert:
    """Return a record of prvDiaForcedSources."""
    known = {"midpointMjdTai": MJD + day, "band": "g", "psfFlux": flux, "psfFluxErr": 100.0}
    return known | {"timeWithdrawnMjdTai": None} | other


def schema(version: int = 10) -> Any:
    """Return the Avro schema of the alerts; version 7 has limits, and neither withdrawals nor one of the flags."""

    def record(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "record", "name": name, "fields": [{"name": own, "type": kind} for own, kind in fields.items()]}

    number, whole = ["null", "double"], ["null", "long"]
    measured = {"midpointMjdTai": "double", "band": ["null", "string"], "psfFlux": number, "psfFluxErr": number}
    later = {} if version == 7 else {"timeWithdrawnMjdTai": number}
    flags = [name for name in FLAGS if version != 7 or name != "pixelFlags_nodataCenter"]
    detected = measured | later | {"reliability": number, **{name: ["null", "boolean"] for name in flags}}
    source = {"diaSourceId": "long", "diaObjectId": whole, "ssObjectId": whole, "ra": "double", "dec": "double"}
    source |= detected
    fields: dict[str, Any] = {"alertId" if version == 7 else "diaSourceId": "long"}
    fields["diaSource"] = record("diaSource", source)
    fields["prvDiaSources"] = ["null", {"type": "array", "items": record("earlier", detected)}]
    fields["prvDiaForcedSources"] = ["null", {"type": "array", "items": record("forced", measured | later)}]
    if version == 7:
        limit = record(
            "limit", {"ccdVisitId": "long", "midpointMjdTai": "double", "band": "string", "diaNoise": "float"}
        )
        fields["prvDiaNondetectionLimits"] = ["null", {"type": "array", "items": limit}]
    fields["diaObject"] = ["null", record("diaObject", {"diaObjectId": whole, "ra": "double", "dec": "double"})]
    fields |= {name: ["null", "bytes"] for name in ("cutoutScience", "cutoutDifference")}
    return fastavro.parse_schema(record("alert", fields))


def write_alerts(path: Path, alerts: Sequence[Alert], version: int = 10) -> Path:
    """Write an Avro container."""
    with path.open("wb") as file:
        fastavro.writer(
            file, schema(version), [{"alertId": one["diaSourceId"], **one} for one in alerts], codec="deflate"
        )
    return path


def message(one: Alert, version: int = 10) -> bytes:
    """Return a broker's message in Confluent's wire format."""
    file = io.BytesIO(b"\x00" + struct.pack(">I", 1000))
    file.seek(5)
    fastavro.schemaless_writer(file, schema(version), {"alertId": one["diaSourceId"], **one})
    return file.getvalue()


def write_table(path: Path, alerts: Sequence[Alert]) -> Path:
    """Write Parquet as a broker's pandas does: types by the values, so that lists without any are lists of nothing."""
    pq.write_table(pa.Table.from_pylist([dict(one) for one in alerts]), path)
    return path
