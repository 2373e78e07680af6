"""The same simulated survey with other labels: photometric errors as often as asked, and second labels of some objects.

Frames are linked, not copied. Such a survey is one of its own, with its own hash.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from shutil import copy2

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ictconvention.core.atomic import WholeFolder, folder_lock
from ictconvention.core.errors import UsageError
from ictconvention.survey.format import FRAME_COLUMNS, HEADER_FILE, OBJECTS_FILE, read_header, sha256, write_header
from ictconvention.survey.labels.photometric import PHOTOMETRIC, SECOND
from ictconvention.survey.survey import Survey
from ictconvention.survey.writer import join_shards, shard_name

Texts = NDArray[np.object_]


def relabel_survey(survey: Survey, folder: Path, errors: float, seed: int = 0) -> Survey:
    """Make, once, the survey with photometric labels that err `errors` times as often, and second labels; open it.

    Raises
    ------
    UsageError
        The survey does not know the true classes of its objects: it is not simulated.
    """
    path = folder / f"{survey.path.name}-labels-{errors:g}"
    with folder_lock(folder, wait=True):
        if not path.exists():
            _write(survey, path, errors, seed)
    return Survey.open(path)


def _write(survey: Survey, path: Path, errors: float, seed: int) -> None:
    tables = [shard.objects for shard in survey.shards]
    whole = pa.concat_tables(tables, promote_options="permissive")
    if "true_class" not in whole.column_names:
        found = "it does not know the true class of its objects"
        raise UsageError(found, survey.path, "take a simulated survey", "E-SURVEY-UNSUITED")
    truth, given, source = (
        np.array(whole.column(c).to_pylist(), object) for c in ("true_class", "class", "label_source")
    )
    extra = np.zeros(len(truth), bool)
    if "extra_test" in whole.column_names:
        extra = np.array([bool(x) for x in whole.column("extra_test").to_pylist()])
    photometric = (source == PHOTOMETRIC) & ~extra
    counts = count_labels(truth[photometric], given[photometric], survey.header.classes)
    rng = np.random.default_rng([seed, 24])
    changed = given.copy()
    changed[photometric] = err(truth[photometric], given[photometric], counts, survey.header.classes, errors, rng)
    counts = count_labels(truth[photometric], changed[photometric], survey.header.classes)
    sure = np.array([name is not None for name in given]) & ~photometric & ~extra
    second = np.full(len(truth), None, object)
    second[sure] = second_labels(given[sure], counts, survey.header.classes, rng)
    folder = WholeFolder(path)
    folder.take()
    try:
        first = 0
        for number, (shard, table) in enumerate(zip(survey.shards, tables, strict=True)):
            rows = slice(first, first := first + table.num_rows)
            table = table.set_column(
                table.schema.get_field_index("class"), "class", pa.array(changed[rows], pa.string())
            )
            table = table.append_column(SECOND, pa.array(second[rows], pa.string()))
            _write_shard(shard.folder, folder.partial / shard_name(number), table)
        join_shards(folder.partial)
        folder.complete()
    finally:
        folder.discard()


def _write_shard(old: Path, new: Path, table: pa.Table) -> None:
    """Write a shard whose frames are those of another, linked where the disk can."""
    new.mkdir(parents=True)
    for name in ("frames.npy", *(f"{name}.npy" for name in FRAME_COLUMNS)):
        try:
            os.link(old / name, new / name)
        except OSError:  # another disk
            copy2(old / name, new / name)
    pq.write_table(table, new / OBJECTS_FILE)
    header, entries = read_header(old)
    kept = {name: entries[name] for name in ("objects", "frames")}
    checksums = {**entries["checksums"], OBJECTS_FILE: sha256(new / OBJECTS_FILE)}
    write_header(new / HEADER_FILE, header, {**kept, "checksums": checksums}, masks=False)


def count_labels(truth: Texts, given: Texts, classes: Sequence[str]) -> NDArray[np.int64]:
    """Return how many objects of each true class (rows) have each label (columns)."""
    counts = np.zeros((len(classes), len(classes)), np.int64)
    place = {name: number for number, name in enumerate(classes)}
    np.add.at(counts, ([place[x] for x in truth], [place[x] for x in given]), 1)
    return counts


def err(
    truth: Texts,
    given: Texts,
    counts: NDArray[np.int64],
    classes: Sequence[str],
    errors: float,
    rng: np.random.Generator,
) -> Texts:
    """Return labels that err `errors` times as often as the given ones.

    Below 1 wrong labels are mended at random; above 1 right ones are exchanged for those that the wrong ones of the
    same true class have. A true class that has no right label keeps its errors.
    """
    labels, wrong, drawn = given.copy(), truth != given, rng.random(len(given))
    mended = wrong & (drawn >= errors)
    labels[mended] = truth[mended]
    for number, name in enumerate(classes):
        right, others = (truth == name) & ~wrong, counts[number] * (np.arange(len(classes)) != number)
        if errors > 1 and right.any() and others.any():
            share = min((errors - 1) * others.sum() / right.sum(), 1.0)
            worse = np.flatnonzero(right & (drawn < share))
            labels[worse] = rng.choice(np.array(classes, object), len(worse), p=others / others.sum())
    return labels


def second_labels(given: Texts, counts: NDArray[np.int64], classes: Sequence[str], rng: np.random.Generator) -> Texts:
    """Return photometric labels of some objects of known class, as if these were a fair sample of the photometric ones.

    Of true class y and label l there are as many, in the mean, as a common share of the photometric objects: the
    largest share for which no class has too few objects.
    """
    number = np.array([(given == name).sum() for name in classes])
    wanted = counts.sum(1)
    share = min(1.0, (number[wanted > 0] / wanted[wanted > 0]).min(initial=1.0))
    labels = np.full(len(given), None, object)
    for y, name in enumerate(classes):
        if not wanted[y]:
            continue
        own = rng.permutation(np.flatnonzero(given == name))[: round(share * wanted[y])]
        labels[own] = rng.choice(np.array(classes, object), len(own), p=counts[y] / wanted[y])
    return labels
