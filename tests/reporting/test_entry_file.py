"""Baselines come back from their file as they were, whatever their classes are called."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ictconvention.core.errors import UsageError
from ictconvention.evaluation.predictions import ModelPredictions, Predictions
from ictconvention.reporting.entry_file import read_entries, save_entries
from ictconvention.tasks.classes import Classes
from tests.refusals import refused


@pytest.fixture
def forest() -> ModelPredictions:
    rows = {name: np.random.default_rng(n).dirichlet(np.ones(2), 6) for n, name in enumerate(("survey", "uniform"))}
    found = Predictions(np.array([f"sn{n}" for n in range(6)]), np.arange(6) % 2, rows)
    return ModelPredictions("forest", {(0, 1): found}, core_seconds={(0, 1): 12.5})


@pytest.mark.parametrize("names", [("AGN", "lensed AGN"), ("lensed AGN", "AGN"), ("AGN", "SN Ia")])
@pytest.mark.parametrize("version_before", [False, True])
def test_a_class_may_end_in_the_name_of_another(
    forest: ModelPredictions, names: tuple[str, str], version_before: bool, tmp_path: Path
) -> None:
    path, task = tmp_path / "baselines.parquet", Classes(names)
    save_entries(path, [forest], task)
    if version_before:  # whose files name no rows
        pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    (kept,) = read_entries(path, task)
    first, again = forest.predictions[0, 1], kept.predictions[0, 1]
    assert again.rows.keys() == first.rows.keys()
    assert all(np.array_equal(again.rows[row], first.rows[row]) for row in first.rows)
    assert again.label.tolist() == first.label.tolist()
    assert kept.core_seconds == ({} if version_before else forest.core_seconds)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *((b"rows", text) for text in (b"{", b"[1]", b"[]", b'["nothing"]', b"5")),
        *((b"core_seconds", text) for text in (b"{", b"[]", b'{"forest": [[0, 1]]}', b'{"forest": [[0, 1, -1.0]]}')),
    ],
)
def test_a_file_whose_metadata_says_something_else_is_refused(
    forest: ModelPredictions, key: bytes, value: bytes, tmp_path: Path
) -> None:
    path, task = tmp_path / "baselines.parquet", Classes(("AGN", "SN Ia"))
    save_entries(path, [forest], task)
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata(table.schema.metadata | {key: value}), path)
    with refused(UsageError, "E-TABLE-DAMAGED", where=path):
        read_entries(path, task)
