"""The shards of a survey, of frames that were gathered: each is written by one process, out of the scratch."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ictconvention.core.parallel import run_parallel
from ictconvention.ingestion.gathering.gather import GatheredFrames, descriptions
from ictconvention.ingestion.gathering.kept import KeptFrames
from ictconvention.ingestion.gathering.rows import unpack_rows
from ictconvention.ingestion.gathering.table_file import FilePart
from ictconvention.reading.mapped_array import map_array
from ictconvention.survey.format import FRAME_COLUMNS, SurveyHeader
from ictconvention.survey.writer import SurveyWriter, shard_name

MOST_MAPPED = 500  # files of pixels at once
PIXELS, MASK = np.dtype("<f4"), np.dtype("u1")


def write_shards(
    folder: Path,
    header: SurveyHeader,
    frames: KeptFrames,
    objects: Mapping[str, Mapping[str, Any]] | Sequence[FilePart],
    scratch: Path,
    jobs: int,
    masks: Mapping[str, tuple[Path, int]] | None = None,
) -> int:
    """Write the shards of a survey, side by side; return their number.

    Parameters
    ----------
    folder : Path
        Folder of the survey.
    header : SurveyHeader
        Header of the survey.
    frames : KeptFrames
        Frames of all objects.
    objects : mapping or sequence of FilePart
        What is known of objects by id, see `descriptions`; or where the rows of the objects of each shard lie, among
        others, see `rows`.
    scratch : Path
        Folder of the pixels.
    jobs : int
        Processes.
    masks : mapping, optional
        The file and row of each object's mask, by id; None where there are none.
    """
    listed = objects if isinstance(objects, Mapping) else {}
    ids = frames.ids() if listed or masks else None
    tasks = []
    for number, part in enumerate(frames.shards()):
        here = next(ids) if ids is not None else []
        own = {id_: listed[id_] for id_ in here if id_ in listed} if isinstance(objects, Mapping) else objects[number]
        of_masks = None if masks is None else {id_: masks[id_] for id_ in here}
        tasks.append((folder / shard_name(number), header, part, own, frames.known, scratch, of_masks))
    for _ in run_parallel(_write_shard, tasks, jobs, folder):
        pass
    return len(tasks)


def _write_shard(
    path: Path,
    header: SurveyHeader,
    part: FilePart,
    objects: Mapping[str, Mapping[str, Any]] | FilePart,
    known: Collection[str],
    scratch: Path,
    masks: Mapping[str, tuple[Path, int]] | None,
) -> None:
    frames = GatheredFrames(part.read())
    own_of = unpack_rows(objects.read()) if isinstance(objects, FilePart) else objects
    number = {name: i for i, name in enumerate(header.bands)}
    band = np.array([number[name] for name in frames.lines.column("band").to_pylist()], dtype=np.uint8)
    unit, row = (frames.lines.column(name).to_numpy() for name in ("unit", "row"))
    columns = {name: frames.lines.column(name).to_numpy() for name in FRAME_COLUMNS if name != "band"}
    mapped: dict[Path, NDArray[Any]] = {}

    def read(file: Path, row: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        if file not in mapped:
            if len(mapped) > MOST_MAPPED:
                mapped.clear()
            mapped[file] = map_array(file, dtype, (header.stamp_size, header.stamp_size))
        return np.asarray(mapped[file][row])

    shutil.rmtree(path, ignore_errors=True)  # of a worker that was lost before it could say that it had written it
    with SurveyWriter(path, header, masks=masks is not None) as writer:
        for i, (id_, own) in enumerate(zip(frames.ids, descriptions(frames, own_of, known), strict=True)):
            here = slice(frames.start[i], frames.start[i + 1])
            places = zip(unit[here].tolist(), row[here].tolist(), strict=True)
            pixels = [read(scratch / f"{u}.npy", r, PIXELS) for u, r in places]
            if masks is not None:
                own["mask"] = read(*masks[id_], MASK)
            writer.add(
                id_,
                np.stack(pixels),
                band=band[here],
                **{name: values[here] for name, values in columns.items()},
                **own,
            )
