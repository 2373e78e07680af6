"""Scenes of any size by one run, or by the runs of a model together: shares of each, and their masks, tile by tile."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from astropy.table import Table
from numpy.typing import NDArray
from torch import Tensor

from ictconvention import __version__
from ictconvention.applying.masks.files import MaskFolder
from ictconvention.applying.masks.scenes import Scene
from ictconvention.applying.masks.tiles import Infer, Tiling, infer_strips
from ictconvention.core.errors import pluralize
from ictconvention.feeding.batch import UNLABELLED, SeriesBatch, SeriesView, collate
from ictconvention.feeding.dataset import apply_view, whole_view
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import full_name
from ictconvention.survey.masks.mask_file import IGNORED
from ictconvention.survey.series import ImageSeries
from ictconvention.training.infer import infer

TILES_AT_ONCE = 64  # between two of which the weights may go to a GPU and back
MARGIN = 8  # of a tile's side, the part at each edge that is not used
NOW = 0.0  # [MJD]; the time of all bands of a scene
Progress = Callable[[int, int], object]


@dataclass(frozen=True, eq=False)
class ScenePrediction:
    """What runs make of a scene.

    Parameters
    ----------
    shares : array (runs, classes)
        By each run, rows that sum to 1; those of its training where the scene has no pixel.
    mask : array (H, W)
        The likeliest class of each pixel, rows up; `IGNORED` where no band has one.
    """

    shares: NDArray[np.float64]
    mask: NDArray[np.uint8]


def predict_scenes(
    runs: Sequence[TrainedRun],
    scenes: Sequence[Scene],
    folder: MaskFolder | None = None,
    batch_size: int = 64,
    progress: Progress = lambda done, total: None,
) -> Table:
    """Return a row for each scene: id, the share of each class and, of several runs, its spread; write the masks.

    Parameters
    ----------
    runs : sequence of TrainedRun
        Of one model, that gives masks.
    scenes : sequence of Scene
        With the bands of the network.
    folder : MaskFolder, optional
        Where the masks go.
    batch_size : int
        Tiles in a batch.
    progress : function
        Called with how many pixels of how many are done.
    """
    total, before = sum(rows * columns for rows, columns in (scene.shape for scene in scenes)), 0
    found, pixels = [], []
    with folder or nullcontext():
        for scene in scenes:
            width = scene.shape[1]

            def moved(rows: int, before: int = before, width: int = width) -> None:
                progress(before + rows * width, total)

            made = predict_scene(runs, scene, batch_size, moved)
            if folder is not None:
                folder.write(scene.id, made.mask)
            found.append(made.shares)
            pixels.append(int((made.mask != IGNORED).sum()))
            before += scene.shape[0] * width
    return _table(runs, [scene.id for scene in scenes], np.stack(found, axis=1), pixels)


def predict_scene(
    runs: Sequence[TrainedRun],
    scene: Scene,
    batch_size: int = 64,
    progress: Callable[[int], object] = lambda rows: None,
) -> ScenePrediction:
    """Let runs predict a scene; parameters as of `predict_scenes`."""
    classes = len(runs[0].task.names)
    shares, count = np.zeros((len(runs), classes)), 0
    mask = np.full(scene.shape, IGNORED, dtype=np.uint8)
    with scene.open() as read:
        strips = [
            infer_strips(scene.shape, read, _tiles_through(run, batch_size), tiling_of(run), TILES_AT_ONCE)
            for run in runs
        ]
        for together in zip(*strips, strict=True):
            top, rows = together[0][0], together[0][1].shape[1]
            seen = np.isfinite(read(top, 0, rows, scene.shape[1])).any(0)
            likely = np.zeros((classes, *seen.shape), dtype=np.float32)
            for number, (run, (_, logits)) in enumerate(zip(runs, together, strict=True)):
                values = torch.from_numpy(logits)
                likely += (values if len(runs) == 1 else values.softmax(0)).numpy()
                if seen.any():
                    shares[number] += seen.sum() * _shares_of(run, values[:, torch.from_numpy(seen)])
            mask[top : top + rows][seen] = likely.argmax(0)[seen]
            count += int(seen.sum())
            progress(top + rows)
    if not count:
        shares[:] = [run.calibration.survey_prior for run in runs]
    return ScenePrediction(shares / shares.sum(1, keepdims=True), mask)


def tiling_of(run: TrainedRun) -> Tiling:
    """Return tiles of the size that a run's network was trained on."""
    size, network = run.spec.stamp_size, next(iter(run.learner.trunks.values()))
    pictures, present = torch.zeros(1, len(run.spec.bands), size, size), torch.ones(1, len(run.spec.bands))
    encode: Any = getattr(network, "encode", None)
    stride = 1
    if encode is not None:
        with torch.inference_mode():
            stride = size // int(encode(pictures, present.bool())[-1].shape[-1])
    return Tiling(size, size // MARGIN, stride if stride <= size // 2 else 1)


def _tiles_through(run: TrainedRun, batch_size: int) -> Infer:
    """Return what takes tiles (B, bands, S, S) of pixels, as a survey has them, through a run's network: its logits."""

    def reduce(logits: Tensor, batch: SeriesBatch) -> dict[str, Tensor]:
        return {"logits": logits}

    def through(tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        there = np.flatnonzero(np.isfinite(tiles).any((1, 2, 3)))
        logits = np.zeros((len(tiles), len(run.task.names), *tiles.shape[2:]), dtype=np.float32)
        if len(there):
            views = [_view(run, tiles[number]) for number in there]
            batches = ((collate(views[i : i + batch_size]),) for i in range(0, len(views), batch_size))
            logits[there] = infer(run.learner, batches, run.precision, reduce=reduce).reduced["logits"]
        return logits

    return through


def _view(run: TrainedRun, tile: NDArray[np.float32]) -> SeriesView:
    """Return a tile as the view of an object of a survey, with a frame of each band that has a pixel."""
    bands = np.flatnonzero(np.isfinite(tile).any((1, 2)))
    unknown = np.full(len(bands), np.nan, dtype=np.float32)
    known = tile[bands], bands.astype(np.uint8), np.full(len(bands), NOW)
    series = ImageSeries("", *known, unknown, unknown, unknown, unknown, unknown, {})
    return apply_view(series, whole_view(series, run.options.sequence), UNLABELLED, 0)


def _shares_of(run: TrainedRun, logits: Tensor) -> NDArray[np.float64]:
    """Return the shares (classes,) that a run's task makes of the logits (classes, n) of some pixels."""
    reduce = run.task.reduce_with(run.calibration, 1)
    assert reduce is not None  # for the types: a task of masks reduces
    nothing = collate([_view(run, np.zeros((len(run.spec.bands), 1, 1), dtype=np.float32))])  # has no mask
    kept = reduce(logits[None, :, :, None], nothing)
    row: NDArray[np.float64] = run.row({name: values.numpy() for name, values in kept.items()})[0]
    return row


def _table(runs: Sequence[TrainedRun], ids: Sequence[str], shares: NDArray[np.float64], pixels: Sequence[int]) -> Table:
    """Return the table of shares (runs, n, classes)."""
    form = runs[0].task.format
    columns: dict[str, Any] = {"id": np.array(ids, dtype=str), **form.estimates(shares.mean(0)), "pixels": pixels}
    if len(runs) > 1:
        columns |= {f"{name} spread": spread for name, spread in form.estimates(shares.std(0, ddof=1)).items()}
    table = Table(columns)
    table.meta = {
        "RUNS": ", ".join(run.hash[:8] for run in runs),
        "TRAINED": full_name(runs[0].survey["name"], runs[0].survey["simulated"]),
        "VERSION": __version__,
    }
    return table


def in_words(table: Table, names: Sequence[str]) -> list[str]:
    """Return what was predicted of scenes: how many, and the mean share of each class by pixels."""
    weight = np.asarray(table["pixels"], dtype=np.float64)
    lines = [pluralize(len(table), "scene") + f", {weight.sum():.4g} pixels"]
    if weight.sum():
        means = ", ".join(f"{name} {np.average(table[f'share_{name}'], weights=weight):.3f}" for name in names)
        lines[0] += f"; shares of all together: {means}"
    if empty := int((weight == 0).sum()):
        lines.append(f"{pluralize(empty, 'scene')} without a pixel: the shares are those of training")
    return lines
