"""Small inputs for the tutorials, in the formats that real ones have: stamps, CCD images, alerts, pictures.

Everything here is made up: a source with noise around it, brighter or fainter with time. It shows how commands are
used, and says nothing about the sky.
"""

import fcntl
import gzip
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

FOLDER = Path(__file__).parents[1] / "_build" / "tutorials"
CLASSES = ("AGN", "SN Ia", "Variable")
SEASON = 120.0  # days
Array = NDArray[np.floating]


def enter(name: str) -> None:
    """Work in an empty folder of this tutorial, so that every path below is short and nothing is overwritten."""
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chdir(folder)
    for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):  # Jupyter asks commands for colours, which a page shows as codes
        os.environ.pop(name, None)
    os.environ["TERM"] = "dumb"


def sky() -> Path:
    """Return a simulated SDSS-II-like survey of 200 labelled objects that several tutorials share; made once."""
    import ictconvention as ict

    path = FOLDER / "sky"
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "sky.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the site's build runs several tutorials at once
        if not path.exists():
            ict.simulate(path, objects=200, seed=5, jobs=1)
    return Path(os.path.relpath(path))


def source(flux: float, side: int = 32, at: tuple[float, float] = (0.0, 0.0), sigma: float = 1.5) -> Array:
    """Return a point source (side, side) of this flux; `at` is right of the middle and above it [pixels]."""
    across = np.arange(side) - (side - 1) / 2
    profile = np.exp(-((across[:, None] - at[1]) ** 2 + (across - at[0]) ** 2) / (2 * sigma**2))
    return flux * profile / (2 * np.pi * sigma**2)


def brightness(kind: str, days: Array, number: int) -> Array:
    """Return what a source gains over its reference at some days: it flickers, flares up once, or pulsates."""
    rng = np.random.default_rng(number)
    if kind == "AGN":
        steps = rng.normal(0, 1, days.size) * np.sqrt(np.diff(days, prepend=days[0] - 10) / 10)
        return 30 * np.cumsum(steps)
    if kind == "SN Ia":
        peak = rng.uniform(30, 60)
        return 150 * np.where(days < peak, np.exp(-(((days - peak) / 8) ** 2)), np.exp(-(days - peak) / 25))
    return 80 * np.sin(2 * np.pi * days / rng.uniform(5, 20) + rng.uniform(0, 6))


def kinds(objects: int) -> Iterator[tuple[int, str, Array, np.random.Generator]]:
    """Yield the number, the class, the days of observation and a generator of each object."""
    for number in range(objects):
        rng = np.random.default_rng(1000 + number)
        yield number, CLASSES[number % 3], np.sort(rng.uniform(0, SEASON, 12)), rng


def stamps(folder: str, objects: int = 45) -> Path:
    """Write a FITS cube for each object, and return the table of all frames: id, file, band, mjd, class, ra, dec."""
    place = Path(folder)
    place.mkdir()
    lines = ["id,file,band,mjd,class,ra,dec"]
    for number, kind, days, rng in kinds(objects):
        gain = brightness(kind, days, number)
        cube = [source(200 + one) + rng.normal(0, 1, (32, 32)) for one in gain]
        fits.PrimaryHDU(np.stack(cube).astype(np.float32)).writeto(place / f"{number:03d}.fits")
        for frame, day in enumerate(days):
            where = f"{10 + 0.1 * number:.2f},{0.5}"
            lines.append(f"o{number:03d},{number:03d}.fits,{'gr'[frame % 2]},{58000 + day:.4f},{kind},{where}")
    (place / "frames.csv").write_text("\n".join(lines) + "\n")
    return place / "frames.csv"


def images(folder: str, nights: int = 8) -> tuple[Path, Path]:
    """Write calibrated CCD images of one field, each turned otherwise, and a table of positions; return both."""
    place = Path(folder)
    place.mkdir()
    stars = [(150 + 0.004 * east, 2 + 0.004 * north) for east in (-1, 0, 1) for north in (-1, 0, 1)]
    for night in range(nights):
        header = fits.Header({"FILTER": "gr"[night % 2], "MJD-OBS": 58000.0 + 3 * night, "EXPTIME": 60.0})
        header.update({"MAGZERO": 25.0, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0})
        turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), night % 4) @ np.diag([-1, 1])
        header.update({"CRPIX1": 100.5, "CRPIX2": 100.5})
        header.update({f"CD{i + 1}_{j + 1}": float(turn[i, j]) * 0.4 / 3600 for i in (0, 1) for j in (0, 1)})
        pixels = np.random.default_rng(night).normal(1000, 5, (200, 200))
        for number, (ra, dec) in enumerate(stars):
            east, north = (ra - 150) * np.cos(np.radians(dec)) * 9000, (dec - 2) * 9000  # [pixels]
            at = np.linalg.solve(turn, [east, north])
            flux = 20000 * (1 + 0.3 * np.sin(night * (1 + number)))
            pixels += source(flux, 200, (float(at[0]), float(at[1])))
        fits.PrimaryHDU(pixels.astype(np.float32), header).writeto(place / f"night{night}.fits")
    table = place / "objects.csv"
    table.write_text("id,ra,dec\n" + "".join(f"s{n},{ra:.6f},{dec:.6f}\n" for n, (ra, dec) in enumerate(stars)))
    return place, table


def packed(pixels: Array) -> dict[str, Any]:
    """Return a cutout as ZTF packs it: gzip-compressed FITS."""
    file = io.BytesIO()
    fits.PrimaryHDU(pixels.astype(np.float32)).writeto(file)
    return {"fileName": "cutout.fits.gz", "stampData": gzip.compress(file.getvalue(), mtime=0)}


def ztf_alerts(folder: str, objects: int = 45, unlabelled: int = 6) -> tuple[Path, Path]:
    """Write ZTF alerts in one Avro file, and a table of the classes that are known; return both."""
    import fastavro

    place = Path(folder)
    place.mkdir()
    alerts, labels = [], ["id,class"]
    for number, kind, days, rng in kinds(objects):
        name = f"ZTF18{''.join(chr(97 + (number // 26**power) % 26) for power in range(6, -1, -1))}"
        if number < objects - unlabelled:
            labels.append(f"{name},{kind}")
        for alert, (day, gain) in enumerate(zip(days, 10 * brightness(kind, days, number), strict=True)):
            host = source(4000, 63) + rng.normal(0, 5, (63, 63))
            seen = {"jd": 2458000.5 + day, "fid": 1 + alert % 2, "candid": number * 1000 + alert, "magpsf": 19.0}
            seen |= {"sigmapsf": 0.1, "diffmaglim": 20.5, "isdiffpos": "t" if gain > 0 else "f"}
            seen |= {"ra": 120 + 0.05 * number, "dec": 30.0, "xpos": 1500.0, "ypos": 1600.0, "fwhm": 2.0}
            seen |= {"magzpsci": 26.0, "jdstarthist": 2458000.5 + days[0]}
            science = host + source(gain, 63) + 150 + rng.normal(0, 5, (63, 63))
            cutouts = {"Science": science, "Template": host + 150, "Difference": source(abs(gain), 63)}
            alerts.append(
                {"objectId": name, "candid": seen["candid"], "candidate": seen, "prv_candidates": None}
                | {f"cutout{one}": packed(pixels + rng.normal(0, 1, (63, 63))) for one, pixels in cutouts.items()}
            )
    with (place / "night.avro").open("wb") as file:
        fastavro.writer(file, ztf_schema(), alerts)
    (place / "labels.csv").write_text("\n".join(labels) + "\n")
    return place / "night.avro", place / "labels.csv"


def record(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return a record of an Avro schema."""
    return {"type": "record", "name": name, "fields": [{"name": own, "type": kind} for own, kind in fields.items()]}


def ztf_schema() -> dict[str, Any]:
    """Return the fields of a ZTF alert that are read."""
    numbers = ["sigmapsf", "magpsf", "diffmaglim", "ra", "dec", "xpos", "ypos", "fwhm", "magzpsci", "jdstarthist"]
    candidate = {"jd": "double", "fid": "int", "candid": "long", "isdiffpos": "string"}
    candidate |= dict.fromkeys(numbers, "double")
    fields = {"objectId": "string", "candid": "long", "candidate": record("candidate", candidate)}
    fields["prv_candidates"] = ["null", {"type": "array", "items": record("earlier", {"jd": "double", "fid": "int"})}]
    for name in ("Science", "Template", "Difference"):
        fields[f"cutout{name}"] = record(f"of{name}", {"fileName": "string", "stampData": "bytes"})
    return record("alert", fields)


def rubin_alerts(folder: str, objects: int = 6) -> Path:
    """Write Rubin alerts in one Avro file: each cutout stands at another angle, as the camera did."""
    import fastavro

    place = Path(folder)
    place.mkdir()
    alerts = []
    for number, kind, days, rng in kinds(objects):
        name, ra, dec = 169813006680588300 + number, 150.0 + 0.1 * number, -40.0
        for alert, (day, gain) in enumerate(zip(days, 60 * brightness(kind, days, number), strict=True)):
            visit = {
                "diaSourceId": number * 1000 + alert,
                "diaObjectId": name,
                "ssObjectId": None,
                "ra": ra,
                "dec": dec,
            }
            visit |= {"midpointMjdTai": 61000.0 + day, "band": "gri"[alert % 3], "psfFlux": gain, "psfFluxErr": 100.0}
            visit |= {"reliability": 0.9, "timeWithdrawnMjdTai": None} | dict.fromkeys(RUBIN_FLAGS, False)
            pixels = source(20000 + gain, 30, (1.0, 0.5)) + rng.normal(0, 20, (30, 30))
            content = rubin_cutout(pixels, 40.0 * alert, ra, dec)
            alerts.append(
                {"diaSourceId": visit["diaSourceId"], "diaSource": visit, "prvDiaSources": None}
                | {"prvDiaForcedSources": None, "diaObject": {"diaObjectId": name, "ra": ra, "dec": dec}}
                | {"cutoutScience": content, "cutoutDifference": content}
            )
    with (place / "night.avro").open("wb") as file:
        fastavro.writer(file, rubin_schema(), alerts)
    return place / "night.avro"


RUBIN_FLAGS = (
    "psfFlux_flag",
    "centroid_flag",
    "pixelFlags_nodataCenter",
    "pixelFlags_saturatedCenter",
    "pixelFlags_offimage",
    "pixelFlags_injectedCenter",
)


def rubin_cutout(pixels: Array, angle: float, ra: float, dec: float) -> bytes:
    """Return a cutout as Rubin packs it: pixels [nJy] with a WCS, their variance, and the PSF."""
    image = fits.PrimaryHDU(pixels.astype(np.float32))
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = 0.2 / 3600 * np.array([[-cosine, sine], [sine, cosine]])
    image.header.update({"BUNIT": "nJy", "CRVAL1": ra, "CRVAL2": dec, "CRPIX1": 15.5, "CRPIX2": 15.5})
    image.header.update({f"PC{i + 1}_{j + 1}": turn[i, j] for i in (0, 1) for j in (0, 1)})
    variance = fits.ImageHDU(np.full(pixels.shape, 400, np.float32), name="UNCERT")
    variance.header["UTYPE"] = "VarianceUncertainty"
    file = io.BytesIO()
    psf = fits.ImageHDU(source(1.0, 41), name="PSFIMAGE")
    fits.HDUList([image, variance, psf]).writeto(file)
    return file.getvalue()


def rubin_schema() -> dict[str, Any]:
    """Return the fields of a Rubin alert that are read."""
    number, whole = ["null", "double"], ["null", "long"]
    measured = {"midpointMjdTai": "double", "band": ["null", "string"], "psfFlux": number, "psfFluxErr": number}
    measured |= {"timeWithdrawnMjdTai": number}
    detected = measured | {"reliability": number} | {one: ["null", "boolean"] for one in RUBIN_FLAGS}
    own = {"diaSourceId": "long", "diaObjectId": whole, "ssObjectId": whole, "ra": "double", "dec": "double"}
    fields: dict[str, Any] = {"diaSourceId": "long", "diaSource": record("diaSource", own | detected)}
    fields["prvDiaSources"] = ["null", {"type": "array", "items": record("earlier", detected)}]
    fields["prvDiaForcedSources"] = ["null", {"type": "array", "items": record("forced", measured)}]
    fields["diaObject"] = ["null", record("diaObject", {"diaObjectId": whole, "ra": "double", "dec": "double"})]
    fields |= {name: ["null", "bytes"] for name in ("cutoutScience", "cutoutDifference")}
    return record("alert", fields)


def pictures(folder: str, of_each: dict[str, int]) -> Path:
    """Write PNG pictures in a folder for each class: `smooth`, or `spiral` with arms; return the folder."""
    from PIL import Image

    across = np.linspace(-1, 1, 48)
    radius, angle = np.hypot(across[:, None], across), np.arctan2(across[:, None], across)
    for kind, number in of_each.items():
        place = Path(folder) / kind
        place.mkdir(parents=True)
        for one in range(number):
            rng = np.random.default_rng((one, len(kind)))
            arms = 0.5 * np.cos(2 * angle - 9 * radius + rng.uniform(0, 6)) if kind == "spiral" else 0
            light = np.exp(-3 * radius) * (1 + arms) * rng.uniform(0.6, 1.0)
            colours = np.stack([light, 0.9 * light, 0.7 * light], 2) + rng.normal(0, 0.02, (48, 48, 3))
            Image.fromarray((255 * np.clip(colours, 0, 1)).astype(np.uint8)).save(place / f"{one:04d}.png")
    return Path(folder)
