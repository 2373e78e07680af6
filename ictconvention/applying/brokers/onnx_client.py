"""Predict by an exported model from raw frames, with numpy and onnxruntime alone; nothing of ictconvention is imported.

python onnx_client.py model.onnx series.npz ...   # each with frames (n, H, W), band (n,) names and mjd (n,)
"""

import json
import sys
from typing import Any

import numpy as np
import onnxruntime

NIGHT = 0.25  # [days]; a longer pause begins a new night
TAKEN = {"frames", "band", "median", "observed", "nights"}  # inputs that follow from frames, bands and times alone


def open_model(path: str) -> tuple[dict[str, Any], Any]:
    """Return what a file says of its model, and the session that runs it."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    known = json.loads(session.get_modelmeta().custom_metadata_map["ictconvention"])
    if others := sorted(set(known["inputs"]) - TAKEN):
        raise ValueError(f"this model takes {', '.join(others)} too: {known['inputs'][others[0]].get('meaning')}")
    return known, session


def select(known: dict[str, Any], mjd: Any) -> Any:
    """Return which frames of a series the model sees: evenly spaced ones, or whole nights, at most `max_frames`."""
    n, most = len(mjd), known["max_frames"]
    night = np.concatenate([[0], np.cumsum(np.diff(mjd) > NIGHT)])
    if known["select"] == "nights":
        sizes = np.bincount(night)
        for number in range(int((np.cumsum(np.sort(sizes)) <= most).sum()), 0, -1):
            nights = np.linspace(0, len(sizes) - 1, min(number, len(sizes))).round().astype(int)
            if min(known["frames_per_group"], n) <= sizes[nights].sum() <= most:
                return np.flatnonzero(np.isin(night, nights))
    return np.linspace(0, n - 1, min(n, most)).round().astype(int)


def arrays_of(known: dict[str, Any], frames: Any, band: Any, mjd: Any) -> dict[str, Any]:
    """Return the model's inputs of a series: raw flux (n, H, W) [flux_unit], names of bands (n,), times (n,) [days]."""
    order = np.argsort(mjd, kind="stable")
    place = np.array([known["bands"].index(str(name)) for name in band])[order]  # a band that it does not know fails
    frames, mjd = np.asarray(frames, np.float32)[order], np.asarray(mjd, np.float64)[order]
    given = {name: np.zeros((1, *one["shape"][1:]), one["dtype"]) for name, one in known["inputs"].items()}
    if "median" in given:  # of all frames, not only of those that it sees
        for number in np.unique(place):
            of_band = frames[place == number]
            seen = np.where(np.isfinite(of_band).any(0), of_band, 0)
            given["median"][0, number] = np.nanmedian(seen, axis=0)
    chosen = select(known, mjd)
    frames, place, mjd = frames[chosen], place[chosen], mjd[chosen]
    if "band" in given:
        given["frames"][0, : len(place)], given["band"][0, : len(place)] = frames, place + 1
        return given
    night = np.concatenate([[0], np.cumsum(np.diff(mjd) > NIGHT)])  # a slot for each night and band
    for slot in set(zip(night.tolist(), place.tolist(), strict=True)):
        here = (night == slot[0]) & (place == slot[1])
        given["frames"][0][slot], given["observed"][0][slot] = frames[here].mean(0), True
    given["nights"][0] = night[-1] + 1
    return given


def predict(known: dict[str, Any], session: Any, series: Any) -> Any:
    """Return the probability of each class (objects, classes) at the shares `prior`, of series as of `arrays_of`."""
    each = [arrays_of(known, *one) for one in series]
    given = {name: np.concatenate([one[name] for one in each]) for name in known["inputs"]}
    return session.run(["probability"], given)[0]


if __name__ == "__main__":
    known, session = open_model(sys.argv[1])
    loaded = [np.load(path) for path in sys.argv[2:]]
    found = predict(known, session, [(one["frames"], one["band"], one["mjd"]) for one in loaded])
    for path, row in zip(sys.argv[2:], found.tolist(), strict=True):
        print(path, dict(zip(known["classes"], np.round(row, 4).tolist(), strict=True)))
