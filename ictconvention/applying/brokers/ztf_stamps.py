"""ZTF's cutouts as stamps for a model, with numpy and astropy alone; nothing of ictconvention is imported.

As `ictconvention ingest ztf` makes them: north up, sky subtracted, in nanomaggies, cropped or binned about the object.
"""

import gzip
import io
from typing import Any

import numpy as np
from astropy.io import fits

SIDE, CHIP = 63, (3080, 3072)  # pixels of a cutout; of a readout quadrant in y and x
BANDS = {1: "g", 2: "r", 3: "i"}  # by fid
FAR = 0.35  # pixels farther from the middle than this share of the side measure the sky
POSITIVE, NEGATIVE = ("t", "1", "true"), ("f", "0", "false")  # isdiffpos
REPEATED_WITHIN = 1e-6  # [days]; frames of one band that are closer are one exposure
MOST_EQUAL = 12  # pairs of equal neighbours, from which on a cutout may have a part without sky


def read_stamp(content: bytes, zero_point: float, place: tuple[float, float], sign: str, how: dict[str, Any]) -> Any:
    """Return a stamp (size, size) [nanomaggies].

    Parameters
    ----------
    content : bytes
        `stampData` of a cutout: FITS, gzip-compressed.
    zero_point : float
        `magzpsci` [AB mag].
    place : pair of float
        `xpos` and `ypos`.
    sign : str
        `isdiffpos`; a negative difference is the reverse, reference minus science.
    how : mapping
        `size`, `fit` (crop or bin), `sky`, `cutout` and `zero_point`, as reading.json has them.

    Raises
    ------
    ValueError
        It is damaged, a difference without a sign, without a zero point,
        or has blocks of equal pixels, which `ingest` would look at more closely.
    """
    with fits.open(io.BytesIO(gzip.decompress(bytes(content)))) as hdus:
        pixels = next(np.array(one.data, np.float64) for one in hdus if one.data is not None)
    if pixels.ndim != 2 or max(pixels.shape) > SIDE:
        raise ValueError(f"a cutout of shape {pixels.shape}")
    x, y = (float(one) if one is not None and np.isfinite(one) else np.nan for one in place)
    width = []
    for side, at, chip in zip(pixels.shape, (y, x), CHIP, strict=True):
        lost = SIDE - side
        if lost and np.isnan(at):
            raise ValueError("no place tells which edge cut it off")
        below, above = (SIDE // 2 + 1 - round(at), round(at) + SIDE // 2 - chip) if lost else (0, 0)
        if lost and abs(max(below, above) - lost) > 1:
            raise ValueError("its place is not that near to an edge")
        width.append((lost, 0) if below > above else (0, lost))
    pixels = np.pad(pixels, width, constant_values=np.nan)[::-1]  # north up
    if sum(int((np.diff(pixels, axis=axis) == 0).sum()) for axis in (0, 1)) >= MOST_EQUAL:
        raise ValueError("blocks of equal pixels: a part of it shows no sky")
    if how["sky"]:
        across = np.arange(SIDE) - (SIDE - 1) / 2
        far = pixels[np.hypot(across[:, None], across) > FAR * SIDE]
        pixels = pixels - (np.median(far[np.isfinite(far)]) if np.isfinite(far).any() else 0.0)
    if zero_point is None or not np.isfinite(zero_point) or zero_point <= -999:
        zero_point = how["zero_point"]
    if zero_point is None or not 15 < zero_point < 35:
        raise ValueError("no zero point")
    off = (0.0 if np.isnan(x) else x - round(x), 0.0 if np.isnan(y) else round(y) - y)
    stamp = _fit(pixels, how["size"], how["fit"], off).astype(np.float32) * np.float32(
        10 ** ((22.5 - zero_point) / 2.5)
    )
    if how["cutout"] != "difference":
        return stamp
    word = str(sign).lower()
    if word not in POSITIVE + NEGATIVE:
        raise ValueError(f"isdiffpos is {word}")
    return stamp if word in POSITIVE else -stamp


def _fit(pixels: Any, size: int, fit: str, off: tuple[float, float]) -> Any:
    """Crop about the object, or sum blocks of 2 by 2 pixels before."""
    middle_x, middle_y = (SIDE - 1) / 2 + off[0], (SIDE - 1) / 2 + off[1]
    if fit == "bin":
        half = (SIDE + 1) // 2
        blocks = np.pad(pixels, ((0, 1), (0, 1)), constant_values=np.nan).reshape(half, 2, half, 2).swapaxes(1, 2)
        known = np.isfinite(blocks)
        count = known.sum((2, 3))
        pixels = np.where(count >= 2, np.where(known, blocks, 0).sum((2, 3)) * 4 / np.maximum(count, 1), np.nan)
        middle_x, middle_y = (middle_x - 0.5) / 2, (middle_y - 0.5) / 2
    start = [
        int(np.clip(np.floor(middle - (size - 1) / 2 + 0.5), 0, side - size))
        for middle, side in zip((middle_y, middle_x), pixels.shape, strict=True)
    ]
    return pixels[start[0] : start[0] + size, start[1] : start[1] + size]


def read_series(columns: list[list[Any]], bands: list[str], how: dict[str, Any]) -> tuple[Any, list[str], Any] | None:
    """Return the frames (n, size, size), bands and times [JD] of an object, each exposure once.

    Parameters
    ----------
    columns : list of lists
        stampData, jd, fid, magzpsci, xpos, ypos and isdiffpos of the object's alerts, in any order.
    bands : list of str
        Those of the model; alerts in others are left out, and those whose cutout cannot be read.
    how : mapping
        See `read_stamp`.

    Returns
    -------
    tuple or None
        None where no frame is left, and where the columns have different lengths: no one knows what belongs together.
    """
    if len({len(column) for column in columns}) > 1:
        return None
    found: list[tuple[float, str, Any]] = []
    for content, jd, fid, zero_point, x, y, sign in zip(*columns, strict=True):
        try:
            band, time = BANDS.get(fid, ""), float(jd)
            stamp = read_stamp(content, zero_point, (x, y), sign, how) if band in bands else None
        except Exception:  # noqa: BLE001 - rubbish may break the readers anywhere
            continue
        if stamp is not None and np.isfinite(time) and np.isfinite(stamp).any():
            found.append((time, band, stamp))
    found.sort(key=lambda one: (one[0], one[1]))
    kept: list[tuple[float, str, Any]] = []
    for one in found:
        if not any(one[1] == other[1] and one[0] - other[0] < REPEATED_WITHIN for other in kept[-len(BANDS) :]):
            kept.append(one)
    if not kept:
        return None
    return np.stack([one[2] for one in kept]), [one[1] for one in kept], np.array([one[0] for one in kept])
