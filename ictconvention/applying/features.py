"""What the encoder of a trained run makes of each object, written once so that nothing has to be computed again."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.applying.fitting_survey import check_survey_fits, places_of_bands
from ictconvention.applying.predict import AT_ONCE
from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import UsageError
from ictconvention.feeding.survey_dataset import SurveyDataset
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.survey import Survey
from ictconvention.training.infer import Inferred, infer
from ictconvention.training.memory import keep_freed_memory

Precision = Literal["float16", "float32"]
RECORD = b"ictconvention features"  # key of the file's metadata


def check_features_file(path: Path) -> None:
    """Refuse a file name that does not end in .parquet, with a `UsageError`."""
    if path.suffix.lower() != ".parquet":
        found = f"{path.suffix or 'no ending'!r} is not the format of features"
        raise UsageError(found, path, "end the name in .parquet", "E-FILES-ENDING")


def save_features(
    run: TrainedRun,
    survey: Survey,
    path: Path,
    dtype: Precision = "float16",
    batch_size: int = 64,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> int:
    """Write what the last layer of a run sees of every object of a survey, and return how many numbers that is.

    Some thousands of objects are in memory at a time. The file has the columns id and features, a list of fixed length,
    in the survey's order; its metadata names the hashes of the run and of the survey. It is written whole or not at
    all.

    Parameters
    ----------
    run : TrainedRun
        The run.
    survey : Survey
        A survey that fits it.
    path : Path
        The Parquet file.
    dtype : "float16" or "float32"
        Type of the numbers.
    batch_size : int
        Objects in a batch.
    progress : function
        Called with the number of objects that are done, and of all.

    Raises
    ------
    UsageError
        The survey does not fit the run, a number is too large for the type, or the file may not lie there.
    FileSystemError
        The file cannot be written.
    """
    check_features_file(path)
    if batch_size < 1:
        raise UsageError(f"--batch-size is {batch_size}", "options of features", "give at least one", "E-COMMAND-VALUE")
    keep_freed_memory()
    check_survey_fits(run, survey)
    stream = stream_for(run, survey)
    record = {"run": run.hash, "survey": survey.hash, "name": survey.header.name, "simulated": survey.header.simulated}
    writer, number = None, 0
    with whole_file(path, "writing the features") as partial:
        try:
            for first in range(0, len(survey), AT_ONCE):
                chunk = range(first, min(first + AT_ONCE, len(survey)))
                features = infer_features(run, stream, np.arange(chunk.start, chunk.stop), batch_size).features
                table = _as_table(survey, chunk, features, np.dtype(dtype), path)
                if writer is None:
                    number = features.shape[1]
                    schema = table.schema.with_metadata({RECORD: json.dumps(record).encode()})
                    writer = pq.ParquetWriter(partial, schema, write_page_checksum=True)
                writer.write_table(table.cast(writer.schema))
                progress(chunk.stop, len(survey))
        finally:
            if writer is not None:
                writer.close()
    return number


def features_of(
    run: TrainedRun,
    survey: Survey,
    position: Sequence[int] | NDArray[np.int64],
    batch_size: int = 64,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> NDArray[np.float32]:
    """Return what the last layer of a run sees of the objects at some positions of a survey, (n, features)."""
    keep_freed_memory()
    return infer_features(run, stream_for(run, survey), np.asarray(position, np.int64), batch_size, progress).features


def stream_for(run: TrainedRun, survey: Survey) -> SurveyDataset:
    """Return the objects of a survey as a run reads them."""
    read = (run.options.sequence, run.spec.contents, places_of_bands(run, survey))
    return SurveyDataset(survey, *read, reddening=run.spec.reddening)


def infer_features(
    run: TrainedRun,
    stream: SurveyDataset,
    positions: NDArray[np.int64],
    batch_size: int,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> Inferred:
    """Return what the last layer of a run sees of objects that have a frame, in their order; logits are not kept.

    Raises
    ------
    UsageError
        A feature is NaN or infinite.
    """
    done = 0

    def moved(objects: int) -> None:
        nonlocal done
        done += objects
        progress(done, len(positions))

    batches = (stream[positions[i : i + batch_size].tolist()] for i in range(0, len(positions), batch_size))
    return infer(run.learner, batches, run.precision, progress=moved, reduce=lambda logits, batch: {})


def _as_table(survey: Survey, chunk: range, features: np.ndarray, dtype: np.dtype[np.floating], path: Path) -> pa.Table:
    with np.errstate(over="ignore"):
        stored = features.astype(dtype)
    if not np.isfinite(stored).all():
        found = f"a number of {survey.ids[chunk[int(np.flatnonzero(~np.isfinite(stored).all(1))[0])]]} is too large"
        raise UsageError(f"{found} for {dtype}", path, "give --dtype float32", "E-VALUE-RANGE")
    lists = pa.FixedSizeListArray.from_arrays(pa.array(stored.ravel()), stored.shape[1])
    return pa.table({"id": pa.array(survey.ids[chunk.start : chunk.stop]), "features": lists})
